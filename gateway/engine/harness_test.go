package engine

import (
	"bytes"
	"context"
	"log/slog"
	"sync"
	"testing"
	"time"

	"touchpoint/gateway"
	"touchpoint/gateway/clock"
)

const start gateway.Instant = 1_700_000_000_000

// world is a log, a clock and the engines of a test.
type world struct {
	t         testing.TB
	log       *fakeLog
	clock     *clock.Clock
	observed  gateway.Instant // fixed watermark, 0 = the clock's now
	watermark sync.Mutex
	count     int
	sink      *recorder
	logs      *lockedBuffer
}

func newWorld(t testing.TB, partitions int) *world {
	return &world{t: t, log: newFakeLog(), clock: clock.NewVirtual(start), count: partitions,
		sink: &recorder{cores: map[int]*toyCore{}}, logs: &lockedBuffer{}}
}

func (w *world) mark() gateway.Instant {
	w.watermark.Lock()
	defer w.watermark.Unlock()
	if w.observed != 0 {
		return w.observed
	}
	return w.clock.Now()
}

func (w *world) setMark(at gateway.Instant) {
	w.watermark.Lock()
	w.observed = at
	w.watermark.Unlock()
}

func (w *world) options() Options {
	return Options{
		Log: w.log, Clock: w.clock, Count: w.count, Watermark: w.mark, Sinks: []Sink{w.sink},
		NewCore: func(p int) Core {
			c := newToyCore()
			w.sink.set(p, c)
			return c
		},
		Submit: w.submit,
		Logger: slog.New(slog.NewTextHandler(w.logs, nil)),
	}
}

// submit appends as intake does.
func (w *world) submit(ctx context.Context, partition int, in gateway.Input) (gateway.Position, error) {
	seq, err := w.log.AppendEvents(ctx, &gateway.Batch{
		Partition: partition, RecordTime: w.clock.Now(), Observed: w.mark(), Inputs: []gateway.Input{in},
	})
	return gateway.Position{Partition: partition, Seq: seq}, err
}

func (w *world) add(partition int, in ...gateway.Input) {
	w.t.Helper()
	for _, in := range in {
		if _, err := w.submit(context.Background(), partition, in); err != nil {
			w.t.Fatal(err)
		}
	}
}

func (w *world) advance(d time.Duration) {
	w.t.Helper()
	if err := w.clock.Advance(w.clock.Now().Add(d)); err != nil {
		w.t.Fatal(err)
	}
}

func (w *world) engine(change ...func(*Options)) *Engine {
	w.t.Helper()
	o := w.options()
	for _, c := range change {
		c(&o)
	}
	e, err := New(o)
	if err != nil {
		w.t.Fatal(err)
	}
	e.Start()
	return e
}

// crash ends the engine as kill -9 would: nothing is finished or saved.
func crash(e *Engine) {
	e.abort()
	e.wg.Wait()
	e.aux.Wait()
}

func (w *world) stop(e *Engine) {
	w.t.Helper()
	e.Stop(w.ctx())
}

func (w *world) ctx() context.Context {
	ctx, cancel := context.WithTimeout(context.Background(), 10*time.Second)
	w.t.Cleanup(cancel)
	return ctx
}

func (w *world) settle(e *Engine) {
	w.t.Helper()
	if err := e.Settled(w.ctx()); err != nil {
		w.t.Fatalf("%v\n%+v\n%s", err, e.Stats(), w.logs)
	}
}

// recorder is a sink that remembers, and keeps the cores for a look at their
// state once an engine has stopped.
type recorder struct {
	mu      sync.Mutex
	cores   map[int]*toyCore
	handed  []gateway.MessageID
	resumed []gateway.MessageID
	lost    []int
	steps   int
}

func (r *recorder) set(p int, c *toyCore) {
	r.mu.Lock()
	r.cores[p] = c
	r.mu.Unlock()
}

func (r *recorder) Committed(_ int, s *gateway.Step) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.steps++
	for i := range s.Messages {
		r.handed = append(r.handed, s.Messages[i].ID)
	}
}

func (r *recorder) Resume(_ int, unfinished []gateway.Message) {
	r.mu.Lock()
	defer r.mu.Unlock()
	for i := range unfinished {
		r.resumed = append(r.resumed, unfinished[i].ID)
	}
}

func (r *recorder) Lost(partition int) {
	r.mu.Lock()
	r.lost = append(r.lost, partition)
	r.mu.Unlock()
}

// state returns the encoded state of a partition; only for stopped or settled
// engines.
func (w *world) state(p int) string {
	w.sink.mu.Lock()
	defer w.sink.mu.Unlock()
	return string(w.sink.cores[p].AppendSnapshot(nil))
}

func (w *world) core(p int) *toyCore {
	w.sink.mu.Lock()
	defer w.sink.mu.Unlock()
	return w.sink.cores[p]
}

// replayed builds the state of a partition from its steps alone.
func (w *world) replayed(p int) string {
	w.t.Helper()
	c := newToyCore()
	w.log.mu.Lock()
	defer w.log.mu.Unlock()
	for i := range w.log.steps[p] {
		if err := c.Replay(&w.log.steps[p][i]); err != nil {
			w.t.Fatal(err)
		}
	}
	return string(c.AppendSnapshot(nil))
}

type lockedBuffer struct {
	mu sync.Mutex
	b  bytes.Buffer
}

func (b *lockedBuffer) Write(p []byte) (int, error) {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.b.Write(p)
}

func (b *lockedBuffer) String() string {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.b.String()
}
