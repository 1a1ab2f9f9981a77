package clock

import (
	"context"
	"errors"
	"testing"
	"testing/synctest"
	"time"

	"touchpoint/gateway"
)

func TestVirtualClockNeverGoesBack(t *testing.T) {
	c := NewVirtual(1000)
	if err := c.Advance(2000); err != nil || c.Now() != 2000 {
		t.Fatalf("Advance: %v, now %v", err, c.Now())
	}
	if err := c.Advance(1999); gateway.KindOf(err) != gateway.Invalid {
		t.Errorf("going back: %v", err)
	}
	if err := Wall().Advance(1); gateway.KindOf(err) != gateway.Conflict {
		t.Errorf("advancing the wall clock: %v", err)
	}
}

func TestUntil(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		c := NewVirtual(1000)
		done := make(chan error, 1)
		go func() { done <- c.Until(t.Context(), 3000) }()
		for _, step := range []gateway.Instant{2000, 2999} {
			if err := c.Advance(step); err != nil {
				t.Fatal(err)
			}
			synctest.Wait()
			if len(done) != 0 {
				t.Fatalf("woke at %d", step)
			}
		}
		if err := c.Advance(3000); err != nil {
			t.Fatal(err)
		}
		if err := <-done; err != nil {
			t.Error(err)
		}

		ctx, cancel := context.WithTimeout(t.Context(), time.Second)
		defer cancel()
		if err := c.Until(ctx, 9000); !errors.Is(err, context.DeadlineExceeded) {
			t.Errorf("cancelled wait: %v", err)
		}
		w := Wall()
		start := w.Now()
		if err := w.Until(t.Context(), start.Add(time.Hour)); err != nil || w.Now().Sub(start) < time.Hour {
			t.Errorf("wall wait: %v after %v", err, w.Now().Sub(start))
		}
	})
}

func TestKindsOfClocks(t *testing.T) {
	for name, c := range map[string]struct {
		clock             *Clock
		virtual, lockStep bool
	}{
		"wall":      {Wall(), false, false},
		"lock-step": {NewVirtual(1000), true, true},
		"paced":     {NewPaced(1000), true, false},
	} {
		if c.clock.Virtual() != c.virtual || c.clock.LockStep() != c.lockStep {
			t.Errorf("%s: virtual %v, in lock-step %v", name, c.clock.Virtual(), c.clock.LockStep())
		}
	}
	if c := NewPaced(1000); c.Advance(1500) != nil || c.Now() != 1500 {
		t.Errorf("a paced clock that was moved stands at %v", c.Now())
	}
}
