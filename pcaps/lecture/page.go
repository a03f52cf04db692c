package main

import (
	"fmt"
	"slices"
	"strings"
	"unicode/utf8"

	"tcpwitness/harness/report"
)

// page is one of the two pages.
type page struct {
	file     string
	language report.Language
	title    string
	opening  string
	// capture, record and asks are the words of a scene's links and filters.
	capture, record string
	asks            string
	picture         map[string]string // captions, by kind
}

func pages() []page {
	return []page{
		{
			file: "README.md", language: report.English, title: "Captures for lectures", opening: openingEn,
			capture: "capture", record: "record of the calls", asks: "in Wireshark",
			picture: map[string]string{
				ladder: "ladder", "sequence": "time and sequence numbers", "boundaries": "message boundaries",
				"states": "state machine", "descriptors": "life of the descriptors", "queue": "accept queue",
			},
		},
		{
			file: "README.zh.md", language: report.Chinese, title: "课堂用抓包", opening: openingZh,
			capture: "抓包文件", record: "调用记录", asks: "在 Wireshark 中",
			picture: map[string]string{
				ladder: "时序梯图", "sequence": "时间—序号图", "boundaries": "报文边界",
				"states": "状态机", "descriptors": "文件描述符的生命周期", "queue": "已完成连接队列",
			},
		},
	}
}

const openingEn = `Each scene below was played by two real programs on a real network of Linux; nothing is drawn by hand or made up.
Open the capture in Wireshark and show the ladder beside it: both bear the same frame numbers, and each frame of the
capture has a comment that says what it is (*Packet comments* in the detail pane, or the column below).

**How to read a ladder.** Time runs from top to bottom. The client stands on the left, the server on the right, and
between them go the packets; the number at an arrow is the frame's number in Wireshark. Outside stand the socket
calls of each end, each with its call number, and a bar beside a call is the time in which it was waiting. A boxed
number is a descriptor: it has the colour of its connection, and it is black where the socket listens. Beside the
arrows stand the states of RFC 9293. What the text points at is tinted.

` + "```sh" + `
wireshark pcaps/lecture/01-handshake.pcapng
tshark -r pcaps/lecture/01-handshake.pcapng -T fields -e frame.number -e _ws.col.info -e frame.comment
` + "```" + `

Ports, times and initial sequence numbers differ from run to run; Wireshark shows sequence numbers relative to the
initial ones, and so do we. Scenes 15 and 16 were captured on both sides of a wire, so a packet that crosses it has
two frames, the sender's and the receiver's, and a lost one has one.

This page, its Chinese twin [README.zh.md](README.zh.md), and everything they show is written by
` + "`go run ./pcaps/lecture`" + `, which plays the scenes anew and looks up every number in what it saw.
`

const openingZh = `下面每个场景都由两个真实的程序在真实的 Linux 网络上演示，没有一处是手绘或编造的。上课时用 Wireshark
打开抓包文件，把时序梯图放在旁边：两者的帧号相同，而且每一帧都带有一条注释，说明它是什么（在详情栏的
*Packet comments* 里，注释为英文）。

**怎样看时序梯图。** 时间自上而下。客户端在左，服务器在右，中间是分组；箭头上的数字就是 Wireshark 里的帧号。
最外侧是两端的套接字调用，每个调用前有调用号，旁边的竖条表示该调用阻塞等待的时间。方框里的数字是文件描述符，
与所属连接同色；黑底的是监听套接字。箭头两旁是 RFC 9293 的连接状态。正文所指的帧和调用都加了底色。

` + "```sh" + `
wireshark pcaps/lecture/01-handshake.pcapng
tshark -r pcaps/lecture/01-handshake.pcapng -T fields -e frame.number -e _ws.col.info -e frame.comment
` + "```" + `

端口、时间和初始序号每次运行都不同；Wireshark 显示相对于初始序号的序号，这里也一样。场景 15 和 16 在链路两侧同时
抓包，因此穿过链路的分组有两帧（发送方一帧、接收方一帧），丢失的分组只有一帧。

本页、英文页 [README.md](README.md) 以及其中的一切都由 ` + "`go run ./pcaps/lecture`" + ` 生成：它重新演示全部场景，
并从所见的记录里查出每一个编号。
`

// write writes the page.
func (p page) write(told []chapter) []byte {
	var b strings.Builder
	fmt.Fprintf(&b, "# %s\n", p.title)
	for _, paragraph := range strings.Split(p.opening, "\n\n") {
		fmt.Fprintf(&b, "\n%s\n", p.wrapped(paragraph))
	}
	b.WriteByte('\n')
	for i, c := range told {
		fmt.Fprintf(&b, "%d. [%s](#%s)\n", i+1, c.title.In(p.language), c.name)
	}
	for i, c := range told {
		p.section(&b, i+1, c)
	}
	return []byte(b.String())
}

// wrapped is a paragraph in lines of one length; numbers have taken the place of longer names. Chinese stands on
// one line, since a line's end would be shown as a space. Code stays as it is.
func (p page) wrapped(paragraph string) string {
	paragraph = strings.TrimSpace(paragraph)
	if strings.HasPrefix(paragraph, "```") {
		return paragraph
	}
	var b strings.Builder
	column, lines := 0, p.language != report.Chinese
	for i, word := range strings.Fields(paragraph) {
		width := utf8.RuneCountInString(word)
		switch {
		case i == 0:
		case lines && column+1+width > columns:
			b.WriteByte('\n')
			column = 0
		case !lines && unspaced(b.String(), word):
		default:
			b.WriteByte(' ')
			column++
		}
		b.WriteString(word)
		column += width
	}
	return b.String()
}

// columns is how long a line may be.
const columns = 118

// unspaced says that no space belongs between what is written and the next word: one of them ends, or begins,
// with Chinese punctuation, or the source was only broken there.
func unspaced(before, after string) bool {
	last, _ := utf8.DecodeLastRuneInString(before)
	first, _ := utf8.DecodeRuneInString(after)
	return last > 0x2e7f && first > 0x2e7f || strings.ContainsRune("，。；：、（）", last) || strings.ContainsRune("，。；：、（）", first)
}

// section writes what belongs to a scene. An anchor stands before the heading, so that links do not depend on
// how a heading's name is made.
func (p page) section(b *strings.Builder, number int, c chapter) {
	fmt.Fprintf(b, "\n<a id=\"%s\"></a>\n\n## %d. %s\n\n%s\n\n", c.name, number, c.title.In(p.language), p.wrapped(c.filled(c.says.In(p.language))))
	for _, kind := range append([]string{ladder}, c.scene.pictures...) {
		fmt.Fprintf(b, "![%s](%s)\n\n", p.caption(kind), c.file(kind, p.language))
	}
	fmt.Fprintf(b, "[%s](%s.pcapng) · [%s](%s.json)\n", p.capture, c.name, p.record, c.name)
	if len(c.looks) == 0 {
		return
	}
	fmt.Fprintf(b, "\n| %s | |\n|---|---|\n", p.asks)
	for _, l := range c.looks {
		fmt.Fprintf(b, "| `%s` | %s |\n", strings.ReplaceAll(l.filter, "|", "\\|"), p.selects(c, l))
	}
}

// caption names a picture; of several connections it says whose it is.
func (p page) caption(kind string) string {
	kind, letter, several := strings.Cut(kind, "-")
	if several {
		return p.picture[kind] + " " + letter
	}
	return p.picture[kind]
}

// selects says which frames a filter selects.
func (p page) selects(c chapter, l look) string {
	numbers := make([]string, len(l.points))
	sorted := c.frames(l)
	for i, n := range sorted {
		numbers[i] = fmt.Sprint(n)
	}
	switch {
	case p.language == report.Chinese:
		return "第 " + strings.Join(numbers, "、") + " 帧"
	case len(numbers) == 1:
		return "frame " + numbers[0]
	}
	last := len(numbers) - 1
	return "frames " + strings.Join(numbers[:last], ", ") + " and " + numbers[last]
}

// frames are the numbers of the points that a filter selects, in rising order.
func (c chapter) frames(l look) []int {
	numbers := make([]int, len(l.points))
	for i, name := range l.points {
		numbers[i] = c.view.numbers[name]
	}
	slices.Sort(numbers)
	return numbers
}
