package report

import (
	"math/rand/v2"
	"strings"
	"testing"

	"tcpwitness/harness/evidence"
)

func TestACutLadderKeepsItsSize(t *testing.T) {
	for name, run := range sampleRuns() {
		for _, rows := range []int{1, 5, 14, 30, 1000} {
			if l := Draw(run, DrawOptions{Rows: rows}); l.Lines() > rows {
				t.Errorf("%s has %d rows, not %d", name, l.Lines(), rows)
			}
		}
	}
}

func TestMarksSurviveTheCut(t *testing.T) {
	run := bulkRun(300)
	marks := Marks{Frames: []int{2, 250, 411}, Calls: []int{1, 60}, Broken: true}
	l := Draw(run, DrawOptions{Marks: marks, Rows: 16})
	var frames, calls int
	for i := range l.rows {
		if l.rows[i].marked && l.rows[i].arrow != nil {
			frames++
		} else if l.rows[i].marked {
			calls++
		}
	}
	if frames != 3 || calls != 2 {
		t.Errorf("%d frames and %d calls are marked\n%s", frames, calls, l.Text(Style{}, marks))
	}
}

func TestRepeatedCallsAreFolded(t *testing.T) {
	r := newRecord("loop", "")
	r.listening(3, 10)
	for range 500 {
		r.whole(server, evidence.Call{Op: evidence.OpWait, Name: "poll", FD: -1, Watched: []int{3}, Arg: -1}, 1)
		c := r.whole(server, evidence.Call{Op: evidence.OpAccept, FD: 3}, -1)
		c.Errno = "EAGAIN"
	}
	l := Draw(r.done(), DrawOptions{})
	if text := l.Text(Style{Width: 160}, Marks{}); l.Lines() != 5 || !strings.Contains(text, "4–1003 500× poll") {
		t.Errorf("%d rows:\n%s", l.Lines(), text)
	}
}

func TestAnEmptyRun(t *testing.T) {
	l := Draw(&evidence.Run{}, DrawOptions{})
	if !l.Empty() || l.Lines() != 0 {
		t.Errorf("%d rows", l.Lines())
	}
	if pictures := Pictures(&evidence.Run{}, PictureOptions{}); len(pictures) != 0 {
		t.Errorf("%d pictures of nothing", len(pictures))
	}
	_ = l.Text(Style{}, Marks{})
	_ = l.SVG(PictureOptions{})
}

// spoil changes a run at random, as a broken or hostile record might be.
func spoil(run *evidence.Run, random *rand.Rand) {
	number := func() int { return random.IntN(40) - 10 }
	when := func() evidence.Time {
		return run.Started + evidence.Time(random.Int64N(1e9)-1e8)*evidence.Time(random.IntN(2))
	}
	for range 1 + random.IntN(12) {
		if n := len(run.Calls); n > 0 {
			c := &run.Calls[random.IntN(n)]
			switch random.IntN(10) {
			case 0:
				c.FD = number()
			case 1:
				c.Exit = when()
			case 2:
				c.Entry = when()
			case 3:
				c.N = number()
			case 4:
				c.NewFD = nil
			case 5:
				c.Op, c.Name = evidence.OpFork, hostile
			case 6:
				c.Socket = uint64(random.IntN(3))
			case 7:
				c.Result, c.Errno = number(), "E"+hostile
			case 8:
				c.End = hostile
			case 9:
				c.Data, c.PID, c.Child = evidence.Bytes(hostile), number(), number()
			}
		}
		if n := len(run.Packets); n > 0 {
			p := &run.Packets[random.IntN(n)]
			switch random.IntN(6) {
			case 0:
				p.Data = p.Data[:random.IntN(len(p.Data)+1)]
			case 1:
				if len(p.Data) > 0 {
					p.Data = append([]byte{}, p.Data...)
					p.Data[random.IntN(len(p.Data))] ^= byte(1 << random.IntN(8))
				}
			case 2:
				p.Time = when()
			case 3:
				p.N = number()
			case 4:
				p.Interface = number()
			case 5:
				p.Fate = []evidence.Fate{evidence.Lost, evidence.Corrupted, evidence.Duplicated, evidence.Held, evidence.Injected}[random.IntN(5)]
			}
		}
	}
	if random.IntN(8) == 0 {
		run.Started, run.Interfaces, run.Ends = 0, nil, nil
	}
}

// checkDrawing draws everything there is of a run and says what is wrong with the result.
func checkDrawing(t *testing.T, run *evidence.Run) {
	t.Helper()
	marks := Marks{Frames: []int{1, 5}, Calls: []int{2, 900}, Broken: true}
	for _, p := range Pictures(run, PictureOptions{Marks: marks}) {
		for _, bad := range []string{"NaN", "Inf", "<script", "%!", "\x1b", "\u202e"} {
			if strings.Contains(p.SVG, bad) {
				t.Fatalf("%s holds %q", p.Name, bad)
			}
		}
		if err := wellFormed(p.SVG); err != nil {
			t.Fatalf("%s: %v", p.Name, err)
		}
	}
	text := Draw(run, DrawOptions{Marks: marks, Rows: 30}).Text(Style{}, marks)
	if strings.ContainsAny(text, "\x1b\x00\u202e") {
		t.Fatalf("the text lets controls through: %q", text)
	}
	_ = sceneOf(run, marks)
}

func TestSpoiltRunsAreDrawn(t *testing.T) {
	rounds := 200
	if testing.Short() {
		rounds = 40
	}
	makers := []func() *evidence.Run{referenceRun, wrongCloseRun, refusedRun, twoClientsRun, wireRun, reorderedRun, forkedRun, datagramRun, hostileRun,
		func() *evidence.Run { return bulkRun(12) }, func() *evidence.Run { return pollingRun(20) }}
	for seed := range uint64(rounds) {
		run := makers[seed%uint64(len(makers))]()
		spoil(run, rand.New(rand.NewPCG(seed, 1)))
		checkDrawing(t, run)
		if t.Failed() {
			t.Fatalf("with seed %d", seed)
		}
	}
}

func FuzzDrawing(f *testing.F) {
	run := wireRun()
	for _, p := range run.Packets {
		f.Add(p.Data, uint64(p.N))
	}
	f.Fuzz(func(t *testing.T, data []byte, seed uint64) {
		random := rand.New(rand.NewPCG(seed, 2))
		run := []func() *evidence.Run{referenceRun, wireRun, forkedRun, datagramRun}[seed%4]()
		for range 3 {
			run.Packets[random.IntN(len(run.Packets))].Data = data
		}
		spoil(run, random)
		checkDrawing(t, run)
	})
}
