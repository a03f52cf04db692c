package capture

import "encoding/binary"

// complete fills in a checksum that the kernel left to hardware. The kernel has put the sum over the
// pseudo-header where the checksum goes; what is missing is the sum over everything from start to the end
// of the frame, the checksum standing at field (both count from the frame's first byte). It does nothing
// where the places are not inside the frame.
//
// The rule is the one of virtio's VIRTIO_NET_HDR_F_NEEDS_CSUM. Only in UDP is a sum of zero written as all ones,
// since there a zero says that there is no checksum (RFC 768).
func complete(frame []byte, start, field int) {
	if start < 0 || field < start || field+2 > len(frame) {
		return
	}
	sum := sum16(frame[start:])
	if sum = ^sum; sum == 0 && field-start == udpField {
		sum = 0xffff
	}
	binary.BigEndian.PutUint16(frame[field:], sum)
}

// udpField is the place of the checksum in a UDP header.
const udpField = 6

// sum16 is the ones' complement sum of RFC 1071 over big-endian 16-bit words.
func sum16(data []byte) uint16 {
	var sum uint64
	for len(data) >= 4 {
		sum += uint64(binary.BigEndian.Uint32(data))
		data = data[4:]
	}
	if len(data) >= 2 {
		sum += uint64(binary.BigEndian.Uint16(data))
		data = data[2:]
	}
	if len(data) == 1 {
		sum += uint64(data[0]) << 8
	}
	for sum > 0xffff {
		sum = sum>>16 + sum&0xffff
	}
	return uint16(sum)
}
