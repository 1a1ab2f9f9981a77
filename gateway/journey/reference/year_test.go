package reference

import (
	"flag"
	"fmt"
	"math/rand/v2"
	"os"
	"path/filepath"
	"runtime"
	"slices"
	"syscall"
	"testing"
	"time"

	"touchpoint/gateway"
	core "touchpoint/gateway/journey"
)

var (
	yearCustomers = flag.Int("customers", 300, "customers of TestYear; make year: 10,000")
	yearDays      = flag.Int("days", 40, "days of TestYear; make year: 365")
)

// firstDays are those that TestYear also lives through at the pace of real time.
const firstDays = 3

// fleet is a set of customers with a machine each and habits: so many coffees a
// day at their hours, weekends, holidays, a descaling now and then. It makes the
// events of one minute after the other.
type fleet struct {
	g         *rand.Rand
	customers int
	perDay    []int
	away      []int // day of the return
	seq       []uint64
	brews     []int
}

func newFleet(customers int) *fleet {
	f := &fleet{g: rand.New(rand.NewPCG(7, 365)), customers: customers, perDay: make([]int, customers), away: make([]int, customers),
		seq: make([]uint64, customers), brews: make([]int, customers)}
	for i := range f.perDay {
		f.perDay[i] = 1 + f.g.IntN(6)
	}
	return f
}

// day makes the events of a day, in order.
func (f *fleet) day(n int) (out []gateway.Event) {
	midnight := start + gateway.Instant(n)*day
	for i := range f.customers {
		if f.away[i] > n {
			continue
		}
		if f.g.IntN(90) == 0 {
			f.away[i] = n + 5 + f.g.IntN(20)
		}
		at := midnight + 6*hour + gateway.Instant(f.g.IntN(int(2*hour)))
		for range f.perDay[i] {
			at += gateway.Instant(f.g.IntN(int(4 * hour)))
			if at >= midnight+day {
				break
			}
			f.brews[i]++
			out = append(out, f.event(i, "brew_finished", at, gateway.Properties{{Key: "water_ml", Value: gateway.Int(int64(30 + f.g.IntN(180)))}}))
			if f.brews[i]%250 == 249 {
				out = append(out, f.event(i, "descaling_finished", at+minute, gateway.Properties{{Key: "ok", Value: gateway.Bool(true)}}))
			}
		}
	}
	slices.SortStableFunc(out, func(a, b gateway.Event) int { return int(a.OccurredAt - b.OccurredAt) })
	return out
}

func (f *fleet) event(i int, typ string, at gateway.Instant, props gateway.Properties) gateway.Event {
	f.seq[i]++
	return gateway.Event{Type: typ, Device: deviceOfYear(i), Product: "brewer", Boot: 1, Seq: f.seq[i], HasSeq: true,
		OccurredAt: at, ReceivedAt: at, Properties: props}
}

func customerOfYear(i int) gateway.CustomerID { return gateway.CustomerID(1_000_000 + i) }
func deviceOfYear(i int) gateway.DeviceID     { return gateway.DeviceID(2_000_000 + i) }

// yearWorld drives one partition and notes what it decides.
type yearWorld struct {
	t       *testing.T
	p       *core.Partition
	seq     uint64
	batch   gateway.Batch
	step    gateway.Step
	log     []string // of the first days
	totals  map[string]int
	events  int
	pending []gateway.Input // receipts of what was sent
}

func newYear(t *testing.T, customers int) *yearWorld {
	y := &yearWorld{t: t, totals: map[string]int{}, p: core.NewPartition(core.Config{Zone: "Europe/Berlin",
		Caps:       []core.CapRule{{Name: "two a week", Max: 2, Per: core.Duration(7 * day)}},
		QuietHours: []core.QuietHours{{From: 22 * 60, To: 7 * 60, OnHit: "hold"}}})}
	files, err := filepath.Glob("../../../deploy/journeys/*.yaml")
	if err != nil || len(files) < 4 {
		t.Fatal("no journeys found", err)
	}
	var inputs []gateway.Input
	for _, file := range files {
		text, err := os.ReadFile(file)
		if err != nil {
			t.Fatal(err)
		}
		def, err := core.Compile(text, core.Env{})
		if err != nil {
			t.Fatal(err)
		}
		inputs = append(inputs, gateway.Input{Command: gateway.PublishJourney{Journey: def.Name, Version: 1, Effective: start, Definition: text}})
	}
	for i := range customers {
		inputs = append(inputs, gateway.Input{Command: gateway.BindDevice{Device: deviceOfYear(i), Product: "brewer", Customer: customerOfYear(i), Role: "owner", At: start}},
			gateway.Input{Command: gateway.SetConsent{Customer: customerOfYear(i), Purpose: "marketing", Granted: i%3 > 0, At: start}})
	}
	y.record(start, inputs...)
	return y
}

// record applies inputs at a time, in as many steps as it takes.
func (y *yearWorld) record(at gateway.Instant, inputs ...gateway.Input) {
	y.seq++
	y.batch = gateway.Batch{Seq: y.seq, RecordTime: at, Observed: at, Inputs: inputs}
	for {
		y.step = gateway.Step{Changes: y.step.Changes[:0], Outcomes: y.step.Outcomes[:0], Applied: y.step.Applied[:0], Number: y.step.Number + 1,
			Messages: y.step.Messages[:0], Decisions: y.step.Decisions[:0], Entered: y.step.Entered[:0]}
		y.p.Apply(&y.batch, &y.step)
		y.note(&y.step)
		if !y.step.More {
			return
		}
	}
}

func (y *yearWorld) note(s *gateway.Step) {
	for i := range s.Decisions {
		d := &s.Decisions[i]
		y.totals[d.Kind.String()+" "+string(d.Reason)]++
		if d.At < start+firstDays*day {
			y.log = append(y.log, fmt.Sprint(d.At, d.Kind, d.Reason, d.Journey, d.Step, d.Customer, d.Enrollment, d.Message, d.Rule))
		}
	}
	for i := range s.Messages {
		m := &s.Messages[i]
		if !m.Holdout { // its owner sees it
			y.pending = append(y.pending, gateway.Input{Command: gateway.Receipt{Message: m.ID, Customer: m.Customer, State: gateway.MessageDisplayed}})
		}
	}
}

// tick fires what is due up to a time.
func (y *yearWorld) tick(to gateway.Instant) {
	for {
		pure, absence := y.p.NextTimers()
		next := to + 1
		if pure != 0 {
			next = min(next, pure)
		}
		if absence != 0 {
			next = min(next, absence+1)
		}
		if next > to {
			return
		}
		y.record(next, gateway.Input{Command: gateway.Tick{}})
	}
}

// live takes the events of a day in lock-step: virtual time moves from event to
// event, and stops in between only where a timer is due. Each minute that a
// message was sent in is followed by its display.
func (y *yearWorld) live(events []gateway.Event, midnight gateway.Instant) {
	for len(events) > 0 {
		at := events[0].OccurredAt
		y.tick(at - 1)
		n := 1
		for n < len(events) && n < 256 && events[n].OccurredAt == at {
			n++
		}
		inputs := make([]gateway.Input, n)
		for i := range inputs {
			inputs[i].Event = events[i]
		}
		y.record(at, inputs...)
		y.events += n
		events = events[n:]
		y.display(at)
	}
	y.tick(midnight + day - 1)
	y.display(midnight + day - 1)
}

// display lets what was sent be seen.
func (y *yearWorld) display(at gateway.Instant) {
	y.tick(at)
	if len(y.pending) > 0 {
		inputs := slices.Clone(y.pending)
		y.pending = y.pending[:0]
		y.record(at, inputs...)
	}
}

// liveSlowly takes the same day as real time would: a record per event, and in
// between a tick every half minute, whether something is due or not.
func (y *yearWorld) liveSlowly(events []gateway.Event, midnight gateway.Instant) {
	now := midnight
	for i := range events {
		for ; now < events[i].OccurredAt; now += 30_000 {
			y.tick(now)
			y.display(now)
			y.record(now, gateway.Input{Command: gateway.Tick{}})
		}
		y.tick(events[i].OccurredAt - 1)
		y.record(events[i].OccurredAt, gateway.Input{Event: events[i]})
		y.display(events[i].OccurredAt)
	}
	for ; now < midnight+day; now += 30_000 {
		y.tick(now)
		y.display(now)
		y.record(now, gateway.Input{Command: gateway.Tick{}})
	}
	y.tick(midnight + day - 1)
	y.display(midnight + day - 1)
}

// TestYear lives through a simulated year on the virtual clock. Its first days
// decide what the same days decide when every half minute of them is lived
// through. `make year` takes 10,000 customers and 365 days.
func TestYear(t *testing.T) {
	began := time.Now()
	quick, f := newYear(t, *yearCustomers), newFleet(*yearCustomers)
	for n := range *yearDays {
		quick.live(f.day(n), start+gateway.Instant(n)*day)
	}
	took := time.Since(began)
	slow, g := newYear(t, *yearCustomers), newFleet(*yearCustomers)
	for n := range firstDays {
		slow.liveSlowly(g.day(n), start+gateway.Instant(n)*day)
	}
	slices.Sort(quick.log)
	slices.Sort(slow.log)
	if !slices.Equal(quick.log, slow.log) {
		t.Errorf("the first days decide %d times on the virtual clock and %d times in real time", len(quick.log), len(slow.log))
		for _, line := range quick.log {
			if !slices.Contains(slow.log, line) {
				t.Fatalf("only on the virtual clock: %s", line)
			}
		}
	}
	if len(quick.log) == 0 || quick.totals["send sent"] == 0 {
		t.Errorf("nothing happened: %v", quick.totals)
	}
	var used syscall.Rusage
	if err := syscall.Getrusage(syscall.RUSAGE_SELF, &used); err != nil {
		t.Fatal(err)
	}
	var m runtime.MemStats
	runtime.ReadMemStats(&m)
	t.Logf("%d customers, %d days: %d events in %s (%.0f events/s; CPU of all %d s), heap %d MB; %d decisions of the first %d days are the same at the pace of real time; %v",
		*yearCustomers, *yearDays, quick.events, took.Round(time.Millisecond), float64(quick.events)/took.Seconds(), used.Utime.Sec, m.HeapAlloc>>20, len(quick.log), firstDays, quick.totals)
}
