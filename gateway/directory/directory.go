// Package directory is the read model: customers, devices, enrollments,
// messages, decisions and journeys as the steps of all partitions left them,
// in an SQLite database that answers the services and the console.
//
// It follows the STEPS log and keeps the place that it reached in the same
// transaction as the rows, so that it is exact after a crash. Nothing in it is
// the only copy: without its file it is built anew from STEPS as far as they
// reach back, and a backup of the file covers what was trimmed.
package directory

import (
	"context"
	"log/slog"
	"sync"
	"sync/atomic"
	"time"

	"touchpoint/gateway"
	"touchpoint/internal/sqlite"
)

// Steps is the STEPS log as the directory reads it.
type Steps interface {
	// ReadSteps reads the steps of a partition behind the sequence after.
	ReadSteps(ctx context.Context, partition int, after uint64) (StepReader, error)
}

// StepReader yields steps in order.
type StepReader interface {
	// Next waits for the next step and reads it into s.
	Next(ctx context.Context, s *gateway.Step) error
	Close()
}

// Trimmed is what Steps may implement, too: it tells up to where a partition was
// trimmed, which is where a directory that lost its file begins.
type Trimmed interface {
	Trimmed(ctx context.Context, partition int) (eventSeq, stepSeq uint64, err error)
}

// Registry learns how far a follower is, so that the logs keep what it still
// needs.
type Registry interface {
	SetFollower(ctx context.Context, name string, partition int, eventSeq, stepSeq uint64) error
}

// FollowerName is the name that the directory registers under.
const FollowerName = "directory"

// Options are the settings of the directory.
type Options struct {
	// Path is the file of the database.
	Path string
	// Partitions is how many partitions are followed.
	Partitions int
	Steps      Steps
	// Registry may be nil: nothing is registered then.
	Registry Registry
	// DecisionRetention is how long decisions are kept, by applied time; 90 days
	// when 0, for ever when negative.
	DecisionRetention time.Duration
	// Linger is how long rows may wait for more of them while the directory is
	// busy, 20 ms when 0. When it is idle, or when someone waits, it does not wait.
	Linger time.Duration
	Logger *slog.Logger
}

func (o *Options) fill() error {
	switch {
	case o.Path == "":
		return gateway.InvalidField("directory.path", "is needed")
	case o.Partitions <= 0:
		return gateway.InvalidField("directory.partitions", "is %d: there is one at least", o.Partitions)
	case o.Steps == nil:
		return gateway.InvalidField("directory.steps", "is needed")
	case o.Linger < 0:
		return gateway.InvalidField("directory.linger", "must not be negative")
	}
	if o.DecisionRetention == 0 {
		o.DecisionRetention = 90 * 24 * time.Hour
	}
	if o.Linger == 0 {
		o.Linger = 20 * time.Millisecond
	}
	if o.Logger == nil {
		o.Logger = slog.New(slog.DiscardHandler)
	}
	return nil
}

// Directory is the open read model. It follows from Open to Close.
type Directory struct {
	o    Options
	db   *sqlite.DB
	feed feed

	cancel context.CancelFunc
	done   sync.WaitGroup
	steps  chan *gateway.Step
	nudge  chan struct{} // someone waits for what is pending
	pool   sync.Pool

	waiting atomic.Int32 // callers of Await

	mu       sync.Mutex
	visible  []mark // how far queries see, by partition
	moved    chan struct{}
	totals   Totals
	err      error // why a partition is not followed any more
	lastRead map[int]error
}

// mark is a place in the logs of a partition.
type mark struct {
	stepSeq, stepNumber, eventSeq uint64
}

// Open opens the database and begins to follow.
func Open(ctx context.Context, o Options) (*Directory, error) {
	if err := o.fill(); err != nil {
		return nil, err
	}
	db, err := sqlite.Open(ctx, sqlite.Options{Path: o.Path, Schema: schema})
	if err != nil {
		return nil, err
	}
	d := &Directory{
		o: o, db: db, steps: make(chan *gateway.Step, 256), nudge: make(chan struct{}, 1),
		visible: make([]mark, o.Partitions), moved: make(chan struct{}), lastRead: map[int]error{},
	}
	d.pool.New = func() any { return new(gateway.Step) }
	d.feed.init()
	w := newWriter(d)
	if err := w.load(ctx); err != nil {
		_ = db.Close()
		return nil, gateway.Errorf(gateway.Internal, "directory: %w", err)
	}
	follow, cancel := context.WithCancel(context.WithoutCancel(ctx))
	d.cancel = cancel
	for p := range o.Partitions {
		d.done.Go(func() { d.read(follow, p, d.visible[p].stepSeq) })
	}
	d.done.Go(func() { w.run(follow) })
	return d, nil
}

// Close writes what is pending and closes the database.
func (d *Directory) Close(context.Context) error {
	d.cancel()
	d.done.Wait()
	d.feed.close()
	return d.db.Close()
}

// Health returns nil, or why the directory stands still.
func (d *Directory) Health() error {
	d.mu.Lock()
	defer d.mu.Unlock()
	if d.err != nil {
		return d.err
	}
	for _, err := range d.lastRead {
		return err
	}
	return nil
}

// Positions returns how far queries see, by partition.
func (d *Directory) Positions() []gateway.Position {
	d.mu.Lock()
	defer d.mu.Unlock()
	list := make([]gateway.Position, len(d.visible))
	for p, m := range d.visible {
		list[p] = gateway.Position{Partition: p, Seq: m.eventSeq}
	}
	return list
}

// Await waits until queries see everything that was decided about the records
// up to the positions.
func (d *Directory) Await(ctx context.Context, at []gateway.Position) error {
	for _, pos := range at {
		if pos.Partition < 0 || pos.Partition >= d.o.Partitions {
			return gateway.InvalidField("at_least", "names partition %d of %d", pos.Partition, d.o.Partitions)
		}
	}
	d.waiting.Add(1)
	defer d.waiting.Add(-1)
	for {
		d.mu.Lock()
		reached, moved := true, d.moved
		for _, pos := range at {
			reached = reached && d.visible[pos.Partition].eventSeq >= pos.Seq
		}
		d.mu.Unlock()
		if reached {
			return nil
		}
		select {
		case d.nudge <- struct{}{}:
		default:
		}
		select {
		case <-moved:
		case <-ctx.Done():
			return gateway.Errorf(gateway.Unavailable, "the read model has not caught up yet: %w", ctx.Err())
		}
	}
}
