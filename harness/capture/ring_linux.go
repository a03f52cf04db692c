package capture

import (
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"os"
	"sync/atomic"
	"syscall"
	"time"
	"unsafe"

	"github.com/google/gopacket"
	"golang.org/x/net/bpf"
	"golang.org/x/sys/unix"
)

// ring reads frames from a TPACKET_V3 ring: memory shared with the kernel, in which the kernel fills one
// block after the other and hands it over when it is full or old. Described in the kernel's
// Documentation/networking/packet_mmap.rst.
type ring struct {
	marker
	file   *os.File // the packet socket
	raw    syscall.RawConn
	memory []byte
	blocks int
	size   int      // of a block in bytes
	sender *os.File // a socket for marks: a packet socket does not get its own frames
	fill   int      // bytes of a mark's frame
	copies int      // frames with which a mark fills the block it is in

	ended atomic.Bool

	// Where the reader is.
	block int    // the block being read
	left  uint32 // frames of it not yet read, 0: it is not handed over yet
	next  int    // where the next frame begins in memory
	holds bool   // the reader has the block
}

const (
	// smallestBlock has room for the largest frame of a sandbox's own loopback. Blocks are handed over by
	// age, however little is in them: the smaller they are, the more time the ring bridges, and the less
	// it takes to fill one for a mark.
	smallestBlock = 8 << 10
	// retireAfter is the age in ms at which a block is handed over though it is not full. The kernel has a timer of
	// that period for every open ring, used or not (a high-resolution one since Linux 6.18), so a short one costs
	// much where many rings are open. Nothing waits for it in vain: a mark fills its block.
	retireAfter = 32
	// frameSize only says that a block is a multiple of it.
	frameSize = 2 << 10
	// loopbackIndex is the number of the loopback in every network namespace.
	loopbackIndex = 1
	// offloadHeader is the length of a struct virtio_net_hdr, which precedes each frame.
	offloadHeader = 10
)

// openRing opens a packet socket in the thread's network namespace. It sees nothing before it has its
// filter.
func openRing(own marker, buffer int, program []bpf.RawInstruction) (*ring, error) {
	fd, err := unix.Socket(unix.AF_PACKET, unix.SOCK_RAW|unix.SOCK_CLOEXEC|unix.SOCK_NONBLOCK, 0)
	if err != nil {
		return nil, fmt.Errorf("open a packet socket: %w", err)
	}
	r := &ring{marker: own}
	if err := r.plan(fd, buffer); err != nil {
		unix.Close(fd)
		return nil, err
	}
	if err := r.setUp(fd, program); err != nil {
		unix.Close(fd)
		return nil, err
	}
	r.file = os.NewFile(uintptr(fd), "packet socket")
	if r.raw, err = r.file.SyscallConn(); err == nil {
		err = r.openSender()
	}
	if err != nil {
		return nil, errors.Join(err, r.close())
	}
	return r, nil
}

// plan chooses sizes: of blocks, so that the largest frame of the loopback fits, and of marks, so that
// they fill the block that they begin in and the kernel hands it over at once.
func (r *ring) plan(fd, buffer int) error {
	request, err := unix.NewIfreq("lo")
	if err != nil {
		return err
	}
	if err := unix.IoctlIfreq(fd, unix.SIOCGIFMTU, request); err != nil {
		return fmt.Errorf("ask for the MTU of the loopback: %w", err)
	}
	mtu := int(request.Uint32())
	const headers = 256 // more than the kernel's own and Ethernet's
	for r.size = smallestBlock; r.size < min(mtu+headers, DefaultSnapLength+headers); r.size *= 2 {
	}
	r.blocks = max(2, buffer/r.size)
	r.fill = min(mtu, DefaultSnapLength-headers)
	r.copies = r.size/r.fill + 1
	return nil
}

func (r *ring) setUp(fd int, program []bpf.RawInstruction) error {
	if err := attach(fd, program); err != nil {
		return fmt.Errorf("attach a filter: %w", err)
	}
	for _, option := range []struct {
		name        string
		number, set int
	}{
		{"PACKET_VERSION", unix.PACKET_VERSION, unix.TPACKET_V3},
		{"PACKET_VNET_HDR", unix.PACKET_VNET_HDR, 1},
	} {
		if err := unix.SetsockoptInt(fd, unix.SOL_PACKET, option.number, option.set); err != nil {
			return fmt.Errorf("set %s: %w", option.name, err)
		}
	}
	size := r.blocks * r.size
	if err := unix.SetsockoptTpacketReq3(fd, unix.SOL_PACKET, unix.PACKET_RX_RING, &unix.TpacketReq3{
		Block_size:     uint32(r.size),
		Block_nr:       uint32(r.blocks),
		Frame_size:     frameSize,
		Frame_nr:       uint32(size / frameSize),
		Retire_blk_tov: retireAfter,
	}); err != nil {
		return fmt.Errorf("make a packet ring of %d bytes: %w", size, err)
	}
	memory, err := unix.Mmap(fd, 0, size, unix.PROT_READ|unix.PROT_WRITE, unix.MAP_SHARED)
	if err != nil {
		return fmt.Errorf("map a packet ring of %d bytes: %w", size, err)
	}
	r.memory = memory
	// Only sockets for all protocols are given the frames that are sent.
	address := &unix.SockaddrLinklayer{Protocol: bigEndian(unix.ETH_P_ALL), Ifindex: loopbackIndex}
	if err := unix.Bind(fd, address); err != nil {
		unix.Munmap(memory)
		return fmt.Errorf("bind a packet socket to the loopback: %w", err)
	}
	return nil
}

func attach(fd int, program []bpf.RawInstruction) error {
	code := make([]unix.SockFilter, len(program))
	for i, instruction := range program {
		code[i] = unix.SockFilter{Code: instruction.Op, Jt: instruction.Jt, Jf: instruction.Jf, K: instruction.K}
	}
	return unix.SetsockoptSockFprog(fd, unix.SOL_SOCKET, unix.SO_ATTACH_FILTER,
		&unix.SockFprog{Len: uint16(len(code)), Filter: &code[0]})
}

func (r *ring) openSender() error {
	sender, err := unix.Socket(unix.AF_PACKET, unix.SOCK_RAW|unix.SOCK_CLOEXEC|unix.SOCK_NONBLOCK, 0)
	if err != nil {
		return fmt.Errorf("open a packet socket for marks: %w", err)
	}
	r.sender = os.NewFile(uintptr(sender), "packet socket for marks")
	return nil
}

// ZeroCopyReadPacketData yields the next frame, waiting for it. Its bytes are good until the next call. It
// yields io.EOF after interrupt.
func (r *ring) ZeroCopyReadPacketData() ([]byte, gopacket.CaptureInfo, error) {
	for r.left == 0 {
		if err := r.nextBlock(); err != nil {
			return nil, gopacket.CaptureInfo{}, err
		}
	}
	header := r.frameHeader(r.next)
	begin := r.next + int(header.Mac)
	frame := r.memory[begin : begin+int(header.Snaplen) : begin+int(header.Snaplen)]
	if header.Snaplen == header.Len {
		r.complete(frame, r.memory[begin-offloadHeader:begin])
	}
	info := gopacket.CaptureInfo{
		Timestamp:      time.Unix(int64(header.Sec), int64(header.Nsec)),
		CaptureLength:  int(header.Snaplen),
		Length:         int(header.Len),
		InterfaceIndex: 0,
	}
	r.left--
	r.next += int(header.Next_offset)
	return frame, info, nil
}

// frameHeader is the kernel's description of the frame that begins there in memory.
func (r *ring) frameHeader(at int) *unix.Tpacket3Hdr {
	return (*unix.Tpacket3Hdr)(unsafe.Pointer(&r.memory[at]))
}

// complete finishes a checksum that the offload header says is left to hardware.
func (r *ring) complete(frame, offload []byte) {
	if offload[0]&unix.VIRTIO_NET_HDR_F_NEEDS_CSUM == 0 {
		return
	}
	start := int(binary.NativeEndian.Uint16(offload[6:]))
	complete(frame, start, start+int(binary.NativeEndian.Uint16(offload[8:])))
}

// more says whether the next frame is there without waiting.
func (r *ring) more() bool { return r.left > 0 }

// nextBlock gives the block that was read back to the kernel and waits for the next.
func (r *ring) nextBlock() error {
	if r.holds {
		atomic.StoreUint32(r.status(), unix.TP_STATUS_KERNEL)
		r.block = (r.block + 1) % r.blocks
		r.holds = false
	}
	if r.ended.Load() {
		return io.EOF
	}
	handedOver := false
	err := r.raw.Read(func(uintptr) bool {
		handedOver = atomic.LoadUint32(r.status())&unix.TP_STATUS_USER != 0
		return handedOver || r.ended.Load()
	})
	switch {
	case !handedOver && r.ended.Load():
		return io.EOF
	case err != nil:
		return fmt.Errorf("wait for frames: %w", err)
	}
	header := r.header()
	r.holds = true
	r.left = header.Num_pkts
	r.next = r.block*r.size + int(header.Offset_to_first_pkt)
	return nil
}

// header is the kernel's description of the current block, behind 4 bytes of version and 4 of its length.
func (r *ring) header() *unix.TpacketHdrV1 {
	return (*unix.TpacketHdrV1)(unsafe.Pointer(&r.memory[r.block*r.size+8]))
}

func (r *ring) status() *uint32 { return &r.header().Block_status }

// mark sends the frames of a mark. The kernel taps them before the call is over.
func (r *ring) mark(number uint64) error {
	frame := r.frame(number, r.fill)
	to := &unix.SockaddrLinklayer{Protocol: bigEndian(markEtherType), Ifindex: loopbackIndex}
	for range r.copies {
		if err := r.send(frame, to); err != nil {
			return fmt.Errorf("send a mark: %w", err)
		}
	}
	return nil
}

func (r *ring) send(frame []byte, to unix.Sockaddr) error {
	raw, err := r.sender.SyscallConn()
	if err != nil {
		return err
	}
	var failure error
	if err := raw.Write(func(fd uintptr) bool {
		failure = unix.Sendto(int(fd), frame, 0, to)
		return !errors.Is(failure, unix.EAGAIN)
	}); err != nil {
		return err
	}
	return failure
}

func (r *ring) drops() (int, error) {
	var (
		stats   *unix.TpacketStatsV3
		failure error
	)
	if err := r.raw.Control(func(fd uintptr) {
		stats, failure = unix.GetsockoptTpacketStatsV3(int(fd), unix.SOL_PACKET, unix.PACKET_STATISTICS)
	}); err != nil {
		return 0, fmt.Errorf("ask for dropped frames: %w", err)
	}
	if failure != nil {
		return 0, fmt.Errorf("ask for dropped frames: %w", failure)
	}
	return int(stats.Drops), nil
}

// interrupt makes the reader end.
func (r *ring) interrupt() {
	r.ended.Store(true)
	r.file.SetReadDeadline(time.Unix(1, 0))
}

// close gives everything back. Nobody may read any more.
func (r *ring) close() error {
	errs := []error{unix.Munmap(r.memory), r.file.Close()}
	if r.sender != nil {
		errs = append(errs, r.sender.Close())
	}
	return errors.Join(errs...)
}

// bigEndian is a number with its bytes in network order.
func bigEndian(n uint16) uint16 {
	var b [2]byte
	binary.BigEndian.PutUint16(b[:], n)
	return binary.NativeEndian.Uint16(b[:])
}
