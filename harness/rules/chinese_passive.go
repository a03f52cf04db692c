package rules

var chinesePassive = map[string]wording{
	"bind.returns-zero": {
		"bind() 成功时返回 0。",
		"0 表示成功，其他情况都是 -1 并设置 errno。bind() 失败后继续运行的服务器，会在一个没人知道的端口上监听。"},
	"bind.fixes-the-address": {
		"bind() 之后 getsockname() 报告所绑定的地址，客户端在那里能连到服务器。",
		"bind() 给服务器一个客户端必须知道的地址。如果报告的地址不同，就是结构体填错了：检查 sin_port、sin_addr 和传入的长度。"},
	"bind.network-byte-order": {
		"端口采用网络字节序：端口 8080 在线路上就是 8080。",
		"你可能忘了 htons()：8080 是 0x1F90，两个字节颠倒后是 0x901F，即端口 36895。"},
	"bind.any-address": {
		"绑定到 INADDR_ANY 的套接字接受来自每个本地地址的客户端。",
		"0.0.0.0 表示“我的所有地址”。只绑定 127.0.0.1 的服务器，即使端口正确，也无法从别的机器访问。"},
	"bind.failure-is-minus-one": {
		"bind() 失败时返回 -1 并设置 errno：端口被占用为 EADDRINUSE，不是本机地址为 EADDRNOTAVAIL，第二次绑定为 EINVAL，地址族错误为 EAFNOSUPPORT。",
		"EADDRINUSE 通常表示之前的服务器还在运行或刚刚结束。EADDRNOTAVAIL 表示该地址不属于本机任何接口；EAFNOSUPPORT 表示没有设置 sin_family。"},
	"bind.port-zero-is-ephemeral": {
		"绑定端口 0 时，套接字得到一个空闲端口。",
		"0 表示“随便哪个端口”，getsockname() 告诉你是哪一个。如果这不是你想要的，就是端口号在途中丢了，例如 atoi() 用错了参数。"},
	"bind.time-wait-needs-reuseaddr": {
		"有连接处于 TIME_WAIT 的端口，只有设置了 SO_REUSEADDR 才能绑定。",
		"先关闭的一端会把这对地址保留一段时间，以免迟到的旧报文段造成危害。服务器应在 bind() 之前设置 SO_REUSEADDR，这样就能立即重新启动。"},
	"listen.returns-zero": {
		"listen() 成功时返回 0。",
		"0 表示成功；listen() 立即返回，并不等待客户端。等待是 accept() 的事。"},
	"listen.makes-the-socket-passive": {
		"listen() 之前客户端被拒绝；之后即使还没有调用 accept()，握手也能完成。",
		"连接由内核建立，程序只是取走它。因此服务器还没执行到 accept() 时，客户端就可能已连接甚至已发送数据。"},
	"listen.backlog-bounds-the-queue": {
		"大约 backlog 个连接可以等待被接受；队列满时，新的连接要等到有一个被 accept() 取走才能完成。",
		"backlog 限制的是已建立而未被接受的连接数，不是你能服务的客户端数。客户端卡在 connect() 里，说明服务器接受得太慢或根本没有接受。"},
	"listen.failure-is-minus-one": {
		"listen() 失败时返回 -1 并设置 errno：已关闭的描述符为 EBADF，普通文件为 ENOTSOCK，数据报套接字为 EOPNOTSUPP。",
		"只有流式套接字可以成为监听套接字。EOPNOTSUPP 通常表示套接字是用 SOCK_DGRAM 创建的。"},
	"listen.unbound-gets-a-port": {
		"对未绑定的套接字调用 listen()，会得到一个临时端口。",
		"忘了 bind() 或 bind() 失败不会报错：服务器在监听，但端口是随机的。请检查 bind() 的结果；客户端被拒绝时用 getsockname() 查看。"},
	"accept.blocks-until-client": {
		"没有客户端时 accept() 阻塞，有客户端连接时返回。",
		"停在 accept() 里的服务器是正常的。如果 accept() 立即出错返回，请检查监听套接字：它可能已关闭，或是非阻塞的。"},
	"accept.fresh-descriptor": {
		"accept() 返回一个之前没有打开的描述符，且不是监听套接字。",
		"监听套接字用来接待新客户端，新的描述符用来与这个客户端通信。两个都要保留：`listenfd = accept(listenfd, ...)` 会丢掉监听套接字。"},
	"accept.one-descriptor-per-client": {
		"每个客户端有自己的描述符，一个上面的数据绝不会出现在另一个上。",
		"一个连接就是一个描述符。如果两个客户端的文字混在一起，就是程序把两者放进了同一个变量或缓冲区。"},
	"accept.fills-peer-address": {
		"accept() 填入的地址就是客户端自己的地址和端口。",
		"调用前长度参数必须是结构体的大小；没有设置的话，地址会是空的或被截断。用 ntohs() 和 inet_ntop() 打印，否则端口的字节是颠倒的。"},
	"accept.listener-keeps-listening": {
		"监听套接字保持打开，并能接受下一个客户端。",
		"accept() 只从队列取走一个连接，不改变监听套接字。接待第一个客户端后就没有反应的服务器，是把它关闭或覆盖了。"},
	"accept.failure-is-minus-one": {
		"accept() 失败时返回 -1 并设置 errno：套接字没有监听为 EINVAL，另有 EBADF、ENOTSOCK，数据报套接字为 EOPNOTSUPP。",
		"EINVAL 几乎总是忘了 listen() 或它失败了。把结果当描述符用之前请先检查：recv(-1, ...) 只会得到 EBADF。"},
	"accept.empty-nonblocking": {
		"非阻塞的监听套接字在没有客户端时返回 EAGAIN。",
		"没有出错，只是还没有人来：用 poll() 等待 POLLIN。客户端也可能在 poll() 和 accept() 之间已经离开。"},
}

var chineseClose = map[string]wording{
	"close.peer-receives-zero": {
		"关闭已连接的描述符，使另一端的 recv() 返回 0。",
		"对端正是靠这个 0 得知你已结束。如果它一直等待，就是某处还有描述符的副本开着：dup 出来的，或 fork() 之后父子进程中的一份。"},
	"close.sends-fin": {
		"线路上可以看到关闭方发出 FIN，并由对端确认。",
		"FIN 是正常的结束，会让所有数据先到达。如果看到的是 RST，就是有未读数据，或把 SO_LINGER 设成了 0 秒。"},
	"close.listener-refuses-new": {
		"监听套接字关闭后，新的客户端被拒绝。",
		"监听套接字没了，该端口上就无人应答，内核发送 RST，客户端得到 ECONNREFUSED。如果客户端仍能连上，就是还有另一份监听套接字开着。"},
	"close.listener-spares-live": {
		"监听套接字关闭后，已接受的连接仍能双向传送数据。",
		"每个已接受的连接都是独立的套接字。如果关闭监听套接字时通信中断，就是关错了描述符。"},
	"close.connection-spares-listener": {
		"关闭一个已接受的描述符后，服务器仍能接受新客户端，其他连接也不受影响。",
		"一次通信结束时关闭已接受的描述符，服务器结束时关闭监听套接字。如果新客户端被拒绝，就是你本想关闭连接却关了监听套接字。"},
	"close.client-ends-only-its-connection": {
		"客户端的 close() 只结束它自己的连接。",
		"服务器的监听套接字和其他客户端不应受影响。一个客户端离开就结束的服务器，是把 recv() = 0 当成了自己的结束。"},
	"close.frees-the-descriptor": {
		"close() 之后编号空闲，第二次 close() 得到 EBADF。",
		"第二次 close() 不只是多余，而且危险：这个编号那时可能已属于另一个连接。在多线程程序里，它会关掉别人的套接字。"},
	"close.last-duplicate-closes": {
		"只要还有描述符的副本或 fork 出的子进程中的一份开着，就不发送 FIN，直到最后一个关闭。",
		"close() 归还的是编号，连接在最后一个编号归还时才结束。fork() 之后父进程也必须关闭自己的一份，否则客户端会永远等待。"},
	"close.unread-data-resets": {
		"关闭时若有未读数据，发送的是 RST 而不是 FIN。",
		"RST 告诉发送方它的数据被丢弃了。请先读到 recv() 返回 0 再关闭，否则对端也可能丢失你回复的末尾。"},
	"close.linger-zero-resets": {
		"SO_LINGER 设为 0 秒时，关闭会发送 RST。",
		"这样关闭会丢弃尚未发出的数据并跳过 TIME_WAIT。它不是“Address already in use”的解药：请用 SO_REUSEADDR。"},
	"shutdown.write-half": {
		"shutdown(SHUT_WR) 发送 FIN，而这一端仍能接收。",
		"这就是半关闭：“我说完了，现在只听”。描述符仍然开着，最后还要 close()。"},
}
