package app

import (
	"context"

	"touchpoint/gateway"
)

// Advance moves virtual time to t and returns when everything up to t is
// taken in, decided, handed over and recorded. Devices may answer meanwhile:
// who drives the clock asks again, for the same t, until they are quiet. A paced
// clock is moved without waiting for anything; with t = 0, no clock is moved.
func (g *Gateway) Advance(ctx context.Context, t gateway.Instant) error {
	if t > 0 && !g.clock.LockStep() {
		return g.clock.Advance(t)
	}
	g.advancing.Lock()
	defer g.advancing.Unlock()
	// What was published before belongs to the time before.
	if err := g.settle(ctx); err != nil {
		return err
	}
	if t == 0 || t == g.clock.Now() {
		return nil
	}
	if err := g.clock.Advance(t); err != nil {
		return err
	}
	return g.settle(ctx)
}

// settle waits until no part has anything left to do at the present instant.
// Each part can give work to the ones before it, so they are asked in the
// order of the road until a whole round changed nothing.
func (g *Gateway) settle(ctx context.Context) error {
	for {
		before := g.progress()
		for _, quiet := range []func(context.Context) error{
			g.flushSource, g.intake.Flush, g.engine.Settled, g.filler.Idle, g.engine.Settled, g.delivery.Idle, g.intake.Flush, g.engine.Settled,
		} {
			if err := quiet(ctx); err != nil {
				return err
			}
		}
		if g.progress() == before {
			return nil
		}
	}
}

// flushSource waits for what was published. While an external broker is away,
// time goes on without it, as it does outside: the watermark stands still, and
// nothing is concluded from silence.
func (g *Gateway) flushSource(ctx context.Context) error {
	err := g.source().Flush(ctx)
	if err != nil && ctx.Err() == nil && gateway.KindOf(err) == gateway.Unavailable {
		return nil
	}
	return err
}

// progress changes whenever a record was appended.
func (g *Gateway) progress() uint64 {
	s := g.intake.Stats()
	return s.Batches
}
