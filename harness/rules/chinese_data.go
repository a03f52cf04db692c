package rules

var chineseData = map[string]wording{
	"send.returns-count": {
		"send() 成功时返回发送的字节数。",
		"这个数字是内核接收下来的字节数，而不是对端已读取的字节数。它可能小于请求的长度：请比较，并把剩余部分发完。"},
	"send.failure-is-minus-one": {
		"send() 失败时返回 -1 并设置 errno：已关闭的描述符为 EBADF，普通文件为 ENOTSOCK，SHUT_WR 之后为 EPIPE。",
		"EPIPE 表示这个方向已被自己或对端关闭；如果没有 MSG_NOSIGNAL，同时会收到 SIGPIPE 信号，程序随之结束。EBADF 通常表示描述符关得太早。"},
	"send.blocks-when-full": {
		"flags 为 0 且缓冲区已满时，send() 阻塞直到对端读取。",
		"发送缓冲区和对端的接收缓冲区合起来只能容纳这么多，之后发送方等待。如果两个程序都先大量发送而不读取，双方会永远等下去。"},
	"send.dontwait-when-full": {
		"使用 MSG_DONTWAIT 且缓冲区已满时，send() 返回 -1 和 EAGAIN。",
		"EAGAIN 表示“现在不行”，连接并没有坏：用 poll() 等待 POLLOUT 再发送。这次调用的数据一个字节也没有被取走。"},
	"send.zero-length-emits-nothing": {
		"长度为 0 的 send() 不在线路上产生报文段，对端的 recv() 也不返回。",
		"字节流里没有空报文的位置，所以 recv() = 0 只能表示流的结束。如果想告诉对端“没有内容”，你的协议需要为此安排一个字节。"},
	"send.client-uses-its-socket": {
		"客户端在 socket() 返回的描述符上发送。",
		"客户端没有别的描述符用于该连接：connect() 返回的是 0，而不是描述符。在那个 0 上发送就是写到标准输入。"},
	"send.server-uses-accepted": {
		"服务器在 accept() 返回的描述符上发送，在监听套接字上发送会失败。",
		"监听套接字没有对端，所以在它上面 send() 会以 EPIPE 或 ENOTCONN 失败。通常是两个变量弄混了：请用 accept() 的结果，而不是传给它的描述符。"},
	"send.partial-when-nonblocking": {
		"用 MSG_DONTWAIT 发送超过容量的数据时返回较小的字节数，恰好这么多字节到达对端。",
		"较小的返回值表示部分成功：从已取走的字节之后继续发送。如果全部重发，对端会把开头读到两遍。"},
	"send.epipe-after-peer-close": {
		"对端关闭后，第一次 send() 成功并引来 RST，下一次以 EPIPE 失败。",
		"FIN 只表示对端不再发送，因此第一次 send() 没有理由失败；作为回答的 RST 才说出实情。所以 send() 成功并不证明有人读到了。"},
	"recv.returns-count": {
		"recv() 成功时返回收到的字节数，不超过缓冲区长度。",
		"请使用这个数字：其后的字节是缓冲区里原有的内容，recv() 不会添加 NUL。放不下的数据留在套接字里，等下一次调用。"},
	"recv.failure-is-minus-one": {
		"recv() 失败时返回 -1 并设置 errno：已关闭的描述符为 EBADF，普通文件为 ENOTSOCK，未连接的套接字为 ENOTCONN。",
		"ENOTCONN 通常表示在监听套接字上或在 connect() 之前调用了 recv()。把 -1 当长度用会变成一个巨大的数：请先检查。"},
	"recv.blocks-until-data": {
		"flags 为 0 且没有数据可读时，recv() 阻塞直到数据到来。",
		"等待正是 recv() 的用途；停在其中的程序不占用处理器。如果两端都在 recv() 里等待，就是彼此都以为对方先说话。"},
	"recv.dontwait-when-empty": {
		"使用 MSG_DONTWAIT 且没有数据可读时，recv() 返回 -1 和 EAGAIN。",
		"EAGAIN 表示“暂时没有”，0 表示“再也没有”：两者不同。立刻再次调用 recv() 的循环会让处理器空转；请用 poll() 等待。"},
	"recv.zero-on-peer-close": {
		"对端读完发给它的数据并关闭描述符后，这里读完它的全部数据，recv() 返回 0，再次调用仍返回 0。",
		"0 是流的结束，由对端的 FIN 带来；此时请关闭自己这一端。如果 0 不来，就是对端还有一个描述符副本开着，也许在 fork 出的子进程里。"},
	"recv.zero-on-peer-exit": {
		"对端进程结束（即使被 SIGKILL 杀死）且那边没有未读数据时，recv() 返回 0。",
		"内核会关闭结束进程的描述符，所以即使程序没有 close()，对端的 FIN 也会到来。如果得到的是错误 ECONNRESET，说明对端还有数据没有读。"},
	"recv.data-before-end": {
		"关闭之前发送的字节全部交付之后，recv() 才返回 0。",
		"FIN 在流中排在最后一个字节之后，不会超车。缺少的字节通常从未发送，或因关闭方有未读数据而随 RST 丢失。"},
	"recv.server-uses-accepted": {
		"服务器在 accept() 返回的描述符上接收，在监听套接字上接收会失败。",
		"监听套接字只分发连接，不承载数据：在它上面 recv() 以 ENOTCONN 失败。请使用 accept() 的结果。"},
	"recv.peek-keeps-data": {
		"带 MSG_PEEK 的 recv() 不取走字节，下一次 recv() 返回同样的内容。",
		"MSG_PEEK 只看不取。只用它读取的循环会永远看到同样的字节。"},
	"recv.waitall-fills": {
		"带 MSG_WAITALL 的 recv() 只在缓冲区填满或流结束时返回。",
		"它省去了拼装一帧的循环。但信号或流的结束仍可能使返回值偏小，所以还是要检查。"},
	"recv.reset-reported-once": {
		"收到 RST 之后，recv() 返回一次 -1 和 ECONNRESET，然后返回 0。",
		"错误保存在套接字里，报告一次后清除。在 ECONNRESET 之后再试的程序，会把随后的 0 当成正常结束。"},
}
