package ingest_test

import (
	"context"
	"fmt"
	"slices"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"touchpoint/devices"
	"touchpoint/gateway"
	"touchpoint/gateway/clock"
	"touchpoint/gateway/eventlog"
	"touchpoint/gateway/ingest"
	"touchpoint/gateway/mqtt"
	"touchpoint/gateway/vault"
	"touchpoint/gateway/wire"
)

// road is intake with real parts: embedded broker, vault, log.
type road struct {
	log    *eventlog.Log
	vault  *vault.Vault
	ingest *ingest.Ingest
	broker *mqtt.Broker
}

// letters stores dead letters in the log, as the app does.
type letters struct{ log *eventlog.Log }

func (l letters) AppendDeadLetter(ctx context.Context, d *ingest.DeadLetter) error {
	return l.log.AppendDeadLetter(ctx, &wire.DeadLetter{At: d.At, Topic: d.Topic, Reason: d.Reason,
		Violations: d.Violations, Payload: d.Sealed, Device: d.Device})
}

// openRoad opens the log in dir and everything on top of it.
func openRoad(t testing.TB, dir string, c *clock.Clock, change func(*ingest.Options, *mqtt.BrokerOptions)) *road {
	t.Helper()
	ctx, cancel := context.WithTimeout(context.Background(), 30*time.Second)
	defer cancel()
	r := &road{}
	var err error
	if r.log, err = eventlog.Open(ctx, eventlog.Options{Dir: dir}); err != nil {
		t.Fatal(err)
	}
	bucket, err := r.log.Bucket(ctx, "vault")
	if err != nil {
		t.Fatal(err)
	}
	if r.vault, err = vault.Open(ctx, vault.Options{Store: bucket, MasterKey: make([]byte, 32)}); err != nil {
		t.Fatal(err)
	}
	var watermark atomic.Pointer[mqtt.Broker]
	io := ingest.Options{Log: r.log, Vault: r.vault, DeadLetters: letters{r.log}, Clock: c, Partitions: r.log.Partitions(),
		Watermark: func() gateway.Instant {
			if b := watermark.Load(); b != nil {
				return b.Observed()
			}
			return 0
		}}
	bo := mqtt.BrokerOptions{Listen: "127.0.0.1:0", IsUplink: devices.IsUplink, Clock: c}
	if change != nil {
		change(&io, &bo)
	}
	if r.ingest, err = ingest.New(io); err != nil {
		t.Fatal(err)
	}
	bo.Handler = r.ingest
	if r.broker, err = mqtt.StartBroker(bo); err != nil {
		t.Fatal(err)
	}
	watermark.Store(r.broker)
	t.Cleanup(func() { r.close(t) })
	return r
}

func (r *road) close(t testing.TB) {
	if r.log == nil {
		return
	}
	ctx, cancel := context.WithTimeout(context.Background(), 30*time.Second)
	defer cancel()
	_ = r.broker.Close()
	if err := r.ingest.Drain(ctx); err != nil {
		t.Errorf("drain: %v", err)
	}
	r.vault.Close()
	if err := r.log.Close(ctx); err != nil {
		t.Errorf("close the log: %v", err)
	}
	r.log = nil
}

// stored reads everything in the log.
func (r *road) stored(t testing.TB) (inputs []gateway.Input, batches []gateway.Batch) {
	t.Helper()
	ctx, cancel := context.WithTimeout(context.Background(), 30*time.Second)
	defer cancel()
	for p := range r.log.Partitions() {
		last, err := r.log.LastEventSeq(ctx, p)
		if err != nil {
			t.Fatal(err)
		}
		if last == 0 {
			continue
		}
		reader, err := r.log.ReadEvents(ctx, p, 0)
		if err != nil {
			t.Fatal(err)
		}
		for {
			var b gateway.Batch
			if err := reader.Next(ctx, &b); err != nil {
				t.Fatal(err)
			}
			inputs = append(inputs, b.Inputs...)
			batches = append(batches, b)
			if b.Seq == last {
				break
			}
		}
		reader.Close()
	}
	return inputs, batches
}

func TestRoadOfAnEvent(t *testing.T) {
	r := openRoad(t, t.TempDir(), clock.Wall(), nil)
	l := load{addr: r.broker.Addr().String(), conns: 4, inflight: 100, devices: 50, n: 2000}
	if err := l.run(); err != nil {
		t.Fatal(err)
	}
	inputs, _ := r.stored(t)
	seen := make(map[string]int)
	order := make(map[gateway.DeviceID]uint64)
	for _, in := range inputs {
		seen[in.Event.ID]++
		if in.Event.Seq < order[in.Event.Device] {
			t.Errorf("device %v: event %d after %d", in.Event.Device, in.Event.Seq, order[in.Event.Device])
		}
		order[in.Event.Device] = in.Event.Seq
	}
	if len(seen) != l.n || len(inputs) != l.n {
		t.Errorf("%d events with %d ids stored, want %d", len(inputs), len(seen), l.n)
	}
	if len(order) != l.devices {
		t.Errorf("%d devices, want %d", len(order), l.devices)
	}
}

func TestPoisonBecomesADeadLetterAndIsAcked(t *testing.T) {
	r := openRoad(t, t.TempDir(), clock.Wall(), nil)
	c, err := dial(r.broker.Addr().String(), "dev")
	if err != nil {
		t.Fatal(err)
	}
	defer c.close()
	topic := devices.EventsTopic("coffee", "dev")
	c.publish(topic, 1, []byte(`{"type":"brew_finished","data":{"water_ml":}}`))
	c.flush()
	if id, err := c.puback(); err != nil || id != 1 {
		t.Fatalf("PUBACK %d, %v", id, err)
	}
	list, _, err := r.log.DeadLetters(t.Context(), "", 10)
	if err != nil || len(list) != 1 {
		t.Fatalf("%d dead letters, %v", len(list), err)
	}
	d := list[0]
	if want := "data.water_ml: is not valid JSON at byte 43"; d.Reason != want {
		t.Errorf("reason %q, want %q", d.Reason, want)
	}
	if d.Topic != "touchpoint/v1/coffee/+/events" {
		t.Errorf("topic %q", d.Topic)
	}
	opened, err := r.vault.OpenRotating(t.Context(), d.Payload)
	if err != nil {
		t.Fatal(err)
	}
	if content, err := ingest.OpenDeadLetter(opened); err != nil || content.Topic != topic || content.Bytes != len(content.Payload) {
		t.Errorf("content %+v, %v", content, err)
	}
}

func BenchmarkEmbeddedBrokerToLog(b *testing.B) {
	r := openRoad(b, b.TempDir(), clock.Wall(), nil)
	addr := r.broker.Addr().String()
	warm := load{addr: addr, conns: 32, inflight: 500, devices: 2000, n: 20000, name: "warm"}
	if err := warm.inProcess(b); err != nil {
		b.Fatal(err)
	}
	l := load{addr: addr, conns: 32, inflight: 500, devices: 2000, n: b.N, name: "bench"}
	before, cpu := r.ingest.Stats(), cpuTime()
	b.ResetTimer()
	start := time.Now()
	if err := l.inProcess(b); err != nil {
		b.Fatal(err)
	}
	took := time.Since(start)
	b.StopTimer()
	used, after := cpuTime()-cpu, r.ingest.Stats()
	if n := after.Events - before.Events; n != uint64(b.N) {
		b.Fatalf("%d of %d events stored", n, b.N)
	}
	b.ReportMetric(float64(b.N)/took.Seconds(), "events/s")
	b.ReportMetric(float64(used.Microseconds())/float64(b.N), "cpu-µs/event")
	b.ReportMetric(float64(b.N)/float64(after.Batches-before.Batches), "events/batch")
	if after.Poison != 0 {
		b.Fatal(fmt.Sprint("poison: ", after.Poison))
	}
}

// BenchmarkPubackLatency publishes 2,000 events a second over 20 connections
// and reports how long the acknowledgement, that is the disk, takes.
func BenchmarkPubackLatency(b *testing.B) {
	r := openRoad(b, b.TempDir(), clock.Wall(), nil)
	const conns, rate = 20, 2000
	l := load{devices: 2000, name: "latency"}
	took := make([]time.Duration, b.N)
	sent := make([]time.Time, b.N)
	var wg sync.WaitGroup
	b.ResetTimer()
	begin := time.Now()
	for k := range min(conns, b.N) {
		c, err := dial(r.broker.Addr().String(), fmt.Sprint("latency-", k))
		if err != nil {
			b.Fatal(err)
		}
		defer c.close()
		wg.Go(func() {
			for i := k; i < b.N; i += conns {
				if _, err := c.puback(); err != nil {
					b.Error(err)
					return
				}
				took[i] = time.Since(sent[i])
			}
		})
		wg.Go(func() {
			var event []byte
			for i := k; i < b.N; i += conns {
				<-time.After(time.Until(begin.Add(time.Duration(i) * time.Second / rate)))
				sent[i] = time.Now()
				event = l.event(event[:0], i, sent[i])
				c.publish(devices.EventsTopic("coffee", fmt.Sprint("dev", i%2000)), uint16(i/conns%65535+1), event)
				c.flush()
			}
		})
	}
	wg.Wait()
	b.StopTimer()
	slices.Sort(took)
	b.ReportMetric(float64(took[b.N/2].Microseconds()), "p50-µs")
	b.ReportMetric(float64(took[b.N*99/100].Microseconds()), "p99-µs")
	st := r.ingest.Stats()
	b.ReportMetric(float64(st.Events)/float64(st.Batches), "events/batch")
}
