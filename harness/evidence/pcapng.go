package evidence

import (
	"fmt"
	"io"
	"runtime"
	"strings"
	"time"
	"unicode/utf8"

	"github.com/gopacket/gopacket"
	"github.com/gopacket/gopacket/layers"
	"github.com/gopacket/gopacket/pcapgo"
)

// maxComment is the number of bytes that a comment in a capture may have; pcapng allows 65,535.
const maxComment = 8 << 10

// WritePcapng writes the packets of a run as pcapng: one section, whose comment names the scenario and its
// rules, the run's interfaces, and for each packet its comment. Timestamps are in nanoseconds. The n-th
// frame of the file is the n-th packet of the run, and its number must say so.
func WritePcapng(w io.Writer, run *Run) error {
	interfaces := run.Interfaces
	if len(interfaces) == 0 {
		interfaces = []Interface{{Name: "lo", LinkType: LinkEthernet}}
	}
	options := pcapgo.NgWriterOptions{SectionInfo: pcapgo.NgSectionInfo{
		Hardware: runtime.GOARCH, OS: commentText(strings.TrimSpace(run.Host.OS + " " + run.Host.Kernel)),
		Application: "tcpwitness", Comment: run.sectionComment(),
	}}
	out, err := pcapgo.NewNgWriterInterface(w, ngInterface(interfaces[0]), options)
	if err != nil {
		return fmt.Errorf("write pcapng: %w", err)
	}
	for _, iface := range interfaces[1:] {
		if _, err := out.AddInterface(ngInterface(iface)); err != nil {
			return fmt.Errorf("write pcapng: interface %s: %w", iface.Name, err)
		}
	}
	for i := range run.Packets {
		if err := writePacket(out, &run.Packets[i], i+1, len(interfaces)); err != nil {
			return fmt.Errorf("write pcapng: frame %d: %w", i+1, err)
		}
	}
	if err := out.Flush(); err != nil {
		return fmt.Errorf("write pcapng: %w", err)
	}
	return nil
}

func writePacket(out *pcapgo.NgWriter, p *Packet, number, interfaces int) error {
	switch {
	case p.N != number:
		return fmt.Errorf("the packet bears the number %d", p.N)
	case p.Interface < 0 || p.Interface >= interfaces:
		return fmt.Errorf("interface %d of %d", p.Interface, interfaces)
	}
	info := gopacket.CaptureInfo{
		Timestamp: p.Time.Go(), CaptureLength: len(p.Data), Length: max(p.Length, len(p.Data)), InterfaceIndex: p.Interface,
	}
	var options pcapgo.NgPacketOptions
	if p.Comment != "" {
		options.Comments = []string{commentText(p.Comment)}
	}
	return out.WritePacketWithOptions(info, p.Data, options)
}

// sectionComment names the scenario and its rules.
func (r *Run) sectionComment() string {
	comment := "scenario: " + r.Scenario
	if len(r.Rules) > 0 {
		comment += "; rules: " + strings.Join(r.Rules, ", ")
	}
	if r.Title != "" {
		comment += "; " + r.Title
	}
	return commentText(comment)
}

// commentText is text as a capture may hold it: printable UTF-8 of bounded length.
func commentText(text string) string {
	text = Printable(text)
	if len(text) <= maxComment {
		return text
	}
	cut := maxComment
	for cut > 0 && !utf8.RuneStart(text[cut]) {
		cut--
	}
	return text[:cut] + "…"
}

// The description of an interface says whose side it is.
const (
	clientSide = "the client's side"
	serverSide = "the server's side"
)

func ngInterface(i Interface) pcapgo.NgInterface {
	out := pcapgo.NgInterface{
		Name: commentText(i.Name), LinkType: layers.LinkType(i.LinkType), SnapLength: uint32(max(i.SnapLength, 0)), OS: runtime.GOOS,
	}
	switch i.End {
	case Client:
		out.Description = clientSide
	case Server:
		out.Description = serverSide
	}
	return out
}

func fromNgInterface(i pcapgo.NgInterface) Interface {
	out := Interface{Name: i.Name, LinkType: LinkType(i.LinkType), SnapLength: int(i.SnapLength)}
	switch i.Description {
	case clientSide:
		out.End = Client
	case serverSide:
		out.End = Server
	}
	return out
}

// fromGo converts a timestamp of a capture; one that does not fit is not known.
func fromGo(t time.Time) Time {
	if t.IsZero() || t.Year() < 1970 || t.Year() > 2261 {
		return 0
	}
	return At(t)
}
