package evidence

import (
	"encoding/json"
	"net/netip"
	"reflect"
	"slices"
	"testing"
)

func TestFraming(t *testing.T) {
	fixed := Framing{Kind: FramingFixed, Size: 8}
	line := Framing{Kind: FramingLine}
	big := Framing{Kind: FramingLength, Width: 2}
	little := Framing{Kind: FramingLength, Width: 4, Little: true}
	end := Framing{Kind: FramingEnd}
	for _, c := range []struct {
		framing Framing
		text    string
		frame   string
	}{
		{fixed, "abc", "abc\x00\x00\x00\x00\x00"},
		{fixed, "abcdefg", "abcdefg\x00"},
		{fixed, "", "\x00\x00\x00\x00\x00\x00\x00\x00"},
		{line, "abc", "abc\n"},
		{line, "", "\n"},
		{big, "abc", "\x00\x03abc"},
		{big, "", "\x00\x00"},
		{little, "abc", "\x03\x00\x00\x00abc"},
		{Framing{Kind: FramingLength, Width: 1}, "abc", "\x03abc"},
		{Framing{Kind: FramingLength, Width: 8}, "abc", "\x00\x00\x00\x00\x00\x00\x00\x03abc"},
		{end, "abc", "abc"},
		{end, "", ""},
	} {
		if got := c.framing.Frame([]byte(c.text)); string(got) != c.frame {
			t.Errorf("%q in %s is %q, want %q", c.text, c.framing, got, c.frame)
		}
		more := c.frame
		if c.framing != end {
			more += "rest"
		}
		frame, rest, whole := c.framing.Split([]byte(more), true)
		if !whole || string(frame) != c.frame || len(rest) != len(more)-len(c.frame) {
			t.Errorf("the first frame of %q by %s is %q (%v), rest %q", more, c.framing, frame, whole, rest)
		}
		if text := c.framing.Text(frame); string(text) != c.text {
			t.Errorf("%q by %s bears %q, want %q", c.frame, c.framing, text, c.text)
		}
		for n := range len(c.frame) {
			if _, rest, whole := c.framing.Split([]byte(c.frame[:n]), false); whole || len(rest) != n {
				t.Errorf("%q by %s is taken for a whole frame", c.frame[:n], c.framing)
			}
		}
	}
	if got := fixed.Frame([]byte("abcdefgh")); string(got) != "abcdefg\x00" {
		t.Errorf("a text that is too long gives %q", got)
	}
	if _, _, whole := little.Split([]byte("\xff\xff\xff\xffabc"), true); whole {
		t.Error("an absurd length is taken for a frame")
	}
}

func TestFramesThatAreTheSame(t *testing.T) {
	fixed := Framing{Kind: FramingFixed, Size: 8}
	want := []byte("abc\x00\x00\x00\x00\x00")
	for sent, same := range map[string]bool{
		"abc\x00\x00\x00\x00\x00":     true,
		"abc\x00zzzz":                 true,
		"abc\x00\x00\x00\x00":         false,
		"abc\x00\x00\x00\x00\x00\x00": false,
		"abcd\x00\x00\x00\x00":        false,
		"abcdefgh":                    false,
		"":                            false,
	} {
		if got := fixed.Same([]byte(sent), want); got != same {
			t.Errorf("%q is the same frame: %v, want %v", sent, got, same)
		}
	}
	if line := (Framing{Kind: FramingLine}); line.Same([]byte("abc\r\n"), []byte("abc\n")) || !line.Same([]byte("abc\n"), []byte("abc\n")) {
		t.Error("lines are compared wrongly")
	}
	if behind := fixed.Behind([]byte("abc\x00zz\x00z")); string(behind) != "zz\x00z" {
		t.Errorf("behind the text stands %q", behind)
	}
}

func TestScriptInJSON(t *testing.T) {
	run := Run{Script: &Script{Scene: ScenePlain, Role: Server, First: Client, Framing: Framing{Kind: FramingFixed, Size: 4}, StaysUp: true,
		Connections: []Connection{{Client: netip.MustParseAddrPort("127.0.0.2:5"), Message: Bytes("a\x00\x00\x00"), Reply: Bytes("b\x00\x00\x00")}},
		Lines:       []Line{{Text: "a", Message: true}}, Descriptors: []DescriptorCount{{1, 5}}}}
	data, err := json.Marshal(&run)
	if err != nil {
		t.Fatal(err)
	}
	var back Run
	if err := json.Unmarshal(data, &back); err != nil {
		t.Fatal(err)
	}
	if !reflect.DeepEqual(back.Script, run.Script) {
		t.Errorf("got  %+v\nwant %+v", back.Script, run.Script)
	}
}

func TestSpin(t *testing.T) {
	call := func(op Op, result int, errno string) Call {
		return Call{Op: op, Result: result, Errno: errno, Length: 128, Entry: 1, Exit: 2}
	}
	zero, again, data := call(OpRecv, 0, ""), call(OpAccept, -1, "EAGAIN"), call(OpRecv, 7, "")
	ready := Call{Op: OpWait, Result: 1, Arg: -1, Entry: 1, Exit: 2}
	slept, expired := ready, Call{Op: OpWait, Arg: 100, Entry: 1, Exit: 2}
	slept.Blocked = true
	other := func(c Call) Call { c.TID = 9; return c }
	times := func(n int, calls ...Call) []Call { return slices.Repeat(calls, n) }
	for _, c := range []struct {
		name  string
		calls []Call
		spins int
	}{
		{"recv returns 0 again and again", times(SpinCalls, zero), SpinCalls},
		{"and for longer", times(3*SpinCalls, zero), 3 * SpinCalls},
		{"accept again and again", times(SpinCalls, again), SpinCalls},
		{"poll says ready, recv says 0", times(SpinCalls/2, ready, zero), SpinCalls},
		{"asking for options meanwhile", times(SpinCalls, zero, call(OpGetOption, 0, "")), SpinCalls},
		{"another thread works meanwhile", times(SpinCalls, zero, other(data)), SpinCalls},
		{"not long enough", times(SpinCalls-1, zero), 0},
		{"data in between", times(SpinCalls/2, zero, zero, data), 0},
		{"sleeping in between", times(SpinCalls, again, slept), 0},
		{"a timeout in between", times(SpinCalls, again, expired), 0},
		{"interrupted", times(SpinCalls, call(OpAccept, -1, "EINTR")), 0},
		{"spread over two threads", times(SpinCalls/2, zero, other(zero)), 0},
		{"one call in the kernel", append(times(SpinCalls/2, again), append([]Call{{Op: OpAccept, Entry: 1}}, times(SpinCalls/2, again)...)...), 0},
		{"data at the end", append(times(SpinCalls, zero), data), SpinCalls},
	} {
		for i := range c.calls {
			c.calls[i].N = i + 1
		}
		first, n := Spin(c.calls)
		if n != c.spins {
			t.Errorf("%s: a row of %d, want %d", c.name, n, c.spins)
		}
		if n > 0 && first.N != 1 {
			t.Errorf("%s: the row begins at call %d", c.name, first.N)
		}
	}
}

func TestIdleRow(t *testing.T) {
	again := Call{Op: OpAccept, Result: -1, Errno: "EAGAIN", Entry: 1, Exit: 2}
	data := Call{Op: OpRecv, Result: 7, Length: 9, Entry: 1, Exit: 2}
	option := Call{Op: OpGetOption, Entry: 1, Exit: 2}
	inside := Call{Op: OpAccept, Entry: 1}
	rested := again
	rested.Slept = true
	other := func(c Call) Call { c.TID = 9; return c }
	for _, c := range []struct {
		name  string
		calls []Call
		want  int
	}{
		{"nothing", nil, 0},
		{"in vain", []Call{again, again}, 2},
		{"after something", []Call{data, again, again}, 2},
		{"something at the end", []Call{again, again, data}, 0},
		{"two threads in vain", []Call{again, other(again), again}, 3},
		{"another thread did something", []Call{again, again, other(data), again}, 1},
		{"options do not count", []Call{data, again, option, again, option}, 2},
		{"slept before one", []Call{again, rested, again}, 2},
		{"in the kernel", []Call{again, again, inside}, 0},
	} {
		if got := IdleRow(c.calls); got != c.want {
			t.Errorf("%s: %d, want %d", c.name, got, c.want)
		}
	}
}
