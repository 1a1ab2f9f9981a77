package directory_test

import (
	"context"
	"encoding/binary"
	"path/filepath"
	"sync"
	"testing"
	"time"

	"touchpoint/gateway"
	"touchpoint/gateway/directory"
	"touchpoint/gateway/wire"
)

// stepLog is a STEPS log in memory, with the record format of the real one.
type stepLog struct {
	mu        sync.Mutex
	steps     map[int][][]byte
	added     chan struct{}
	fail      error // of the next reads
	followers map[int][2]uint64
	trimmed   uint64 // steps up to here are gone, of every partition
}

func newStepLog() *stepLog {
	return &stepLog{steps: map[int][][]byte{}, added: make(chan struct{}), followers: map[int][2]uint64{}}
}

// append numbers a step and returns the position of its last record: 100 per
// step, when the step names none itself.
func (l *stepLog) append(s gateway.Step) gateway.Position {
	l.mu.Lock()
	defer l.mu.Unlock()
	n := uint64(len(l.steps[s.Partition]) + 1)
	s.Number, s.Seq = n, n*10
	if s.Applied == nil {
		s.Applied = []gateway.Applied{{Seq: n * 100, Inputs: len(s.Outcomes), At: s.Now}}
	}
	l.steps[s.Partition] = append(l.steps[s.Partition], wire.AppendStep(nil, &s, (n-1)*10))
	close(l.added)
	l.added = make(chan struct{})
	return gateway.Position{Partition: s.Partition, Seq: s.Applied[len(s.Applied)-1].Seq}
}

// ReadSteps implements directory.Steps.
func (l *stepLog) ReadSteps(_ context.Context, partition int, after uint64) (directory.StepReader, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	if after < l.trimmed {
		return nil, gateway.Errorf(gateway.NotFound, "trimmed")
	}
	return &stepReader{l, partition, int(after / 10)}, l.fail
}

// Trimmed implements directory.Trimmed.
func (l *stepLog) Trimmed(context.Context, int) (eventSeq, stepSeq uint64, err error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.trimmed * 10, l.trimmed, nil
}

// SetFollower implements directory.Registry.
func (l *stepLog) SetFollower(_ context.Context, _ string, partition int, eventSeq, stepSeq uint64) error {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.followers[partition] = [2]uint64{eventSeq, stepSeq}
	return nil
}

func (l *stepLog) setFail(err error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.fail = err
	close(l.added)
	l.added = make(chan struct{})
}

type stepReader struct {
	l         *stepLog
	partition int
	next      int
}

func (r *stepReader) Next(ctx context.Context, s *gateway.Step) error {
	for {
		r.l.mu.Lock()
		list, added, fail := r.l.steps[r.partition], r.l.added, r.l.fail
		r.l.mu.Unlock()
		if fail != nil {
			return fail
		}
		if r.next < len(list) {
			r.next++
			_, err := wire.DecodeStep(list[r.next-1], s)
			s.Seq = uint64(r.next) * 10
			return err
		}
		select {
		case <-added:
		case <-ctx.Done():
			return ctx.Err()
		}
	}
}

func (*stepReader) Close() {}

// fixture is a directory that follows a log.
type fixture struct {
	*directory.Directory
	t   testing.TB
	ctx context.Context
	log *stepLog
	o   directory.Options
}

const partitions = 4

func open(t testing.TB, change ...func(*directory.Options)) *fixture {
	t.Helper()
	ctx, cancel := context.WithTimeout(context.Background(), 30*time.Second)
	t.Cleanup(cancel)
	log := newStepLog()
	f := &fixture{t: t, ctx: ctx, log: log, o: directory.Options{
		Path: filepath.Join(t.TempDir(), "directory.db"), Partitions: partitions, Steps: log, Registry: log,
	}}
	for _, c := range change {
		c(&f.o)
	}
	f.reopen()
	t.Cleanup(f.close)
	return f
}

func (f *fixture) reopen() {
	f.t.Helper()
	var err error
	if f.Directory, err = directory.Open(f.ctx, f.o); err != nil {
		f.t.Fatal(err)
	}
}

func (f *fixture) close() {
	f.t.Helper()
	if f.Directory != nil {
		if err := f.Close(f.ctx); err != nil {
			f.t.Error(err)
		}
		f.Directory = nil
	}
}

// step appends a step and waits until queries see it.
func (f *fixture) step(s gateway.Step) gateway.Position {
	f.t.Helper()
	pos := f.log.append(s)
	f.await(pos)
	return pos
}

func (f *fixture) await(pos ...gateway.Position) {
	f.t.Helper()
	if err := f.Await(f.ctx, pos); err != nil {
		f.t.Fatal(err)
	}
}

func must[T any](v T, err error) func(testing.TB) T {
	return func(t testing.TB) T {
		t.Helper()
		if err != nil {
			t.Fatal(err)
		}
		return v
	}
}

func enrollmentID(n uint64) (id gateway.EnrollmentID) {
	id[0] = 0xee
	binary.BigEndian.PutUint64(id[8:], n)
	return id
}

func messageID(n uint64) (id gateway.MessageID) {
	id[0] = 0xff
	binary.BigEndian.PutUint64(id[8:], n)
	return id
}

const (
	anna  = gateway.CustomerID(0xaaaaaaaaaaaaaaaa)
	ben   = gateway.CustomerID(0x0bbbbbbbbbbbbbbb)
	mixer = gateway.DeviceID(0xf111111111111111)
	start = gateway.Instant(1_777_600_000_000)
)
