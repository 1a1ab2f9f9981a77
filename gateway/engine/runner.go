package engine

import (
	"context"
	"fmt"
	"log/slog"
	"runtime/debug"
	"sync"
	"sync/atomic"
	"time"

	"github.com/cenkalti/backoff/v5"

	"touchpoint/gateway"
)

// runner owns one partition: the core is touched by its goroutine alone.
type runner struct {
	e         *Engine
	o         *Options
	log       *slog.Logger
	partition int

	// State of the runner's goroutine, valid while it holds a claim.
	core     Core
	claim    Claim
	number   uint64 // of the last step
	seq      uint64 // of its message
	eventSeq uint64 // last record applied
	now      gateway.Instant
	observed gateway.Instant
	out      gateway.Step
	taken    []*gateway.Batch // of the step at hand
	last     time.Time        // of the last commit, for pacing
	tick     tickState
	tickSeq  atomic.Uint64 // of the tick that was appended last
	forward  *forwarder

	keptMu sync.Mutex
	kept   kept // of the last snapshot
	pump   *pump

	nudge    chan struct{}        // time or watermark moved
	snapshot chan snapshotRequest // from housekeeping
	queries  chan query           // see Engine.Query

	// What others may read.
	state  atomic.Int32
	shared shared
}

// shared is what the runner shows of itself.
type shared struct {
	epoch, applied, received, step, inputs atomic.Uint64
	now, observed, recordTime              atomic.Int64
	pure, absence                          atomic.Int64 // next timers, 0 for none
	ticked                                 atomic.Int64 // clock at the last tick
	snapshotStep                           atomic.Uint64
	snapshotAt                             atomic.Int64 // wall, nanoseconds
	pump                                   atomic.Pointer[pump]
	forward                                atomic.Pointer[forwarder]
	err                                    atomic.Pointer[error]
}

func newRunner(e *Engine, partition int) *runner {
	return &runner{
		e: e, o: &e.o, partition: partition,
		log:      e.o.Logger.With("partition", partition),
		nudge:    make(chan struct{}, 1),
		snapshot: make(chan snapshotRequest),
		queries:  make(chan query),
	}
}

// run owns the partition again and again until the engine stops. An alarm ends
// it: what is wrong in the log does not get better by reading it again.
func (r *runner) run() {
	wait := backoff.NewExponentialBackOff()
	wait.InitialInterval, wait.MaxInterval = 20*time.Millisecond, 5*time.Second
	for r.e.halted.Err() == nil {
		start := time.Now()
		err := r.guarded(r.own)
		if err == nil {
			return
		}
		if r.e.halted.Err() != nil {
			r.log.Warn("partition stopped before its last step was saved", "error", err)
			return
		}
		switch gateway.KindOf(err) {
		case gateway.Fenced:
			r.log.Warn("another owner took the partition over: state dropped", "epoch", r.shared.epoch.Load())
		case gateway.Unavailable, gateway.OutcomeUnknown:
			r.log.Warn("partition interrupted, starting over", "error", err)
		default:
			r.alarm(err)
			return
		}
		if time.Since(start) > time.Minute {
			wait.Reset()
		}
		r.setState(Waiting)
		select {
		case <-time.After(wait.NextBackOff()):
		case <-r.e.halted.Done():
		}
	}
}

// guarded turns a panic of the core into an alarm of this partition: the others
// go on.
func (r *runner) guarded(do func() error) (err error) {
	defer func() {
		if p := recover(); p != nil {
			err = gateway.Errorf(gateway.Internal, "panic: %v\n%s", p, debug.Stack())
		}
	}()
	return do()
}

func (r *runner) alarm(err error) {
	r.shared.err.Store(&err)
	r.log.Error("PARTITION STOPPED: its log does not fit together; events wait in EVENTS until an operator has looked at it", "error", err)
	r.setState(Stopped)
}

func (r *runner) setState(s State) {
	r.state.Store(int32(s))
	r.e.changed.tell()
}

// own is one ownership of the partition, from claim to release. It returns nil
// when the engine stops.
func (r *runner) own() (err error) {
	r.setState(Waiting)
	claim, err := r.o.Log.Claim(r.e.halted, r.partition)
	if err != nil {
		if r.e.halted.Err() != nil {
			return nil
		}
		// Whatever it is, the partition's log is not at fault: try again.
		return gateway.Errorf(gateway.Unavailable, "claim: %w", err)
	}
	r.claim = claim
	r.shared.epoch.Store(claim.Epoch())
	defer r.release()
	r.setState(Recovering)
	if err := r.recover(r.e.halted); err != nil {
		if r.e.halted.Err() != nil {
			return nil
		}
		return fmt.Errorf("recovering: %w", err)
	}
	return r.work()
}

// work is the live part of an ownership.
func (r *runner) work() (err error) {
	life, end := context.WithCancel(r.e.alive)
	defer end()
	stopForwarder := r.forward.start(life)
	defer stopForwarder()
	r.resumeDelivery()
	defer func() {
		if err != nil {
			r.lose()
		}
	}()
	r.setState(Live)
	if err := r.guarded(func() error { return r.live(life) }); err != nil {
		return err
	}
	if life.Err() == nil {
		r.finish(life)
	}
	return nil
}

func (r *runner) lose() {
	for _, s := range r.o.Sinks {
		s.Lost(r.partition)
	}
}

func (r *runner) release() {
	r.core = nil
	// Also when everything else is aborted: a release of unknown outcome makes
	// the next claim harder.
	ctx, cancel := context.WithTimeout(context.WithoutCancel(r.e.alive), 5*time.Second)
	defer cancel()
	if err := r.claim.Release(ctx); err != nil {
		r.log.Info("claim not released, it runs out by itself", "error", err)
	}
}

func (r *runner) resumeDelivery() {
	var unfinished []gateway.Message
	r.core.Unfinished(func(m gateway.Message) { unfinished = append(unfinished, m) })
	for _, s := range r.o.Sinks {
		s.Resume(r.partition, unfinished)
	}
}

func (r *runner) stats(now gateway.Instant) PartitionStats {
	s := &r.shared
	out := PartitionStats{
		Partition: r.partition, State: State(r.state.Load()), Epoch: s.epoch.Load(),
		AppliedSeq: s.applied.Load(), ReceivedSeq: s.received.Load(),
		Step: s.step.Load(), Inputs: s.inputs.Load(),
		Now: gateway.Instant(s.now.Load()), Observed: gateway.Instant(s.observed.Load()),
		NextTimer: gateway.Instant(s.pure.Load()), NextAbsence: gateway.Instant(s.absence.Load()), SnapshotStep: s.snapshotStep.Load(),
	}
	if p := s.pump.Load(); p != nil {
		out.Waiting = len(p.out)
	}
	if out.Waiting > 0 && s.recordTime.Load() > 0 {
		out.Lag = max(0, now.Sub(gateway.Instant(s.recordTime.Load())))
	}
	if f := s.forward.Load(); f != nil {
		out.Forwarding = f.pending()
	}
	if err := s.err.Load(); err != nil {
		out.Err = *err
	}
	return out
}
