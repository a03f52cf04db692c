//go:build amd64 || arm64

package program

import (
	"bytes"
	"debug/elf"
	"encoding/binary"
	"errors"
	"fmt"
	"os"
	"unsafe"

	"golang.org/x/sys/unix"
)

// The keeper of a program (keeper_linux.go) is an executable of half a kilobyte of code that does nothing
// but walk a list of system calls, made here for one run. It starts in a fifth of a millisecond; this binary
// executed again would take ten, twice for each scenario.

// Where things stand in the keeper's memory and file. 64 KiB apart, because pages can be as large on arm64.
const (
	codeAt   = 0x10000000 // ELF header and code, read and execute
	stepsAt  = 0x10010000 // the steps, read and write; the number stands in step_linux_*.s too
	stepRoom = 192        // steps at most
	dataAt   = stepsAt + stepRoom*stepSize
	codeSkip = 0x200 // from codeAt to the first instruction
	codeSize = 0x100 // bytes copied; walkSteps is shorter, what follows it never runs
	stepSize = 12 * 8
)

// walkStepsAt is the address of the code that walks the steps.
func walkStepsAt() *byte

// step is one system call and which step follows it.
type step struct {
	nr   uintptr
	args [6]uint64
	// The next steps, by index: after a failure, after 0 and after more than 0.
	failed, zero, more int
	// into is where the result is put, such as an argument of a later step; 0 for resultAt.
	into uint64
}

// image is an executable in the making.
type image struct {
	steps []*step // pointers, so that a step can be changed while others are added
	data  []byte
}

// put places bytes in the image, aligned to 8, and yields their address.
func (im *image) put(b []byte) uint64 {
	for len(im.data)%8 != 0 {
		im.data = append(im.data, 0)
	}
	at := dataAt + uint64(len(im.data))
	im.data = append(im.data, b...)
	return at
}

// text places a string with its NUL.
func (im *image) text(s string) uint64 { return im.put(append([]byte(s), 0)) }

// words places 64-bit numbers.
func (im *image) words(numbers ...uint64) uint64 {
	var b []byte
	for _, n := range numbers {
		b = binary.LittleEndian.AppendUint64(b, n)
	}
	return im.put(b)
}

// texts places a list of strings as argv is: pointers, then NULL.
func (im *image) texts(list []string) uint64 {
	var pointers []uint64
	for _, s := range list {
		pointers = append(pointers, im.text(s))
	}
	return im.words(append(pointers, 0)...)
}

// add appends a step that is followed by the next one, whatever its result, and yields its index.
func (im *image) add(nr uintptr, args ...uint64) int {
	i := len(im.steps)
	s := &step{nr: nr, failed: i + 1, zero: i + 1, more: i + 1}
	copy(s.args[:], args)
	im.steps = append(im.steps, s)
	return i
}

// word is the address of a word of a step.
func word(index, n int) uint64 { return stepsAt + uint64(index)*stepSize + uint64(n)*8 }

// resultAt is the address of a step's result, 8 bytes.
func resultAt(index int) uint64 { return word(index, 11) }

// argumentAt is the address of an argument of a step, counted from 0.
func argumentAt(index, n int) uint64 { return word(index, 1+n) }

// bytes is the executable.
func (im *image) bytes() ([]byte, error) {
	if len(im.steps) > stepRoom {
		return nil, fmt.Errorf("make keeper: %d steps, there is room for %d", len(im.steps), stepRoom)
	}
	machine := elf.EM_X86_64
	if arm64 {
		machine = elf.EM_AARCH64
	}
	const programs = 3
	header := elf.Header64{
		Type: uint16(elf.ET_EXEC), Machine: uint16(machine), Version: uint32(elf.EV_CURRENT),
		Entry: codeAt + codeSkip, Phoff: 64, Ehsize: 64, Phentsize: 56, Phnum: programs,
	}
	copy(header.Ident[:], elf.ELFMAG)
	header.Ident[elf.EI_CLASS] = byte(elf.ELFCLASS64)
	header.Ident[elf.EI_DATA] = byte(elf.ELFDATA2LSB)
	header.Ident[elf.EI_VERSION] = byte(elf.EV_CURRENT)
	data := uint64(stepRoom*stepSize + len(im.data))
	segments := [programs]elf.Prog64{
		{Type: uint32(elf.PT_LOAD), Flags: uint32(elf.PF_R | elf.PF_X), Vaddr: codeAt, Paddr: codeAt,
			Filesz: codeSkip + codeSize, Memsz: codeSkip + codeSize, Align: 0x10000},
		{Type: uint32(elf.PT_LOAD), Flags: uint32(elf.PF_R | elf.PF_W), Off: stepsAt - codeAt, Vaddr: stepsAt, Paddr: stepsAt,
			Filesz: data, Memsz: data, Align: 0x10000},
		{Type: uint32(elf.PT_GNU_STACK), Flags: uint32(elf.PF_R | elf.PF_W), Align: 16},
	}
	var head bytes.Buffer
	if err := errors.Join(
		binary.Write(&head, binary.LittleEndian, header),
		binary.Write(&head, binary.LittleEndian, segments)); err != nil {
		return nil, fmt.Errorf("make keeper: %w", err)
	}
	file := make([]byte, stepsAt-codeAt, uint64(stepsAt-codeAt)+data)
	copy(file, head.Bytes())
	copy(file[codeSkip:], code())
	for i, s := range im.steps {
		file = s.append(file, i)
	}
	file = append(file, make([]byte, (stepRoom-len(im.steps))*stepSize)...)
	return append(file, im.data...), nil
}

// append writes the step as the code reads it.
func (s *step) append(file []byte, index int) []byte {
	into := s.into
	if into == 0 {
		into = resultAt(index)
	}
	words := []uint64{uint64(s.nr)}
	words = append(words, s.args[:]...)
	words = append(words, word(s.failed, 0), word(s.zero, 0), word(s.more, 0), into, 0)
	for _, w := range words {
		file = binary.LittleEndian.AppendUint64(file, w)
	}
	return file
}

// code is walkSteps as it stands in this binary.
func code() []byte {
	return bytes.Clone(unsafe.Slice(walkStepsAt(), codeSize))
}

// file makes the executable and opens it. It is gone when the file is closed and nothing runs it.
func (im *image) file() (*os.File, error) {
	content, err := im.bytes()
	if err != nil {
		return nil, err
	}
	fd, err := unix.MemfdCreate("keeper", unix.MFD_CLOEXEC|unix.MFD_EXEC)
	if errors.Is(err, unix.EINVAL) { // before Linux 6.3 there is no MFD_EXEC, and every memfd can be executed
		fd, err = unix.MemfdCreate("keeper", unix.MFD_CLOEXEC)
	}
	if err != nil {
		return onDisk(content)
	}
	f := os.NewFile(uintptr(fd), "keeper")
	if err := write(f, content); err != nil {
		f.Close()
		return nil, err
	}
	return f, nil
}

// write leaves out the hole between the header with the code and the steps.
func write(f *os.File, content []byte) error {
	_, headErr := f.WriteAt(content[:codeSkip+codeSize], 0)
	_, stepErr := f.WriteAt(content[stepsAt-codeAt:], stepsAt-codeAt)
	if err := errors.Join(headErr, stepErr); err != nil {
		return fmt.Errorf("write keeper: %w", err)
	}
	return nil
}

// onDisk is for systems that do not execute what is in memory only.
func onDisk(content []byte) (*os.File, error) {
	f, err := os.CreateTemp("", "tcpwitness-keeper-")
	if err != nil {
		return nil, fmt.Errorf("make keeper: %w", err)
	}
	defer os.Remove(f.Name())
	err = errors.Join(write(f, content), f.Chmod(0o700), f.Close())
	if err != nil {
		return nil, fmt.Errorf("make keeper: %w", err)
	}
	// Not open for writing any more, which would forbid executing it.
	return os.Open(f.Name())
}
