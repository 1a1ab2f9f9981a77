package engine

import (
	"context"
	"time"

	"touchpoint/gateway"
)

// tickState says whether a tick is on its way.
type tickState struct {
	done    chan error // answers the append under way, nil when there is none
	pending uint64     // sequence of the tick that is to be applied next
	last    time.Time
	backOff time.Duration
}

const (
	watermarkPoll = 200 * time.Millisecond
	farAway       = time.Hour
)

// setAlarm appends a tick when one is due, and sets the alarm to the time of
// the next look.
func (r *runner) setAlarm(ctx context.Context, alarm *time.Timer) {
	wait, due := r.tickIn()
	if due {
		r.sendTick(ctx)
		wait = farAway
	}
	alarm.Reset(wait)
}

// tickIn says whether a tick is due now, else after how long to look again.
// With a virtual clock, and while the watermark stands still, there is no
// telling: then a nudge comes.
func (r *runner) tickIn() (wait time.Duration, due bool) {
	if r.tick.done != nil || r.tick.pending > r.eventSeq {
		return farAway, false
	}
	at := gateway.Instant(r.shared.due.Load())
	if at == 0 {
		return farAway, false
	}
	now := r.o.Clock.Now()
	if now <= at { // fires when due < applied time
		return r.clockWait(at + 1 - now), false
	}
	if r.shared.absence.Load() && r.o.Watermark() <= at {
		next := gateway.Instant(r.shared.ticked.Load()).Add(r.o.StalledTick)
		if now < next {
			return r.clockWait(next - now), false
		}
	}
	if gap := max(r.o.TickGap, r.tick.backOff) - time.Since(r.tick.last); gap > 0 && !r.tick.last.IsZero() {
		return gap, false
	}
	return 0, true
}

func (r *runner) clockWait(d gateway.Instant) time.Duration {
	if r.o.Clock.Virtual() {
		return farAway
	}
	return min(time.Duration(d)*time.Millisecond, farAway)
}

// sendTick appends a tick beside the runner: waiting for it here would keep
// events waiting that have arrived already.
func (r *runner) sendTick(ctx context.Context) {
	done := make(chan error, 1)
	r.tick.done, r.tick.last = done, time.Now()
	r.shared.ticked.Store(int64(r.o.Clock.Now()))
	go func() {
		pos, err := r.o.Submit(ctx, r.partition, gateway.Input{Command: gateway.Tick{}})
		if err == nil {
			r.tickSeq.Store(pos.Seq)
		}
		done <- err
	}()
}

// ticked takes the answer of sendTick.
func (r *runner) ticked(err error) {
	r.tick.done = nil
	if err == nil {
		r.tick.pending, r.tick.backOff = r.tickSeq.Load(), 0
		return
	}
	r.tick.backOff = min(max(2*r.tick.backOff, 50*time.Millisecond), 5*time.Second)
	r.log.Warn("tick not appended, retrying", "error", err)
}

// watchClock nudges the runners whenever a virtual clock moves.
func (e *Engine) watchClock() {
	if !e.o.Clock.Virtual() {
		return
	}
	for {
		now := e.o.Clock.Now()
		e.nudgeAll()
		if e.o.Clock.Until(e.halted, now+1) != nil {
			return
		}
	}
}

// watchWatermark nudges the runners whose next timer waits for the watermark,
// when it has moved.
func (e *Engine) watchWatermark() {
	poll := time.NewTicker(watermarkPoll)
	defer poll.Stop()
	var seen gateway.Instant
	for {
		select {
		case <-poll.C:
		case <-e.halted.Done():
			return
		}
		now := e.o.Watermark()
		if now == seen {
			continue
		}
		seen = now
		for _, r := range e.runners {
			if due := gateway.Instant(r.shared.due.Load()); r.shared.absence.Load() && due != 0 && due < now {
				r.wake()
			}
		}
	}
}

func (e *Engine) nudgeAll() {
	for _, r := range e.runners {
		r.wake()
	}
}

func (r *runner) wake() {
	select {
	case r.nudge <- struct{}{}:
	default:
	}
}
