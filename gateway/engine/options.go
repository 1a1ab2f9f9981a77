package engine

import (
	"context"
	"log/slog"
	"time"

	"touchpoint/gateway"
	"touchpoint/gateway/clock"
)

// Core is the pure core of one partition; see journey.Partition.
type Core interface {
	// Apply applies one record and appends to out what was decided. When
	// out.More is set, only timers before the record were fired: out is committed
	// and the same record is applied again.
	Apply(b *gateway.Batch, out *gateway.Step)
	// Replay applies the changes of a committed step.
	Replay(s *gateway.Step) error
	// NextTimers returns when the next timer of pure time and the next one that
	// stands for the absence of an event is due, 0 for none. A tick at or after
	// its due time fires the former; the latter needs a watermark behind it.
	NextTimers() (pure, absence gateway.Instant)
	AppendSnapshot(dst []byte) []byte
	Restore(data []byte) error
	// Unfinished yields every message that delivery has still to do with.
	Unfinished(yield func(gateway.Message))
}

// Log holds the records of the road. Kinds of error: Fenced and OutcomeUnknown
// from AppendStep, Exhausted and Unavailable are tried again; any other one (a
// hole, a wrong checksum) stops the partition.
type Log interface {
	StepLog
	EventLog
	SnapshotLog
	// Claim waits until the partition is ours.
	Claim(ctx context.Context, partition int) (Claim, error)
	// SetFollower says which records are needed no more: those up to and with
	// the sequences.
	SetFollower(ctx context.Context, name string, partition int, eventSeq, stepSeq uint64) error
}

// StepLog is the STEPS log.
type StepLog interface {
	AppendStep(ctx context.Context, s *gateway.Step, prev uint64) (seq uint64, err error)
	ReadSteps(ctx context.Context, partition int, after uint64) (StepReader, error)
	// LastStep returns nil when the partition has none.
	LastStep(ctx context.Context, partition int) (*gateway.Step, error)
}

// EventLog is the EVENTS log.
type EventLog interface {
	AppendEvents(ctx context.Context, b *gateway.Batch) (seq uint64, err error)
	ReadEvents(ctx context.Context, partition int, after uint64) (EventReader, error)
	LastEventSeq(ctx context.Context, partition int) (uint64, error)
}

// SnapshotLog keeps the latest snapshot of each partition.
type SnapshotLog interface {
	SaveSnapshot(ctx context.Context, s Snapshot) error
	// LoadSnapshot returns nil when the partition has none.
	LoadSnapshot(ctx context.Context, partition int) (*Snapshot, error)
}

// Claim is the ownership of a partition, until it is lost or released.
type Claim interface {
	Epoch() uint64
	Lost() <-chan struct{}
	Release(ctx context.Context) error
}

// EventReader reads the records of one partition in order.
type EventReader interface {
	Next(ctx context.Context, b *gateway.Batch) error
	Close()
}

// StepReader reads the steps of one partition in order.
type StepReader interface {
	Next(ctx context.Context, s *gateway.Step) error
	Close()
}

// Snapshot is the state of a partition after one step.
type Snapshot struct {
	Partition  int
	StepSeq    uint64
	StepNumber uint64
	EventSeq   uint64
	Data       []byte
}

// Sink takes what was committed. The methods are called from the partition's
// runner and must not block.
type Sink interface {
	// Committed is called once per committed step, in order. The sink may keep
	// the outputs (Messages to Journeys), not Applied, Outcomes and Changes.
	Committed(partition int, s *gateway.Step)
	// Resume hands over the unfinished messages of a partition that this process
	// has just taken over; Committed calls follow.
	Resume(partition int, unfinished []gateway.Message)
	// Lost says that another process owns the partition now.
	Lost(partition int)
}

// Options configure an engine.
type Options struct {
	// Log, NewCore, Clock and Submit are required.
	Log     Log
	NewCore func(partition int) Core
	Clock   *clock.Clock
	// Submit appends one input to EVENTS; the engine's own inputs are ticks.
	Submit func(ctx context.Context, partition int, in gateway.Input) (gateway.Position, error)
	// Watermark returns the time up to which intake is complete; nil means the
	// clock's now.
	Watermark func() gateway.Instant
	// Partitions are the numbers of the partitions to run, Count is how many the
	// installation has; without Partitions all of them.
	Partitions []int
	Count      int
	// Standby allows readiness while another process owns some partitions.
	Standby bool
	// Sinks get the committed steps, in this order.
	Sinks []Sink

	// MaxInputs bounds the inputs that one step takes together.
	MaxInputs int
	// CommitGap is the least time between two steps of a partition: a lone event
	// is committed at once, under load steps grow instead of multiplying. It is
	// 0 with a virtual clock.
	CommitGap time.Duration
	// TickGap is the least time between two ticks of a partition, and so how late
	// a timer may fire when nothing else arrives. It is 0 with a virtual clock.
	TickGap time.Duration
	// StalledTick is how often a tick is appended while a timer waits for the
	// watermark, so that the core can say that it does.
	StalledTick time.Duration
	// SnapshotSteps and SnapshotInterval: a partition is due for a snapshot after
	// that many steps, or after that time when there was any step.
	SnapshotSteps    int
	SnapshotInterval time.Duration
	// StopTimeout bounds what Stop does after the last step.
	StopTimeout time.Duration
	// Logger gets no personal value; nil discards.
	Logger *slog.Logger
}

// maxStep ends a step early, so that it stays well below what one message of
// the log can hold.
const maxStep = 256 << 10

// Validate fills defaults and names the first key that is wrong.
func (o *Options) Validate() error {
	if o.Log == nil || o.NewCore == nil || o.Clock == nil || o.Submit == nil {
		return gateway.InvalidField("engine", "log, core, clock and submit are all needed")
	}
	if o.Count < 1 {
		return gateway.InvalidField("engine.partitions", "is %d, want 1 or more", o.Count)
	}
	for _, p := range o.Partitions {
		if p < 0 || p >= o.Count {
			return gateway.InvalidField("engine.partitions", "%d is not in 0…%d", p, o.Count-1)
		}
	}
	for name, d := range map[string]time.Duration{
		"engine.commit_gap": o.CommitGap, "engine.tick_gap": o.TickGap, "engine.stalled_tick": o.StalledTick,
		"engine.snapshot_interval": o.SnapshotInterval, "engine.stop_timeout": o.StopTimeout,
	} {
		if d < 0 {
			return gateway.InvalidField(name, "is %v, want 0 or more", d)
		}
	}
	if o.MaxInputs < 0 || o.SnapshotSteps < 0 {
		return gateway.InvalidField("engine.snapshot_steps", "and max_inputs must not be negative")
	}
	o.setDefaults()
	return nil
}

func (o *Options) setDefaults() {
	if len(o.Partitions) == 0 {
		for p := range o.Count {
			o.Partitions = append(o.Partitions, p)
		}
	}
	if o.Watermark == nil {
		o.Watermark = o.Clock.Now
	}
	setDefault(&o.MaxInputs, 2048)
	setDefault(&o.SnapshotSteps, 20_000)
	setDefault(&o.SnapshotInterval, 5*time.Minute)
	setDefault(&o.StopTimeout, 20*time.Second)
	setDefault(&o.StalledTick, time.Minute)
	setDefault(&o.CommitGap, 8*time.Millisecond)
	setDefault(&o.TickGap, 50*time.Millisecond)
	if o.Clock.Virtual() {
		o.CommitGap, o.TickGap = 0, 0
	}
	if o.Logger == nil {
		o.Logger = slog.New(slog.DiscardHandler)
	}
}

func setDefault[T comparable](v *T, d T) {
	var zero T
	if *v == zero {
		*v = d
	}
}
