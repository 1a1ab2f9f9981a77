package journey

import (
	"fmt"
	"os"
	"runtime"
	"strconv"
	"testing"
	"time"

	"touchpoint/gateway"
)

// The benchmarks of the core. Variants that are compared run in turns within one
// benchmark, by the CPU time of their thread, so that whatever else the machine
// does strikes them alike: the ratios say more than the figures.
//
//	go test ./gateway/journey -run '^$' -bench Core -benchtime 2000000x
//
// CORE_CUSTOMERS is the size of the large variants (1,000,000).

func manyCustomers() int {
	if n, err := strconv.Atoi(os.Getenv("CORE_CUSTOMERS")); err == nil {
		return n
	}
	return 1_000_000
}

// coreRun is one variant: a partition with its load.
type coreRun struct {
	p        *Partition
	l        *load
	s        gateway.Step
	spent    time.Duration
	events   int
	messages int
	bytes    int
	perBatch gateway.Instant // virtual time between two batches
}

// newCoreRun makes a partition and brings it into a steady state: each customer
// makes four coffees a day, warm of them before the measurement.
func newCoreRun(b *testing.B, customers, journeys, warm int) *coreRun {
	r := &coreRun{p: benchPartition(b, customers, journeys), l: newLoad(customers, false)}
	r.perBatch = gateway.Instant(256 * dayMillis / 4 / customers)
	for range max(customers*warm/256, 100) {
		r.batch()
	}
	r.reset()
	return r
}

// reset forgets what was measured.
func (r *coreRun) reset() { *r = coreRun{p: r.p, l: r.l, s: r.s, perBatch: r.perBatch} }

// batch applies 256 events and adds up the time that they took.
func (r *coreRun) batch() {
	r.l.b.RecordTime += r.perBatch
	b := r.l.next()
	for i := range r.s.Messages { // what was decided in the batch before is shown now
		m := &r.s.Messages[i]
		b.Inputs = append(b.Inputs, gateway.Input{Command: gateway.Receipt{Message: m.ID, Customer: m.Customer,
			Device: m.Device, Channel: m.Channel, State: gateway.MessageDisplayed, At: b.RecordTime}})
	}
	defer func() { b.Inputs = b.Inputs[:256] }()
	r.s = gateway.Step{Changes: r.s.Changes[:0], Outcomes: r.s.Outcomes[:0], Applied: r.s.Applied[:0],
		Messages: r.s.Messages[:0], Decisions: r.s.Decisions[:0], Entered: r.s.Entered[:0]}
	begun := cpuTime()
	for r.s.More = true; r.s.More; {
		r.p.Apply(b, &r.s)
	}
	r.spent += cpuTime() - begun
	r.events += 256
	r.messages += len(r.s.Messages)
	r.bytes += len(r.s.Changes)
}

func (r *coreRun) perEvent() float64 { return float64(r.spent.Nanoseconds()) / float64(r.events) }

// inTurns runs the variants batch by batch in turns.
func inTurns(b *testing.B, runs ...*coreRun) {
	runtime.GC()
	runtime.LockOSThread()
	defer runtime.UnlockOSThread()
	b.ResetTimer()
	for range b.N/256 + 1 {
		for _, r := range runs {
			r.batch()
		}
	}
	b.StopTimer()
	b.ReportMetric(0, "ns/op") // of all variants together: says nothing
}

// BenchmarkCore is the core with 20 journeys, of which three listen to the event
// type, five traits, one cap.
func BenchmarkCore(b *testing.B) {
	r := newCoreRun(b, 1000, 20, 28)
	b.ReportAllocs()
	inTurns(b, r)
	b.ReportMetric(r.perEvent(), "ns/event")
	b.ReportMetric(1e9/r.perEvent(), "events/s")
	b.ReportMetric(100*float64(r.messages)/float64(r.events), "%messages")
	b.ReportMetric(float64(r.bytes)/float64(r.events), "B/event")
}

// BenchmarkCoreJourneys: what does not listen costs nothing.
func BenchmarkCoreJourneys(b *testing.B) {
	few, many := newCoreRun(b, 1000, 4, 28), newCoreRun(b, 1000, 103, 28)
	inTurns(b, few, many)
	b.ReportMetric(few.perEvent(), "ns/event-1")
	b.ReportMetric(many.perEvent(), "ns/event-100")
	b.ReportMetric(many.perEvent()/few.perEvent(), "x-vs-1-not-listening")
}

// BenchmarkCoreCustomers: what a large partition costs; mixed as in
// BenchmarkCore, and with events that decide nothing.
func BenchmarkCoreCustomers(b *testing.B) {
	few, many := newCoreRun(b, 1000, 20, 28), newCoreRun(b, manyCustomers(), 20, 8)
	b.Run("mixed", func(b *testing.B) { compareCustomers(b, few, many) })
	few.l.plain, many.l.plain = true, true
	b.Run("plain", func(b *testing.B) { compareCustomers(b, few, many) })
}

func compareCustomers(b *testing.B, few, many *coreRun) {
	few.reset()
	many.reset()
	inTurns(b, few, many)
	b.ReportMetric(few.perEvent(), "ns/event-1000")
	b.ReportMetric(many.perEvent(), fmt.Sprintf("ns/event-%d", manyCustomers()))
	b.ReportMetric(many.perEvent()/few.perEvent(), "x-vs-1000-customers")
}
