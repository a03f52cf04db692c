package main

import (
	"tcpwitness/harness/conversation"
	"tcpwitness/harness/evidence"
	"tcpwitness/harness/report"
)

// The scenes about how connections end.

func halfClose() *scene {
	return &scene{
		name: "06-half-close", rules: []string{"shutdown.write-half"},
		title: report.Text{En: "Half-close", Zh: "半关闭"},
		points: []point{
			clientCalls.first("shutdown", evidence.OpShutdown, "0"),
			serverCalls.nth(2, "end", evidence.OpRecv, "0"),
			clientCalls.first("got", evidence.OpRecv, "6"),
			fromClient.first("fin", fin),
			fromServer.first("finack", bare, acks(9)),
			fromServer.first("answer", carrying(6)),
			fromServer.first("serverfin", fin),
			fromClient.last("last", bare),
		},
		claims: []claim{
			begunBefore("shutdown", "fin"), begunAfter("end", "fin"), backAfter("got", "answer"),
			reaches(evidence.Client, conversation.FinWait2, "finack"), reaches(evidence.Server, conversation.CloseWait, "finack"),
			reaches(evidence.Client, conversation.FinWait2, "answer"), reaches(evidence.Server, conversation.CloseWait, "answer"),
			reaches(evidence.Client, conversation.TimeWait, "last"),
		},
		says: report.Text{
			En: `Call {shutdown}, shutdown(SHUT_WR), sends the FIN in frame {fin}: the client has no more to send, and the server
learns it when call {end}, recv, returns 0. The other direction is still open: frame {answer} carries data to the end
that has sent its FIN, and call {got}, recv, receives it there. From frame {finack} on the client is in FIN-WAIT-2 and
the server in CLOSE-WAIT, until the server's own FIN in frame {serverfin} and its acknowledgement in frame {last}.`,
			Zh: `调用 {shutdown}（shutdown，SHUT_WR）发出第 {fin} 帧中的 FIN：客户端不再发送数据，服务器从调用 {end}（recv 返回 0）
得知这一点。另一个方向仍然打开：第 {answer} 帧把数据送给已经发出 FIN 的一端，调用 {got}（recv）照样收到，这就是半关闭。
从第 {finack} 帧起客户端处于 FIN-WAIT-2，服务器处于 CLOSE-WAIT，直到第 {serverfin} 帧中服务器自己的 FIN 和第 {last} 帧对
它的确认。`,
		},
		looks: []look{{"tcp.flags.fin == 1", []string{"fin", "serverfin"}}},
	}
}

func fourWayClose() *scene {
	return &scene{
		name: "07-four-way-close", rules: []string{"tcp.four-way-close", "tcp.time-wait-on-active-closer"},
		title:    report.Text{En: "The four-way close", Zh: "四次挥手"},
		pictures: []string{"states"},
		points: []point{
			clientCalls.first("close1", evidence.OpClose, "0"),
			serverCalls.first("end", evidence.OpRecv, "0"),
			serverCalls.first("close2", evidence.OpClose, "0"),
			fromClient.first("fin1", fin),
			fromServer.first("ack1", bare, acks(1)),
			fromServer.first("fin2", fin),
			fromClient.last("ack2", bare, acks(1)),
		},
		claims: []claim{
			begunBefore("close1", "fin1"), begunAfter("end", "ack1"), begunBefore("close2", "fin2"), later("close2", "end"),
			reaches(evidence.Server, conversation.CloseWait, "ack1"), reaches(evidence.Server, conversation.LastAck, "fin2"),
			reaches(evidence.Server, conversation.Closed, "ack2"), reaches(evidence.Client, conversation.TimeWait, "ack2"),
		},
		says: report.Text{
			En: `Frame {fin1} is the client's FIN, frame {ack1} the server's ACK of it, frame {fin2} the server's FIN and frame
{ack2} the client's ACK: each direction is closed by itself. Frame {ack1} the kernel sends of its own accord, but frame
{fin2} only when the program has seen the end of the stream (call {end}, recv = 0) and calls close (call {close2});
until then the server stays in CLOSE-WAIT. The client, which closed first (call {close1}), ends in TIME-WAIT; the server
goes through LAST-ACK to CLOSED.`,
			Zh: `第 {fin1} 帧是客户端的 FIN，第 {ack1} 帧是服务器对它的 ACK，第 {fin2} 帧是服务器的 FIN，第 {ack2} 帧是客户端的 ACK：
两个方向各自关闭。第 {ack1} 帧由内核自动发出，而第 {fin2} 帧要等程序看到字节流的结尾（调用 {end}，recv 返回 0）并调用
close（调用 {close2}）才会发出；在此之前服务器一直处于 CLOSE-WAIT。先关闭的客户端（调用 {close1}）最后处于时间等待
（TIME_WAIT），服务器则经 LAST-ACK 到 CLOSED。`,
		},
		looks: []look{{"tcp.flags.fin == 1", []string{"fin1", "fin2"}}},
	}
}

func recvZero() *scene {
	return &scene{
		name: "08-recv-zero", rules: []string{"recv.zero-on-peer-close", "recv.data-before-end"},
		title: report.Text{En: "recv returns 0", Zh: "recv 返回 0"},
		points: []point{
			clientCalls.first("close", evidence.OpClose, "0"),
			serverCalls.nth(1, "got", evidence.OpRecv, "3"),
			serverCalls.nth(2, "zero1", evidence.OpRecv, "0"),
			serverCalls.nth(3, "zero2", evidence.OpRecv, "0"),
			fromClient.first("data", carrying(3)),
			fromClient.first("fin", fin),
		},
		claims: []claim{begunAfter("got", "fin"), later("zero1", "got"), later("zero2", "zero1"), none(fromClient, reset)},
		says: report.Text{
			En: `Frame {data} with three bytes and frame {fin}, the FIN of call {close}, close, have both arrived before the server
looks. Call {got}, recv, returns the three bytes all the same: what was sent before the end is delivered first. Call
{zero1}, recv, returns 0, the end of the stream, and so does call {zero2}: 0 is neither an error nor an empty message,
and it does not go away.`,
			Zh: `带三个字节的第 {data} 帧和第 {fin} 帧（调用 {close}，即 close 的 FIN）在服务器读取之前都已到达。调用 {got}（recv）
仍然返回这三个字节：结束之前发送的数据会先交付。调用 {zero1}（recv）返回 0，表示字节流到此结束，调用 {zero2} 再次返回 0：
0 既不是错误，也不是空消息，而且不会消失。`,
		},
		looks: []look{{"tcp.flags.fin == 1", []string{"fin"}}},
	}
}

func unreadData() *scene {
	return &scene{
		name: "12-unread-data", rules: []string{"close.unread-data-resets"},
		title: report.Text{En: "Close with unread data: RST", Zh: "还有未读数据时关闭：RST"},
		points: []point{
			clientCalls.first("close", evidence.OpClose, "0"),
			serverCalls.first("recv", evidence.OpRecv, "ECONNRESET"),
			fromServer.first("data", carrying(17)),
			fromClient.first("ack", bare, acks(17)),
			fromClient.first("rst", reset),
		},
		claims: []claim{begunAfter("close", "ack"), never(evidence.Client, evidence.OpRecv), none(fromClient, fin), begunAfter("recv", "rst")},
		says: report.Text{
			En: `Frame {data} brings 17 bytes and frame {ack} acknowledges them: they wait in the client's receive buffer, and no
recv ever asks for them. Call {close}, close, therefore sends the RST in frame {rst} in the place of a FIN: the server
is to know that something it sent was thrown away. Call {recv}, recv, fails with ECONNRESET at the server, where after
a FIN it would return 0.`,
			Zh: `第 {data} 帧带来 17 个字节，第 {ack} 帧确认了它们：数据停在客户端的接收缓冲区里，始终没有 recv 来读取。因此调用
{close}（close）发出的不是 FIN，而是第 {rst} 帧的 RST：要让服务器知道，它发送的数据被丢弃了。服务器的调用 {recv}（recv）
失败，错误码为 ECONNRESET；如果收到的是 FIN，它会返回 0。`,
		},
		looks: []look{{"tcp.flags.reset == 1", []string{"rst"}}},
	}
}

func lingerZero() *scene {
	return &scene{
		name: "13-linger-zero", rules: []string{"close.linger-zero-resets"},
		title: report.Text{En: "Close with SO_LINGER 0: RST", Zh: "SO_LINGER 为 0 时关闭：RST"},
		points: []point{
			clientCalls.first("option", evidence.OpSetOption, "0"),
			clientCalls.first("close", evidence.OpClose, "0"),
			serverCalls.first("recv", evidence.OpRecv, "ECONNRESET"),
			fromClient.first("rst", reset),
		},
		claims: []claim{
			later("close", "option"), begunBefore("close", "rst"), none(fromClient, fin), none(fromServer, data), frames(4),
			reaches(evidence.Client, conversation.Closed, "rst"), reaches(evidence.Server, conversation.Closed, "rst"),
		},
		says: report.Text{
			En: `Call {option}, setsockopt, switches SO_LINGER on with a time of 0 seconds. Call {close}, close, then sends the RST
in frame {rst}, although nothing was left unread: there is no FIN, nothing answers, and both ends are CLOSED at once,
without TIME-WAIT. Call {recv}, recv, fails with ECONNRESET at the server: compare it with scene 7, where the same
close is taken for the end of the stream.`,
			Zh: `调用 {option}（setsockopt）打开 SO_LINGER，时间为 0 秒。于是调用 {close}（close）发出第 {rst} 帧的 RST，尽管没有未读的
数据：没有 FIN，没有应答，两端立即进入 CLOSED，也没有时间等待（TIME_WAIT）。服务器的调用 {recv}（recv）失败，错误码为
ECONNRESET；请与场景 7 比较，同样的 close 在那里被当作字节流的正常结束。`,
		},
		looks: []look{{"tcp.flags.reset == 1", []string{"rst"}}},
	}
}

func killedProcess() *scene {
	return &scene{
		name: "14-killed-process", rules: []string{"recv.zero-on-peer-exit"},
		title: report.Text{En: "A killed process", Zh: "进程被杀死"},
		points: []point{
			serverCalls.first("recv", evidence.OpRecv, "0"),
			clientCalls.first("death", evidence.OpExit, anything),
			fromClient.first("fin", fin),
			fromServer.last("ack", bare, acks(1)),
		},
		claims: []claim{
			waits("recv"), backAfter("recv", "fin"), never(evidence.Client, evidence.OpClose), never(evidence.Client, evidence.OpShutdown),
			none(fromClient, reset), killed("death"),
		},
		says: report.Text{
			En: `At number {death} the client is killed with SIGKILL, and so it calls neither close nor shutdown. Its kernel closes every
descriptor that it leaves, so frame {fin} is an ordinary FIN, and no RST since nothing was left unread. Call {recv},
recv, which was blocked, returns 0, and frame {ack} acknowledges the FIN: on the network a killed client looks like one
that has closed.`,
			Zh: `在编号 {death} 处客户端被 SIGKILL 杀死：它既没有调用 close，也没有调用 shutdown。内核替它关闭留下的所有文件描述符，所以第
{fin} 帧是一个普通的 FIN；因为没有未读的数据，所以不是 RST。一直阻塞的调用 {recv}（recv）返回 0，第 {ack} 帧确认了这个 FIN：
在网络上，被杀死的客户端与正常关闭的客户端看起来一样。`,
		},
		looks: []look{{"tcp.flags.fin == 1", []string{"fin"}}},
	}
}

func timeWait() *scene {
	return &scene{
		name: "18-time-wait", rules: []string{"bind.time-wait-needs-reuseaddr", "tcp.time-wait-on-active-closer"},
		title: report.Text{En: "TIME_WAIT and a refused restart", Zh: "时间等待（TIME_WAIT）与被拒绝的重启"},
		points: []point{
			serverCalls.nth(1, "before", evidence.OpSetOption, "0"),
			serverCalls.first("close", evidence.OpClose, "0"),
			serverCalls.first("exit", evidence.OpExit, anything),
			serverCalls.nth(2, "refused", evidence.OpBind, "EADDRINUSE"),
			serverCalls.nth(2, "option", evidence.OpSetOption, "0"),
			serverCalls.nth(3, "bound", evidence.OpBind, "0"),
			fromServer.first("fin", fin),
			fromClient.first("fin2", fin),
			fromServer.last("last", bare),
		},
		claims: []claim{
			begunBefore("close", "fin"), begunAfter("exit", "last"), later("refused", "exit"), later("bound", "option"),
			sameDescriptor("refused", "bound"), reaches(evidence.Server, conversation.TimeWait, "fin2"),
			reaches(evidence.Server, conversation.TimeWait, "last"), reaches(evidence.Client, conversation.Closed, "last"),
		},
		says: report.Text{
			En: `The server closes first (call {close}, frame {fin}), so from frame {fin2} on it is the server's end that is in
TIME-WAIT, and there it stays when the program has ended (call {exit}). The server that is then started anew (p2) cannot
have its port: call {refused}, bind, fails with EADDRINUSE, although no program uses the port. After call {option},
setsockopt with SO_REUSEADDR, the same bind succeeds in call {bound}; the first server had to set the option as well
(call {before}), or Linux would refuse the second one all the same.`,
			Zh: `服务器先关闭（调用 {close}，第 {fin} 帧），所以从第 {fin2} 帧起处于时间等待（TIME_WAIT）的是服务器一端，程序结束（调用
{exit}）之后仍然如此。随后重新启动的服务器（p2）拿不到它的端口：调用 {refused}（bind）失败，错误码为 EADDRINUSE，尽管没有
程序在使用这个端口。调用 {option}（setsockopt，SO_REUSEADDR）之后，同样的 bind 在调用 {bound} 成功了；第一个服务器也必须设置过
这个选项（调用 {before}），否则 Linux 仍会拒绝第二个。`,
		},
		looks: []look{{"tcp.flags.fin == 1", []string{"fin", "fin2"}}},
	}
}
