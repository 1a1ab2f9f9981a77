package eventlog

import (
	"fmt"
	"slices"
	"sync"
	"syscall"
	"testing"
	"time"

	"touchpoint/gateway"
)

// cpu is what the process has used.
func cpu() time.Duration {
	var u syscall.Rusage
	_ = syscall.Getrusage(syscall.RUSAGE_SELF, &u)
	return time.Duration(u.Utime.Nano() + u.Stime.Nano())
}

// latencies collects durations from many goroutines.
type latencies struct {
	mu   sync.Mutex
	list []time.Duration
}

func (l *latencies) add(d time.Duration) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.list = append(l.list, d)
}

func (l *latencies) report(b *testing.B, what string) {
	slices.Sort(l.list)
	if n := len(l.list); n > 0 {
		b.ReportMetric(float64(l.list[n/2].Microseconds()), "us_p50_"+what)
		b.ReportMetric(float64(l.list[n*99/100].Microseconds()), "us_p99_"+what)
	}
}

// One event after the other, each synced, and until a reader has it.
func BenchmarkAppendOne(b *testing.B) {
	l := newStore(b, "embedded").open(b)
	ctx := b.Context()
	r, err := l.ReadEvents(ctx, 0, 0)
	if err != nil {
		b.Fatal(err)
	}
	defer r.Close()
	var got gateway.Batch
	var appended, delivered latencies
	for i := 0; b.Loop(); i++ {
		one := batch(0, i, 1)
		begin := time.Now()
		if _, err := l.AppendEvents(ctx, one); err != nil {
			b.Fatal(err)
		}
		appended.add(time.Since(begin))
		if err := r.Next(ctx, &got); err != nil {
			b.Fatal(err)
		}
		delivered.add(time.Since(begin))
	}
	appended.report(b, "append")
	delivered.report(b, "deliver")
}

// One step after the other.
func BenchmarkAppendStep(b *testing.B) {
	l := newStore(b, "embedded").open(b)
	var took latencies
	prev := uint64(0)
	for i := uint64(1); b.Loop(); i++ {
		s := step(0, i, 1)
		begin := time.Now()
		seq, err := l.AppendStep(b.Context(), s, prev)
		if err != nil {
			b.Fatal(err)
		}
		prev = seq
		took.add(time.Since(begin))
	}
	took.report(b, "append")
}

// 16 partitions append batches of 256 as fast as they can, with a reader each.
func BenchmarkThroughput16(b *testing.B) {
	l := newStore(b, "embedded").open(b, func(o *Options) { o.MaxBytes = 8 << 30 })
	const size = 256
	perPartition := (b.N + 15) / 16
	batches := make([]*gateway.Batch, 16)
	for p := range batches {
		batches[p] = batch(p, 0, size)
	}
	var wg sync.WaitGroup
	begin, used := time.Now(), cpu()
	b.ResetTimer()
	for p := range 16 {
		wg.Add(2)
		go func() {
			defer wg.Done()
			for range perPartition {
				if _, err := l.AppendEvents(b.Context(), batches[p]); err != nil {
					b.Error(err)
					return
				}
			}
		}()
		go func() {
			defer wg.Done()
			r, err := l.ReadEvents(b.Context(), p, 0)
			if err != nil {
				b.Error(err)
				return
			}
			defer r.Close()
			var got gateway.Batch
			for range perPartition {
				if err := r.Next(b.Context(), &got); err != nil {
					b.Error(err)
					return
				}
			}
		}()
	}
	wg.Wait()
	n := float64(16 * perPartition * size)
	b.ReportMetric(n/time.Since(begin).Seconds(), "events/s")
	b.ReportMetric(float64((cpu()-used).Nanoseconds())/n, "cpu-ns/event")
}

// Events at a steady rate over the partitions: an event waits at most 5 ms for
// others, and the next batch collects while the last one is on its way.
func BenchmarkPaced(b *testing.B) {
	for _, c := range []struct{ rate, partitions int }{{2000, 16}, {2000, 4}, {15000, 16}, {15000, 4}} {
		b.Run(fmt.Sprintf("rate=%d/partitions=%d", c.rate, c.partitions), func(b *testing.B) {
			paced(b, c.rate, c.partitions, 5*time.Millisecond)
		})
	}
}

func paced(b *testing.B, rate, partitions int, linger time.Duration) {
	l := newStore(b, "embedded").open(b, func(o *Options) { o.Partitions = partitions })
	var events, batches latencies
	var wg sync.WaitGroup
	queues := make([]chan time.Time, partitions)
	for p := range queues {
		queues[p] = make(chan time.Time, 4096)
		wg.Add(1)
		go func() {
			defer wg.Done()
			for first := range queues[p] {
				arrived := collect(first, queues[p], linger)
				begin := time.Now()
				if _, err := l.AppendEvents(b.Context(), batch(p, 0, len(arrived))); err != nil {
					b.Error(err)
					return
				}
				batches.add(time.Since(begin))
				for _, at := range arrived {
					events.add(time.Since(at))
				}
			}
		}()
	}
	b.ResetTimer()
	begin, used := time.Now(), cpu()
	for i := range b.N {
		if d := time.Until(begin.Add(time.Duration(i) * time.Second / time.Duration(rate))); d > 0 {
			timer := time.NewTimer(d)
			<-timer.C
		}
		queues[i*7%partitions] <- time.Now()
	}
	for _, q := range queues {
		close(q)
	}
	wg.Wait()
	batches.report(b, "append")
	events.report(b, "event_to_durable")
	b.ReportMetric(float64(b.N)/float64(len(batches.list)), "events/batch")
	b.ReportMetric(float64((cpu()-used).Microseconds())/float64(b.N), "cpu-us/event")
}

func collect(first time.Time, queue chan time.Time, linger time.Duration) []time.Time {
	arrived := []time.Time{first}
	timer := time.NewTimer(linger)
	defer timer.Stop()
	for len(arrived) < 256 {
		select {
		case at, ok := <-queue:
			if !ok {
				return arrived
			}
			arrived = append(arrived, at)
		case <-timer.C:
			return arrived
		}
	}
	return arrived
}

// 16 partitions append one event each, one after the other, as fast as they
// can: what an append costs when the processor is busy.
func BenchmarkAppend16(b *testing.B) {
	l := newStore(b, "embedded").open(b, func(o *Options) { o.MaxBytes = 8 << 30 })
	perPartition := (b.N + 15) / 16
	var wg sync.WaitGroup
	b.ResetTimer()
	begin, used := time.Now(), cpu()
	for p := range 16 {
		wg.Add(1)
		go func() {
			defer wg.Done()
			for i := range perPartition {
				if _, err := l.AppendEvents(b.Context(), batch(p, i, 1)); err != nil {
					b.Error(err)
					return
				}
			}
		}()
	}
	wg.Wait()
	n := float64(16 * perPartition)
	b.ReportMetric(n/time.Since(begin).Seconds(), "appends/s")
	b.ReportMetric(float64((cpu()-used).Microseconds())/n, "cpu-us/append")
}
