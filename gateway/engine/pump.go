package engine

import (
	"context"
	"time"

	"touchpoint/gateway"
)

// pump reads and decodes records ahead of the runner, a bounded number.
type pump struct {
	out  chan *gateway.Batch
	free chan *gateway.Batch
	fail chan error
}

const readAhead = 32

// startPump reads EVENTS after the sequence given until ctx ends. Records come
// back to it by recycle.
func (r *runner) startPump(ctx context.Context, after uint64) *pump {
	p := &pump{
		out: make(chan *gateway.Batch, readAhead), free: make(chan *gateway.Batch, readAhead),
		fail: make(chan error, 1),
	}
	go func() {
		if err := p.read(ctx, r, after); err != nil && ctx.Err() == nil {
			p.fail <- err
		}
	}()
	return p
}

// read reopens the reader when the server was away.
func (p *pump) read(ctx context.Context, r *runner, after uint64) error {
	for {
		err := p.readOnce(ctx, r, &after)
		if ctx.Err() != nil || gateway.KindOf(err) != gateway.Unavailable {
			return err
		}
		r.log.Warn("EVENTS cannot be read, retrying", "error", err)
		select {
		case <-time.After(200 * time.Millisecond):
		case <-ctx.Done():
		}
	}
}

func (p *pump) readOnce(ctx context.Context, r *runner, after *uint64) error {
	reader, err := r.o.Log.ReadEvents(ctx, r.partition, *after)
	if err != nil {
		return err
	}
	defer reader.Close()
	for {
		b := p.take()
		if err := reader.Next(ctx, b); err != nil {
			return err
		}
		if b.Seq <= *after {
			p.recycle(b)
			continue
		}
		*after = b.Seq
		r.shared.received.Store(b.Seq)
		select {
		case p.out <- b:
		case <-ctx.Done():
			return ctx.Err()
		}
	}
}

func (p *pump) take() *gateway.Batch {
	select {
	case b := <-p.free:
		return b
	default:
		return new(gateway.Batch)
	}
}

func (p *pump) recycle(b *gateway.Batch) {
	select {
	case p.free <- b:
	default:
	}
}
