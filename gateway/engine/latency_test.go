package engine

import (
	"context"
	"slices"
	"sync"
	"testing"
	"time"

	"touchpoint/gateway"
	"touchpoint/gateway/clock"
	"touchpoint/gateway/eventlog"
)

// BenchmarkLatency publishes 2,000 events a second, spread over 16 partitions
// as by intake (a batch collects while the one before is on its way), and
// measures from arrival to hand-over; every write is synced and a snapshot is
// taken every second.
func BenchmarkLatency(b *testing.B) {
	const partitions, rate = 16, 2000
	l, err := eventlog.Open(context.Background(), eventlog.Options{Dir: b.TempDir(), Partitions: partitions})
	if err != nil {
		b.Fatal(err)
	}
	defer func() { _ = l.Close(context.Background()) }()
	meter := &meter{arrivals: make([][]time.Time, partitions)}
	e, err := New(Options{
		Log: realLog{l}, Clock: clock.Wall(), Count: partitions, NewCore: func(int) Core { return new(countCore) },
		Submit: func(context.Context, int, gateway.Input) (gateway.Position, error) { return gateway.Position{}, nil },
		Sinks:  []Sink{meter}, SnapshotSteps: 50, SnapshotInterval: time.Second,
	})
	if err != nil {
		b.Fatal(err)
	}
	e.Start()
	if err := e.WaitReady(context.Background()); err != nil {
		b.Fatal(err)
	}
	b.ResetTimer()
	cpu, begin := cpuTime(), time.Now()
	var wg sync.WaitGroup
	for p := range partitions {
		wg.Go(func() { meter.publish(b, l, p, b.N/partitions, rate/partitions) })
	}
	wg.Wait()
	if err := e.Settled(context.Background()); err != nil {
		b.Fatal(err)
	}
	b.StopTimer()
	b.ReportMetric(float64(cpuTime()-cpu)/float64(time.Since(begin))*100, "cpu-%")
	steps := uint64(0)
	for _, s := range e.Stats() {
		steps += s.Step
	}
	b.ReportMetric(float64(b.N)/float64(max(steps, 1)), "events/step")
	slices.Sort(meter.took)
	if n := len(meter.took); n > 0 {
		b.ReportMetric(float64(meter.took[n/2].Microseconds())/1000, "p50-ms")
		b.ReportMetric(float64(meter.took[n*99/100].Microseconds())/1000, "p99-ms")
		b.ReportMetric(float64(meter.took[n-1].Microseconds())/1000, "max-ms")
	}
	crash(e)
}

// meter remembers when the events of each partition arrived, in order.
type meter struct {
	mu       sync.Mutex
	arrivals [][]time.Time
	took     []time.Duration
}

func (m *meter) publish(b *testing.B, l *eventlog.Log, p, n, rate int) {
	pause := time.Second / time.Duration(rate)
	arrived := make(chan time.Time, n)
	go func() {
		next := time.Now()
		for range n {
			next = next.Add(pause)
			<-time.After(time.Until(next))
			arrived <- next
		}
		close(arrived)
	}()
	sample := sampleBatch(p, 256)
	for {
		at, ok := <-arrived
		if !ok {
			return
		}
		times := []time.Time{at}
		for len(arrived) > 0 && len(times) < 256 {
			times = append(times, <-arrived)
		}
		m.mu.Lock()
		m.arrivals[p] = append(m.arrivals[p], times...)
		m.mu.Unlock()
		batch := *sample
		batch.Inputs, batch.RecordTime = sample.Inputs[:len(times)], gateway.InstantOf(at)
		if _, err := l.AppendEvents(context.Background(), &batch); err != nil {
			b.Error(err)
			return
		}
	}
}

func (m *meter) Committed(p int, s *gateway.Step) {
	now := time.Now()
	m.mu.Lock()
	defer m.mu.Unlock()
	n := len(s.Outcomes)
	for _, at := range m.arrivals[p][:n] {
		m.took = append(m.took, now.Sub(at))
	}
	m.arrivals[p] = m.arrivals[p][n:]
}

func (m *meter) Resume(int, []gateway.Message) {}
func (m *meter) Lost(int)                      {}

// BenchmarkSettled is one look of a lock-step driver at 16 idle partitions.
func BenchmarkSettled(b *testing.B) {
	l, err := eventlog.Open(context.Background(), eventlog.Options{Dir: b.TempDir(), Partitions: 16})
	if err != nil {
		b.Fatal(err)
	}
	defer func() { _ = l.Close(context.Background()) }()
	e, err := New(Options{
		Log: realLog{l}, Clock: clock.NewVirtual(start), Count: 16, NewCore: func(int) Core { return new(countCore) },
		Submit: func(context.Context, int, gateway.Input) (gateway.Position, error) { return gateway.Position{}, nil },
	})
	if err != nil {
		b.Fatal(err)
	}
	e.Start()
	if err := e.WaitReady(context.Background()); err != nil {
		b.Fatal(err)
	}
	for b.Loop() {
		if err := e.Settled(context.Background()); err != nil {
			b.Fatal(err)
		}
	}
	crash(e)
}
