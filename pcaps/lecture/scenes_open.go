package main

import (
	"tcpwitness/harness/evidence"
	"tcpwitness/harness/report"
)

// The scenes about how connections come about.

func handshake() *scene {
	return &scene{
		name: "01-handshake", rules: []string{"connect.handshake-first", "accept.blocks-until-client"},
		title: report.Text{En: "The three-way handshake", Zh: "三次握手"},
		points: []point{
			serverCalls.first("listen", evidence.OpListen, "0"),
			serverCalls.first("accept", evidence.OpAccept, anything),
			clientCalls.first("connect", evidence.OpConnect, "0"),
			fromClient.first("syn", syn),
			fromServer.first("synack", synACK),
			fromClient.first("ack", bare, acks(0)),
		},
		claims: []claim{
			waits("accept"), begunBefore("connect", "syn"), backAfter("connect", "synack"), backAfter("accept", "ack"),
			frames(3), none(fromClient, data), none(fromServer, data),
		},
		says: report.Text{
			En: `Frame {syn} is the client's SYN, frame {synack} the server's SYN,ACK and frame {ack} the client's ACK: three
segments, and not a byte of data yet. Call {connect}, connect, sends frame {syn} and returns once frame {synack} has
come; call {accept}, accept, was blocked and returns only when frame {ack} is there. No call of the server sends
frame {synack}: its kernel answers by itself, and all that the program has done for it is call {listen}, listen.`,
			Zh: `第 {syn} 帧是客户端的 SYN，第 {synack} 帧是服务器的 SYN,ACK，第 {ack} 帧是客户端的 ACK：三个报文段，还没有一个
字节的数据。调用 {connect}（connect）发出第 {syn} 帧，收到第 {synack} 帧后返回；调用 {accept}（accept）一直阻塞，直到第
{ack} 帧到达才返回。第 {synack} 帧不是由服务器的任何调用发出的：内核自动应答，程序为此所做的只是调用 {listen}（listen），使
套接字成为监听套接字。`,
		},
		looks: []look{{"tcp.flags.syn == 1", []string{"syn", "synack"}}},
	}
}

func refused() *scene {
	return &scene{
		name: "02-refused", rules: []string{"connect.refused-without-listener"},
		title: report.Text{En: "Connection refused", Zh: "连接被拒绝"},
		points: []point{
			clientCalls.first("connect", evidence.OpConnect, "ECONNREFUSED"),
			fromClient.first("syn", syn),
			fromServer.first("rst", reset),
		},
		claims: []claim{backAfter("connect", "rst"), frames(2), silent(evidence.Server)},
		says: report.Text{
			En: `Frame {syn} asks for a connection to a port on which nobody listens. Frame {rst} is the answer, an RST,ACK; the
kernel of the server's host sends it, for there is no program that could (the server's side of the ladder is empty).
Call {connect}, connect, fails with ECONNREFUSED when frame {rst} has come, and not after a timeout.`,
			Zh: `第 {syn} 帧请求连接一个没有套接字在监听的端口。第 {rst} 帧是应答 RST,ACK，由服务器主机的内核发出，因为那里没有任何
程序（梯图的服务器一侧是空的）。第 {rst} 帧一到，调用 {connect}（connect）就失败，错误码为 ECONNREFUSED，而不是等到超时。`,
		},
		looks: []look{{"tcp.flags.reset == 1", []string{"rst"}}},
	}
}

func listenerClosed() *scene {
	return &scene{
		name: "09-listener-closed", rules: []string{"close.listener-refuses-new", "close.listener-spares-live"},
		title: report.Text{En: "The listener is closed while a connection lives", Zh: "关闭监听套接字，已有连接不受影响"},
		points: []point{
			serverCalls.first("accept", evidence.OpAccept, anything),
			serverCalls.first("close", evidence.OpClose, "0"),
			clientCalls.nth(2, "refused", evidence.OpConnect, "ECONNREFUSED"),
			serverCalls.first("recv", evidence.OpRecv, "11"),
			fromClient.in(2).first("syn", syn),
			fromServer.in(2).first("rst", reset),
			fromClient.first("question", carrying(11)),
			fromServer.first("answer", carrying(3)),
		},
		claims: []claim{
			otherDescriptor("accept", "close"), sameDescriptor("accept", "recv"), begunBefore("close", "syn"),
			none(fromServer, fin), none(fromServer, reset),
		},
		says: report.Text{
			En: `Call {close} closes the listening descriptor, and from then on a new client is refused: frame {syn} draws the RST in
frame {rst}, and call {refused}, connect, fails with ECONNREFUSED. The connection that was accepted before lives on:
frames {question} and {answer} carry data both ways, over the descriptor that call {accept}, accept, returned. The
listening and the accepted descriptor are two sockets, and closing one does nothing to the other.`,
			Zh: `调用 {close} 关闭了监听套接字，此后新的客户端被拒绝：第 {syn} 帧招来第 {rst} 帧的 RST，调用 {refused}（connect）失败，
错误码为 ECONNREFUSED。此前已接受的连接继续存在：第 {question} 帧和第 {answer} 帧在两个方向上传送数据，用的是调用 {accept}
（accept）返回的文件描述符。监听套接字和已连接套接字是两个套接字，关闭其中一个对另一个没有影响。`,
		},
		looks: []look{{"tcp.stream == 1", []string{"syn", "rst"}}},
	}
}

func twoClients() *scene {
	return &scene{
		name: "10-two-clients", rules: []string{"accept.one-descriptor-per-client", "close.connection-spares-listener"},
		title:    report.Text{En: "Two clients, two descriptors", Zh: "两个客户端，两个文件描述符"},
		pictures: []string{"descriptors"},
		points: []point{
			serverCalls.nth(1, "accept1", evidence.OpAccept, anything),
			serverCalls.nth(2, "accept2", evidence.OpAccept, anything),
			serverCalls.nth(1, "recvA", evidence.OpRecv, "6"),
			serverCalls.nth(2, "recvB", evidence.OpRecv, "6"),
			serverCalls.first("close", evidence.OpClose, "0"),
			fromClient.in(2).first("dataB", carrying(6)),
			fromClient.first("dataA", carrying(6)),
			fromServer.first("fin", fin),
			fromServer.in(2).first("lives", carrying(7)),
		},
		claims: []claim{
			sameDescriptor("accept1", "recvA"), sameDescriptor("accept2", "recvB"), otherDescriptor("accept1", "accept2"),
			sameDescriptor("accept1", "close"), sameArgument("accept1", "accept2"), begunAfter("recvA", "dataA"), none(fromServer.in(2), fin),
		},
		says: report.Text{
			En: `Calls {accept1} and {accept2}, accept on the same listening descriptor, each return a new descriptor; both clients
are connected to port 8080, and their own ports are what tells the two connections apart. Frame {dataB} comes before
frame {dataA}, and yet call {recvA} returns what A sent and call {recvB} what B sent: each descriptor has a stream of
its own. Call {close} ends connection A with the FIN in frame {fin}, and connection B goes on to carry data in frame
{lives}.`,
			Zh: `调用 {accept1} 和 {accept2} 在同一个监听套接字上 accept，各返回一个新的文件描述符；两个客户端连接的都是 8080 端口，
两条连接靠客户端自己的端口来区分。第 {dataB} 帧先于第 {dataA} 帧到达，但调用 {recvA} 返回 A 发送的数据，调用 {recvB} 返回
B 发送的数据：每个文件描述符有自己的字节流。调用 {close} 以第 {fin} 帧的 FIN 结束连接 A，而连接 B 继续在第 {lives} 帧传送数据。`,
		},
		looks: []look{{"tcp.stream == 1 && tcp.len > 0", []string{"dataB", "lives"}}},
	}
}

func fullBacklog() *scene {
	return &scene{
		name: "11-full-backlog", rules: []string{"listen.backlog-bounds-the-queue"},
		title:    report.Text{En: "A full backlog", Zh: "已满的连接队列（backlog）"},
		pictures: []string{"queue"},
		points: []point{
			serverCalls.first("listen", evidence.OpListen, "0"),
			clientCalls.nth(3, "connect", evidence.OpConnect, "0"),
			serverCalls.first("accept", evidence.OpAccept, anything),
			fromClient.first("ack1", bare),
			fromClient.in(2).first("ack2", bare),
			fromClient.in(3).nth(1, "syn", syn),
			fromClient.in(3).first("again", syn, again),
			fromClient.in(3).last("answered", syn),
			fromServer.in(3).first("synack", synACK),
		},
		claims: []claim{
			waits("connect"), begunAfter("accept", "again"), begunBefore("accept", "answered"), nothingBetween("syn", "again"),
			nothingBetween("answered", "synack"), backAfter("connect", "synack"), none(fromServer.in(3), reset),
		},
		says: report.Text{
			En: `Call {listen}, listen with a backlog of 1, makes an accept queue that Linux lets grow to 2: the handshakes that
frames {ack1} and {ack2} complete need no accept. The third client's SYN in frame {syn} gets no answer, neither SYN,ACK
nor RST, and call {connect}, connect, stays blocked while its kernel sends the SYN again in frame {again}. Call
{accept}, accept, makes room; frame {answered} is the same SYN once more, and this time frame {synack} answers.`,
			Zh: `调用 {listen}（listen，backlog 为 1）建立的已完成连接队列在 Linux 上最多容纳 2 条连接：第 {ack1} 帧和第 {ack2} 帧完成的
两次握手都不需要 accept。第三个客户端的 SYN（第 {syn} 帧）没有得到任何应答，既没有 SYN,ACK 也没有 RST，调用 {connect}
（connect）一直阻塞，内核在第 {again} 帧重传 SYN。调用 {accept}（accept）腾出位置；第 {answered} 帧再次重传同一个 SYN，这一次
第 {synack} 帧作出了应答。`,
		},
		looks: []look{{"tcp.analysis.retransmission", []string{"again", "answered"}}},
	}
}
