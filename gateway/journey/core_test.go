package journey

import (
	"bytes"
	"fmt"
	"strings"
	"testing"
	"time"

	"cel.dev/cel-go/cel"
	"pgregory.net/rapid"

	"touchpoint/gateway"
)

// TestManyTimers lets many timers fall due in one instant: the steps are
// bounded, and the end is the same as without a bound.
func TestManyTimers(t *testing.T) {
	const customers = 1000
	var ends [2][]byte
	for i, limit := range []int{100, 1 << 20} {
		w := newWorld(t, Config{TimersPerStep: limit}, 1)
		w.clock = modelStart
		w.submit(0, gateway.Input{Command: gateway.PublishJourney{Journey: "wave", Version: 1, Effective: modelStart, Definition: []byte(`name: wave
purpose: service
trigger: {event: start}
steps:
  - {id: rest, wait: {until_local_time: "12:00"}}
  - {id: say, send: {channels: [stream], texts: {en: {title: Noon}}}}
`)}})
		steps, messages := 0, 0
		w.onStep = func(_ *gateway.Batch, s *gateway.Step) {
			steps++
			messages += len(s.Messages)
			if limit == 100 && len(s.Messages) > 100 {
				t.Errorf("%d timers fired in one step", len(s.Messages))
			}
		}
		for c := range customers {
			w.submit(0, gateway.Input{Event: gateway.Event{Type: "start", Customer: gateway.CustomerID(c + 1), ID: "x", OccurredAt: w.clock, ReceivedAt: w.clock}})
		}
		steps = 0
		w.clock += 2 * dayMillis
		w.submit(0, gateway.Input{Command: gateway.Tick{}})
		if messages != customers || limit == 100 && steps < customers/100 {
			t.Errorf("limit %d: %d messages in %d steps", limit, messages, steps)
		}
		w.check()
		ends[i] = w.parts[0].AppendSnapshot(nil)
	}
	if !bytes.Equal(ends[0], ends[1]) {
		t.Error("the bound changes the outcome")
	}
}

// TestTickBoundary: a tick at the due time fires a pure timer; an event at the
// due time comes first.
func TestTickBoundary(t *testing.T) {
	w := newWorld(t, Config{}, 1)
	w.clock = modelStart
	publishAll(w)
	w.submit(0, gateway.Input{Command: gateway.BindDevice{Device: 1, Customer: 1, At: modelStart}})
	pure, absence := w.parts[0].NextTimers()
	if pure != 0 || absence != 0 {
		t.Fatalf("timers at %v, %v", pure, absence)
	}
	w.submit(0, gateway.Input{Event: gateway.Event{Type: "brew", Device: 1, ID: "a", OccurredAt: w.clock, ReceivedAt: w.clock}})
	pure, due := w.parts[0].NextTimers()
	if want := modelStart + 20*hour; pure != 0 || due != want {
		t.Fatalf("next timers %v %v, want an absence at %v", pure, due, want)
	}
	entered := 0
	w.onStep = func(_ *gateway.Batch, s *gateway.Step) { entered += len(s.Decisions) }
	w.clock = due
	w.submit(0, gateway.Input{Command: gateway.Tick{}})
	if entered != 0 {
		t.Error("an absence fired at its due time, when an event could still come")
	}
	w.clock++
	w.submit(0, gateway.Input{Command: gateway.Tick{}})
	if entered == 0 {
		t.Error("the absence did not fire behind its due time")
	}
}

// TestPredicateIsCEL compares the closures with cel-go over random values.
func TestPredicateIsCEL(t *testing.T) {
	texts := []string{
		`event.a > 3`, `event.a >= event.b`, `event.a == event.b`, `event.a != 3.0`, `event.s == "x"`, `event.s in ["x", "y"]`,
		`has(event.a)`, `!has(event.n.x) || event.n.x < 2`, `event.a < 3 && event.s == "x"`, `event.a < 3 || event.s == "x"`,
		`!(event.a <= 2.5)`, `event.flag`, `event.flag && event.a > 1`, `event["a"] > 1`, `event.n == 1`, `event.a == null`,
		`event_type == "brew" && product != "y"`, `event.a in [1, 2.0, "x", true]`, `(event.a > 1 || event.b > 1) && !(event.s != "x")`, `true`, `"a" < event.s`, `event.flag > false`,
	}
	for _, text := range texts {
		fast, err := compileCondition(text, func(fieldRef) string { return "" })
		if err != nil {
			t.Fatalf("%s: %v", text, err)
		}
		if fast.fast == nil {
			t.Errorf("%s is not compiled to closures", text)
		}
		ast, issues := conditions.Compile(text)
		if issues.Err() != nil {
			t.Fatal(issues.Err())
		}
		program, err := conditions.Program(ast, cel.CostLimit(1000))
		if err != nil {
			t.Fatal(err)
		}
		slow := &condition{text: text, program: program}
		rapid.Check(t, func(rt *rapid.T) {
			var s scope
			s.init(NewPartition(Config{}))
			s.event = &gateway.Event{Type: "brew"}
			for _, key := range []string{"a", "b", "flag", "n.x", "s"} {
				v := rapid.SampledFrom([]gateway.Value{gateway.Int(1), gateway.Int(3), gateway.Float(2.5), gateway.Float(3), gateway.String("x"),
					gateway.Bool(true), gateway.Bool(false), gateway.Null(), gateway.Sealed("c")}).Draw(rt, key)
				if rapid.IntRange(0, 3).Draw(rt, "there") > 0 {
					s.event.Properties = append(s.event.Properties, gateway.Property{Key: key, Value: v})
				}
			}
			if got, want := fast.eval(&s), slow.eval(&s); got != want {
				rt.Fatalf("%s: closures say %d, CEL says %d for %v", text, got, want, s.event.Properties)
			}
		})
	}
}

// TestWholeCEL: what the closures do not cover runs in CEL.
func TestWholeCEL(t *testing.T) {
	for text, want := range map[string]outcome{
		`event.s.startsWith("x")`: yes, `size(event.s) > 3`: no, `event.a + 1 == 4`: yes, `["x"].exists(v, v == event.s)`: yes,
		`event.missing + 1 == 2`: unavailable, `event.n.x * 2 == 4`: yes, `event_type.matches("^b")`: yes,
	} {
		c, err := compileCondition(text, func(fieldRef) string { return "" })
		if err != nil {
			t.Fatalf("%s: %v", text, err)
		}
		var s scope
		s.init(NewPartition(Config{}))
		s.event = &gateway.Event{Type: "brew", Properties: gateway.Properties{{Key: "a", Value: gateway.Int(3)}, {Key: "n.x", Value: gateway.Int(2)}, {Key: "s", Value: gateway.String("x")}}}
		if got := c.eval(&s); got != want {
			t.Errorf("%s: %d, want %d", text, got, want)
		}
	}
}

// TestPlainEventDoesNotAllocate holds once a device's memory has grown.
func TestPlainEventDoesNotAllocate(t *testing.T) {
	p := benchPartition(t, 10, 20)
	l := newLoad(10, true)
	var s gateway.Step
	step := func() {
		s = gateway.Step{Changes: s.Changes[:0], Outcomes: s.Outcomes[:0], Applied: s.Applied[:0]}
		p.Apply(l.next(), &s)
	}
	for range 50 {
		step()
	}
	if allocs := testing.AllocsPerRun(100, step) / 256; allocs > 0.05 {
		t.Errorf("%.3f allocations per event", allocs)
	}
}

// TestLocalTimes walks every zone over its transitions: the instant shows the
// wanted local time, or is the first one behind a gap; quiet hours always end.
func TestLocalTimes(t *testing.T) {
	for _, name := range []string{"Europe/Berlin", "America/New_York", "Australia/Lord_Howe", "America/St_Johns", "Pacific/Apia", "Asia/Kathmandu", "Africa/Casablanca", "America/Asuncion", "UTC"} {
		loc := loadZone(name)
		if loc == nil {
			t.Fatal(name)
		}
		for day := civilOf(gateway.InstantOf(time.Date(2011, 12, 20, 0, 0, 0, 0, time.UTC)), loc); day.year < 2014; day = day.plus(1) {
			last := gateway.Instant(0)
			for l := LocalTime(0); l < 24*60; l += 15 {
				at := day.at(l, loc)
				shown := wallClock(at.Time().In(loc))
				want := time.Date(day.year, day.month, day.day, int(l)/60, int(l)%60, 0, 0, time.UTC)
				before := wallClock((at - 1).Time().In(loc))
				if !shown.Equal(want) && (shown.Before(want) || !before.Before(want)) {
					t.Fatalf("%s %v %v: %v shows %v", name, day, l, at, shown)
				}
				if at < last {
					t.Fatalf("%s %v %v: goes back", name, day, l)
				}
				last = at
			}
			q := QuietHours{From: 22 * 60, To: 7 * 60}
			if until, hit := q.hit(day.at(23*60, loc), loc); !hit || until <= day.at(23*60, loc) {
				t.Fatalf("%s %v: quiet hours do not hold", name, day)
			}
		}
	}
	if loadZone("Local") != nil || loadZone("Mars") != nil {
		t.Error("a zone that is none")
	}
}

// TestSnapshotOfAnotherVersion is refused, not misread.
func TestSnapshotOfAnotherVersion(t *testing.T) {
	snapshot, changes := snapshotSeed(t)
	snapshot[0], changes[0] = formatVersion+1, formatVersion+1
	p := NewPartition(Config{})
	if err := p.Restore(snapshot); err == nil || !strings.Contains(err.Error(), "later version") {
		t.Error(err)
	}
	if err := p.Replay(&gateway.Step{Changes: changes}); err == nil {
		t.Error("replayed")
	}
	data, _ := snapshotSeed(t)
	for cut := range len(data) / 10 {
		if p.Restore(data[:cut*10]) == nil {
			t.Fatalf("the first %d bytes of a snapshot restore", cut*10)
		}
	}
}

// TestBuckets: the arms are even and do not change.
func TestBuckets(t *testing.T) {
	n := 0
	for c := range uint64(10_000) {
		if bucket(c, "salt") < 1000 {
			n++
		}
	}
	if n < 900 || n > 1100 {
		t.Errorf("%d of 10,000 in a tenth", n)
	}
	if got := fmt.Sprint(bucket(1, "a"), bucket(2, "a"), bucket(1, "b")); got != "8065 1430 2725" {
		t.Errorf("buckets changed: %s", got)
	}
}
