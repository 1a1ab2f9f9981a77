package engine

import (
	"context"
	"sync"
	"sync/atomic"
	"time"

	"touchpoint/gateway"
)

// Engine runs the partitions of this process.
type Engine struct {
	o       Options
	runners []*runner
	changed changes
	over    atomic.Int64 // the instant of a virtual clock in which all else is done

	halt   context.CancelFunc // ends the loops after the step at hand
	abort  context.CancelFunc // ends what is under way, too
	halted context.Context
	alive  context.Context
	wg     sync.WaitGroup // runners
	aux    sync.WaitGroup // clock watch and housekeeping
}

// New makes an engine; Start sets it going.
func New(o Options) (*Engine, error) {
	if err := o.Validate(); err != nil {
		return nil, err
	}
	e := &Engine{o: o}
	e.alive, e.abort = context.WithCancel(context.Background())
	e.halted, e.halt = context.WithCancel(e.alive)
	for _, p := range o.Partitions {
		e.runners = append(e.runners, newRunner(e, p))
	}
	return e, nil
}

// Start starts the runners and returns at once; see WaitReady.
func (e *Engine) Start() {
	for _, r := range e.runners {
		e.wg.Go(r.run)
	}
	e.aux.Go(e.watchClock)
	e.aux.Go(e.watchWatermark)
	e.aux.Go(e.keepHouse)
}

// Stop finishes the steps at hand, saves a last snapshot of every partition,
// so that the next start is quick, and releases the claims. When ctx ends
// before, the rest is left to the next start.
func (e *Engine) Stop(ctx context.Context) {
	stopped := make(chan struct{})
	go func() {
		e.halt()
		e.wg.Wait()
		e.aux.Wait()
		close(stopped)
	}()
	limit := time.NewTimer(e.o.StopTimeout)
	defer limit.Stop()
	select {
	case <-stopped:
	case <-ctx.Done():
	case <-limit.C:
	}
	e.abort()
	<-stopped
}

// Ready reports whether every own partition is live: replayed and applying.
func (e *Engine) Ready() bool {
	live := 0
	for _, r := range e.runners {
		switch State(r.state.Load()) {
		case Live:
			live++
		case Waiting:
			if !e.o.Standby {
				return false
			}
		default:
			return false
		}
	}
	return live > 0 || e.o.Standby
}

// WaitReady waits until Ready, or until ctx ends.
func (e *Engine) WaitReady(ctx context.Context) error {
	return e.changed.wait(ctx, e.Ready)
}

// State is where a partition is in its life.
type State int32

// The states of a partition.
const (
	Waiting    State = iota // for the claim
	Recovering              // snapshot and steps are being read
	Live                    // applying
	Stopped                 // an alarm: needs an operator
)

// String returns the name of the state.
func (s State) String() string {
	return [...]string{"waiting", "recovering", "live", "stopped"}[s]
}

// PartitionStats is a snapshot of one partition's counters.
type PartitionStats struct {
	Partition int
	State     State
	Epoch     uint64
	// AppliedSeq is the last record of EVENTS that was applied, ReceivedSeq the
	// last that was read; Waiting records lie between.
	AppliedSeq, ReceivedSeq uint64
	Waiting                 int
	// Lag is the age of the last applied record while others wait, else 0.
	Lag time.Duration
	// Step is the number of the last step; Inputs counts what this process applied.
	Step, Inputs  uint64
	Now, Observed gateway.Instant
	// NextTimer and NextAbsence are the due times of the next timers, 0 for none.
	NextTimer, NextAbsence gateway.Instant
	// SnapshotStep is the step of the last snapshot.
	SnapshotStep uint64
	// Forwarding counts inputs that are not yet appended to other partitions.
	Forwarding int
	Err        error
}

// Stats returns the counters of all partitions of this process.
func (e *Engine) Stats() []PartitionStats {
	out := make([]PartitionStats, 0, len(e.runners))
	now := e.o.Clock.Now()
	for _, r := range e.runners {
		out = append(out, r.stats(now))
	}
	return out
}

// changes wakes who waits for a condition over the runners. Telling costs one
// atomic read while nobody waits.
type changes struct {
	waiting atomic.Int32
	mu      sync.Mutex
	ch      chan struct{}
}

func (c *changes) tell() {
	if c.waiting.Load() == 0 {
		return
	}
	c.mu.Lock()
	if c.ch != nil {
		close(c.ch)
		c.ch = nil
	}
	c.mu.Unlock()
}

// next returns a channel that the next tell closes.
func (c *changes) next() <-chan struct{} {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.ch == nil {
		c.ch = make(chan struct{})
	}
	return c.ch
}

func (c *changes) wait(ctx context.Context, ok func() bool) error {
	c.waiting.Add(1)
	defer c.waiting.Add(-1)
	for {
		next := c.next() // before the check, so that no change is missed
		if ok() {
			return nil
		}
		select {
		case <-next:
		case <-ctx.Done():
			return gateway.Errorf(gateway.Unavailable, "the engine is not there yet: %w", ctx.Err())
		}
	}
}
