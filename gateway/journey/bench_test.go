package journey

import (
	"fmt"
	"runtime"
	"testing"

	"touchpoint/gateway"
)

// benchJourney is one of 20 journeys; the first three listen to brew_finished.
func benchJourney(i int) []byte {
	event, where := fmt.Sprintf("other_%d", i), ""
	if i < 3 {
		event = "brew_finished"
		where = fmt.Sprintf("  where: event.strength == %d && event.water_ml > 20\n", i)
	}
	return fmt.Appendf(nil, `name: bench-%d
purpose: service
trigger:
  event: %s
%sfilter: event.lucky == 1
reentry: after_exit
traits:
  brews: {count: brew_finished, within: 7d}
  water: {sum: brew_finished.water_ml, within: 7d}
  ever: {count: brew_finished}
  latest: {last: brew_finished}
  strong: {count: brew_finished, within: 30d, where: event.strength == 1}
steps:
  - id: say
    send: {channels: [product], expires_after: 1d, texts: {en: {title: Hello}}}
`, i, event, where)
}

// benchPartition has 20 journeys, of which three listen, five traits per event,
// and one cap.
func benchPartition(b testing.TB, customers, journeys int) *Partition {
	p := NewPartition(Config{Partitions: 1, Caps: []CapRule{{Name: "daily", Max: 1, Per: dayMillis}}})
	at := gateway.Instant(1_777_000_000_000)
	batch := gateway.Batch{Seq: 1, RecordTime: at, Observed: at}
	for i := range journeys {
		batch.Inputs = append(batch.Inputs, gateway.Input{Command: gateway.PublishJourney{
			Journey: fmt.Sprintf("bench-%d", i), Version: 1, Effective: at, Definition: benchJourney(i)}})
	}
	for i := range customers {
		batch.Inputs = append(batch.Inputs, gateway.Input{Command: gateway.BindDevice{
			Device: gateway.DeviceID(mix(uint64(i + 1))), Product: "brewer", Customer: gateway.CustomerID(mix(uint64(i + 1e6))), Role: "owner", At: at}})
	}
	var s gateway.Step
	p.Apply(&batch, &s)
	for _, d := range s.Decisions {
		if d.Reason == gateway.ReasonInvalid {
			b.Fatal(d.Rule)
		}
	}
	return p
}

// load makes one batch after the other in place, one second apart: a tenth of
// the events passes the filter of one of the three journeys, a tenth of those
// is lucky.
type load struct {
	b     gateway.Batch
	k     uint64
	seq   []uint64
	plain bool
}

func newLoad(customers int, plain bool) *load {
	l := &load{seq: make([]uint64, customers), plain: plain}
	l.b.Seq, l.b.RecordTime, l.b.Observed = 1, 1_777_000_100_000, 1_777_000_100_000
	l.b.Inputs = make([]gateway.Input, 256)
	for j := range l.b.Inputs {
		l.b.Inputs[j].Event = gateway.Event{Type: "brew_finished", Product: "brewer", Boot: 1, HasSeq: true,
			Properties: gateway.Properties{{Key: "lucky"}, {Key: "strength"}, {Key: "water_ml", Value: gateway.Int(38)}}}
	}
	return l
}

func (l *load) next() *gateway.Batch {
	l.b.Seq++
	l.b.RecordTime += 1000
	l.b.Observed = l.b.RecordTime
	for j := range l.b.Inputs {
		ev := &l.b.Inputs[j].Event
		l.k++
		r := mix(l.k * 77)
		d := r % uint64(len(l.seq))
		l.seq[d]++
		ev.Device, ev.Seq = gateway.DeviceID(mix(d+1)), l.seq[d]
		ev.OccurredAt, ev.ReceivedAt = l.b.RecordTime, l.b.RecordTime
		ev.Properties[0].Value = gateway.Int(int64(r >> 20 % 10))
		ev.Properties[1].Value = gateway.Int(int64(r >> 40 % 30))
		if l.plain {
			ev.Properties[1].Value = gateway.Int(99)
		}
	}
	return &l.b
}

func BenchmarkApply(b *testing.B) {
	for _, customers := range []int{1000, 65_536} {
		for _, journeys := range []int{3, 20, 100} {
			b.Run(fmt.Sprintf("customers=%d/journeys=%d", customers, journeys), func(b *testing.B) {
				p := benchPartition(b, customers, journeys)
				l := newLoad(customers, false)
				var s gateway.Step
				messages, entries := 0, 0
				b.ReportAllocs()
				b.ResetTimer()
				for range b.N/256 + 1 {
					s = gateway.Step{Changes: s.Changes[:0], Outcomes: s.Outcomes[:0], Applied: s.Applied[:0],
						Messages: s.Messages[:0], Decisions: s.Decisions[:0], Entered: s.Entered[:0]}
					p.Apply(l.next(), &s)
					messages += len(s.Messages)
					entries += len(s.Decisions)
				}
				b.ReportMetric(float64(b.N)/b.Elapsed().Seconds(), "events/s")
				b.ReportMetric(100*float64(messages)/float64(b.N), "%messages")
				b.ReportMetric(float64(len(s.Changes))/256, "B/event")
			})
		}
	}
}

// BenchmarkPlain applies events that decide nothing: no allocation per event.
func BenchmarkPlain(b *testing.B) {
	p := benchPartition(b, 1000, 20)
	l := newLoad(1000, true)
	var s gateway.Step
	b.ReportAllocs()
	b.ResetTimer()
	for range b.N/256 + 1 {
		s = gateway.Step{Changes: s.Changes[:0], Outcomes: s.Outcomes[:0], Applied: s.Applied[:0]}
		p.Apply(l.next(), &s)
	}
}

func BenchmarkReplay(b *testing.B) {
	p, q := benchPartition(b, 10_000, 20), benchPartition(b, 10_000, 20)
	l := newLoad(10_000, false)
	b.ReportAllocs()
	b.ResetTimer()
	b.StopTimer()
	for range b.N/256 + 1 {
		var s gateway.Step
		p.Apply(l.next(), &s)
		b.StartTimer()
		if err := q.Replay(&s); err != nil {
			b.Fatal(err)
		}
		b.StopTimer()
	}
}

// BenchmarkSnapshot also reports the memory of a customer with five traits and
// one enrollment, duplicate windows apart.
func BenchmarkSnapshot(b *testing.B) {
	const customers = 50_000
	before := heap()
	p := benchPartition(b, customers, 20)
	l := newLoad(customers, false)
	for range 2000 {
		var s gateway.Step
		p.Apply(l.next(), &s)
	}
	for d := range p.devices.all {
		d.seen = seen{}
	}
	size := heap() - before
	var data []byte
	b.ResetTimer()
	for range b.N {
		data = p.AppendSnapshot(data[:0])
	}
	b.ReportMetric(float64(b.Elapsed().Nanoseconds())/float64(b.N)/customers, "ns/customer")
	b.ReportMetric(float64(len(data))/customers, "snapshotB/customer")
	b.ReportMetric(float64(size)/customers, "B/customer")
	q := NewPartition(Config{})
	if err := q.Restore(data); err != nil {
		b.Fatal(err)
	}
}

func BenchmarkRestore(b *testing.B) {
	const customers = 50_000
	p := benchPartition(b, customers, 20)
	l := newLoad(customers, false)
	for range 2000 {
		var s gateway.Step
		p.Apply(l.next(), &s)
	}
	data := p.AppendSnapshot(nil)
	b.ResetTimer()
	for range b.N {
		if err := NewPartition(Config{}).Restore(data); err != nil {
			b.Fatal(err)
		}
	}
	b.ReportMetric(float64(b.Elapsed().Nanoseconds())/float64(b.N)/customers, "ns/customer")
}

func heap() uint64 {
	runtime.GC()
	var m runtime.MemStats
	runtime.ReadMemStats(&m)
	return m.HeapAlloc
}
