package report

import (
	"fmt"

	"tcpwitness/harness/conversation"
	"tcpwitness/harness/evidence"
)

// chinesePackets says in Chinese what packets are, in the words of Chinese networking textbooks.
func chinesePackets() conversation.Language {
	return conversation.Language{
		Separator: "；",
		End: func(end string) string {
			if end == evidence.Server {
				return "服务器"
			}
			return "客户端"
		},
		Bytes: func(n int64) string { return fmt.Sprintf("%d 字节", n) },
		Range: func(first, last int64) string {
			if first == last {
				return fmt.Sprintf("第 %d 字节", first)
			}
			return fmt.Sprintf("第 %d–%d 字节", first, last)
		},
		Templates: map[conversation.Kind]string{
			conversation.SaysSYN:             "SYN：{end}请求连接，三次握手之一",
			conversation.SaysSYNAgain:        "SYN：{end}请求连接",
			conversation.SaysSYNToo:          "SYN：{end}在看到对方的 SYN 之前也请求连接（同时打开）",
			conversation.SaysSYNUnexpected:   "连接已存在时收到的 SYN",
			conversation.SaysSYNACK:          "SYN-ACK：{end}同意，三次握手之二",
			conversation.SaysHandshakeDone:   "ACK：握手完成，三次握手之三",
			conversation.SaysData:            "{end}发来 {bytes}，是其字节流的{range}",
			conversation.SaysACK:             "ACK：{end}已收到第 {last} 字节及之前的全部数据",
			conversation.SaysNothingNew:      "ACK：没有新内容",
			conversation.SaysDuplicateACK:    "第 {n} 个重复 ACK：{end}仍在等待第 {first} 字节",
			conversation.SaysACKUnsent:       "ACK 确认了{other}还没有发送的数据，直到第 {last} 字节",
			conversation.SaysRSTUnknown:      "RST：{end}不认识这样的连接",
			conversation.SaysConflict:        "内容与之前不同",
			conversation.SaysChallengeACK:    "质询 ACK：{end}不相信第 {frame} 帧，并说明自己的位置",
			conversation.SaysFIN:             "FIN：{end}不再发送数据",
			conversation.SaysFINACK:          "确认{other}的 FIN",
			conversation.SaysRefused:         "RST：该端口没有套接字在监听",
			conversation.SaysRST:             "RST：{end}立即终止连接",
			conversation.SaysRSTClosed:       "RST：{end}已经关闭，不再接收任何数据",
			conversation.SaysRSTOpening:      "RST：{end}拒绝不属于本次连接请求的报文段",
			conversation.SaysRSTIgnored:      "RST 的序号不是{other}所期待的，因此无效",
			conversation.SaysRetransmission:  "第 {frame} 帧的第 {n} 次重传",
			conversation.SaysFast:            "由三个重复 ACK 触发（快速重传）",
			conversation.SaysGap:             "此前有 {bytes}未见到",
			conversation.SaysFillsGap:        "迟到并填补了空缺",
			conversation.SaysZeroWindow:      "零窗口：{end}没有空间了",
			conversation.SaysWindowUpdate:    "窗口更新：{end}有 {bytes}的空间",
			conversation.SaysWindowFull:      "填满了{other}的窗口",
			conversation.SaysWindowProbe:     "窗口探测：{end}询问是否又有空间",
			conversation.SaysOutsideWindow:   "超出{other}的窗口，被其丢弃",
			conversation.SaysKeepAlive:       "保活探测：{end}询问{other}是否还在",
			conversation.SaysKeepAliveAnswer: "对保活探测的应答：{end}还在",
			conversation.SaysBadChecksum:     "校验和错误，{other}将其丢弃",
			conversation.SaysOddSegment:      "没有 ACK 的报文段，{other}将其丢弃",
			conversation.SaysLost:            "在线路上丢失",
			conversation.SaysCorrupted:       "在线路上损坏，{other}会将其丢弃",
			conversation.SaysDuplicated:      "被线路复制",
			conversation.SaysHeld:            "被线路滞留",
			conversation.SaysRewritten:       "被线路改写",
			conversation.SaysInjected:        "由测试产生",
			conversation.SaysWireshark:       "[{text}]",
			conversation.SaysDatagram:        "UDP 数据报，{bytes}，{text}",
			conversation.SaysFragment:        "UDP 数据报的第 {n} 个分片，到第 {frame} 帧收齐",
			conversation.SaysUnreachable:     "ICMP：没有程序使用端口 {text}",
			conversation.SaysICMP:            "ICMP {text}",
			conversation.SaysOther:           "{text}",
		},
	}
}
