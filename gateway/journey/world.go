package journey

import (
	"bytes"
	"fmt"
	"slices"

	"touchpoint/gateway"
)

// World runs partitions together on a clock of its own, as the gateway does
// over its logs: it makes records of inputs, carries what one partition
// forwards to another, and ticks wherever a timer is due. Stories, walks and
// model tests run in it. Like everything here it is pure.
type World struct {
	cfg      Config
	parts    []*Partition
	shadows  []*Partition // replay what the partitions recorded; nil unless checked
	numbers  []uint64
	seq      []uint64
	clock    gateway.Instant
	observed gateway.Instant // 0 = follows the clock
	held     bool            // forwards wait
	waiting  []forwardedInput
	onStep   func(*gateway.Batch, *gateway.Step)
	pick     func(n int) int
	texts    *texts
}

type forwardedInput struct {
	to int
	in gateway.Input
}

// OnPick lets f choose whose forwards arrive next, when several partitions have
// sent some: what one sends to another arrives in its order, all else may not.
func (w *World) OnPick(f func(n int) int) { w.pick = f }

// next takes the forwarded input that arrives next.
func (w *World) next() forwardedInput {
	at := 0
	if w.pick != nil {
		var first []int // of each pair of partitions
		for i, f := range w.waiting {
			if !slices.ContainsFunc(first, func(k int) bool {
				return w.waiting[k].to == f.to && w.waiting[k].in.From.Partition == f.in.From.Partition
			}) {
				first = append(first, i)
			}
		}
		at = first[w.pick(len(first))]
	}
	f := w.waiting[at]
	w.waiting = slices.Delete(w.waiting, at, at+1)
	return f
}

// NewWorld makes partitions that know nothing. When checked is set, a shadow
// beside every partition replays what it records; see Check.
func NewWorld(cfg Config, partitions int, checked bool) *World {
	w := &World{cfg: cfg, texts: newTexts(), numbers: make([]uint64, partitions), seq: make([]uint64, partitions)}
	for i := range partitions {
		w.parts = append(w.parts, w.newPartition(i))
		if checked {
			w.shadows = append(w.shadows, w.newPartition(i))
		}
	}
	return w
}

func (w *World) newPartition(i int) *Partition {
	cfg := w.cfg
	cfg.Partition, cfg.Partitions = i, len(w.numbers)
	p := NewPartition(cfg)
	p.texts = w.texts
	return p
}

// Like lets the world use what another one has compiled. They must not run at
// the same time.
func (w *World) Like(other *World) {
	w.texts = other.texts
	for _, p := range append(slices.Clone(w.parts), w.shadows...) {
		p.texts = w.texts
	}
}

// OnStep calls f with every step, before the next one is made.
func (w *World) OnStep(f func(*gateway.Batch, *gateway.Step)) { w.onStep = f }

// Partitions are the partitions, by number.
func (w *World) Partitions() []*Partition { return w.parts }

// Clock is the time of the next record.
func (w *World) Clock() gateway.Instant { return w.clock }

// SetClock sets the time without letting timers fire on the way.
func (w *World) SetClock(at gateway.Instant) { w.clock = at }

// SetObserved says up to when intake is complete; 0 follows the clock.
func (w *World) SetObserved(at gateway.Instant) { w.observed = at }

// HoldForwards keeps what partitions forward, or carries what was kept.
func (w *World) HoldForwards(hold bool) error {
	w.held = hold
	return w.carry()
}

func (w *World) watermark() gateway.Instant {
	if w.observed != 0 {
		return w.observed
	}
	return w.clock
}

// Submit applies inputs as one record of a partition, and then what it
// forwarded, wherever that leads.
func (w *World) Submit(part int, inputs ...gateway.Input) error {
	if part < 0 || part >= len(w.parts) {
		return fmt.Errorf("partition %d is not in 0…%d", part, len(w.parts)-1)
	}
	if err := w.apply(part, w.clock, w.watermark(), inputs); err != nil {
		return err
	}
	return w.carry()
}

func (w *World) apply(part int, at, observed gateway.Instant, inputs []gateway.Input) error {
	w.seq[part]++
	b := gateway.Batch{Partition: part, Seq: w.seq[part], RecordTime: at, Observed: observed, Inputs: inputs}
	for {
		var s gateway.Step
		w.parts[part].Apply(&b, &s)
		w.numbers[part]++
		s.Number = w.numbers[part]
		if w.shadows != nil {
			if err := w.shadows[part].Replay(&s); err != nil {
				return fmt.Errorf("replay: %w", err)
			}
		}
		for i, f := range s.Forwards {
			f.Input.From = gateway.Forwarded{Partition: part, Step: s.Number, Index: uint32(i)}
			w.waiting = append(w.waiting, forwardedInput{f.To, f.Input})
		}
		if w.onStep != nil {
			w.onStep(&b, &s)
		}
		if !s.More {
			return nil
		}
	}
}

// carry delivers what was forwarded, unless it is held back.
func (w *World) carry() error {
	for !w.held && len(w.waiting) > 0 {
		f := w.next()
		if err := w.apply(f.to, w.clock, w.watermark(), []gateway.Input{f.in}); err != nil {
			return err
		}
	}
	return nil
}

// Next returns the earliest time up to a bound at which a timer can fire, and
// the partition that holds it; false when there is none.
func (w *World) Next(bound gateway.Instant) (at gateway.Instant, part int, ok bool) {
	at, part = bound+1, -1
	for i, p := range w.parts {
		pure, absence := p.NextTimers()
		if pure != 0 && pure < at {
			at, part = max(pure, w.clock), i
		}
		if absence != 0 && absence+1 < at && (w.observed == 0 || absence < w.observed) {
			at, part = max(absence+1, w.clock), i
		}
	}
	return max(at, w.clock), part, part >= 0
}

// Advance moves the clock, stopping wherever a timer is due.
func (w *World) Advance(to gateway.Instant) error {
	tick := gateway.Input{Command: gateway.Tick{}}
	for {
		next, part, ok := w.Next(to)
		if !ok {
			break
		}
		w.clock = next
		if err := w.Submit(part, tick); err != nil {
			return err
		}
	}
	w.clock = to
	for i := range w.parts {
		if err := w.Submit(i, tick); err != nil {
			return err
		}
	}
	return nil
}

// Settle ticks until no timer of pure time is left that is due at the clock:
// what competes at this instant is decided, as the gateway does when it is over.
func (w *World) Settle() error {
	for i := 0; i < len(w.parts); i++ {
		if pure, _ := w.parts[i].NextTimers(); pure == 0 || pure > w.clock {
			continue
		}
		if err := w.Submit(i, gateway.Input{Command: gateway.Tick{}}); err != nil {
			return err
		}
		i = -1 // it may have given work to the ones before
	}
	return nil
}

// Config returns the settings.
func (w *World) Config() Config { return w.cfg }

// SetConfig changes the settings; partitions take them up at a Restart.
func (w *World) SetConfig(cfg Config) { w.cfg = cfg }

// Restart replaces every partition by one restored from its snapshot.
func (w *World) Restart() error {
	for i, p := range w.parts {
		n := w.newPartition(i)
		if err := n.Restore(p.AppendSnapshot(nil)); err != nil {
			return fmt.Errorf("restore: %w", err)
		}
		w.parts[i] = n
	}
	return nil
}

// Check compares every partition with its shadow and with what its own
// snapshot restores to.
func (w *World) Check() error {
	for i, p := range w.parts {
		snap := p.AppendSnapshot(nil)
		if w.shadows != nil {
			if other := w.shadows[i].AppendSnapshot(nil); !bytes.Equal(snap, other) {
				return fmt.Errorf("partition %d: state after replay differs from the live state\n%s", i, firstDifference(snap, other))
			}
		}
		n := w.newPartition(i)
		if err := n.Restore(snap); err != nil {
			return fmt.Errorf("partition %d: restore: %w", i, err)
		}
		if other := n.AppendSnapshot(nil); !bytes.Equal(snap, other) {
			return fmt.Errorf("partition %d: the restored state differs\n%s", i, firstDifference(snap, other))
		}
	}
	return nil
}

func firstDifference(a, b []byte) string {
	for i := range a {
		if i >= len(b) || a[i] != b[i] {
			return fmt.Sprintf("at byte %d of %d and %d:\n%q\n%q", i, len(a), len(b), a[max(0, i-20):min(len(a), i+60)], b[max(0, i-20):min(len(b), i+60)])
		}
	}
	return fmt.Sprintf("lengths %d and %d", len(a), len(b))
}
