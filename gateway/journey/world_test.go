package journey

import (
	"bytes"
	"fmt"
	"testing"

	"touchpoint/gateway"
)

// world runs partitions as the gateway does: it appends records, carries
// forwards from one to the other, ticks when a timer is due, and beside every
// partition keeps a shadow that only replays.
type world struct {
	t        testing.TB
	cfg      Config
	parts    []*Partition
	shadows  []*Partition
	numbers  []uint64
	seq      []uint64
	clock    gateway.Instant
	observed gateway.Instant // 0 = follows the clock
	held     bool            // forwards wait
	waiting  []forwardedInput
	onStep   func(*gateway.Batch, *gateway.Step)
}

type forwardedInput struct {
	to int
	in gateway.Input
}

func newWorld(t testing.TB, cfg Config, partitions int) *world {
	w := &world{t: t, cfg: cfg, numbers: make([]uint64, partitions), seq: make([]uint64, partitions)}
	for i := range partitions {
		w.parts = append(w.parts, w.newPartition(i))
		w.shadows = append(w.shadows, w.newPartition(i))
	}
	return w
}

func (w *world) newPartition(i int) *Partition {
	cfg := w.cfg
	cfg.Partition, cfg.Partitions = i, len(w.numbers)
	return NewPartition(cfg)
}

func (w *world) watermark() gateway.Instant {
	if w.observed != 0 {
		return w.observed
	}
	return w.clock
}

// submit applies inputs as one record of a partition, and then what it
// forwarded, wherever that leads.
func (w *world) submit(part int, inputs ...gateway.Input) {
	w.apply(part, w.clock, w.watermark(), inputs)
	w.carry()
}

func (w *world) apply(part int, at, observed gateway.Instant, inputs []gateway.Input) {
	w.seq[part]++
	b := gateway.Batch{Partition: part, Seq: w.seq[part], RecordTime: at, Observed: observed, Inputs: inputs}
	for {
		var s gateway.Step
		w.parts[part].Apply(&b, &s)
		w.numbers[part]++
		s.Number = w.numbers[part]
		if err := w.shadows[part].Replay(&s); err != nil {
			w.t.Fatalf("replay: %v", err)
		}
		for i, f := range s.Forwards {
			f.Input.From = gateway.Forwarded{Partition: part, Step: s.Number, Index: uint32(i)}
			w.waiting = append(w.waiting, forwardedInput{f.To, f.Input})
		}
		if w.onStep != nil {
			w.onStep(&b, &s)
		}
		if !s.More {
			return
		}
	}
}

// carry delivers what was forwarded, unless it is held back.
func (w *world) carry() {
	for !w.held && len(w.waiting) > 0 {
		f := w.waiting[0]
		w.waiting = w.waiting[1:]
		w.apply(f.to, w.clock, w.watermark(), []gateway.Input{f.in})
	}
}

// advance moves the clock, stopping wherever a timer is due.
func (w *world) advance(to gateway.Instant) {
	for {
		next, part := to+1, -1
		for i, p := range w.parts {
			pure, absence := p.NextTimers()
			if pure != 0 && pure < next {
				next, part = max(pure, w.clock), i
			}
			if absence != 0 && absence+1 < next && (w.observed == 0 || absence < w.observed) {
				next, part = max(absence+1, w.clock), i
			}
		}
		if part < 0 {
			break
		}
		w.clock = max(w.clock, next)
		w.submit(part, gateway.Input{Command: gateway.Tick{}})
	}
	w.clock = to
	for i := range w.parts {
		w.submit(i, gateway.Input{Command: gateway.Tick{}})
	}
}

// restart replaces every partition by one restored from its snapshot.
func (w *world) restart() {
	for i, p := range w.parts {
		data := p.AppendSnapshot(nil)
		n := w.newPartition(i)
		if err := n.Restore(data); err != nil {
			w.t.Fatalf("restore: %v", err)
		}
		w.parts[i] = n
	}
}

// check compares every partition with its shadow and with what its own
// snapshot restores to.
func (w *world) check() {
	w.t.Helper()
	for i, p := range w.parts {
		snap := p.AppendSnapshot(nil)
		if other := w.shadows[i].AppendSnapshot(nil); !bytes.Equal(snap, other) {
			w.t.Fatalf("partition %d: state after replay differs from the live state\n%s", i, firstDifference(snap, other))
		}
		n := w.newPartition(i)
		if err := n.Restore(snap); err != nil {
			w.t.Fatalf("partition %d: restore: %v", i, err)
		}
		if other := n.AppendSnapshot(nil); !bytes.Equal(snap, other) {
			w.t.Fatalf("partition %d: the restored state differs\n%s", i, firstDifference(snap, other))
		}
	}
}

func firstDifference(a, b []byte) string {
	for i := range a {
		if i >= len(b) || a[i] != b[i] {
			return fmt.Sprintf("at byte %d of %d and %d:\n%q\n%q", i, len(a), len(b), a[max(0, i-20):min(len(a), i+60)], b[max(0, i-20):min(len(b), i+60)])
		}
	}
	return fmt.Sprintf("lengths %d and %d", len(a), len(b))
}
