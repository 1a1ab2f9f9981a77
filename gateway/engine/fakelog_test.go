package engine

import (
	"context"
	"slices"
	"sync"

	"touchpoint/gateway"
)

// fakeLog is the logs in memory, shared by the engines of a test. Kept records
// are copies, as if they had been written and read.
type fakeLog struct {
	mu        sync.Mutex
	moved     chan struct{}
	seq       uint64
	events    map[int][]gateway.Batch
	steps     map[int][]gateway.Step
	snapshots map[int]Snapshot
	followers map[string][2]uint64
	epochs    map[int]uint64
	owners    map[int]*fakeClaim

	// faults
	stepFault   func(s *gateway.Step) (before, after error)
	eventFault  func(b *gateway.Batch) (before, after error)
	shareClaims bool // a second claim does not wait: the first owner is a zombie
}

func newFakeLog() *fakeLog {
	return &fakeLog{
		moved: make(chan struct{}), events: map[int][]gateway.Batch{}, steps: map[int][]gateway.Step{},
		snapshots: map[int]Snapshot{}, followers: map[string][2]uint64{}, epochs: map[int]uint64{},
		owners: map[int]*fakeClaim{},
	}
}

// change runs do and wakes the readers.
func (l *fakeLog) change(do func()) {
	l.mu.Lock()
	do()
	close(l.moved)
	l.moved = make(chan struct{})
	l.mu.Unlock()
}

// until waits for ok, which is called under the lock.
func (l *fakeLog) until(ctx context.Context, ok func() bool) error {
	for {
		l.mu.Lock()
		done, moved := ok(), l.moved
		l.mu.Unlock()
		if done {
			return nil
		}
		select {
		case <-moved:
		case <-ctx.Done():
			return ctx.Err()
		}
	}
}

type fakeClaim struct {
	log       *fakeLog
	partition int
	epoch     uint64
	lost      chan struct{}
}

func (c *fakeClaim) Epoch() uint64         { return c.epoch }
func (c *fakeClaim) Lost() <-chan struct{} { return c.lost }
func (c *fakeClaim) Release(context.Context) error {
	c.log.change(func() {
		if c.log.owners[c.partition] == c {
			delete(c.log.owners, c.partition)
		}
	})
	return nil
}

func (l *fakeLog) Claim(ctx context.Context, partition int) (Claim, error) {
	var c *fakeClaim
	err := l.until(ctx, func() bool {
		if l.owners[partition] != nil && !l.shareClaims {
			return false
		}
		l.epochs[partition]++
		c = &fakeClaim{log: l, partition: partition, epoch: l.epochs[partition], lost: make(chan struct{})}
		l.owners[partition] = c
		return true
	})
	return c, err
}

func (l *fakeLog) SetFollower(ctx context.Context, name string, partition int, eventSeq, stepSeq uint64) error {
	if ctx.Err() != nil {
		return ctx.Err()
	}
	l.mu.Lock()
	defer l.mu.Unlock()
	l.followers[name+string(rune('0'+partition))] = [2]uint64{eventSeq, stepSeq}
	return nil
}

func (l *fakeLog) AppendStep(ctx context.Context, s *gateway.Step, prev uint64) (seq uint64, err error) {
	if ctx.Err() != nil {
		return 0, gateway.Errorf(gateway.OutcomeUnknown, "%w", ctx.Err())
	}
	var after error
	if l.stepFault != nil {
		var before error
		if before, after = l.stepFault(s); before != nil {
			return 0, before
		}
	}
	l.change(func() {
		steps := l.steps[s.Partition]
		var last uint64
		if n := len(steps); n > 0 {
			last = steps[n-1].Seq
		}
		if last != prev {
			err = gateway.Errorf(gateway.Fenced, "wrong last sequence: %d", last)
			return
		}
		l.seq++
		seq = l.seq
		kept := *s
		kept.Seq = seq
		kept.Changes, kept.Applied, kept.Outcomes = slices.Clone(s.Changes), slices.Clone(s.Applied), slices.Clone(s.Outcomes)
		l.steps[s.Partition] = append(steps, kept)
	})
	if err == nil && after != nil {
		return 0, after
	}
	return seq, err
}

func (l *fakeLog) LastStep(_ context.Context, partition int) (*gateway.Step, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	steps := l.steps[partition]
	if len(steps) == 0 {
		return nil, nil
	}
	s := steps[len(steps)-1]
	return &s, nil
}

type fakeSteps struct {
	log       *fakeLog
	partition int
	after     uint64
}

func (r *fakeSteps) Close() {}
func (r *fakeSteps) Next(ctx context.Context, s *gateway.Step) error {
	return r.log.until(ctx, func() bool {
		for _, have := range r.log.steps[r.partition] {
			if have.Seq > r.after {
				*s, r.after = have, have.Seq
				return true
			}
		}
		return false
	})
}

func (l *fakeLog) ReadSteps(_ context.Context, partition int, after uint64) (StepReader, error) {
	return &fakeSteps{l, partition, after}, nil
}

func (l *fakeLog) AppendEvents(ctx context.Context, b *gateway.Batch) (seq uint64, err error) {
	if ctx.Err() != nil {
		return 0, gateway.Errorf(gateway.OutcomeUnknown, "%w", ctx.Err())
	}
	var after error
	if l.eventFault != nil {
		var before error
		if before, after = l.eventFault(b); before != nil {
			return 0, before
		}
	}
	l.change(func() {
		l.seq++
		seq = l.seq
		kept := *b
		kept.Seq, kept.Inputs = seq, slices.Clone(b.Inputs)
		l.events[b.Partition] = append(l.events[b.Partition], kept)
	})
	return seq, after
}

type fakeEvents struct {
	log       *fakeLog
	partition int
	after     uint64
}

func (r *fakeEvents) Close() {}
func (r *fakeEvents) Next(ctx context.Context, b *gateway.Batch) error {
	return r.log.until(ctx, func() bool {
		all := r.log.events[r.partition]
		i, _ := slices.BinarySearchFunc(all, r.after+1, func(b gateway.Batch, seq uint64) int { return int(b.Seq) - int(seq) })
		if i == len(all) {
			return false
		}
		inputs := append(b.Inputs[:0], all[i].Inputs...)
		*b, r.after = all[i], all[i].Seq
		b.Inputs = inputs
		return true
	})
}

func (l *fakeLog) ReadEvents(_ context.Context, partition int, after uint64) (EventReader, error) {
	return &fakeEvents{l, partition, after}, nil
}

func (l *fakeLog) LastEventSeq(_ context.Context, partition int) (uint64, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	all := l.events[partition]
	if len(all) == 0 {
		return 0, nil
	}
	return all[len(all)-1].Seq, nil
}

func (l *fakeLog) SaveSnapshot(ctx context.Context, s Snapshot) error {
	if ctx.Err() != nil {
		return ctx.Err()
	}
	s.Data = slices.Clone(s.Data)
	l.change(func() { l.snapshots[s.Partition] = s })
	return nil
}

func (l *fakeLog) LoadSnapshot(_ context.Context, partition int) (*Snapshot, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	s, ok := l.snapshots[partition]
	if !ok {
		return nil, nil
	}
	return &s, nil
}
