package evidence

import (
	"encoding/binary"
	"fmt"
	"slices"
	"strconv"
	"strings"
)

// shownBytes is how much of the data of a call is shown.
const shownBytes = 48

// arguments are those of the call as C spells them.
func (c *Call) arguments() []string {
	switch c.Op {
	case OpSocket:
		typ := append([]string{typeName(c.Type)}, socketFlags(c.Flags)...)
		return []string{domainName(c.Domain), strings.Join(typ, "|"), protocolName(c.Protocol)}
	case OpBind, OpConnect:
		return append([]string{c.fd()}, c.address()...)
	case OpListen:
		return []string{c.fd(), strconv.Itoa(c.Backlog)}
	case OpAccept:
		if flags := socketFlags(c.Flags); len(flags) > 0 {
			return []string{c.fd(), strings.Join(flags, "|")}
		}
		return []string{c.fd()}
	case OpSend, OpRecv:
		return c.transferArguments()
	case OpShutdown:
		return []string{c.fd(), howName(c.How)}
	case OpSetOption, OpGetOption:
		return []string{c.fd(), levelName(c.Level), optionName(c.Level, c.Option), optionValue(c.Value)}
	case OpFcntl:
		return c.fcntlArguments()
	case OpDup:
		return c.dupArguments()
	case OpWait:
		return c.waitArguments()
	case OpExit:
		if c.Arg != 0 {
			return []string{signalName(c.Arg)}
		}
		return []string{strconv.Itoa(c.Result)}
	case OpFork, OpExec:
		return nil
	}
	if c.FD < 0 {
		return nil
	}
	return []string{c.fd()}
}

func (c *Call) fd() string { return strconv.Itoa(c.FD) }

// address is the one that was passed in.
func (c *Call) address() []string {
	shown := []string{c.Address.String()}
	if c.Address.IsZero() {
		shown[0] = "?"
	}
	if c.Address.Length != 0 {
		shown = append(shown, strconv.Itoa(c.Address.Length))
	}
	return shown
}

func (c *Call) transferArguments() []string {
	shown := []string{c.fd(), c.transferred(), strconv.Itoa(c.Length)}
	if !slices.Contains([]string{"read", "write", "readv", "writev", "sendfile", "splice"}, c.Name) {
		shown = append(shown, messageFlags(c.Flags))
	}
	if c.Op == OpSend && !c.Address.IsZero() {
		shown = append(shown, c.Address.String())
	}
	return shown
}

// transferred is the data of a send or recv, in quotes.
func (c *Call) transferred() string {
	whole := c.Result
	if c.Op == OpSend && (!c.Returned() || c.Failed()) {
		whole = c.Length
	}
	switch {
	case len(c.Data) == 0 && whole > 0:
		return "…"
	case len(c.Data) == 0 && c.Op == OpRecv && (!c.Returned() || c.Failed()):
		return "…"
	}
	return c.Data.Quoted(shownBytes, whole)
}

func (c *Call) fcntlArguments() []string {
	shown := []string{c.fd(), fcntlName(c.Option)}
	if c.Option == fcntlSetFlags {
		return append(shown, fileFlags(int(c.Arg)))
	}
	if c.Option == 1 || c.Option == 3 { // F_GETFD and F_GETFL take none
		return shown
	}
	return append(shown, strconv.FormatInt(c.Arg, 10))
}

func (c *Call) dupArguments() []string {
	switch c.Name {
	case "fcntl":
		command := c.Option
		if command != fcntlDupCloexec {
			command = fcntlDup
		}
		return []string{c.fd(), fcntlName(command), strconv.FormatInt(c.Arg, 10)}
	case "dup2", "dup3":
		if c.NewFD != nil {
			return []string{c.fd(), strconv.Itoa(*c.NewFD)}
		}
		return []string{c.fd(), strconv.FormatInt(c.Arg, 10)}
	}
	return []string{c.fd()}
}

func (c *Call) waitArguments() []string {
	var shown []string
	if len(c.Watched) > 0 {
		shown = append(shown, "{"+joinInts(c.Watched, " ")+"}")
	} else if c.FD >= 0 {
		shown = append(shown, c.fd())
	}
	if c.Arg < 0 {
		return append(shown, "no timeout")
	}
	return append(shown, fmt.Sprintf("%d ms", c.Arg))
}

// remarks stand behind the result: what it means, as far as the number alone does not say so.
func (c *Call) remarks() string {
	if !c.Succeeded() {
		return ""
	}
	switch c.Op {
	case OpAccept:
		var said string
		if c.NewFD != nil && c.After != nil && slices.Contains(c.New(), *c.NewFD) {
			said = ", new"
		}
		if !c.Address.IsZero() {
			said += "; peer " + c.Address.String()
		}
		return said
	case OpGetSockName, OpGetPeerName:
		if !c.Address.IsZero() {
			return "; " + c.Address.String()
		}
	case OpRecv:
		if !c.Address.IsZero() {
			return "; from " + c.Address.String()
		}
	}
	return ""
}

// optionValue is a number where the value has the size of one, else bytes.
func optionValue(value []byte) string {
	switch len(value) {
	case 0:
		return "?"
	case 4:
		return strconv.Itoa(int(int32(binary.LittleEndian.Uint32(value))))
	case 8: // struct linger
		return fmt.Sprintf("{%d, %d}", int32(binary.LittleEndian.Uint32(value)), int32(binary.LittleEndian.Uint32(value[4:])))
	}
	return Bytes(value).Quoted(shownBytes, len(value))
}

func joinInts(numbers []int, separator string) string {
	words := make([]string, len(numbers))
	for i, n := range numbers {
		words[i] = strconv.Itoa(n)
	}
	return strings.Join(words, separator)
}
