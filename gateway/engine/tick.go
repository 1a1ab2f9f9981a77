package engine

import (
	"context"
	"time"

	"touchpoint/gateway"
)

// tickState says whether a tick is on its way.
type tickState struct {
	done    chan error         // answers the append under way, nil when there is none
	pending uint64             // sequence of the tick that is to be applied next
	sentFor [2]gateway.Instant // the timers that it was sent for
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
	timers := r.shared.timers()
	if timers == [2]gateway.Instant{} {
		return farAway, false
	}
	now := r.o.Clock.Now()
	at := r.nextTick(timers[0], timers[1], now)
	if at > now {
		return r.clockWait(at - now), false
	}
	if timers[0] == now && !r.e.instantOver(now) && r.nextTick(0, timers[1], now) > now {
		return farAway, false // a nudge comes
	}
	if timers != r.tick.sentFor {
		r.tick.backOff = 0
	}
	gap := max(r.o.TickGap, r.tick.backOff) - time.Since(r.tick.last)
	return gap, gap <= 0
}

// instantOver says whether timers due at this very instant may fire. In
// lock-step the clock stands still while the instant goes on, so that what
// competes in it has to wait until everything else is done: Settled says so. Any
// other clock moves on.
func (e *Engine) instantOver(now gateway.Instant) bool {
	return !e.o.Clock.LockStep() || gateway.Instant(e.over.Load()) == now
}

// never is a time that no clock shows.
const never = gateway.Instant(1 << 62)

// nextTick returns when the next tick makes sense.
func (r *runner) nextTick(pure, absence, now gateway.Instant) gateway.Instant {
	at := never
	if pure != 0 {
		at = pure
	}
	switch {
	case absence == 0:
	case absence >= now:
		at = min(at, absence+1)
	case absence < r.o.Watermark():
		at = now
	default: // it waits for the watermark
		at = min(at, gateway.Instant(r.shared.ticked.Load()).Add(r.o.StalledTick))
	}
	return at
}

func (r *runner) clockWait(d gateway.Instant) time.Duration {
	if r.o.Clock.Virtual() || d > gateway.Instant(farAway.Milliseconds()) {
		return farAway
	}
	return time.Duration(d) * time.Millisecond
}

// sendTick appends a tick beside the runner: waiting for it here would keep
// events waiting that have arrived already.
func (r *runner) sendTick(ctx context.Context) {
	done := make(chan error, 1)
	if timers := r.shared.timers(); timers == r.tick.sentFor {
		// The last one changed nothing (its watermark was older than ours): no spin.
		r.tick.backOff = min(max(2*r.tick.backOff, 10*time.Millisecond), time.Second)
	}
	r.tick.done, r.tick.last, r.tick.sentFor = done, time.Now(), r.shared.timers()
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
		r.tick.pending = r.tickSeq.Load()
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
			if due := r.shared.timers()[1]; due != 0 && due < now {
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
