package engine

import (
	"context"
	"testing"
	"testing/synctest"
	"time"

	"touchpoint/gateway"
	"touchpoint/gateway/clock"
)

func TestTicksInVirtualTime(t *testing.T) {
	w := newWorld(t, 2)
	e := w.engine()
	w.add(0, event(1, "wait", 1000), event(2, "wait", 86_400_000))
	w.add(1, event(3, "absent", 1000))
	w.settle(e)
	for _, c := range []struct {
		advance  time.Duration
		zero, on int // timers fired on the two partitions
	}{
		{999 * time.Millisecond, 0, 0},
		{time.Millisecond, 1, 0}, // at this very instant the event may still come
		{time.Millisecond, 1, 1},
		{time.Hour, 1, 1},
		{24 * time.Hour, 2, 1},
	} {
		w.advance(c.advance)
		w.settle(e)
		if a, b := len(w.core(0).Fired), len(w.core(1).Fired); a != c.zero || b != c.on {
			t.Errorf("after %v: %d and %d timers, want %d and %d", c.advance, a, b, c.zero, c.on)
		}
	}
	if n := len(w.log.events[0]); n != 4 {
		t.Errorf("%d records, want 2 and 2 ticks", n)
	}
	if _, ok := e.NextDue(); ok {
		t.Error("a timer is left")
	}
	w.stop(e)
}

func TestNextDue(t *testing.T) {
	w := newWorld(t, 2)
	e := w.engine()
	w.add(0, event(1, "wait", 5000))
	w.add(1, event(1, "wait", 3000))
	w.settle(e)
	if due, ok := e.NextDue(); !ok || due != start+3000 {
		t.Errorf("%v %v", due, ok)
	}
	w.stop(e)
}

func TestNoAbsenceWhileUnobserved(t *testing.T) {
	w := newWorld(t, 1)
	w.setMark(start)
	e := w.engine()
	w.add(0, event(1, "absent", 1000))
	w.settle(e)
	for range 6 { // the broker is away for six hours
		w.advance(time.Hour)
		w.settle(e)
	}
	if n := len(w.core(0).Fired); n != 0 {
		t.Fatalf("%d timers of absence fired over unobserved time", n)
	}
	if n := len(w.log.events[0]); n > 1+6 {
		t.Errorf("%d ticks while the watermark stood still", n-1)
	}
	w.setMark(start + 1000)
	w.settle(e)
	if n := len(w.core(0).Fired); n != 0 {
		t.Fatal("fired at the instant of the watermark itself")
	}
	w.setMark(start + 1001)
	w.settle(e)
	if n := len(w.core(0).Fired); n != 1 {
		t.Fatalf("%d timers after the watermark passed", n)
	}
	w.stop(e)
}

func TestPureTimerBehindAStalledOne(t *testing.T) {
	w := newWorld(t, 1)
	w.setMark(start)
	e := w.engine()
	w.add(0, event(1, "absent", 1000), event(2, "wait", 2000))
	w.advance(time.Minute)
	w.settle(e)
	if c := w.core(0); len(c.Fired) != 1 || c.Fired[0][:2] != "2@" {
		t.Errorf("fired %v", c.Fired)
	}
	w.stop(e)
}

func TestTicksOnTheWallClock(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t, 1)
		w.clock = clock.Wall()
		e := w.engine()
		for i := range 100 {
			w.add(0, event(gateway.DeviceID(i), "wait", uint64(1000+i)))
		}
		time.Sleep(3 * time.Second) // virtual time of the bubble
		synctest.Wait()
		if n := len(w.core(0).Fired); n != 100 {
			t.Errorf("%d timers fired", n)
		}
		if n := len(w.log.events[0]) - 100; n > 5 {
			t.Errorf("%d ticks for 100 timers within 100 ms", n)
		}
		crash(e)
	})
}

func TestWallClockDoesNotSpinOnAStalledWatermark(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t, 1)
		w.clock = clock.Wall()
		w.setMark(w.clock.Now())
		e := w.engine()
		w.add(0, event(1, "absent", 1000))
		time.Sleep(time.Minute)
		synctest.Wait()
		if n := len(w.log.events[0]) - 1; n > 7 {
			t.Errorf("%d ticks in a minute", n)
		}
		w.setMark(w.clock.Now())
		time.Sleep(time.Second)
		synctest.Wait()
		if n := len(w.core(0).Fired); n != 1 {
			t.Errorf("%d timers a second after the watermark moved", n)
		}
		crash(e)
	})
}

func TestTickThatFailsIsRetried(t *testing.T) {
	w := newWorld(t, 1)
	fails := 3
	e := w.engine(func(o *Options) {
		submit := o.Submit
		o.Submit = func(ctx context.Context, p int, in gateway.Input) (gateway.Position, error) {
			if fails--; fails >= 0 {
				return gateway.Position{}, gateway.Errorf(gateway.Unavailable, "away")
			}
			return submit(ctx, p, in)
		}
	})
	w.add(0, event(1, "wait", 10))
	w.settle(e)
	w.advance(time.Second)
	w.settle(e)
	if n := len(w.core(0).Fired); n != 1 {
		t.Errorf("%d timers", n)
	}
	w.stop(e)
}

// TestInstantOfAVirtualClock: a timer due at the very instant waits until
// nothing else is left to do in it, so that what comes later in the same
// instant still competes.
func TestInstantOfAVirtualClock(t *testing.T) {
	w := newWorld(t, 1)
	e := w.engine()
	w.add(0, event(1, "wait", 1000))
	w.settle(e)
	w.advance(time.Second)
	w.add(0, event(2, "wait", 86_400_000))
	if err := e.changed.wait(t.Context(), func() bool { return e.runners[0].shared.applied.Load() >= 2 }); err != nil {
		t.Fatal(err)
	}
	if n := len(w.log.events[0]); n != 2 {
		t.Errorf("%d records before the instant was over, want the 2 events", n)
	}
	w.settle(e)
	if n, fired := len(w.log.events[0]), len(w.core(0).Fired); n != 3 || fired != 1 {
		t.Errorf("%d records, %d timers fired; want a tick and a timer", n, fired)
	}
	w.stop(e)
}
