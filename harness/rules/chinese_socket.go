package rules

var chineseSocket = map[string]wording{
	"socket.returns-descriptor": {
		"socket() 成功时返回非负的文件描述符，且是当前空闲的最小编号。",
		"程序的第一个套接字通常是 3，因为 0、1、2 是标准输入、标准输出和标准错误。不要用 `> 0` 判断结果，也不要存入无符号变量：0 是合法的返回值，而 -1 必须看得出来。"},
	"socket.failure-is-minus-one": {
		"socket() 失败时返回 -1 并设置 errno：未知的域为 EAFNOSUPPORT，类型超出范围为 EINVAL，协议与类型不符为 EPROTONOSUPPORT。",
		"三个参数依次检查，errno 说明哪一个被拒绝。常见原因是参数次序写反，例如 socket(SOCK_STREAM, AF_INET, 0)，或者对流式套接字指定了 IPPROTO_UDP。"},
	"socket.domains": {
		"AF_UNIX、AF_INET、AF_INET6 都能得到套接字；AF_PACKET 需要 CAP_NET_RAW，没有时以 EPERM 失败。",
		"域决定地址的种类：路径、IPv4、IPv6 或网络设备。AF_PACKET 直接读取原始帧，因此只给特权程序；出现 EPERM 说明你不是 root。"},
	"socket.types": {
		"SOCK_STREAM 和 SOCK_DGRAM 都能得到套接字，SOCK_RAW 只给特权程序。",
		"SOCK_STREAM 是字节流（TCP），SOCK_DGRAM 发送单个报文（UDP），SOCK_RAW 让程序自己写首部，所以需要 CAP_NET_RAW。如果任何人都能得到 SOCK_RAW，就是缺了权限检查。"},
	"socket.default-protocol": {
		"协议为 0 时，流式套接字选用 TCP，数据报套接字选用 UDP。",
		"0 的意思是“该类型的默认协议”，而不是“没有协议”。用 getsockopt(SO_PROTOCOL) 可以看到实际选用的协议。"},
	"socket.starts-unnamed": {
		"新建的套接字地址为 0.0.0.0:0，没有对端：getpeername() 以 ENOTCONN 失败。",
		"socket() 只创建一个端点；bind() 或 connect() 给它本地地址，connect() 或 accept() 给它对端。此时若已有地址，就是以前的套接字遗留下来的。"},
	"socket.flags-only-when-asked": {
		"只有请求了 SOCK_NONBLOCK 或 SOCK_CLOEXEC，套接字才是非阻塞的或在 exec 时关闭。",
		"默认情况下调用会阻塞，exec 启动的程序会继承描述符。如果普通套接字上的 recv() 返回 EAGAIN，就是有人擅自设置了 O_NONBLOCK。"},
	"connect.returns-zero": {
		"connect() 成功时返回 0。",
		"0 表示成功，不是文件描述符：请继续使用 socket() 给你的描述符。因此 `if (connect(...))` 是失败的分支。"},
	"connect.no-new-descriptor": {
		"connect() 成功不产生新的文件描述符：调用前后打开的描述符相同。",
		"只有服务器会从 accept() 得到新的描述符。客户端自始至终只有一个套接字，connect() 只是给它指定了对端。"},
	"connect.same-descriptor-carries-data": {
		"connect() 之后，数据就在传给它的那个描述符上收发。",
		"请在 socket() 返回的编号上发送和接收。去找另一个描述符的客户端，是把 connect() 当成了 accept()。"},
	"connect.required-before-data": {
		"在未连接的流式套接字上发送或接收会失败，并且线路上没有任何分组。",
		"在 connect() 指定之前 TCP 不知道目的地；此时 send() 得到 EPIPE 或 ENOTCONN，recv() 得到 ENOTCONN。通常是忘了 connect()，或者它失败了却没有检查结果。"},
	"connect.handshake-first": {
		"三次握手出现在 connect() 返回之前，也在任何数据之前。",
		"SYN、SYN-ACK、ACK：connect() 等待第二个并发出第三个。如果数据更早出现，或 connect() 更早返回，说明双方还没有就序号达成一致。"},
	"connect.refused-without-listener": {
		"没有套接字在监听时，connect() 返回 -1 和 ECONNREFUSED，线路上是 SYN 和作为回答的 RST|ACK。",
		"“Connection refused”是一个回答，而不是沉默：主机在那里，但该端口没有监听套接字。常见原因是服务器还没启动、端口写错，或端口忘了用 htons() 转换。"},
	"connect.names-both-ends": {
		"connect() 之后，一端的 getsockname() 就是另一端的 getpeername()。",
		"连接由两端的地址对组成，双方从相反的方向看到同一对地址。如果不一致，就是从错误的套接字取了地址，或字节序不对。"},
	"connect.twice-is-an-error": {
		"对已连接的流式套接字再次 connect() 会以 EISCONN 失败。",
		"一个流式套接字只用于一次连接。要再次连接或连接别的服务器，请关闭它并新建一个套接字。"},
	"connect.bad-arguments": {
		"connect() 对已关闭的描述符返回 EBADF，对普通文件返回 ENOTSOCK，地址族错误返回 EAFNOSUPPORT，地址太短返回 EINVAL。",
		"errno 说明哪个参数错了。EAFNOSUPPORT 通常是没有设置 sin_family；EINVAL 通常是长度写成了指针的 sizeof，而不是 sizeof(struct sockaddr_in)。"},
	"connect.nonblocking-in-progress": {
		"非阻塞套接字上的 connect() 返回 -1 和 EINPROGRESS，完成后套接字变为可写；若被拒绝，SO_ERROR 报告一次 ECONNREFUSED。",
		"EINPROGRESS 不是失败：握手会自行继续。用 poll() 等待 POLLOUT，再查询 SO_ERROR；仅仅可写并不表示已经连接。"},
}
