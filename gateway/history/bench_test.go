package history_test

import (
	"context"
	"fmt"
	"net/http"
	"path/filepath"
	"syscall"
	"testing"
	"time"

	"touchpoint/gateway"
	"touchpoint/gateway/history"
	"touchpoint/internal/testservers"
)

// spread makes ids that look random of small numbers.
const spread uint64 = 0x9e3779b97f4a7c15

// fleet makes points as a fleet sends them: 2,000 devices of 1,000 customers,
// three types, four properties, over 16 partitions in batches of 64.
type fleet struct {
	n    int
	seqs [16]uint64
}

func (f *fleet) batch(size int) []history.Point {
	list := make([]history.Point, 0, size)
	for len(list) < size {
		partition := (f.n / 64) % 16
		if f.n%64 == 0 {
			f.seqs[partition]++
		}
		device := uint64(f.n%2000 + 1)
		at := start + gateway.Instant(f.n/10)
		list = append(list, history.Point{
			Event: gateway.Event{
				ID: fmt.Sprintf("0190f3c2-%08x-%04x", f.n, device), Type: [...]string{"brew_finished", "rinse_finished", "error_occurred"}[f.n%3],
				Product: "kaffa-2", Device: gateway.DeviceID(device * spread), HasSeq: true, Boot: 1, Seq: uint64(f.n),
				OccurredAt: at, ReceivedAt: at + 30, Source: gateway.SourceMQTT,
				Properties: gateway.Properties{{Key: "beans_g", Value: gateway.Float(7.4)}, {Key: "program", Value: gateway.String("espresso")},
					{Key: "temp_c", Value: gateway.Float(92.5)}, {Key: "water_ml", Value: gateway.Int(int64(f.n % 200))}},
			},
			Customer: gateway.CustomerID((device/2 + 1) * spread), AppliedAt: at + 35,
			Place: history.Place{Partition: partition, Seq: f.seqs[partition], Index: uint32(f.n % 64)},
		})
		f.n++
	}
	return list
}

// cpu returns the time that the process has used.
func cpu() time.Duration {
	var u syscall.Rusage
	_ = syscall.Getrusage(syscall.RUSAGE_SELF, &u)
	return time.Duration(u.Utime.Nano() + u.Stime.Nano())
}

func benchAppend(b *testing.B, store history.Store, size int) {
	f := &fleet{}
	ctx := context.Background()
	batches := make([]history.Batch, (b.N+size-1)/size)
	for i := range batches {
		batches[i].Points = f.batch(min(size, b.N-i*size))
		for p, seq := range f.seqs {
			batches[i].Positions = append(batches[i].Positions, history.Position{Partition: p, StepSeq: seq, EventSeq: seq})
		}
	}
	b.ReportAllocs()
	b.ResetTimer()
	before := cpu()
	for i := range batches {
		if err := store.Append(ctx, &batches[i]); err != nil {
			b.Fatal(err)
		}
	}
	b.ReportMetric(float64((cpu()-before).Nanoseconds())/float64(b.N), "cpu-ns/op")
}

func BenchmarkSQLiteAppend(b *testing.B) {
	for _, size := range []int{5000, 1000, 200, 20} {
		b.Run(fmt.Sprint(size), func(b *testing.B) {
			benchAppend(b, openSQLite(b, filepath.Join(b.TempDir(), "history.db")), size)
		})
	}
}

func BenchmarkInfluxAppend(b *testing.B) {
	server := testservers.Influx(b)
	store := openInflux(b, history.InfluxOptions{URL: server.URL, Org: server.Org, Bucket: server.Bucket, Token: server.Token})
	benchAppend(b, store, 5000)
}

// BenchmarkInfluxEncode is the gateway's part of it: a server that takes all.
func BenchmarkInfluxEncode(b *testing.B) {
	server := newFakeInflux(b, func(int, []string, *http.Request) answer { return noContent })
	server.discard = true
	store := openInflux(b, history.InfluxOptions{URL: server.URL, Org: "o", Bucket: "b", Token: "t"})
	benchAppend(b, store, 5000)
}

func benchRead(b *testing.B, store history.Store, n int) {
	ctx := context.Background()
	f := &fleet{}
	for left := n; left > 0; left -= 5000 {
		if err := store.Append(ctx, &history.Batch{Points: f.batch(min(5000, left)), Positions: []history.Position{{Partition: 0, StepSeq: 1}}}); err != nil {
			b.Fatal(err)
		}
	}
	for p := range 16 { // so that every partition is known
		_ = store.Append(ctx, &history.Batch{Positions: []history.Position{{Partition: p, StepSeq: 2}}})
	}
	sixth := f.batch(6)[5] // of a device and a customer that occur
	device, customer := sixth.Event.Device, sixth.Customer
	end := start + gateway.Instant(n/10)
	for _, c := range []struct {
		name string
		run  func() (int, error)
	}{
		{"newest 100", func() (int, error) {
			p, err := store.Events(ctx, history.Query{})
			return len(p.Points), err
		}},
		{"device, newest 100", func() (int, error) {
			p, err := store.Events(ctx, history.Query{Filter: history.Filter{Device: device}})
			return len(p.Points), err
		}},
		{"customer, newest 100", func() (int, error) {
			p, err := store.Events(ctx, history.Query{Filter: history.Filter{Customer: customer}})
			return len(p.Points), err
		}},
		{"sum per minute of a type", func() (int, error) {
			r, err := store.Aggregate(ctx, history.Aggregation{Function: history.Sum, Field: "water_ml", Window: time.Minute,
				Filter: history.Filter{Types: []string{"brew_finished"}, From: start, To: end}})
			return len(r), err
		}},
		{"scan", func() (k int, err error) {
			err = store.Scan(ctx, history.ScanRange{}, func(*history.Point) error { k++; return nil })
			return k, err
		}},
	} {
		b.Run(c.name, func(b *testing.B) {
			got := 0
			for range b.N {
				var err error
				if got, err = c.run(); err != nil {
					b.Fatal(err)
				}
			}
			b.ReportMetric(float64(got), "results")
		})
	}
	b.Run("delete customer", func(b *testing.B) {
		for i := range b.N {
			c := gateway.CustomerID(uint64(100+i%900) * spread)
			if err := store.DeleteCustomer(ctx, c); err != nil {
				b.Fatal(err)
			}
		}
	})
}

func BenchmarkSQLiteRead(b *testing.B) {
	benchRead(b, openSQLite(b, filepath.Join(b.TempDir(), "history.db")), 200_000)
}

func BenchmarkInfluxRead(b *testing.B) {
	server := testservers.Influx(b)
	store := openInflux(b, history.InfluxOptions{URL: server.URL, Org: server.Org, Bucket: server.Bucket, Token: server.Token})
	benchRead(b, store, 200_000)
}

// BenchmarkFollower is the whole way from the logs' records into the embedded
// store: 16 partitions, records of 64 events, a step each.
func BenchmarkFollower(b *testing.B) {
	log := newMemLog()
	f := &fleet{}
	const n = 200_000
	last := map[int]gateway.Position{}
	for left := n; left > 0; left -= 64 {
		points := f.batch(64)
		partition := points[0].Place.Partition
		batch := gateway.Batch{Partition: partition, RecordTime: points[0].AppliedAt}
		s := gateway.Step{Partition: partition}
		for _, p := range points {
			batch.Inputs = append(batch.Inputs, gateway.Input{Event: p.Event})
			s.Outcomes = append(s.Outcomes, gateway.Outcome{Customer: p.Customer})
		}
		seq := log.appendEvents(batch)
		s.Applied = []gateway.Applied{{Seq: seq, Inputs: 64, At: points[0].AppliedAt}}
		log.appendStep(s)
		last[partition] = gateway.Position{Partition: partition, Seq: seq}
	}
	b.ResetTimer()
	for range b.N {
		b.StopTimer()
		store := openSQLite(b, filepath.Join(b.TempDir(), "history.db"))
		b.StartTimer()
		before := cpu()
		follower, err := history.Follow(b.Context(), history.FollowerOptions{Log: log, Store: store, Partitions: 16})
		if err != nil {
			b.Fatal(err)
		}
		for _, pos := range last {
			if err := follower.Await(b.Context(), []gateway.Position{pos}); err != nil {
				b.Fatal(err)
			}
		}
		b.ReportMetric(float64((cpu()-before).Nanoseconds())/n, "cpu-ns/event")
		_ = follower.Close(b.Context())
	}
}
