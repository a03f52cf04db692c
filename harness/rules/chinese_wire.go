package rules

var chineseTCP = map[string]wording{
	"tcp.connection-oriented": {
		"在 SYN、SYN-ACK、ACK 之前，线路上没有一个字节的数据。",
		"双方必须先知道对方的初始序号，否则无法区分新旧字节。握手之前就有数据，那是 UDP 的做法。"},
	"tcp.client-active-server-passive": {
		"SYN 来自客户端，服务器在此之前不发送任何分组。",
		"connect() 是主动打开，listen() 是被动打开。如果服务器发出 SYN，就是它在该等待的地方调用了 connect()。"},
	"tcp.byte-stream-merges": {
		"多次 send() 的数据可能由一次 recv() 返回：报文之间的边界不保留。",
		"TCP 传送的是字节而不是报文。如果你的协议有报文，就必须标明它在哪里结束：用长度、固定大小或行尾。"},
	"tcp.byte-stream-splits": {
		"超过报文段长度的一次 send() 分成几个报文段传送，并按序重新组装。",
		"报文怎样切开由网络决定，所以一次 recv() 可能只返回一部分。请循环接收，直到报文完整。"},
	"tcp.sequence-numbers": {
		"每个报文段的序号接着上一个的结尾，SYN 和 FIN 各占一个序号。",
		"序号是报文段第一个字节的编号；下一个报文段从该序号加长度开始。出现空缺就是丢失，出现重叠就是重传。"},
	"tcp.acknowledges-data": {
		"发送的每个字节都得到确认，确认号从不后退。",
		"ACK n 表示“n 之前的我都有了”。如果它停住，发送方会重传；如果它后退，就是接收方否认自己已收到的数据。"},
	"tcp.checksum-valid": {
		"每个报文段的校验和都正确。",
		"校验和覆盖首部、数据和两个 IP 地址。在本机抓包看到错误的校验和，通常是校验和卸载所致：本应由网卡填写。"},
	"tcp.retransmits-lost": {
		"丢失的数据报文段会重传，字节流完整到达。",
		"发送方保留每个字节直到它被确认，定时器到期就重传。程序除了延迟之外什么也感觉不到。"},
	"tcp.retransmits-corrupted": {
		"途中损坏的报文段被接收方丢弃并重传，字节流完整到达。",
		"校验和错误使接收方默默丢弃报文段，于是损坏变成丢失，而丢失会被修复。如果交付了损坏的数据，就是没有检查校验和。"},
	"tcp.lost-syn-retried": {
		"丢失的 SYN 会重发，连接得以建立。",
		"connect() 只是花的时间更长，第一次是一秒。一没有回应就放弃的客户端太急躁了。"},
	"tcp.lost-fin-retried": {
		"丢失的 FIN 会重发，关闭得以完成。",
		"FIN 像数据字节一样占一个序号，因此同样会被确认和重传。即使程序已经结束，内核也会这样做。"},
	"tcp.reorders": {
		"乱序到达的报文段按序交付。",
		"接收方保留先到的报文段直到空缺补上，recv() 对此毫无察觉。每一段的位置由序号决定。"},
	"tcp.discards-duplicates": {
		"到达两次的报文段只交付一次。",
		"副本的序号在期待的序号之前，所以被确认并丢弃。屏幕上重复的文字，原因在程序里而不在 TCP。"},
	"tcp.respects-window": {
		"在途数据不超过接收方的窗口，零窗口会被探测直到重新打开。",
		"窗口是接收缓冲区剩余的空间：不读的接收方会让发送方停下。探测使连接不会因为“窗口已打开”的消息丢失而永远等待。"},
	"tcp.respects-mss": {
		"没有报文段携带超过对端 MSS 的数据。",
		"双方在各自的 SYN 中说明自己能接收的最大报文段。抓包中更大的报文段通常是分段卸载：由网卡稍后切开。"},
	"tcp.four-way-close": {
		"每个方向都以各自的 FIN 和 ACK 结束。",
		"连接由两条流组成，每条由其发送方关闭，这就是四次挥手。FIN 和 ACK 可以合在一个报文段里，所以三个分组也能完成；没有 FIN 的一端就是没有关闭描述符。"},
	"tcp.simultaneous-close": {
		"双方同时关闭时，两端都能到达 CLOSED。",
		"两个 FIN 在途中交错，两端都经过 CLOSING 再到 TIME_WAIT。什么也不会丢，也没有人卡住。"},
	"tcp.time-wait-on-active-closer": {
		"只有先关闭的一端进入 TIME_WAIT。",
		"它必须能在最后的 ACK 丢失时再次应答。如果服务器先关闭，TIME_WAIT 就在服务器的端口上，妨碍它重新启动。"},
	"tcp.fast-retransmit": {
		"三个重复 ACK 会在定时器到期之前引发重传。",
		"重复 ACK 表示“空缺之后的数据已到”：网络是通的，只少了一个报文段。没有快速重传，每次丢失都要付出一次超时的代价。"},
	"tcp.never-resets-a-reset": {
		"不会用 RST 回答 RST。",
		"否则两台都不认识该连接的主机会永远互相复位。"},
}

var chineseSegments = map[string]wording{
	"tcp.bad-ack-in-syn-received-draws-rst": {
		"在 SYN-RECEIVED 状态，错误的确认号会引来 RST。",
		"握手的最后一个 ACK 必须确认真正发出的 SYN：它证明客户端能听到我们。没有这项检查，任何人都能用伪造的地址建立连接。"},
	"tcp.reset-in-syn-sent-refuses": {
		"确认了 SYN 的 RST 使 connect() 以 ECONNREFUSED 失败。",
		"只有 ACK 与 SYN 相符的 RST 才算数，这样游离的 RST 不会中断 connect()。程序立即得到“Connection refused”，而不必等到超时。"},
	"tcp.closed-port-draws-rst": {
		"发往关闭端口的报文段会引来序号正确的 RST。",
		"若报文段带 ACK，RST 的序号取自那个 ACK；若不带，则序号为 0 并确认该报文段。换成别的序号，发送方会忽略它。"},
	"tcp.syn-in-established-draws-challenge-ack": {
		"已建立的连接上收到 SYN 时回应质询 ACK，连接不会结束。",
		"这个 ACK 是在问“你还认识我吗？”：重启过的对端会回答 RST，伪造者做不到。如果连接因此结束，任何猜中端口的人都能切断它。"},
	"tcp.reset-outside-window-ignored": {
		"序号在窗口之外的 RST 被忽略。",
		"它是陈旧的或伪造的。听从它的协议栈，会让陌生人用一个盲目的分组就结束连接。"},
	"tcp.reset-off-edge-draws-challenge-ack": {
		"序号在窗口之内但不在左沿的 RST 引来质询 ACK，连接继续。",
		"只有序号恰好等于期待值的 RST 才立即生效。真正的对端会用精确的序号回答质询。"},
	"tcp.data-outside-window-not-delivered": {
		"窗口之外的数据引来 ACK，并且不会交付。",
		"这个 ACK 告诉发送方真正期待的是什么，也能纠正失步的连接。如果交付了，旧数据就会出现在新文字中间。"},
	"tcp.overlapping-segments-merge": {
		"重叠的报文段合并在一起，每个字节只交付一次。",
		"重传时切分的位置可能与第一次不同。字节按编号放置，而不是按它所在的报文段。"},
	"tcp.segment-without-ack-dropped": {
		"已建立的连接上，没有 ACK 标志的报文段被丢弃。",
		"SYN 之后每个正确的报文段都带有确认。没有 ACK 的数据来自有缺陷的或伪造的发送方。"},
	"tcp.simultaneous-open": {
		"两端同时向对方发送 SYN，建立的是一个连接。",
		"双方都用 SYN-ACK 回答对方的 SYN，并经过 SYN-RECEIVED。这很少见，因为双方都要从固定端口 connect()，且没有监听套接字参与。"},
	"tcp.data-after-close-draws-rst": {
		"接收方关闭之后到达的数据引来 RST。",
		"不会再有人读取它，发送方必须知道这一点。正是这个 RST 使得向已关闭的对端第二次 send() 以 EPIPE 失败。"},
	"tcp.fin-counts-one": {
		"FIN 得到确认，并占用一个序号。",
		"所以对它的确认号比最后一个字节的确认号大 1，关闭方由此知道对方听到的是结束，而不只是数据。"},
	"tcp.half-close-carries-data": {
		"一端发出 FIN 之后，另一端可以随意继续发送。",
		"FIN 只关闭一个方向，这就是半关闭。recv() 返回 0 就停止发送的程序，可能会截断自己的回复。"},
	"tcp.lost-handshake-ack-healed-by-data": {
		"握手的最后一个 ACK 丢失时，第一个数据报文段使连接完成。",
		"SYN 之后的每个报文段都带 ACK，所以第一段数据补上了缺少的确认。客户端根本不知道它的 ACK 丢了。"},
	"tcp.retransmission-backs-off": {
		"重传超时每到期一次就加倍。",
		"每次等得更久，给拥挤的网络恢复的余地。所以断开的连接要几分钟才能被发现。"},
	"tcp.push-on-last-segment": {
		"一次 send() 的最后一个报文段带有 PSH。",
		"PSH 请接收方立即上交数据，不必再等。它不是报文边界：recv() 看不到它。"},
	"tcp.window-shrink-survived": {
		"窗口缩小到已发送数据之下时，发送方仍能正常工作。",
		"接收方不应收回已给出的空间，但有的会这样做。发送方停下来，保留未确认的数据，窗口打开后继续。"},
	"tcp.mss-option-obeyed": {
		"对端 SYN 中的 MSS 选项限制发给它的每个报文段。",
		"这是对端对自己接收能力的说明。更大的报文段可能无声无息地丢失。"},
	"tcp.mss-default-536": {
		"SYN 中没有 MSS 选项时，报文段携带的数据不超过 536 字节。",
		"没有说明的对端被视为能接收 576 字节的分组，减去 40 字节首部；IPv6 上这个数字是 1220。"},
}

var chineseUDP = map[string]wording{
	"udp.no-handshake": {
		"线路上的第一个分组就是数据报本身。",
		"UDP 发送前不征求任何人同意：不建立连接，因此也无从知道接收方是否存在。如果看到 SYN，就是套接字用 SOCK_STREAM 创建了。"},
	"udp.no-listen-accept": {
		"在数据报套接字上 listen() 和 accept() 以 EOPNOTSUPP 失败。",
		"没有连接，就没有可等待、可接受的东西：UDP 服务器绑定后直接 recvfrom()。通常是把 TCP 服务器改成了 SOCK_DGRAM，其余没改。"},
	"udp.keeps-boundaries": {
		"每个数据报对应一次 recv()：不会合并，也不会拆分。",
		"这与 TCP 的字节流相反。缓冲区放不下的部分会被截掉并丢失，下一次调用也得不到。"},
	"udp.zero-length-datagram": {
		"长度为 0 的数据报能够送达，recv() 返回 0，这与 TCP 不同。",
		"在 UDP 中 recv() 返回 0 是空报文而不是结束：没有人关闭什么。遇到 0 就停止的循环停得太早。"},
	"udp.lost-stays-lost": {
		"丢失的数据报不会重发。",
		"UDP 既不确认也不重传。需要回答的程序必须自己再问一次。"},
	"udp.connect-emits-nothing": {
		"在数据报套接字上 connect() 不在线路上产生任何分组。",
		"它只是记下对端地址供 send() 和 recv() 使用。因此成功并不表示那边有人。"},
	"udp.close-emits-nothing": {
		"关闭数据报套接字不在线路上产生任何分组，对端的 recv() 也不返回。",
		"没有连接可以结束，所以对端无从得知你已离开。如果它必须知道，你的协议需要一个告别的报文。"},
}
