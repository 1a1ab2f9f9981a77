package engine

import (
	"context"

	"touchpoint/gateway"
)

// Settled waits until nothing is left to do at the clock's present time: every
// record of EVENTS is applied on every partition, every forward is appended and
// applied, and no timer is left that the clock (due at or before now) or, for
// an absence, the watermark (due before it) allows to fire.
func (e *Engine) Settled(ctx context.Context) error {
	for {
		before := e.activity()
		var err error
		werr := e.changed.wait(ctx, func() bool {
			var quiet bool
			quiet, err = e.quiet(ctx)
			return quiet || err != nil
		})
		if err != nil {
			return err
		}
		if werr != nil {
			return werr
		}
		// A step that went on beside the look may have put work behind it.
		if e.activity() == before {
			return nil
		}
	}
}

// NextDue returns the earliest timer of all partitions, ok is false when there
// is none. The driver of a virtual clock may jump there.
func (e *Engine) NextDue() (due gateway.Instant, ok bool) {
	for _, r := range e.runners {
		for _, at := range r.shared.timers() {
			if at != 0 && (!ok || at < due) {
				due, ok = at, true
			}
		}
	}
	return due, ok
}

// activity changes with each step of any partition.
func (e *Engine) activity() (sum uint64) {
	for _, r := range e.runners {
		sum += r.shared.step.Load()
	}
	return sum
}

func (e *Engine) quiet(ctx context.Context) (bool, error) {
	now, observed := e.o.Clock.Now(), e.o.Watermark()
	for _, r := range e.runners {
		switch State(r.state.Load()) {
		case Live:
		case Stopped:
			return false, gateway.Errorf(gateway.Internal, "partition %d has stopped: %w", r.partition, *r.shared.err.Load())
		default:
			return false, nil
		}
		if !r.quiet(now, observed) {
			return false, nil
		}
	}
	for _, r := range e.runners { // the costly look comes last
		last, err := e.o.Log.LastEventSeq(ctx, r.partition)
		if err != nil {
			return false, err
		}
		if last > r.shared.applied.Load() || !r.quiet(now, observed) {
			return false, nil
		}
	}
	return e.endInstant(now), nil
}

// endInstant lets the timers fire that are due at this very instant, now that
// nothing else is left to do in it; it reports whether there were none.
func (e *Engine) endInstant(now gateway.Instant) bool {
	none := true
	for _, r := range e.runners {
		if r.shared.timers()[0] != now {
			continue
		}
		none = false
		e.over.Store(int64(now))
		r.wake()
	}
	return none
}

// quiet says whether the runner has done all that it can with what it knows.
func (r *runner) quiet(now, observed gateway.Instant) bool {
	s := &r.shared
	if s.received.Load() > s.applied.Load() || s.forward.Load().pending() > 0 {
		return false
	}
	timers := s.timers()
	if pure := timers[0]; pure != 0 && (pure < now || pure == now && r.e.instantOver(now)) {
		return false
	}
	absence := timers[1]
	if absence == 0 || absence >= now {
		return true
	}
	if absence < observed || now >= gateway.Instant(s.ticked.Load()).Add(r.o.StalledTick) {
		r.wake() // the watermark may have moved without a nudge yet
		return false
	}
	return true
}

// timers returns the due times of the next pure timer and the next absence.
func (s *shared) timers() [2]gateway.Instant {
	return [2]gateway.Instant{gateway.Instant(s.pure.Load()), gateway.Instant(s.absence.Load())}
}
