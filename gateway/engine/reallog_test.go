package engine

import (
	"context"
	"fmt"
	"log/slog"
	"sync"
	"testing"
	"time"

	"touchpoint/gateway"
	"touchpoint/gateway/clock"
	"touchpoint/gateway/eventlog"
	"touchpoint/internal/testservers"
)

// realLog shows the event log as the engine wants it.
type realLog struct{ *eventlog.Log }

func (l realLog) ReadEvents(ctx context.Context, p int, after uint64) (EventReader, error) {
	return l.Log.ReadEvents(ctx, p, after)
}

func (l realLog) ReadSteps(ctx context.Context, p int, after uint64) (StepReader, error) {
	return l.Log.ReadSteps(ctx, p, after)
}

func (l realLog) Claim(ctx context.Context, p int) (Claim, error) {
	if l.Embedded() { // at once; a test that kills must not leave it half-done in a log that lives on
		ctx = context.WithoutCancel(ctx)
	}
	return l.Log.Claim(ctx, p)
}

func (l realLog) SaveSnapshot(ctx context.Context, s Snapshot) error {
	return l.Log.SaveSnapshot(ctx, s.Partition, s.StepSeq, s.StepNumber, s.EventSeq, s.Data)
}

func (l realLog) LoadSnapshot(ctx context.Context, p int) (*Snapshot, error) {
	s, err := l.Log.LoadSnapshot(ctx, p)
	if err != nil || s == nil {
		return nil, err
	}
	return &Snapshot{s.Partition, s.StepSeq, s.StepNumber, s.EventSeq, s.Data}, nil
}

// site is a world on the real log.
type site struct {
	*world
	real *eventlog.Log
	open eventlog.Options
}

func newSite(t testing.TB, o eventlog.Options) *site {
	s := &site{world: newWorld(t, o.Partitions), open: o}
	s.reopen()
	t.Cleanup(func() { s.close() })
	return s
}

func (s *site) reopen() {
	s.t.Helper()
	l, err := eventlog.Open(s.ctx(), s.open)
	if err != nil {
		s.t.Fatal(err)
	}
	s.real = l
}

func (s *site) close() {
	if s.real != nil {
		_ = s.real.Close(s.ctx())
		s.real = nil
	}
}

func (s *site) submit(ctx context.Context, partition int, in ...gateway.Input) (gateway.Position, error) {
	seq, err := s.real.AppendEvents(ctx, &gateway.Batch{
		Partition: partition, RecordTime: s.clock.Now(), Observed: s.mark(), Inputs: in,
	})
	return gateway.Position{Partition: partition, Seq: seq}, err
}

func (s *site) add(partition int, in ...gateway.Input) {
	s.t.Helper()
	if _, err := s.submit(s.ctx(), partition, in...); err != nil {
		s.t.Fatal(err)
	}
}

func (s *site) engine(change ...func(*Options)) *Engine {
	return s.world.engine(append([]func(*Options){func(o *Options) {
		o.Log = realLog{s.real}
		o.Submit = func(ctx context.Context, p int, in gateway.Input) (gateway.Position, error) {
			return s.submit(ctx, p, in)
		}
	}}, change...)...)
}

func TestRealLogCrashAndStop(t *testing.T) {
	s := newSite(t, eventlog.Options{Dir: t.TempDir(), Partitions: 4})
	for round := range 4 {
		e := s.engine(func(o *Options) { o.SnapshotSteps = 5; o.SnapshotInterval = 10 * time.Millisecond })
		for i := range 60 {
			d := gateway.DeviceID(1 + i)
			s.add(i%4, event(d, "count", 0), event(d, "wait", uint64(i)), event(1000+d, "forward", uint64((i+1)%4)))
		}
		s.advance(time.Second)
		if round%2 == 0 {
			s.settle(e)
			s.stop(e)
		} else {
			crash(e)
		}
		s.close()
		s.reopen()
	}
	e := s.engine()
	s.settle(e)
	s.stop(e)
	for p := range 4 {
		c := s.core(p)
		if len(c.Fired) != 60 || len(c.Counts) != 30 {
			t.Errorf("partition %d: %d timers, %d devices", p, len(c.Fired), len(c.Counts))
		}
		for d, n := range c.Counts {
			if want := 8 - 4*int(d/1000); n != want {
				t.Errorf("partition %d: device %d counted %d times, want %d", p, d, n, want)
			}
		}
		if got, want := s.state(p), s.replayedReal(p); got != want {
			t.Errorf("partition %d: state and replay differ\n%s\n%s", p, got, want)
		}
	}
}

// replayedReal builds the state of a partition from STEPS alone.
func (s *site) replayedReal(p int) string {
	s.t.Helper()
	c := newToyCore()
	s.eachStep(p, func(step *gateway.Step) {
		if err := c.Replay(step); err != nil {
			s.t.Fatal(err)
		}
	})
	return string(c.AppendSnapshot(nil))
}

// Two processes share a log: each takes a part; when one dies the other takes
// over, and nothing is lost or applied twice.
func TestTwoEnginesOnOneLog(t *testing.T) {
	server := testservers.NATS(t, testservers.NATSOptions{})
	options := func(owner string) eventlog.Options {
		return eventlog.Options{URLs: []string{server.URL}, Partitions: 4, Owner: owner, Lease: 400 * time.Millisecond}
	}
	a, b := newSite(t, options("one")), newSite(t, options("two"))
	b.clock = a.clock
	standby := func(o *Options) { o.Standby = true }
	ea := a.engine(standby)
	feed := func(to *site) {
		for i := range 40 {
			to.add(i%4, event(gateway.DeviceID(1+i), "count", 0), event(gateway.DeviceID(101+i), "forward", uint64((i+1)%4)))
		}
	}
	feed(a)
	a.settle(ea)
	eb := b.engine(standby)
	shared := func() bool { return live(ea) == 2 && live(eb) == 2 }
	if err := waitFor(a.ctx(), shared); err != nil {
		t.Fatalf("the partitions are not shared: %d and %d", live(ea), live(eb))
	}
	feed(b)
	// One dies; its lease runs out; the other one has everything.
	crash(ea)
	ea.o.Log.(realLog).Log.Close(a.ctx())
	a.real = nil
	feed(b)
	if err := waitFor(b.ctx(), func() bool { return live(eb) == 4 }); err != nil {
		t.Fatalf("%d partitions after the death of the other\n%s", live(eb), b.logs)
	}
	b.settle(eb)
	b.stop(eb)
	for p := range 4 {
		c := b.core(p)
		if len(c.Counts) != 20 {
			t.Errorf("partition %d: %d devices", p, len(c.Counts))
		}
		for d, n := range c.Counts {
			if n != 3 {
				t.Errorf("partition %d: device %d counted %d times", p, d, n)
			}
		}
	}
}

// A zombie goes on as if it had never lost its partition: every commit of its
// is refused, and its state is dropped.
func TestZombieOnTheRealLog(t *testing.T) {
	server := testservers.NATS(t, testservers.NATSOptions{})
	options := func(owner string) eventlog.Options {
		return eventlog.Options{URLs: []string{server.URL}, Partitions: 1, Owner: owner, Lease: 400 * time.Millisecond}
	}
	a, b := newSite(t, options("one")), newSite(t, options("two"))
	deaf := func(epoch uint64) func(*Options) {
		return func(o *Options) { o.Log = deafLog{o.Log, epoch}; o.MaxInputs = 1 }
	}
	ea, eb := a.engine(deaf(1)), b.engine(deaf(2))
	var wg sync.WaitGroup
	for i := range 50 {
		wg.Go(func() { a.add(0, event(gateway.DeviceID(i), "count", 0)) })
	}
	wg.Wait()
	a.settle(ea)
	b.settle(eb)
	crash(ea)
	crash(eb)
	if len(a.sink.lost)+len(b.sink.lost) == 0 {
		t.Error("nobody was fenced")
	}
	want := a.replayedReal(0)
	for _, s := range []*site{a, b} {
		if len(s.core(0).Counts) != 50 {
			t.Errorf("%d of 50 devices", len(s.core(0).Counts))
		}
		for d, n := range s.core(0).Counts {
			if n != 1 {
				t.Errorf("device %d counted %d times", d, n)
			}
		}
		if s.state(0) != want {
			t.Error("the state is not that of STEPS")
		}
	}
}

// deafLog hands out claims at once and never says that they are lost.
type deafLog struct {
	Log
	epoch uint64
}

func (l deafLog) Claim(_ context.Context, p int) (Claim, error) {
	return &fakeClaim{log: newFakeLog(), partition: p, epoch: l.epoch, lost: make(chan struct{})}, nil
}

func live(e *Engine) (n int) {
	for _, r := range e.runners {
		if State(r.state.Load()) == Live {
			n++
		}
	}
	return n
}

func waitFor(ctx context.Context, ok func() bool) error {
	poll := time.NewTicker(5 * time.Millisecond)
	defer poll.Stop()
	for !ok() {
		select {
		case <-poll.C:
		case <-ctx.Done():
			return ctx.Err()
		}
	}
	return nil
}

// BenchmarkRoad is the whole way of an event from its append to its commit and
// hand-over, every write synced to disk, 16 partitions, batches of 64.
func BenchmarkRoad(b *testing.B) {
	for _, batch := range []int{1, 64, 256} {
		b.Run(fmt.Sprint("batch=", batch), func(b *testing.B) { benchmarkRoad(b, batch) })
	}
}

func benchmarkRoad(b *testing.B, batch int) {
	l, err := eventlog.Open(context.Background(), eventlog.Options{Dir: b.TempDir(), Partitions: 16})
	if err != nil {
		b.Fatal(err)
	}
	defer func() { _ = l.Close(context.Background()) }()
	e, err := New(Options{
		Log: realLog{l}, Clock: clock.Wall(), Count: 16, NewCore: func(int) Core { return new(countCore) },
		Submit: func(context.Context, int, gateway.Input) (gateway.Position, error) { return gateway.Position{}, nil },
		Logger: slog.New(slog.DiscardHandler),
	})
	if err != nil {
		b.Fatal(err)
	}
	e.Start()
	ctx := context.Background()
	if err := e.WaitReady(ctx); err != nil {
		b.Fatal(err)
	}
	b.ReportAllocs()
	b.ResetTimer()
	cpu := cpuTime()
	var wg sync.WaitGroup
	for p := range 16 {
		wg.Go(func() {
			in := sampleBatch(p, batch)
			for left := b.N / 16; left > 0; left -= batch {
				in.RecordTime = gateway.InstantOf(time.Now())
				if _, err := l.AppendEvents(ctx, in); err != nil {
					b.Error(err)
					return
				}
			}
		})
	}
	wg.Wait()
	if err := e.Settled(ctx); err != nil {
		b.Fatal(err)
	}
	b.StopTimer()
	b.ReportMetric(float64(cpuTime()-cpu)/float64(b.N), "cpu-ns/op")
	steps := uint64(0)
	for _, s := range e.Stats() {
		steps += s.Step
	}
	b.ReportMetric(float64(b.N)/float64(max(steps, 1)), "events/step")
	crash(e)
}
