package evidence

import (
	"bufio"
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"os"

	"github.com/gopacket/gopacket"
	"github.com/gopacket/gopacket/pcapgo"
)

// Capture is what a capture file holds.
type Capture struct {
	// Comment is that of the file's first section.
	Comment    string
	Interfaces []Interface
	Packets    []Packet // numbered from 1
}

// ErrNotCapture is wrapped by the error for a file that is neither pcapng nor pcap.
var ErrNotCapture = errors.New("neither pcapng nor pcap")

// ReadCaptureFile reads a pcapng or pcap file; see [ReadCapture].
func ReadCaptureFile(path string) (*Capture, error) {
	file, err := os.Open(path)
	if err != nil {
		return &Capture{}, fmt.Errorf("read capture %s: %w", path, bare(err))
	}
	defer file.Close()
	capture, err := ReadCapture(file)
	if err != nil {
		return capture, fmt.Errorf("read capture %s: %w", path, err)
	}
	return capture, nil
}

// ReadCapture reads pcapng or pcap, whoever wrote it. Where the data is damaged or ends too early, the
// error says so and after which frame, and the capture holds what came before; it is never nil. Memory
// grows with the data that is there, not with what it says of itself.
func ReadCapture(r io.Reader) (capture *Capture, err error) {
	capture = &Capture{}
	counted := &countingReader{r: bufio.NewReader(r)}
	defer func() {
		if caught := recover(); caught != nil { // a fault of the decoder, brought about by the data
			err = fmt.Errorf("%v", caught)
		}
		if err != nil {
			err = fmt.Errorf("after frame %d, before byte %d: %w", len(capture.Packets), counted.n, err)
		}
	}()
	magic, err := counted.r.Peek(4)
	if err != nil && !errors.Is(err, io.EOF) {
		return capture, err
	}
	switch {
	case len(magic) == 0:
		return capture, fmt.Errorf("the file is empty: %w", ErrNotCapture)
	case len(magic) < 4:
		return capture, fmt.Errorf("the file has only %d bytes: %w", len(magic), ErrNotCapture)
	case magic[0] == 0x1f && magic[1] == 0x8b:
		return capture, fmt.Errorf("the file is compressed with gzip, unpack it first: %w", ErrNotCapture)
	}
	switch binary.BigEndian.Uint32(magic) {
	case 0x0a0d0d0a:
		return capture, capture.readPcapng(counted)
	case 0xa1b2c3d4, 0xd4c3b2a1, 0xa1b23c4d, 0x4d3cb2a1:
		return capture, capture.readPcap(counted)
	}
	return capture, fmt.Errorf("the file begins with % x: %w", magic, ErrNotCapture)
}

func (c *Capture) readPcapng(r io.Reader) error {
	base := 0 // where the interfaces of this section begin
	var reader *pcapgo.NgReader
	options := pcapgo.NgReaderOptions{
		WantMixedLinkType: true, SkipUnknownVersion: true,
		SectionEndCallback: func(ended []pcapgo.NgInterface, _ pcapgo.NgSectionInfo) {
			c.addInterfaces(base, ended)
			base = len(c.Interfaces)
		},
	}
	reader, err := pcapgo.NewNgReader(r, options)
	if err != nil {
		return ended(err, "in the file's header")
	}
	c.Comment = reader.SectionInfo().Comment
	for {
		data, info, packetOptions, err := reader.ReadPacketDataWithOptions()
		c.addInterfaces(base, interfacesOf(reader))
		if errors.Is(err, io.EOF) {
			return nil
		}
		if err != nil {
			return ended(err, "in a block")
		}
		p := newPacket(data, info)
		p.Interface += base
		for i, comment := range packetOptions.Comments {
			if i > 0 {
				p.Comment += "\n"
			}
			p.Comment += comment
		}
		c.add(p)
	}
}

func interfacesOf(reader *pcapgo.NgReader) []pcapgo.NgInterface {
	list := make([]pcapgo.NgInterface, 0, reader.NInterfaces())
	for i := range reader.NInterfaces() {
		if iface, err := reader.Interface(i); err == nil {
			list = append(list, iface)
		}
	}
	return list
}

// addInterfaces takes over those of a section that are new.
func (c *Capture) addInterfaces(base int, section []pcapgo.NgInterface) {
	for i := len(c.Interfaces) - base; i >= 0 && i < len(section); i++ {
		c.Interfaces = append(c.Interfaces, fromNgInterface(section[i]))
	}
}

func (c *Capture) readPcap(r io.Reader) error {
	reader, err := pcapgo.NewReader(r)
	if err != nil {
		return ended(err, "in the file's header")
	}
	c.Interfaces = []Interface{{LinkType: LinkType(reader.LinkType()), SnapLength: int(reader.Snaplen())}}
	for {
		data, info, err := reader.ReadPacketData()
		if errors.Is(err, io.EOF) {
			return nil
		}
		if err != nil {
			return ended(err, "in a record")
		}
		c.add(newPacket(data, info))
	}
}

func newPacket(data []byte, info gopacket.CaptureInfo) Packet {
	return Packet{
		Time: fromGo(info.Timestamp), Interface: info.InterfaceIndex, Data: data, Length: max(info.Length, len(data)),
	}
}

func (c *Capture) add(p Packet) {
	p.N = len(c.Packets) + 1
	c.Packets = append(c.Packets, p)
}

// ended says what it means that data ends too early.
func ended(err error, where string) error {
	if errors.Is(err, io.EOF) || errors.Is(err, io.ErrUnexpectedEOF) {
		return fmt.Errorf("the file ends %s: %w", where, io.ErrUnexpectedEOF)
	}
	return fmt.Errorf("%w %s", err, where)
}

// countingReader counts what was taken from the data.
type countingReader struct {
	r *bufio.Reader
	n int64
}

func (c *countingReader) Read(p []byte) (int, error) {
	n, err := c.r.Read(p)
	c.n += int64(n)
	return n, err
}
