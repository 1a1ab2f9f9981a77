package eventlog

import (
	"context"
	"fmt"
	"net"
	"testing"
	"time"

	"github.com/nats-io/nats-server/v2/server"

	"touchpoint/gateway"
)

// store is where a test keeps its log: the same suite runs on the embedded
// server and on an external one behind a TCP port.
type store struct {
	name string
	o    Options
	srv  *server.Server // external only
	dir  string
	port int
}

func newStore(t testing.TB, kind string) *store {
	t.Helper()
	s := &store{name: kind, dir: t.TempDir()}
	s.o = Options{Name: "test", MaxBytes: 64 << 20, AppendTimeout: 10 * time.Second, Lease: 400 * time.Millisecond}
	if kind == "embedded" {
		s.o.Dir = s.dir
		return s
	}
	s.port = server.RANDOM_PORT
	s.startServer(t)
	s.o.URLs = []string{s.srv.ClientURL()}
	t.Cleanup(func() { s.stopServer() })
	return s
}

func (s *store) startServer(t testing.TB) {
	t.Helper()
	srv, err := server.NewServer(&server.Options{
		Host: "127.0.0.1", Port: s.port, JetStream: true, StoreDir: s.dir, SyncAlways: true, NoSigs: true, NoLog: true,
	})
	if err != nil {
		t.Fatal(err)
	}
	srv.Start()
	if !srv.ReadyForConnections(10 * time.Second) {
		t.Fatal("the external server does not start")
	}
	s.srv = srv
	s.port = srv.Addr().(*net.TCPAddr).Port
}

func (s *store) stopServer() {
	s.srv.Shutdown()
	s.srv.WaitForShutdown()
}

func (s *store) open(t testing.TB, change ...func(*Options)) *Log {
	t.Helper()
	l, err := s.tryOpen(change...)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { closeLog(t, l) })
	return l
}

func (s *store) tryOpen(change ...func(*Options)) (*Log, error) {
	o := s.o
	for _, f := range change {
		f(&o)
	}
	ctx, cancel := context.WithTimeout(context.Background(), 20*time.Second)
	defer cancel()
	return Open(ctx, o)
}

func closeLog(t testing.TB, l *Log) {
	t.Helper()
	ctx, cancel := context.WithTimeout(context.Background(), 20*time.Second)
	defer cancel()
	if err := l.Close(ctx); err != nil {
		t.Error(err)
	}
}

// both runs the test on either kind of store.
func both(t *testing.T, f func(t *testing.T, s *store)) {
	for _, kind := range []string{"embedded", "external"} {
		t.Run(kind, func(t *testing.T) {
			t.Parallel()
			f(t, newStore(t, kind))
		})
	}
}

func within(t testing.TB, d time.Duration) context.Context {
	ctx, cancel := context.WithTimeout(t.Context(), d)
	t.Cleanup(cancel)
	return ctx
}

func batch(partition, first, n int) *gateway.Batch {
	b := &gateway.Batch{Partition: partition, RecordTime: gateway.Instant(1_700_000_000_000 + first), Observed: 1_700_000_000_000}
	for i := range n {
		b.Inputs = append(b.Inputs, gateway.Input{Event: event(first + i)})
	}
	return b
}

func event(i int) gateway.Event {
	return gateway.Event{
		ID: fmt.Sprintf("ev-%08d", i), Type: "brew_finished", Device: gateway.DeviceID(uint64(i%2000)*0x9e3779b97f4a7c15 + 1), Product: "espresso-one",
		Boot: 3, Seq: uint64(i), HasSeq: true, OccurredAt: gateway.Instant(1_700_000_000_000 + i), ReceivedAt: gateway.Instant(1_700_000_000_100 + i),
		Source: gateway.SourceMQTT,
		Properties: gateway.Properties{
			{Key: "beans_g", Value: gateway.Float(17.5)}, {Key: "drink", Value: gateway.String("espresso")},
			{Key: "duration_s", Value: gateway.Int(27)}, {Key: "ok", Value: gateway.Bool(true)},
			{Key: "temp_c", Value: gateway.Float(92.25)}, {Key: "water_ml", Value: gateway.Int(40)},
		},
	}
}

func TestEventsRoundTrip(t *testing.T) {
	both(t, func(t *testing.T, s *store) {
		l := s.open(t)
		ctx := within(t, 20*time.Second)
		r, err := l.ReadEvents(ctx, 5, 0)
		if err != nil {
			t.Fatal(err)
		}
		defer r.Close()
		var got gateway.Batch
		if ok, err := r.TryNext(&got); ok || err != nil {
			t.Fatal(ok, err)
		}
		for i := range 20 {
			seq, err := l.AppendEvents(ctx, batch(5, i*3, 3))
			if err != nil {
				t.Fatal(err)
			}
			if err := r.Next(ctx, &got); err != nil {
				t.Fatal(err)
			}
			if got.Seq != seq || len(got.Inputs) != 3 || got.Inputs[2].Event.ID != event(i*3+2).ID {
				t.Fatalf("appended %d, read %d: %v", seq, got.Seq, got.Inputs)
			}
			if last, err := l.LastEventSeq(ctx, 5); err != nil || last != seq {
				t.Fatal(last, err)
			}
		}
	})
}
