// Package clock gives the gateway its time: the wall clock, or a virtual one
// that a simulation moves, in lock-step or at a pace.
//
// It is the only package that reads the wall clock for decisions. Everything
// else takes the time as an input.
package clock

import (
	"context"
	"sync"
	"time"

	"touchpoint/gateway"
)

// Clock tells the time and waits for it. A Clock made by NewVirtual or NewPaced
// stands still until Advance moves it.
type Clock struct {
	mu      sync.Mutex
	virtual bool
	paced   bool
	now     gateway.Instant
	moved   chan struct{} // closed and replaced at each Advance
}

// Wall returns the clock of the machine.
func Wall() *Clock { return &Clock{} }

// NewVirtual returns a clock that stands at start.
func NewVirtual(start gateway.Instant) *Clock {
	return &Clock{virtual: true, now: start, moved: make(chan struct{})}
}

// NewPaced returns a clock that stands at start and is moved all the time, in
// small steps, while nobody waits for what is under way: so that everything works
// as on the wall clock.
func NewPaced(start gateway.Instant) *Clock {
	c := NewVirtual(start)
	c.paced = true
	return c
}

// Virtual reports whether the clock is moved by Advance.
func (c *Clock) Virtual() bool { return c.virtual }

// LockStep reports whether the clock stands still until everything that belongs
// to its present time is done.
func (c *Clock) LockStep() bool { return c.virtual && !c.paced }

// Now returns the present instant.
func (c *Clock) Now() gateway.Instant {
	if !c.virtual {
		return gateway.InstantOf(time.Now())
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.now
}

// Advance moves a virtual clock to t and wakes who waits. Time never goes
// back: an earlier t is refused.
func (c *Clock) Advance(t gateway.Instant) error {
	if !c.virtual {
		return gateway.Errorf(gateway.Conflict, "the gateway runs on the wall clock: only a virtual clock can be advanced")
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	if t < c.now {
		return gateway.InvalidField("to", "%v is before the clock's present time %v: time never goes back", t, c.now)
	}
	c.now = t
	close(c.moved)
	c.moved = make(chan struct{})
	return nil
}

// Until waits until the clock reaches t or ctx ends, and returns ctx's error
// in the latter case.
func (c *Clock) Until(ctx context.Context, t gateway.Instant) error {
	for {
		if !c.virtual {
			d := time.Until(t.Time())
			if d <= 0 {
				return ctx.Err()
			}
			timer := time.NewTimer(d)
			select {
			case <-timer.C:
				continue
			case <-ctx.Done():
				timer.Stop()
				return ctx.Err()
			}
		}
		c.mu.Lock()
		reached, moved := c.now >= t, c.moved
		c.mu.Unlock()
		if reached {
			return ctx.Err()
		}
		select {
		case <-moved:
		case <-ctx.Done():
			return ctx.Err()
		}
	}
}
