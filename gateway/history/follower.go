package history

import (
	"context"
	"log/slog"
	"sync"
	"sync/atomic"
	"time"

	"github.com/cenkalti/backoff/v5"

	"touchpoint/gateway"
)

// Log is the two logs as a follower reads them.
type Log interface {
	// ReadSteps reads the steps of a partition behind the sequence after.
	ReadSteps(ctx context.Context, partition int, after uint64) (StepReader, error)
	// ReadEvents reads the records of a partition behind the sequence after.
	ReadEvents(ctx context.Context, partition int, after uint64) (EventReader, error)
}

// StepReader yields steps in order.
type StepReader interface {
	Next(ctx context.Context, s *gateway.Step) error
	Close()
}

// EventReader yields records in order; it may reuse the memory of the batch.
type EventReader interface {
	Next(ctx context.Context, b *gateway.Batch) error
	Close()
}

// Trimmed is what Log may implement, too: it tells up to where a partition was
// trimmed, which is where an empty store begins.
type Trimmed interface {
	Trimmed(ctx context.Context, partition int) (eventSeq, stepSeq uint64, err error)
}

// Registry learns how far a follower is, so that the logs keep what it still
// needs.
type Registry interface {
	SetFollower(ctx context.Context, name string, partition int, eventSeq, stepSeq uint64) error
}

// FollowerName is the name that the follower registers under.
const FollowerName = "history"

// FollowerOptions are the settings of a follower.
type FollowerOptions struct {
	Log        Log
	Store      Store
	Partitions int
	// Registry may be nil: nothing is registered then.
	Registry Registry
	// BatchPoints and BatchWait bound what is collected over all partitions
	// before it is written: 5,000 points and 200 ms.
	BatchPoints int
	BatchWait   time.Duration
	Logger      *slog.Logger
}

func (o *FollowerOptions) fill() error {
	switch {
	case o.Log == nil:
		return gateway.InvalidField("history.log", "is needed")
	case o.Store == nil:
		return gateway.InvalidField("history.store", "is needed")
	case o.Partitions <= 0:
		return gateway.InvalidField("history.partitions", "is %d: there is one at least", o.Partitions)
	case o.BatchPoints < 0 || o.BatchWait < 0:
		return gateway.InvalidField("history.batch", "must not be negative")
	}
	if o.BatchPoints == 0 {
		o.BatchPoints = 5000
	}
	if o.BatchWait == 0 {
		o.BatchWait = 200 * time.Millisecond
	}
	if o.Logger == nil {
		o.Logger = slog.New(slog.DiscardHandler)
	}
	return nil
}

// Follower fills a store from the logs. Each partition is read by a goroutine of
// its own; one more collects over all partitions and writes, so that a store
// gets few large batches. It is its own to wait for a store that is away: the
// logs hold what it has not read.
type Follower struct {
	o       FollowerOptions
	cancel  context.CancelFunc
	done    sync.WaitGroup
	chunks  chan *chunk
	nudge   chan struct{}
	waiting atomic.Int32
	records sync.Pool // of *gateway.Batch
	free    sync.Pool // of *chunk

	mu      sync.Mutex
	visible []uint64 // last record that queries see, by partition
	moved   chan struct{}
	trouble map[int]error // by partition
}

// Follow starts to fill the store, from the positions that the store has. It
// waits for a store that is away until ctx ends.
func Follow(ctx context.Context, o FollowerOptions) (*Follower, error) {
	if err := o.fill(); err != nil {
		return nil, err
	}
	f := &Follower{
		o: o, chunks: make(chan *chunk, 64), nudge: make(chan struct{}, 1),
		visible: make([]uint64, o.Partitions), moved: make(chan struct{}), trouble: map[int]error{},
	}
	f.records.New = func() any { return new(gateway.Batch) }
	f.free.New = func() any { return new(chunk) }
	run, cancel := context.WithCancel(context.WithoutCancel(ctx))
	f.cancel = cancel
	f.done.Go(func() { f.run(run) })
	return f, nil
}

// Close writes what was collected, if the store takes it, and ends.
func (f *Follower) Close(context.Context) error {
	f.cancel()
	f.done.Wait()
	return nil
}

// Health returns nil, or why the history stands still.
func (f *Follower) Health() error {
	if err := f.o.Store.Health(); err != nil {
		return err
	}
	f.mu.Lock()
	defer f.mu.Unlock()
	for _, err := range f.trouble {
		return err
	}
	return nil
}

// Positions returns how far queries see, by partition.
func (f *Follower) Positions() []gateway.Position {
	f.mu.Lock()
	defer f.mu.Unlock()
	list := make([]gateway.Position, len(f.visible))
	for p, seq := range f.visible {
		list[p] = gateway.Position{Partition: p, Seq: seq}
	}
	return list
}

// Await waits until the store has every event up to the positions.
func (f *Follower) Await(ctx context.Context, at []gateway.Position) error {
	for _, pos := range at {
		if pos.Partition < 0 || pos.Partition >= f.o.Partitions {
			return gateway.InvalidField("at_least", "names partition %d of %d", pos.Partition, f.o.Partitions)
		}
	}
	f.waiting.Add(1)
	defer f.waiting.Add(-1)
	for {
		f.mu.Lock()
		reached, moved := true, f.moved
		for _, pos := range at {
			reached = reached && f.visible[pos.Partition] >= pos.Seq
		}
		f.mu.Unlock()
		if reached {
			return nil
		}
		select {
		case f.nudge <- struct{}{}:
		default:
		}
		select {
		case <-moved:
		case <-ctx.Done():
			return gateway.Errorf(gateway.Unavailable, "the history has not caught up yet: %w", ctx.Err())
		}
	}
}

// run waits for the store's positions, starts the readers and writes.
func (f *Follower) run(ctx context.Context) {
	positions, ok := f.positions(ctx)
	if !ok {
		return
	}
	w := &collector{f: f, positions: positions}
	for p := range positions {
		w.show(p)
		w.register(ctx, positions[p])
	}
	for p := range positions {
		f.done.Go(func() { f.read(ctx, positions[p]) })
	}
	w.run(ctx)
}

func (f *Follower) positions(ctx context.Context) ([]Position, bool) {
	list := make([]Position, f.o.Partitions)
	for p := range list {
		list[p].Partition = p
	}
	wait := newBackOff()
	for {
		known, err := f.o.Store.Positions(ctx)
		for _, pos := range known {
			if pos.Partition >= len(list) {
				err = gateway.Errorf(gateway.Conflict, "the history has partition %d, the log has %d", pos.Partition, len(list))
				break
			}
			list[pos.Partition] = pos
		}
		f.report(0, err)
		if err == nil {
			return list, true
		}
		if ctx.Err() == nil {
			f.o.Logger.Warn("history: the store's positions cannot be read, trying again", "error", err)
		}
		if !sleep(ctx, wait.NextBackOff()) {
			return nil, false
		}
	}
}

// read follows one partition. An error of the log is waited out: a hole never
// heals and stays visible in Health, everything else does.
func (f *Follower) read(ctx context.Context, pos Position) {
	wait := newBackOff()
	for {
		before := pos.StepSeq
		err := f.readFrom(ctx, &pos)
		if ctx.Err() != nil {
			return
		}
		f.report(pos.Partition, err)
		f.o.Logger.Warn("history: a partition cannot be read, trying again", "partition", pos.Partition, "error", err)
		if pos.StepSeq != before {
			wait.Reset()
		}
		if !sleep(ctx, wait.NextBackOff()) {
			return
		}
	}
}

func (f *Follower) readFrom(ctx context.Context, pos *Position) error {
	if err := f.skipTrimmed(ctx, pos); err != nil {
		return err
	}
	steps, err := f.o.Log.ReadSteps(ctx, pos.Partition, pos.StepSeq)
	if err != nil {
		return err
	}
	defer steps.Close()
	events, err := f.o.Log.ReadEvents(ctx, pos.Partition, pos.behind())
	if err != nil {
		return err
	}
	defer events.Close()
	f.report(pos.Partition, nil)
	p := pairing{events: events, pos: *pos, fresh: func() *gateway.Batch { return f.records.Get().(*gateway.Batch) }}
	s := new(gateway.Step)
	for {
		if err := steps.Next(ctx, s); err != nil {
			return err
		}
		c := f.free.Get().(*chunk)
		c.partition = pos.Partition
		if err := p.pair(ctx, s, c); err != nil {
			return err
		}
		if len(s.Late) > 0 || len(s.Rules) > 0 { // the chunk keeps what the step refers to
			s = new(gateway.Step)
		}
		next := c.position
		select {
		case f.chunks <- c:
			*pos = next
		case <-ctx.Done():
			return ctx.Err()
		}
	}
}

// skipTrimmed lets an empty store begin where the logs begin. One that has
// followed before must not: what it lacks would stay missing.
func (f *Follower) skipTrimmed(ctx context.Context, pos *Position) error {
	t, ok := f.o.Log.(Trimmed)
	if !ok || pos.StepSeq != 0 {
		return nil
	}
	eventSeq, stepSeq, err := t.Trimmed(ctx, pos.Partition)
	if err != nil || stepSeq == 0 {
		return err
	}
	f.o.Logger.Warn("history: the store is empty and the logs were trimmed, older events are missing: restore a backup to have them",
		"partition", pos.Partition, "after_record", eventSeq)
	pos.StepSeq, pos.EventSeq = stepSeq, eventSeq
	return nil
}

// behind returns the last record that is followed to its end.
func (p *Position) behind() uint64 {
	if p.Open {
		return p.EventSeq - 1
	}
	return p.EventSeq
}

func (f *Follower) report(partition int, err error) {
	f.mu.Lock()
	defer f.mu.Unlock()
	if err == nil {
		delete(f.trouble, partition)
	} else {
		f.trouble[partition] = err
	}
}

func newBackOff() *backoff.ExponentialBackOff {
	b := backoff.NewExponentialBackOff()
	b.InitialInterval, b.MaxInterval = 50*time.Millisecond, 5*time.Second
	return b
}

// sleep waits for d; false when ctx ended.
func sleep(ctx context.Context, d time.Duration) bool {
	timer := time.NewTimer(d)
	defer timer.Stop()
	select {
	case <-timer.C:
		return true
	case <-ctx.Done():
		return false
	}
}
