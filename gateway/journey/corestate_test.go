package journey

import (
	"fmt"
	"runtime"
	"testing"
	"time"

	"touchpoint/gateway"
)

// stayJourney keeps everyone whom it is told to inside for a while.
const stayJourney = `name: stay
purpose: service
trigger: {api: {}}
reentry: after_exit
steps:
  - id: rest
    wait: {for: 100d}
  - id: say
    send: {channels: [product], expires_after: 1d, texts: {en: {title: Hello}}}
`

// enrollAll puts every customer into stayJourney at the same time.
func (r *coreRun) enrollAll(b *testing.B) {
	customers := len(r.l.seq)
	at := r.l.b.RecordTime + 1000
	batch := gateway.Batch{Seq: 9, RecordTime: at, Observed: at, Inputs: []gateway.Input{{Command: gateway.PublishJourney{
		Journey: "stay", Version: 1, Effective: at, Definition: []byte(stayJourney)}}}}
	for i := range customers {
		batch.Inputs = append(batch.Inputs, gateway.Input{Command: gateway.TriggerJourney{
			Journey: "stay", Customer: gateway.CustomerID(mix(uint64(i + 1e6)))}})
		if len(batch.Inputs) == 256 || i == customers-1 {
			r.p.Apply(&batch, &gateway.Step{})
			batch.Inputs = batch.Inputs[:0]
		}
	}
	r.l.b.RecordTime = at
	inside := 0
	for _, c := range r.p.customers {
		for _, e := range c.enrollments {
			if !e.ended() {
				inside++
			}
		}
	}
	if inside < customers {
		b.Fatalf("%d of %d are inside", inside, customers)
	}
}

// BenchmarkCoreMemory is the memory of a customer with one device, five traits
// and one enrollment; the duplicate windows are apart.
func BenchmarkCoreMemory(b *testing.B) {
	customers := min(manyCustomers(), 100_000)
	before := heap()
	r := newCoreRun(b, customers, 20, 0)
	r.l.plain = true // no enrollment but the one below
	for range customers * 28 / 256 {
		r.batch()
	}
	for d := range r.p.devices.all {
		d.seen = seen{}
	}
	without := heap() - before
	r.enrollAll(b)
	with := heap() - before
	runtime.KeepAlive(r)
	for range b.N {
	}
	b.ReportMetric(0, "ns/op")
	b.ReportMetric(float64(without)/float64(customers), "B/customer")
	b.ReportMetric(float64(with)/float64(customers), "B/customer+enrollment")
}

// BenchmarkCoreRestart restores a snapshot and replays 500 steps.
func BenchmarkCoreRestart(b *testing.B) {
	runtime.LockOSThread()
	defer runtime.UnlockOSThread()
	customers := manyCustomers()
	r := newCoreRun(b, customers, 20, 8)
	r.enrollAll(b)
	data := r.p.AppendSnapshot(nil)
	steps := make([][]byte, 500)
	for i := range steps {
		r.batch()
		steps[i] = append([]byte(nil), r.s.Changes...)
	}
	want := r.p.now
	*r = coreRun{}
	runtime.GC()
	b.ResetTimer()
	var restored, replayed, busy time.Duration
	for range b.N {
		begun, cpu := time.Now(), cpuTime()
		p := NewPartition(Config{Partitions: 1, Caps: []CapRule{{Name: "daily", Max: 1, Per: dayMillis}}})
		if err := p.Restore(data); err != nil {
			b.Fatal(err)
		}
		restored, busy = restored+time.Since(begun), busy+cpuTime()-cpu
		cpu = cpuTime()
		for i := range steps {
			if err := p.Replay(&gateway.Step{Changes: steps[i]}); err != nil {
				b.Fatal(err)
			}
		}
		replayed += cpuTime() - cpu
		if p.now != want {
			b.Fatal("another state")
		}
	}
	b.ReportMetric(0, "ns/op")
	b.ReportMetric(restored.Seconds()/float64(b.N), fmt.Sprintf("s-restore-%d", customers))
	b.ReportMetric(busy.Seconds()/float64(b.N), fmt.Sprintf("thread-s-restore-%d", customers))
	b.ReportMetric(float64(replayed.Microseconds())/float64(b.N)/float64(len(steps)*256), "µs/replayed-event")
	b.ReportMetric(float64(len(data))/float64(customers), "B/customer")
}

// BenchmarkCoreTimers drains 100,000 waits that end in the same instant, each
// with a message.
func BenchmarkCoreTimers(b *testing.B) {
	const customers = 100_000
	runtime.LockOSThread()
	defer runtime.UnlockOSThread()
	var spent, busy time.Duration
	for range b.N {
		r := newCoreRun(b, customers, 20, 0)
		r.enrollAll(b)
		at := r.l.b.RecordTime + 101*dayMillis
		runtime.GC()
		messages, steps := 0, 0
		begun, cpu := time.Now(), cpuTime()
		for more := true; more; steps++ {
			var s gateway.Step
			r.p.Apply(&gateway.Batch{Seq: 10, RecordTime: at, Observed: at}, &s)
			messages, more = messages+len(s.Messages), s.More
		}
		spent, busy = spent+time.Since(begun), busy+cpuTime()-cpu
		if messages < customers*99/100 { // some had one that day
			b.Fatalf("%d messages in %d steps", messages, steps)
		}
	}
	b.ReportMetric(0, "ns/op")
	b.ReportMetric(spent.Seconds()/float64(b.N), "s-100000-timers")
	b.ReportMetric(busy.Seconds()/float64(b.N), "thread-s-100000-timers")
}
