package rules

var chineseServer = map[string]wording{
	"server.stream-socket": {
		"服务器创建流式套接字。",
		"TCP 对应 SOCK_STREAM。用 SOCK_DGRAM 得到的是 UDP，这时 listen() 和 accept() 以 EOPNOTSUPP 失败。"},
	"server.call-order": {
		"服务器在它的套接字上依次调用 bind()、listen()、accept()。",
		"bind() 确定地址，listen() 打开大门，accept() 放进一个客户端。如果 listen() 在 bind() 之前，服务器得到随机端口；没有 listen()，accept() 以 EINVAL 失败。"},
	"server.binds-given-address": {
		"服务器绑定的正是命令行给出的 ip 和端口。",
		"你可能忘了 htons()：端口 8080 变成了 36895。绑定 INADDR_ANY 或把端口写死在源程序里，都是忽略了命令行参数。"},
	"server.backlog-sensible": {
		"服务器传给 listen() 的 backlog 至少为 1。",
		"为 0 时，你服务一个客户端的同时几乎没有别人能等待；通常取 5 或 10。-1 在 POSIX 中等同于 0，虽然 Linux 把它当作最大值：想要最大值请写 SOMAXCONN。"},
	"server.waits-for-clients": {
		"没有客户端时，服务器在 accept()、poll()、select() 或 epoll_wait() 中等待，不占用处理器。",
		"对非阻塞的 accept() 得到 EAGAIN 后立刻再试的循环，会让处理器白白空转。让调用阻塞，或者用 poll() 等待。"},
	"server.accept-fresh-descriptor": {
		"accept() 返回的描述符之前没有打开。",
		"这是内核替你保证的：新的描述符属于客户端，监听套接字保持不变。如果这条失败，就是程序下面的套接字库坏了。"},
	"server.talks-on-accepted": {
		"服务器在已接受的描述符上收发，从不在监听套接字上收发。",
		"两个描述符，两种用途：监听套接字只用于 accept()。你可能把它传给了 send() 或 recv()，它们会以 EPIPE 或 ENOTCONN 失败。"},
	"server.reports-peer": {
		"服务器打印客户端真实的 ip 和端口。",
		"accept() 按网络字节序填入端口和地址：请用 ntohs() 和 inet_ntop()。如果地址是 0.0.0.0，就是调用前没有把长度参数设为 sizeof(struct sockaddr_in)。"},
	"server.prints-message": {
		"服务器打印客户端的文字，整行与对话规定一致。",
		"打印到 NUL 为止，不要更多，并且要换行。常见原因：输出没有刷新，文字后面带着上一条报文的字节，只收到了报文的一部分，或 printf(message) 把其中的百分号当成了格式。"},
	"server.replies": {
		"服务器的回复与对话规定一致，包括成帧方式。",
		"在讲义的对话里，回复总是 128 字节的一帧：文字、后缀、NUL。只发 strlen() 个字节，客户端会等待其余部分；只发 127 个，它会等最后一个。"},
	"server.reply-clean": {
		"回复中文字之后的字节都是 NUL。",
		"那里是你内存中原有的内容：缓冲区没有清零。请用 memset() 或 `char buf[128] = {0}`；泄漏到线路上的内存曾经暴露过真正的秘密。"},
	"server.closes-accepted": {
		"服务器关闭已接受的描述符及其所有副本。",
		"最后一份副本关闭之前，客户端得不到文件结束。通常是忘了 close()，或误关了监听套接字，或 fork() 之后父进程留着自己的一份；只用 shutdown() 不算关闭。"},
	"server.closes-listener": {
		"服务器关闭监听套接字，自己关闭或随进程结束关闭。",
		"打开了两个描述符，就要关闭两个。如果服务器应该结束却没有，它可能又回到了 accept()，或在等待已离开的客户端的数据。"},
	"server.ends-with-fin": {
		"服务器这一端以 FIN 结束连接，没有 RST。",
		"结尾出现 RST，说明关闭时套接字里还有未读数据，或把 SO_LINGER 设成了 0 秒。先读到 recv() 返回 0 或报文完整，再关闭。"},
	"server.exits-zero": {
		"一次正常的交互之后，服务器以状态 0 退出。",
		"其他程序和脚本会看这个状态：0 表示一切正常。从 main() 返回 0；如果状态是信号，请查找回复之后的崩溃。"},
	"server.assembles-split-message": {
		"逐字节到达的报文，与一次到达的报文得到同样的回复。",
		"一次 recv() 不等于一个报文：TCP 是字节流。请循环调用 recv()，接在已有数据之后，直到帧完整或返回 0。"},
	"server.survives-silent-client": {
		"客户端连接后一个字节不发就关闭，服务器不会崩溃、卡住或空转。",
		"客户端关闭后 recv() 会一次又一次返回 0。等待更多字节却不在 0 处停止的循环永远不会结束。依次服务多个客户端的服务器不应因一个客户端离开而结束。"},
	"server.survives-reset": {
		"客户端复位连接时，服务器不会崩溃、卡住或空转。",
		"这时 recv() 以 ECONNRESET 失败，随后的 send() 会引发 SIGPIPE，使程序结束。请检查 -1，并用 MSG_NOSIGNAL 发送或忽略 SIGPIPE。一个连接失败，不是结束还要服务其他客户端的服务器的理由。"},
	"server.survives-full-message": {
		"127 字节的报文不会造成溢出：回复仍是正确的一帧。",
		"用 strcat() 添加后缀会写到已满缓冲区之外，而且往往并不崩溃。超过 123 字节的文字必须截短，好放下后缀和 NUL。"},
	"server.checks-bind": {
		"端口被占用时，服务器在标准错误上报告并以非零状态退出。",
		"很可能没有检查 bind() 的结果。请写 `if (bind(...) == -1) { perror(\"fail to bind\"); exit(1); }`，否则你谁也服务不了，还一声不响。"},
	"server.checks-usage": {
		"缺少参数时，服务器在标准错误上报告并以非零状态退出。",
		"使用 argv[1] 和 argv[2] 之前先比较 argc：argv[argc] 是 NULL，atoi(NULL) 会崩溃。用法说明应写到标准错误，退出状态为 1。"},
	"server.restarts-at-once": {
		"服务器先关闭连接之后，能立即在同一端口上重新启动。",
		"旧连接在你的端口上处于 TIME_WAIT，bind() 会得到“Address already in use”。请在 bind() 之前（而不是之后）用 setsockopt() 设置 SO_REUSEADDR。"},
	"server.leaks-no-descriptor": {
		"服务许多客户端之后，服务器打开的描述符不比之前多。",
		"每个离开的客户端都应对应一次 close()。忘了关闭的服务器在大约 1000 个客户端之后停摆，accept() 以 EMFILE 失败。"},
	"server.serves-in-any-order": {
		"两个客户端都已连接时，先来的保持沉默（哪怕消息只发了一半），后来的也能得到服务。",
		"在 recv() 里等待一个客户端（或等待它的消息余下部分）的服务器听不到其他客户端；共用一个变量的线程会回复错误的客户端。为每个客户端使用一个进程或线程，或用 poll() 监视所有描述符，并保存每个客户端已发来的部分。"},
}

var chineseClient = map[string]wording{
	"client.stream-socket": {
		"客户端创建流式套接字。",
		"TCP 对应 SOCK_STREAM。用 SOCK_DGRAM 时 connect() 不问任何人就立即成功，报文会作为 UDP 发给一个监听 TCP 的服务器。"},
	"client.call-order": {
		"客户端依次调用 socket()、connect()、send()、recv() 和 close()。",
		"每一步都需要前一步：connect() 返回 0 之前没有可用的连接，发出报文之前也没有回复。recv() 之前的半关闭是对的，close() 则不对。"},
	"client.connects-to-given-address": {
		"客户端连接的正是命令行给出的 ip 和端口。",
		"你可能忘了 htons()：端口 8080 变成了 36895。其他原因有参数写反、地址写死在源程序里，或没有检查 inet_pton() 的结果。"},
	"client.connect-keeps-descriptor": {
		"connect() 不产生新的文件描述符。",
		"这是内核保证的：客户端唯一的套接字得到对端，仅此而已。如果出现新的描述符，就是中间的库打开的。"},
	"client.talks-on-its-socket": {
		"客户端在 socket() 返回的描述符上收发。",
		"connect() 返回 0，而 0 是标准输入：`fd = connect(...)` 会丢掉套接字。请保留 socket() 的结果，并在所有调用中使用它。"},
	"client.sends-after-connect": {
		"客户端的第一个字节在 connect() 成功之后发出。",
		"在未连接的套接字上 send() 以 EPIPE 或 ENOTCONN 失败。请先检查 connect() 的结果再继续。"},
	"client.sends-message": {
		"客户端发送的内容与对话规定一致，包括成帧方式。",
		"在讲义的对话里就是 128 字节的一帧：去掉换行的一行文字，其后是 NUL。常见原因：只发了 strlen() 个字节，保留了换行，或 scanf(\"%s\") 在第一个空格处停下。"},
	"client.message-clean": {
		"报文中文字之后的字节都是 NUL。",
		"那里是你内存中原有的内容：缓冲区没有清零。读入一行之前请用 memset() 或 `char buf[128] = {0}`。"},
	"client.prints-reply": {
		"客户端打印服务器的回复，整行打印。",
		"接收到帧完整为止，打印到 NUL 为止，并且要换行。常见原因：打印的是自己的报文而不是回复，后面带着旧字节，输出没有刷新，或 printf(reply) 把其中的百分号当成了格式。"},
	"client.closes": {
		"客户端关闭它的描述符，自己关闭或随进程结束关闭。",
		"在此之前服务器一直等待，看不到文件结束。回复之后仍在运行的客户端，可能在 recv() 里等待没人发送的字节，或又在读下一行。"},
	"client.ends-with-fin": {
		"客户端这一端以 FIN 结束连接，没有 RST。",
		"RST 表示关闭时回复还有一部分没读，或把 SO_LINGER 设成了 0 秒。先读完整个回复，再关闭。"},
	"client.exits-zero": {
		"一次正常的交互之后，客户端以状态 0 退出。",
		"其他程序和脚本会看这个状态：0 表示一切正常。从 main() 返回 0；如果状态是信号，请查找回复之后的崩溃。"},
	"client.assembles-split-reply": {
		"逐字节到达的回复，与一次到达的回复打印结果相同。",
		"一次 recv() 不等于一个报文：TCP 是字节流。请循环调用 recv()，接在已有数据之后，直到帧完整或返回 0。"},
	"client.sends-everything": {
		"send() 只发出一部分时，继续发送直到全部发完。",
		"send() 返回它取走了多少，可能少于你的请求；测试工具截短了这次调用，看你如何处理。请循环发送剩余部分，从已取走的字节之后开始。"},
	"client.survives-closed-server": {
		"服务器立即关闭时，客户端不会卡住，也不会被信号杀死。",
		"向已关闭的对端 send() 会引发 SIGPIPE，程序一声不响地结束；recv() 返回 0 或 ECONNRESET。请用 MSG_NOSIGNAL 发送，并检查每个结果，包括 0。"},
	"client.checks-connect": {
		"连接被拒绝时，客户端在标准错误上报告并以非零状态退出。",
		"很可能没有检查 connect() 的结果。请写 `if (connect(...) == -1) { perror(\"fail to connect\"); exit(1); }`。"},
	"client.checks-usage": {
		"缺少参数时，客户端在标准错误上报告并以非零状态退出。",
		"使用 argv[1] 和 argv[2] 之前先比较 argc：argv[argc] 是 NULL，atoi(NULL) 会崩溃。用法说明应写到标准错误，退出状态为 1。"},
	"client.handles-empty-input": {
		"输入不是一行而是文件结束时，客户端不会崩溃、卡住或空转。",
		"这时 fgets() 返回 NULL 并保持缓冲区不变；getchar() 会一直返回 EOF。两者都要检查，也不要对空字符串用 buf[strlen(buf)-1] 去掉换行。"},
	"example.socket-prints-descriptor": {
		"最小的程序创建流式套接字并打印 `sockfd = N`。",
		"N 通常是 3，即标准输入、标准输出和标准错误之后的最小空闲编号。只要是 socket() 返回的，其他编号也对；-1 则不对。"},
	"example.bind-reports-success": {
		"绑定程序在任意地址上绑定端口 8080，并打印 `Bind successful`。",
		"只有 bind() 返回 0 时才打印。如果端口是 36895 而不是 8080，就是缺了 htons()；如果 bind() 失败，就是端口被别的程序占用。"},
}
