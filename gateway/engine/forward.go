package engine

import (
	"context"
	"sync"
	"time"

	"github.com/cenkalti/backoff/v5"
	"golang.org/x/sync/errgroup"

	"touchpoint/gateway"
)

// forwarder appends the forwards of one partition's steps to the EVENTS of
// their targets, in order. A restart goes on from the position in the snapshot
// and so repeats some; the receiving core knows them by Input.From.
//
// It appends a target's next batch only when the one before is in the log, so
// that a forward is never in the log before its predecessors.
type forwarder struct {
	e         *Engine
	partition int

	mu    sync.Mutex
	queue []forwardedStep
	count int // inputs in queue and under way
	busy  bool
	seq   uint64 // the forwards of the steps up to here are in EVENTS
	wake  chan struct{}
	idle  chan struct{} // closed and replaced when nothing is left
}

type forwardedStep struct {
	number, seq uint64
	forwards    []gateway.Forward
}

// maxForwards bounds the inputs of one batch.
const maxForwards = 256

func newForwarder(e *Engine, partition int, seq uint64) *forwarder {
	return &forwarder{e: e, partition: partition, seq: seq,
		wake: make(chan struct{}, 1), idle: make(chan struct{})}
}

// add takes over the forwards of a committed step.
func (f *forwarder) add(s *gateway.Step) {
	f.mu.Lock()
	defer f.mu.Unlock()
	if len(s.Forwards) == 0 && len(f.queue) == 0 && !f.busy {
		f.seq = s.Seq
		return
	}
	f.queue = append(f.queue, forwardedStep{number: s.Number, seq: s.Seq, forwards: s.Forwards})
	f.count += len(s.Forwards)
	select {
	case f.wake <- struct{}{}:
	default:
	}
}

// pending counts the inputs that are not appended yet.
func (f *forwarder) pending() int {
	f.mu.Lock()
	defer f.mu.Unlock()
	return f.count
}

// position returns the sequence of the step up to which all is appended.
func (f *forwarder) position() uint64 {
	f.mu.Lock()
	defer f.mu.Unlock()
	return f.seq
}

// start appends in the background; the returned function ends it.
func (f *forwarder) start(ctx context.Context) (stop func()) {
	ctx, cancel := context.WithCancel(ctx)
	done := make(chan struct{})
	go func() {
		defer close(done)
		for ctx.Err() == nil {
			select {
			case <-f.wake:
			case <-ctx.Done():
				return
			}
			for f.round(ctx) {
			}
		}
	}()
	return func() {
		cancel()
		<-done
	}
}

// round appends what is queued; it reports whether there may be more.
func (f *forwarder) round(ctx context.Context) bool {
	steps := f.take()
	if len(steps) == 0 {
		return false
	}
	byTarget := make(map[int][]gateway.Input)
	n := 0
	for _, s := range steps {
		for i, fw := range s.forwards {
			in := fw.Input
			in.From = gateway.Forwarded{Partition: f.partition, Step: s.number, Index: uint32(i)}
			byTarget[fw.To] = append(byTarget[fw.To], in)
			n++
		}
	}
	group, gctx := errgroup.WithContext(ctx)
	for target, inputs := range byTarget {
		group.Go(func() error { return f.append(gctx, target, inputs) })
	}
	if group.Wait() != nil { // the engine stops: the next owner goes on
		return false
	}
	last := steps[len(steps)-1]
	f.mu.Lock()
	f.seq, f.busy = last.seq, false
	f.count -= n
	more := len(f.queue) > 0
	if !more {
		close(f.idle)
		f.idle = make(chan struct{})
	}
	f.mu.Unlock()
	f.e.changed.tell()
	return more
}

func (f *forwarder) take() []forwardedStep {
	f.mu.Lock()
	defer f.mu.Unlock()
	steps := f.queue
	f.queue, f.busy = nil, len(steps) > 0
	return steps
}

// append writes the inputs for one target, batch by batch, and tries each
// until it is in the log.
func (f *forwarder) append(ctx context.Context, target int, inputs []gateway.Input) error {
	for len(inputs) > 0 {
		n := min(len(inputs), maxForwards)
		if err := f.appendBatch(ctx, target, inputs[:n]); err != nil {
			return err
		}
		inputs = inputs[n:]
	}
	return nil
}

func (f *forwarder) appendBatch(ctx context.Context, target int, inputs []gateway.Input) error {
	wait := backoff.NewExponentialBackOff()
	wait.InitialInterval, wait.MaxInterval = 10*time.Millisecond, 2*time.Second
	for {
		b := gateway.Batch{Partition: target, RecordTime: f.e.o.Clock.Now(), Observed: f.e.o.Watermark(), Inputs: inputs}
		_, err := f.e.o.Log.AppendEvents(ctx, &b)
		if err == nil {
			return nil
		}
		f.e.o.Logger.Warn("forwards not appended, retrying", "from", f.partition, "to", target, "inputs", len(inputs), "error", err)
		select {
		case <-time.After(wait.NextBackOff()):
		case <-ctx.Done():
			return ctx.Err()
		}
	}
}

// drain waits until nothing is left to append.
func (f *forwarder) drain(ctx context.Context) error {
	for {
		f.mu.Lock()
		done, idle := len(f.queue) == 0 && !f.busy, f.idle
		f.mu.Unlock()
		if done {
			return nil
		}
		select {
		case <-idle:
		case <-ctx.Done():
			return ctx.Err()
		}
	}
}
