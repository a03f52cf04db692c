package report

import (
	"encoding/base64"
	"fmt"
	"slices"
	"strings"
	"time"

	"tcpwitness/harness/conversation"
	"tcpwitness/harness/evidence"
)

// What a page shows of one scenario at most; the rest is in the files.
const (
	mostPagePackets = 4000
	mostPageCalls   = 4000
	mostPageText    = 64 << 10  // bytes of what a program printed
	mostPageBytes   = 192 << 10 // bytes of packets that are shown whole
	leastPageBytes  = 96        // bytes shown of each packet beyond that
)

// scene is a scenario as the page's script reads it. It is text and numbers only; the script puts them into
// the page as text. The pictures are SVG written by this package.
type scene struct {
	Scenario string        `json:"scenario"`
	Title    string        `json:"title"`
	Notes    []string      `json:"notes,omitempty"` // what is missing or went wrong
	Names    [][2]string   `json:"names"`           // of fields, in English and Chinese
	Pictures []scenePic    `json:"pictures"`
	Packets  []scenePacket `json:"packets"`
	Calls    []sceneCall   `json:"calls"`
	Ends     []sceneEnd    `json:"ends"`
	// MorePackets and MoreCalls are those that are not in the page.
	MorePackets int `json:"morePackets,omitempty"`
	MoreCalls   int `json:"moreCalls,omitempty"`
}

type scenePic struct {
	Name string `json:"name"`
	En   string `json:"en"`
	Zh   string `json:"zh"`
	SVG  string `json:"svg"`
}

type scenePacket struct {
	N      int          `json:"n"`
	Time   string       `json:"t"` // ms since the beginning
	From   string       `json:"from,omitempty"`
	Where  string       `json:"where,omitempty"` // interface, where there are several
	Info   string       `json:"info"`
	En     string       `json:"en"`
	Zh     string       `json:"zh"`
	Fields []sceneField `json:"fields"`
	Hex    string       `json:"hex"` // base64
	Length int          `json:"len"`
	Odd    bool         `json:"odd,omitempty"`
}

// sceneField is a decoded field: its place in fieldNames, and its value.
type sceneField struct {
	Name  int    `json:"k"`
	Value string `json:"v"`
}

type sceneCall struct {
	N       int    `json:"n"`
	End     string `json:"end"`
	PID     int    `json:"pid,omitempty"`
	Text    string `json:"text"`
	Time    string `json:"t"`
	Took    string `json:"took"`
	Blocked bool   `json:"blocked,omitempty"`
	Failed  bool   `json:"failed,omitempty"`
}

type sceneEnd struct {
	End      string `json:"end"`
	Command  string `json:"command"`
	Ending   string `json:"ending"`
	EndingZh string `json:"endingZh"`
	Stdin    string `json:"stdin,omitempty"`
	Stdout   string `json:"stdout"`
	Stderr   string `json:"stderr"`
}

// sceneOf prepares a run for the page. The marks are those of every finding that rests on it.
func sceneOf(run *evidence.Run, marks Marks) scene {
	sc := scene{
		Scenario: oneLine(run.Scenario), Title: oneLine(run.Title), Names: fieldNames,
		Pictures: []scenePic{}, Packets: []scenePacket{}, Calls: []sceneCall{}, Ends: []sceneEnd{},
	}
	for _, m := range run.Missing {
		sc.Notes = append(sc.Notes, oneLine(fmt.Sprintf("%s: %s", m.What, m.Why)))
	}
	for _, f := range run.Faults {
		sc.Notes = append(sc.Notes, oneLine(f))
	}
	story := tell(run)
	for _, p := range story.pictures(PictureOptions{embedded: true, Marks: marks}) {
		sc.Pictures = append(sc.Pictures, scenePic{p.Name, p.Title.En, p.Title.Zh, p.SVG})
	}
	sc.addPackets(story)
	sc.addCalls(run, story.start)
	for i := range run.Outcomes {
		sc.Ends = append(sc.Ends, endOf(&run.Outcomes[i]))
	}
	return sc
}

func (sc *scene) addPackets(s *story) {
	run, analysis := s.run, s.analysis
	letters := map[int]string{}
	for _, f := range s.flights {
		for _, n := range f.frames() {
			if f.conn != nil {
				letters[n] = f.conn.letter()
			}
		}
	}
	english, chinese := conversation.English(), chinesePackets()
	shown := 0
	for i := range run.Packets {
		if i == mostPagePackets {
			sc.MorePackets = len(run.Packets) - i
			return
		}
		p := &run.Packets[i]
		said := analysis.Describe(p.N)
		keep := min(len(p.Data), mostPageBytes-shown)
		if keep < len(p.Data) {
			keep = min(len(p.Data), leastPageBytes)
		}
		shown += keep
		out := scenePacket{
			N: p.N, Time: milliseconds(p.Time.Sub(s.start)), En: oneLine(english.Say(said...)), Zh: oneLine(chinese.Say(said...)),
			Hex: base64.StdEncoding.EncodeToString(p.Data[:keep]), Length: max(p.Length, len(p.Data)),
		}
		if out.En == "" && p.Comment != "" {
			out.En, out.Zh = oneLine(p.Comment), oneLine(p.Comment)
		}
		if len(run.Interfaces) > 1 && p.Interface >= 0 && p.Interface < len(run.Interfaces) {
			out.Where = oneLine(run.Interfaces[p.Interface].Name)
		}
		out.describe(analysis, p, letters[p.N])
		sc.Packets = append(sc.Packets, out)
	}
}

// describe decodes the fields of a packet.
func (out *scenePacket) describe(analysis *conversation.Analysis, p *evidence.Packet, letter string) {
	_, seg := analysis.Of(p.N)
	if seg == nil {
		out.Info = "—"
		for _, d := range analysis.UDP {
			if d.Frame == p.N {
				out.Info = fmt.Sprintf("UDP len %d", d.Length)
				out.field("source", d.Source.String())
				out.field("destination", d.Destination.String())
				out.field("data", fmt.Sprint(d.Length))
				out.field("checksum", d.Checksum.String())
				break
			}
		}
		if p.Fate != "" {
			out.field("on the wire", string(p.Fate))
		}
		return
	}
	out.From = seg.From
	out.Info = infoOf(seg)
	out.Odd = !seg.Arrived() || seg.RetransmissionOf != 0 || seg.Flags.Has(conversation.RST)
	relative := func(absolute uint32, rel int64) string { return fmt.Sprintf("%d (%d)", rel, absolute) }
	add := out.field
	add("connection", letter)
	add("source", seg.Source.String())
	add("destination", seg.Destination.String())
	add("time to live", fmt.Sprint(seg.TTL))
	add("flags", seg.Flags.String())
	add("sequence number", relative(seg.Seq, seg.RelSeq))
	if seg.Flags.Has(conversation.ACK) {
		add("acknowledgement", relative(seg.Ack, seg.RelAck))
	}
	add("data", fmt.Sprint(seg.Length))
	add("window", windowOf(seg))
	add("checksum", seg.Checksum.String())
	if options := optionsOf(seg.Options); options != "" {
		add("options", options)
	}
	add("client afterwards", seg.After.Client.String())
	add("server afterwards", seg.After.Server.String())
	if p.Fate != "" {
		add("on the wire", string(p.Fate))
	}
	for _, name := range seg.Wireshark {
		add("Wireshark says", fmt.Sprint(name))
	}
}

// fieldNames are the fields of a packet, which the page is told once.
var fieldNames = [][2]string{
	{"connection", "连接"}, {"source", "源地址"}, {"destination", "目的地址"}, {"time to live", "生存时间 TTL"}, {"flags", "标志"},
	{"sequence number", "序号"}, {"acknowledgement", "确认号"}, {"data", "数据（字节）"}, {"window", "窗口"}, {"checksum", "校验和"},
	{"options", "选项"}, {"client afterwards", "客户端此后的状态"}, {"server afterwards", "服务器此后的状态"},
	{"on the wire", "线路上的遭遇"}, {"Wireshark says", "Wireshark 的判断"},
}

func (out *scenePacket) field(name, value string) {
	i := slices.IndexFunc(fieldNames, func(n [2]string) bool { return n[0] == name })
	out.Fields = append(out.Fields, sceneField{i, value})
}

// windowOf is the window as it stands in the header, and in bytes where that differs.
func windowOf(seg *conversation.Segment) string {
	if int64(seg.Window) == seg.ScaledWindow {
		return fmt.Sprint(seg.Window)
	}
	return fmt.Sprintf("%d (= %d)", seg.Window, seg.ScaledWindow)
}

// infoOf is the segment in a few words: flags and relative numbers.
func infoOf(seg *conversation.Segment) string {
	info := fmt.Sprintf("%s seq %d", flagsOf(seg), seg.RelSeq)
	if seg.Flags.Has(conversation.ACK) {
		info += fmt.Sprintf(" ack %d", seg.RelAck)
	}
	return info + fmt.Sprintf(" len %d win %d", seg.Length, seg.ScaledWindow)
}

func optionsOf(o conversation.Options) string {
	var said []string
	add := func(format string, arguments ...any) { said = append(said, fmt.Sprintf(format, arguments...)) }
	if o.MSS > 0 {
		add("MSS %d", o.MSS)
	}
	if o.WindowScale >= 0 {
		add("window scale %d (×%d)", o.WindowScale, 1<<min(o.WindowScale, 14))
	}
	if o.SACKPermitted {
		add("SACK permitted")
	}
	for _, s := range o.SACK {
		add("SACK %d–%d", s.Left, s.Right)
	}
	if o.Timestamps {
		add("timestamps %d, %d", o.TSVal, o.TSEcr)
	}
	if o.Malformed != "" {
		add("malformed: %s", oneLine(o.Malformed))
	}
	return strings.Join(said, "; ")
}

func (sc *scene) addCalls(run *evidence.Run, begin evidence.Time) {
	for i := range run.Calls {
		if i == mostPageCalls {
			sc.MoreCalls = len(run.Calls) - i
			return
		}
		c := &run.Calls[i]
		took := ""
		if c.Returned() {
			took = span(c.Exit.Sub(c.Entry))
		}
		sc.Calls = append(sc.Calls, sceneCall{
			N: c.N, End: c.End, PID: c.PID, Text: oneLine(c.String()), Time: milliseconds(c.Entry.Sub(begin)),
			Took: took, Blocked: c.Blocked, Failed: isFailure(c),
		})
	}
}

func endOf(o *evidence.Outcome) sceneEnd {
	command := make([]string, len(o.Command))
	for i, word := range o.Command {
		command[i] = oneLine(word)
	}
	ending := endingOf(o)
	return sceneEnd{
		End: o.End, Command: strings.Join(command, " "), Ending: ending.En, EndingZh: ending.Zh, Stdin: printed(o.Stdin, 0),
		Stdout: printed(o.Stdout, o.StdoutCut), Stderr: printed(o.Stderr, o.StderrCut),
	}
}

// printed is what a program printed, made printable and cut to what a page can bear.
func printed(b evidence.Bytes, cut int64) string {
	if len(b) > mostPageText {
		cut += int64(len(b) - mostPageText)
		b = b[:mostPageText]
	}
	text := evidence.Printable(string(b))
	if cut > 0 {
		text += fmt.Sprintf("\n… %d more bytes", cut)
	}
	return text
}

func milliseconds(d time.Duration) string { return fmt.Sprintf("%.3f", float64(d)/1e6) }
