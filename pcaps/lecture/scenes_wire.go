package main

import (
	"tcpwitness/harness/evidence"
	"tcpwitness/harness/report"
	"tcpwitness/harness/wire"
)

// The scenes about what TCP makes up for.

func lostSegment() *scene {
	return &scene{
		name: "15-lost-segment", rules: []string{"tcp.retransmits-lost"},
		title:  report.Text{En: "A lost segment is sent again", Zh: "丢失的报文段被重传"},
		onWire: true, faults: []wire.Fault{wire.Lose(wire.FirstData(wire.Client))},
		pictures: []string{"sequence"},
		points: []point{
			clientCalls.first("send", evidence.OpSend, "5"),
			serverCalls.first("recv", evidence.OpRecv, "5"),
			fromClient.first("lost", data, lost, starting(1)),
			fromClient.first("again", data, again, starting(1)),
			fromClient.arriving().first("arrived", data),
			fromServer.first("ack", bare, acks(5)),
		},
		claims: []claim{
			waits("recv"), nothingBetween("lost", "again"), nothingBetween("again", "arrived"), backAfter("recv", "arrived"),
		},
		says: report.Text{
			En: `Frame {lost} leaves the client and never arrives: it stands in the capture of the client's side and has no twin on
the server's. Call {send}, send, has returned 5 all the same; the client's kernel waits for an acknowledgement, in
vain, and sends the same bytes again (seq 1, len 5) in frame {again}, which arrives as frame {arrived}. Frame {ack}
acknowledges them and call {recv}, recv, returns the five bytes: the programs see a delay, and no loss.`,
			Zh: `第 {lost} 帧离开客户端，却没有到达：它只出现在客户端一侧的抓包里，服务器一侧没有与之对应的帧。调用 {send}（send）照样
返回 5；客户端的内核等不到确认，就在第 {again} 帧重传同样的字节（seq 1，len 5），它到达时是第 {arrived} 帧。第 {ack} 帧
确认了它们，调用 {recv}（recv）返回五个字节：程序看到的只是延迟，而不是丢失。`,
		},
		looks: []look{
			{"frame.interface_name == \"client\" && tcp.len > 0", []string{"lost", "again"}},
			{"frame.interface_name == \"server\" && tcp.len > 0", []string{"arrived"}},
		},
	}
}

func corruptedSegment() *scene {
	return &scene{
		name: "16-corrupted-segment", rules: []string{"tcp.retransmits-corrupted", "tcp.checksum-valid"},
		title:  report.Text{En: "A corrupted segment is sent again", Zh: "损坏的报文段被重传"},
		onWire: true, faults: []wire.Fault{wire.Corrupt(wire.FirstData(wire.Client))},
		points: []point{
			serverCalls.first("recv", evidence.OpRecv, "5"),
			fromClient.nth(1, "sent", data),
			fromClient.arriving().first("broken", data, broke),
			fromClient.first("again", data, again),
			fromClient.arriving().first("arrived", data, sound),
			fromServer.first("ack", bare, acks(5)),
		},
		claims: []claim{
			waits("recv"), nothingBetween("sent", "broken"), nothingBetween("broken", "again"), backAfter("recv", "arrived"),
		},
		says: report.Text{
			En: `Frame {sent} arrives as frame {broken} with one bit turned on the way, so that its checksum is wrong (Wireshark
says so if *Validate the TCP checksum if possible* is on in its preferences of TCP). The server's kernel drops it
without a word: no packet answers, and call {recv}, recv, stays blocked. For the client that is the same as a loss, so it
sends the bytes again in frame {again}; they arrive unharmed in frame {arrived}, frame {ack} acknowledges them, and recv
returns.`,
			Zh: `第 {sent} 帧在途中有一个比特被翻转，到达时是第 {broken} 帧，校验和因此是错的（在 Wireshark 的 TCP 首选项中打开
*Validate the TCP checksum if possible* 即可看到）。服务器的内核不声不响地丢弃它：没有任何分组应答，调用 {recv}（recv）继续
阻塞。对客户端来说这与丢失一样，于是在第 {again} 帧重传这些字节；它们完好地到达（第 {arrived} 帧），第 {ack} 帧予以确认，
recv 随即返回。`,
		},
		looks: []look{{"tcp.checksum.status == \"Bad\"", []string{"broken"}}},
	}
}

// windowful is more than a small receive buffer holds, in bytes.
const windowful = 1300

func zeroWindow() *scene {
	return &scene{
		name: "17-zero-window", rules: []string{"tcp.respects-window"},
		title:    report.Text{En: "Zero window and its reopening", Zh: "零窗口与窗口重新打开"},
		pictures: []string{"sequence"},
		points: []point{
			serverCalls.first("option", evidence.OpSetOption, "0"),
			serverCalls.first("recv", evidence.OpRecv, anything),
			fromClient.first("first", data),
			fromClient.lastBefore(fromServer.first("zero", closed), "full", data),
			fromServer.first("zero", closed),
			fromClient.first("probe", probe),
			fromServer.nth(2, "still", closed),
			fromServer.first("opened", opened),
			fromClient.after("opened", "rest", data),
		},
		claims: []claim{begunAfter("recv", "still"), begunBefore("recv", "opened"), noneBetween("zero", "opened", fromClient, data)},
		says: report.Text{
			En: `Call {option}, setsockopt, gives the server a tiny receive buffer; frames {first} to {full} fill it while the program
reads nothing, and frame {zero} says win 0. The client has more to send and must not: it asks with the probe in frame
{probe}, and frame {still} answers that the window is still 0. Call {recv}, recv, empties the buffer, frame {opened}
announces room again, and frame {rest} carries what had to wait.`,
			Zh: `调用 {option}（setsockopt）给服务器设置了很小的接收缓冲区；程序没有读取，第 {first} 帧到第 {full} 帧就把它填满，第
{zero} 帧通告 win 0，即零窗口。客户端还有数据却不能发送：它在第 {probe} 帧进行窗口探测，第 {still} 帧回答窗口仍然为 0。
调用 {recv}（recv）取走缓冲区的数据，第 {opened} 帧通告窗口重新打开，第 {rest} 帧送出此前等待的数据。`,
		},
		looks: []look{
			{"tcp.analysis.zero_window", []string{"zero", "still"}},
			{"tcp.analysis.keep_alive", []string{"probe"}},
			{"tcp.analysis.window_update", []string{"opened"}},
		},
	}
}
