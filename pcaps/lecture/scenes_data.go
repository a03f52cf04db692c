package main

import (
	"tcpwitness/harness/evidence"
	"tcpwitness/harness/report"
)

// The scenes about data.

func dataAndACK() *scene {
	return &scene{
		name: "03-data", rules: []string{"tcp.sequence-numbers", "tcp.acknowledges-data"},
		title: report.Text{En: "Data and acknowledgement", Zh: "数据与确认"},
		points: []point{
			clientCalls.first("send", evidence.OpSend, "5"),
			serverCalls.first("recv", evidence.OpRecv, "5"),
			fromClient.first("data", carrying(5), starting(1)),
			fromServer.first("ack", bare, acks(5)),
			fromServer.first("reply", carrying(7), starting(1)),
			fromClient.first("replyack", bare, acks(7)),
		},
		claims: []claim{begunAfter("recv", "ack"), some(1, fromClient, data), some(1, fromServer, data)},
		says: report.Text{
			En: `Frame {data} carries the five bytes of call {send}, send, as the first of the client's stream (seq 1, len 5).
Frame {ack} acknowledges them with ack 6, the number of the byte that the server expects next; the kernel sends it
before the program asks for the data in call {recv}, recv. Frames {reply} and {replyack} are the same the other way
round: each direction has sequence numbers of its own, so the server's seven bytes begin at seq 1 too.`,
			Zh: `第 {data} 帧携带调用 {send}（send）的五个字节，它们是客户端字节流的开头（seq 1，len 5）。第 {ack} 帧用 ack 6 确认，
即服务器期待的下一个字节的序号；确认由内核发出，此时程序还没有用调用 {recv}（recv）读取数据。第 {reply} 帧和第 {replyack}
帧是相反方向的同样过程：两个方向各有自己的序号，所以服务器的七个字节也从 seq 1 开始。`,
		},
		looks: []look{{"tcp.len > 0", []string{"data", "reply"}}},
	}
}

// longSend is more than two segments hold, in bytes.
const longSend = 4000

func byteStream() *scene {
	return &scene{
		name: "04-byte-stream", rules: []string{"tcp.byte-stream-merges", "tcp.byte-stream-splits"},
		title:    report.Text{En: "The byte stream merges and splits", Zh: "字节流的合并与拆分"},
		pictures: []string{"boundaries"},
		points: []point{
			clientCalls.nth(1, "send1", evidence.OpSend, "4"),
			clientCalls.nth(2, "send2", evidence.OpSend, "4"),
			clientCalls.nth(3, "send3", evidence.OpSend, "5"),
			clientCalls.nth(4, "long", evidence.OpSend, "4000"),
			serverCalls.nth(1, "recv", evidence.OpRecv, "13"),
			serverCalls.nth(2, "half1", evidence.OpRecv, "2000"),
			serverCalls.nth(3, "half2", evidence.OpRecv, "2000"),
			fromClient.nth(1, "one", data, carrying(4)),
			fromClient.nth(2, "two", data, carrying(4)),
			fromClient.nth(3, "three", data),
			fromClient.nth(4, "part1", data),
			fromClient.nth(5, "part2", data),
			fromClient.nth(6, "part3", data),
			fromServer.first("whole", acks(13+longSend)),
		},
		claims: []claim{
			some(6, fromClient, data), begunAfter("recv", "three"), begunAfter("half1", "part3"),
			some(0, fromClient, longer(1460)), some(1, fromClient, announces(1460)), some(1, fromServer, announces(1460)),
			none(fromClient, ending(13+longSend/2)),
		},
		says: report.Text{
			En: `Calls {send1}, {send2} and {send3} send three words, which cross in frames {one}, {two} and {three}; call {recv}, a
single recv, returns all 13 bytes and does not show where one send ended. Call {long}, one send of 4000 bytes, crosses
in frames {part1}, {part2} and {part3}, none of which holds more than the MSS of 1460 bytes that both SYNs announce.
Calls {half1} and {half2} then receive 2000 bytes each, although no segment ends there: TCP carries bytes, and where a
message ends is for the programs to say.`,
			Zh: `调用 {send1}、{send2}、{send3} 发送三个单词，分别由第 {one}、{two}、{three} 帧携带；而调用 {recv} 只用一次 recv 就
返回全部 13 个字节，看不出每次 send 到哪里为止（合并）。调用 {long} 用一次 send 发送 4000 字节，却分在第 {part1}、
{part2}、{part3} 帧里，每一帧都不超过双方 SYN 所通告的 MSS 1460 字节（拆分）。随后调用 {half1} 和 {half2} 各收到
2000 字节，而没有一个报文段在那里结束：TCP 传送的是字节流，消息的边界要由程序自己规定。`,
		},
		looks: []look{{"tcp.len > 0", []string{"one", "two", "three", "part1", "part2", "part3"}}},
	}
}

func blockedRecv() *scene {
	return &scene{
		name: "05-blocked-recv", rules: []string{"recv.blocks-until-data"},
		title: report.Text{En: "A blocked recv is woken by data", Zh: "阻塞的 recv 被数据唤醒"},
		points: []point{
			serverCalls.first("recv", evidence.OpRecv, "7"),
			clientCalls.first("send", evidence.OpSend, "7"),
			fromClient.first("ready", bare, acks(0)),
			fromClient.first("data", carrying(7)),
			fromServer.first("ack", bare, acks(7)),
		},
		claims: []claim{waits("recv"), begunBefore("recv", "data"), backAfter("recv", "data"), nothingBetween("ready", "data")},
		says: report.Text{
			En: `Call {recv}, recv, begins when there is nothing to read, and the kernel puts the program to sleep: the bar beside
the call is as long as it waits. Between frame {ready}, the end of the handshake, and frame {data} there is no packet
at all, so a program that waits costs the network nothing. Frame {data}, which call {send}, send, puts on the wire,
wakes it: recv returns 7 after that frame, and frame {ack} acknowledges it.`,
			Zh: `调用 {recv}（recv）开始时没有数据可读，内核让程序睡眠：调用旁边的竖条就是它阻塞的时间。从握手的最后一帧（第
{ready} 帧）到第 {data} 帧之间没有任何分组，所以等待的程序不占用网络。调用 {send}（send）发出的第 {data} 帧把它唤醒：
recv 在这一帧之后返回 7，第 {ack} 帧是对数据的确认。`,
		},
		looks: []look{{"tcp.len > 0", []string{"data"}}},
	}
}

func besideUDP() *scene {
	return &scene{
		name: "19-tcp-beside-udp", rules: []string{"udp.no-handshake", "udp.connect-emits-nothing", "udp.close-emits-nothing"},
		title: report.Text{En: "The same message over UDP and over TCP", Zh: "同一条消息：UDP 与 TCP"},
		points: []point{
			clientCalls.nth(1, "udpconnect", evidence.OpConnect, "0"),
			clientCalls.nth(1, "udpsend", evidence.OpSend, "4"),
			clientCalls.nth(1, "udpclose", evidence.OpClose, "0"),
			clientCalls.nth(2, "connect", evidence.OpConnect, "0"),
			datagram(1, "udp"),
			fromClient.first("syn", syn),
			fromClient.first("data", carrying(4)),
			fromServer.first("ack", bare, acks(4)),
			fromClient.first("fin", fin),
			fromClient.last("last", bare),
		},
		claims: []claim{
			nothingBetween("udp", "syn"), begunAfter("udpclose", "udp"), begunBefore("udpconnect", "udp"),
			later("udpsend", "udpconnect"), begunBefore("connect", "syn"), backAfter("connect", "syn"),
		},
		says: report.Text{
			En: `Over UDP call {udpsend}, send, puts one datagram on the wire, frame {udp}, and that is all: no handshake before it,
no acknowledgement after it, and not a packet when both sockets are closed. Over TCP the same four bytes are frame
{data}, and around it frames {syn} to {last} are the handshake, the acknowledgement (frame {ack}) and the close, which
frame {fin} begins. Both clients call connect: on the datagram socket call {udpconnect} sends nothing and only notes the
peer's address, on the stream socket call {connect} sends frame {syn} and waits for the answer.`,
			Zh: `用 UDP 时，调用 {udpsend}（send）只发出一个数据报，即第 {udp} 帧，仅此而已：之前没有握手，之后没有确认，两个套接字
关闭时也没有任何分组。用 TCP 时，同样的四个字节在第 {data} 帧，而它前后的第 {syn} 帧到第 {last} 帧是三次握手、确认（第 {ack}
帧）和从第 {fin} 帧开始的四次挥手。两个客户端都调用 connect：在数据报套接字上，调用 {udpconnect} 什么也不发送，只记下对方的
地址；在流套接字上，调用 {connect} 发出第 {syn} 帧并等待应答。`,
		},
		looks: []look{{"udp", []string{"udp"}}, {"tcp.len > 0", []string{"data"}}},
	}
}
