package ingest_test

import (
	"context"
	"fmt"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"touchpoint/devices"
	"touchpoint/gateway"
	"touchpoint/gateway/clock"
	"touchpoint/gateway/ingest"
)

func TestUplinkIsAckedWhenItIsInTheLog(t *testing.T) {
	r := newRig(t, nil)
	gate := make(chan struct{})
	r.log.answer = func(*gateway.Batch, int) error { <-gate; return nil }
	a := make(acks, 1)
	r.Uplink(topic("d1"), []byte(`{"id":"e1","type":"brew_finished","data":{"water_ml":38}}`), a.ack)
	a.none(t)
	close(gate)
	if !a.next(t) {
		t.Fatal("not taken")
	}
	b := r.log.all()[0]
	e := b.Inputs[0].Event
	if e.ID != "e1" || e.Device != deviceID("coffee", "d1") || e.Product != "coffee" || e.ReceivedAt != start || b.RecordTime != start {
		t.Errorf("stored %+v in %+v", e, b)
	}
	if want := gateway.DeviceSubject(e.Device).Partition(4); b.Partition != want {
		t.Errorf("partition %d, want %d", b.Partition, want)
	}
	if st := r.Stats(); st.Events != 1 || st.Messages != 1 || st.Batches != 1 || st.QueuedBytes != 0 {
		t.Errorf("stats %+v", st)
	}
}

func TestBatchesGrowBehindASlowAppend(t *testing.T) {
	r := newRig(t, func(o *ingest.Options) { o.Partitions = 1; o.BatchInputs = 8 })
	gate, entered := make(chan struct{}), make(chan struct{}, 100)
	r.log.answer = func(*gateway.Batch, int) error { entered <- struct{}{}; <-gate; return nil }
	a := make(acks, 100)
	r.Uplink(topic("d1"), []byte(`{"id":"e0","type":"x"}`), a.ack)
	<-entered
	for n := 1; n <= 20; n++ {
		r.Uplink(topic("d1"), fmt.Appendf(nil, `{"id":"e%d","type":"x"}`, n), a.ack)
	}
	close(gate)
	for range 21 {
		if !a.next(t) {
			t.Fatal("not taken")
		}
	}
	var sizes []int
	n := 0
	for _, b := range r.log.all() {
		sizes = append(sizes, len(b.Inputs))
		for _, in := range b.Inputs {
			if want := fmt.Sprintf("e%d", n); in.Event.ID != want {
				t.Fatalf("%s at %d", in.Event.ID, n)
			}
			n++
		}
	}
	if got := fmt.Sprint(sizes); got != "[1 8 8 4]" {
		t.Errorf("batches of %s", got)
	}
}

func TestLoneInputDoesNotWaitLong(t *testing.T) {
	r := newRig(t, func(o *ingest.Options) { o.Clock = clock.Wall() })
	begin := time.Now()
	if _, err := r.Submit(t.Context(), 0, gateway.Input{Command: gateway.Tick{}}); err != nil {
		t.Fatal(err)
	}
	if took := time.Since(begin); took > time.Second {
		t.Errorf("took %v", took)
	}
}

func TestUnknownOutcomeRepeatsTheSameBatch(t *testing.T) {
	for _, kind := range []gateway.ErrorKind{gateway.OutcomeUnknown, gateway.Unavailable} {
		r := newRig(t, func(o *ingest.Options) { o.Partitions = 1 })
		var seen []string
		r.log.answer = func(b *gateway.Batch, try int) error {
			seen = append(seen, fmt.Sprint(b.RecordTime, b.Observed, len(b.Inputs), b.Inputs[0].Event.ID))
			if err := r.clock.Advance(r.clock.Now() + 1000); err != nil {
				t.Error(err)
			}
			if try < 4 {
				r.Uplink(topic("d1"), []byte(`{"id":"later","type":"x"}`), func(bool) {})
				return gateway.Errorf(kind, "no answer")
			}
			return nil
		}
		a := make(acks, 1)
		r.Uplink(topic("d1"), []byte(`{"id":"e1","type":"x"}`), a.ack)
		if !a.next(t) {
			t.Fatal("not taken")
		}
		r.log.wait(t, 4)
		for _, s := range seen[1:4] {
			if s != seen[0] {
				t.Errorf("%v: repeated as %s, was %s", kind, s, seen[0])
			}
		}
		if st := r.Stats(); st.Retries != 3 {
			t.Errorf("retries %d", st.Retries)
		}
	}
}

func TestFullLogHoldsDevicesAndPassesCommands(t *testing.T) {
	var watermark atomic.Int64
	watermark.Store(int64(start))
	r := newRig(t, func(o *ingest.Options) {
		o.Partitions = 1
		o.Watermark = func() gateway.Instant { return gateway.Instant(watermark.Load()) }
	})
	var mu sync.Mutex
	full := true
	r.log.answer = func(b *gateway.Batch, _ int) error {
		mu.Lock()
		defer mu.Unlock()
		for _, in := range b.Inputs {
			if full && in.Command == nil && in.From.Step == 0 {
				return gateway.Errorf(gateway.Exhausted, "90 %%")
			}
		}
		return nil
	}
	a := make(acks, 2)
	r.Uplink(topic("d1"), []byte(`{"id":"e1","type":"x"}`), a.ack)
	a.none(t)
	watermark.Store(int64(start + 5000))
	if _, err := r.Submit(t.Context(), 0, gateway.Input{Command: gateway.Tick{}}); err != nil {
		t.Errorf("a tick: %v", err)
	}
	forwarded := gateway.Input{Event: gateway.Event{ID: "f", Device: 1}, From: gateway.Forwarded{Step: 1}}
	if _, err := r.Submit(t.Context(), 0, forwarded); err != nil {
		t.Errorf("a forwarded event: %v", err)
	}
	if _, errs := r.Record(t.Context(), []gateway.Event{{ID: "api", Type: "x", Device: 1}}); gateway.KindOf(errs[0]) != gateway.Exhausted {
		t.Errorf("an event of the API: %v", errs[0])
	}
	for _, b := range r.log.all() {
		if b.Observed > 0 {
			t.Errorf("a batch claims %v while a device's event is outside", b.Observed)
		}
	}
	a.none(t)
	mu.Lock()
	full = false
	mu.Unlock()
	if !a.next(t) {
		t.Error("the held event was not taken")
	}
	if _, err := r.Submit(t.Context(), 0, gateway.Input{Command: gateway.Tick{}}); err != nil {
		t.Error(err)
	}
	all := r.log.all()
	if last := all[len(all)-1]; last.Observed != start+5000 {
		t.Errorf("observed %v after all is in", last.Observed)
	}
}

func TestWatermarkWaitsForTheQueue(t *testing.T) {
	var mu sync.Mutex
	watermark := start
	r := newRig(t, func(o *ingest.Options) {
		o.Partitions, o.BatchInputs = 1, 2
		o.Watermark = func() gateway.Instant { mu.Lock(); defer mu.Unlock(); return watermark }
	})
	gate, entered := make(chan struct{}), make(chan struct{}, 100)
	r.log.answer = func(*gateway.Batch, int) error { entered <- struct{}{}; <-gate; return nil }
	a := make(acks, 10)
	r.Uplink(topic("d1"), []byte(`{"id":"e0","type":"x"}`), a.ack)
	<-entered
	for n := 1; n <= 5; n++ {
		r.Uplink(topic("d1"), fmt.Appendf(nil, `{"id":"e%d","type":"x"}`, n), a.ack)
	}
	mu.Lock()
	watermark = start + 1000 // e1 to e5 may be older than this
	mu.Unlock()
	close(gate)
	for range 6 {
		a.next(t)
	}
	var got []string
	for _, b := range r.log.all() {
		got = append(got, fmt.Sprintf("%d:+%d", len(b.Inputs), b.Observed-start))
	}
	if s := strings.Join(got, " "); s != "1:+0 2:+0 2:+0 1:+1000" {
		t.Errorf("batches with watermarks %s", s)
	}
}

func TestTooMuchInFlightBlocks(t *testing.T) {
	r := newRig(t, func(o *ingest.Options) {
		o.Limits = devices.DefaultLimits()
		o.Limits.PayloadBytes = 1000
		o.MaxBytes = 1100 // two small messages
	})
	gate := make(chan struct{})
	r.log.answer = func(*gateway.Batch, int) error { <-gate; return nil }
	a := make(acks, 3)
	for n := range 2 {
		r.Uplink(topic("d1"), fmt.Appendf(nil, `{"id":"e%d","type":"x"}`, n), a.ack)
	}
	third := make(chan struct{})
	go func() {
		r.Uplink(topic("d1"), []byte(`{"id":"e2","type":"x"}`), a.ack)
		close(third)
	}()
	select {
	case <-third:
		t.Fatal("did not block")
	case <-time.After(20 * time.Millisecond):
	}
	if _, err := r.Submit(shortly(t), 1, gateway.Input{Command: gateway.Tick{}}); gateway.KindOf(err) != gateway.OutcomeUnknown {
		t.Errorf("a command while the log stands still: %v", err)
	}
	close(gate)
	for range 3 {
		if !a.next(t) {
			t.Error("not taken")
		}
	}
	<-third
	if st := r.Stats(); st.Blocked != 1 || st.QueuedBytes != 0 {
		t.Errorf("stats %+v", st)
	}
}

func shortly(t testing.TB) context.Context {
	ctx, cancel := context.WithTimeout(t.Context(), 20*time.Millisecond)
	t.Cleanup(cancel)
	return ctx
}

func TestPoison(t *testing.T) {
	r := newRig(t, func(o *ingest.Options) { o.DeadLetterBytes = 100 })
	r.letters.failing = 2
	a := make(acks, 1)
	payload := `{"type":"x","data":{"a":"` + strings.Repeat("y", 5000) + `"}}`
	r.Uplink(topic("VIN123"), []byte(payload), a.ack)
	if !a.next(t) {
		t.Fatal("not taken")
	}
	d := r.letters.list[0]
	if d.Topic != "touchpoint/v1/coffee/+/events" || d.Reason != "data.a: has 5000 bytes: at most 4096 are allowed" ||
		len(d.Violations) != 1 || d.Violations[0].Field != "data.a" || d.At != start {
		t.Errorf("dead letter %+v", d)
	}
	if strings.Contains(fmt.Sprintf("%+v", d), "VIN123") {
		t.Error("the serial is readable")
	}
	c, err := ingest.OpenDeadLetter([]byte(turn(string(d.Sealed))))
	if err != nil || c.Topic != topic("VIN123") || c.Bytes != len(payload) || string(c.Payload) != payload[:100] {
		t.Errorf("content %+v, %v", c, err)
	}
	if st := r.Stats(); st.Poison != 1 || st.DeadLetterRetries != 2 {
		t.Errorf("stats %+v", st)
	}
}

func TestPersonalFieldsAreSealed(t *testing.T) {
	reg, err := devices.LoadRegistry([]byte("products: {coffee: {personal: [operator, position.lat]}}"))
	if err != nil {
		t.Fatal(err)
	}
	r := newRig(t, func(o *ingest.Options) { o.Registry = reg; o.Partitions = 1 })
	a := make(acks, 1)
	text := []byte(`{"id":"e1","type":"x","data":{"operator":{"name":"Ada"},"position":{"lat":52.5},"water_ml":38,"note":null}}`)
	r.Uplink(topic("d1"), text, a.ack)
	a.next(t)
	owner := gateway.CustomerID(7)
	r.Router().Set(gateway.Route{Device: deviceID("coffee", "d1"), Partition: 0, Customer: owner})
	r.Uplink(topic("d1"), text, a.ack)
	a.next(t)
	given := gateway.Properties{{Key: "operator", Value: gateway.String("Ada")}}
	if _, errs := r.Record(t.Context(), []gateway.Event{{ID: "e2", Type: "x", Product: "coffee", Device: deviceID("coffee", "d1"), Properties: given}}); errs[0] != nil {
		t.Fatal(errs[0])
	}
	if given[0].Value.Kind() != gateway.KindString {
		t.Error("the caller's list was changed")
	}
	var got []string
	for _, b := range r.log.all() {
		for _, in := range b.Inputs {
			for _, p := range in.Event.Properties {
				got = append(got, p.Key+"="+fmt.Sprint(p.Value.Kind())+p.Value.AsString())
			}
		}
	}
	device := gateway.DeviceSubject(deviceID("coffee", "d1")).String()
	want := []string{
		"note=0", "operator.name=5" + device + ":" + turn("Ada"), "position.lat=5" + device + ":" + turn("52.5"), "water_ml=2",
		"note=0", "operator.name=5" + owner.String() + ":" + turn("Ada"), "position.lat=5" + owner.String() + ":" + turn("52.5"), "water_ml=2",
		"operator=5" + owner.String() + ":" + turn("Ada"),
	}
	if fmt.Sprintf("%q", got) != fmt.Sprintf("%q", want) {
		t.Errorf("got  %q\nwant %q", got, want)
	}
}

type seen struct {
	mu    sync.Mutex
	lines []string
}

func (s *seen) Seen(d gateway.DeviceID, product, serial string) {
	s.add("seen " + product + " " + serial)
}

func (s *seen) Hello(d gateway.DeviceID, product, serial string, shown []gateway.MessageID) {
	s.add(fmt.Sprint("hello ", serial, " ", len(shown)))
}

func (s *seen) add(line string) { s.mu.Lock(); defer s.mu.Unlock(); s.lines = append(s.lines, line) }

func TestReceiptsAndGreetings(t *testing.T) {
	p := &seen{}
	r := newRig(t, func(o *ingest.Options) { o.Presence = p })
	device := deviceID("coffee", "d1")
	r.Router().Set(gateway.Route{Device: device, Partition: 3, Customer: 9})
	id := gateway.NewMessageID(gateway.EnrollmentID{1}, "step", 1)
	a := make(acks, 1)
	r.Uplink(devices.ReceiptsTopic("coffee", "d1", id), []byte(`{"state":"displayed"}`), a.ack)
	if !a.next(t) {
		t.Fatal("not taken")
	}
	r.Uplink(devices.HelloTopic("coffee", "d1"), fmt.Appendf(nil, `{"shown":[%q]}`, id.String()), a.ack)
	if !a.next(t) {
		t.Fatal("not taken")
	}
	b := r.log.all()[0]
	want := gateway.Receipt{Message: id, Customer: 9, Device: device, Channel: "product", State: gateway.MessageDisplayed, At: start}
	if got := b.Inputs[0].Command; got != want || b.Partition != 3 {
		t.Errorf("%+v in partition %d", got, b.Partition)
	}
	if got := strings.Join(p.lines, ", "); got != "seen coffee d1, seen coffee d1, hello d1 1" {
		t.Error(got)
	}
	if st := r.Stats(); st.Receipts != 1 || st.Commands != 1 || st.Hellos != 1 || st.Events != 0 {
		t.Errorf("stats %+v", st)
	}
}

func TestBatchMessageIsAckedOnceAsAWhole(t *testing.T) {
	r := newRig(t, func(o *ingest.Options) { o.Partitions, o.BatchInputs = 1, 4 })
	r.log.answer = func(b *gateway.Batch, _ int) error {
		if b.Inputs[0].Event.ID == "e4" {
			return gateway.Errorf(gateway.Internal, "%w", errBoom)
		}
		return nil
	}
	var events []string
	for n := range 10 {
		events = append(events, fmt.Sprintf(`{"id":"e%d","type":"x"}`, n))
	}
	a := make(acks, 10)
	r.Uplink(topic("d1"), []byte("["+strings.Join(events, ",")+"]"), a.ack)
	if a.next(t) {
		t.Error("acknowledged although a part of it was not stored")
	}
	a.none(t)
}

func TestUnstorableInputIsIsolated(t *testing.T) {
	r := newRig(t, func(o *ingest.Options) { o.Partitions = 1 })
	gate, entered := make(chan struct{}), make(chan struct{}, 100)
	r.log.answer = func(b *gateway.Batch, try int) error {
		if try == 1 {
			entered <- struct{}{}
			<-gate
		}
		for _, in := range b.Inputs {
			if in.Event.ID == "bad" {
				return gateway.InvalidField("inputs", "too large")
			}
		}
		return nil
	}
	ids := []string{"first", "a", "b", "bad", "c", "d"}
	answers := make([]acks, len(ids))
	for n, id := range ids {
		answers[n] = make(acks, 1)
		r.Uplink(topic("d1"), fmt.Appendf(nil, `{"id":%q,"type":"x"}`, id), answers[n].ack)
		if n == 0 {
			<-entered
		}
	}
	close(gate)
	for n, id := range ids {
		if got := answers[n].next(t); got != (id != "bad") {
			t.Errorf("%s answered %t", id, got)
		}
	}
}

func TestVaultAwayIsWaitedFor(t *testing.T) {
	r := newRig(t, nil)
	r.vault.away = 3
	a := make(acks, 1)
	r.Uplink(topic("d1"), []byte(`{"id":"e1","type":"x"}`), a.ack)
	if !a.next(t) {
		t.Error("not taken")
	}
}

func TestDrain(t *testing.T) {
	r := newRig(t, func(o *ingest.Options) { o.Clock = clock.Wall() })
	a := make(acks, 200)
	for n := range 100 {
		r.Uplink(topic(fmt.Sprint("d", n)), fmt.Appendf(nil, `{"id":"e%d","type":"x"}`, n), a.ack)
	}
	r.Uplink(topic("d"), []byte("poison"), a.ack)
	if err := r.Drain(t.Context()); err != nil {
		t.Fatal(err)
	}
	for range 101 {
		if !a.next(t) {
			t.Error("not taken")
		}
	}
	r.Uplink(topic("d"), []byte(`{"id":"late","type":"x"}`), a.ack)
	if a.next(t) {
		t.Error("taken after the drain")
	}
	if _, err := r.Submit(t.Context(), 0, gateway.Input{Command: gateway.Tick{}}); gateway.KindOf(err) != gateway.Unavailable {
		t.Errorf("submit after the drain: %v", err)
	}
}

func TestDrainGivesUpInTime(t *testing.T) {
	r := newRig(t, nil)
	r.log.answer = func(*gateway.Batch, int) error { return gateway.Errorf(gateway.Unavailable, "away") }
	a := make(acks, 1)
	r.Uplink(topic("d1"), []byte(`{"id":"e1","type":"x"}`), a.ack)
	if err := r.Drain(shortly(t)); gateway.KindOf(err) != gateway.Unavailable {
		t.Errorf("drain: %v", err)
	}
	if a.next(t) {
		t.Error("acknowledged what is not stored")
	}
}

func TestSubmitManyReturnsPositions(t *testing.T) {
	r := newRig(t, nil)
	var in []gateway.Forward
	for n := range 8 {
		in = append(in, gateway.Forward{To: n % 4, Input: gateway.Input{Command: gateway.Tick{}}})
	}
	at, err := r.SubmitMany(t.Context(), in)
	if err != nil {
		t.Fatal(err)
	}
	for n, p := range at {
		if p.Partition != n%4 || p.Seq == 0 {
			t.Errorf("input %d at %+v", n, p)
		}
	}
	if _, err := r.Submit(t.Context(), 4, gateway.Input{Command: gateway.Tick{}}); gateway.KindOf(err) != gateway.Internal {
		t.Errorf("a partition that does not exist: %v", err)
	}
}

func TestReplay(t *testing.T) {
	r := newRig(t, nil)
	if err := r.Replay(t.Context(), topic("d1"), []byte(`{"type":`), start-1000); gateway.KindOf(err) != gateway.Invalid {
		t.Errorf("poison again: %v", err)
	}
	if err := r.Replay(t.Context(), topic("d1"), []byte(`[{"id":"a","type":"x"},{"id":"b","type":"x"}]`), start-1000); err != nil {
		t.Fatal(err)
	}
	r.log.wait(t, 2)
	if e := r.log.all()[0].Inputs[0].Event; e.ReceivedAt != start-1000 {
		t.Errorf("received at %v", e.ReceivedAt)
	}
}

func TestOptions(t *testing.T) {
	good := func() ingest.Options {
		return ingest.Options{Log: newFakeLog(), Vault: &fakeVault{}, DeadLetters: &fakeLetters{}, Clock: clock.Wall(), Partitions: 1}
	}
	for _, c := range []struct {
		change func(*ingest.Options)
		want   string
	}{
		{func(o *ingest.Options) { o.Log = nil }, "ingest.log: is missing"},
		{func(o *ingest.Options) { o.Vault = nil }, "ingest.vault: is missing"},
		{func(o *ingest.Options) { o.DeadLetters = nil }, "ingest.dead_letters: is missing"},
		{func(o *ingest.Options) { o.Clock = nil }, "ingest.clock: is missing"},
		{func(o *ingest.Options) { o.Partitions = 0 }, "ingest.partitions: is 0: must be from 1 to 4096"},
		{func(o *ingest.Options) { o.Linger = time.Second }, "ingest.linger: is 1s: at most 5ms, a lone input must not wait longer"},
		{func(o *ingest.Options) { o.BatchInputs = -1 }, "ingest.batch_inputs: is -1: must be from 1 to 4096"},
		{func(o *ingest.Options) { o.BatchBytes = 1 }, "ingest.batch_bytes: is 1: must be from 4 KiB to 4 MiB"},
		{func(o *ingest.Options) { o.MaxBytes = 1 }, "ingest.max_bytes: is 1: must hold one message of 262144 bytes"},
		{func(o *ingest.Options) { o.DeadLetterBytes = 1 }, "ingest.dead_letter_bytes: is 1: must be from 64 to 1 MiB"},
		{func(o *ingest.Options) { o.Limits.Depth = 3 }, "limits.payload_bytes: is 0: must be from 1 to 4194304"},
	} {
		o := good()
		c.change(&o)
		if _, err := ingest.New(o); err == nil || err.Error() != c.want {
			t.Errorf("got  %v\nwant %s", err, c.want)
		}
	}
}

// BenchmarkUplink measures decoding, routing and batching without MQTT and log.
func BenchmarkUplink(b *testing.B) {
	r := newRig(b, func(o *ingest.Options) { o.Clock = clock.Wall(); o.Partitions = 16; o.Log = sink{} })
	l := load{devices: 2000, name: "bench"}
	payloads, topics := make([][]byte, 2000), make([]string, 2000)
	for n := range payloads {
		payloads[n], topics[n] = l.event(nil, n, time.Now()), topic(fmt.Sprint("dev", n))
	}
	var wg sync.WaitGroup
	b.ReportAllocs()
	n := 0
	for b.Loop() {
		wg.Add(1)
		r.Uplink(topics[n%2000], payloads[n%2000], func(bool) { wg.Done() })
		n++
	}
	wg.Wait()
}

type sink struct{}

func (sink) AppendEvents(context.Context, *gateway.Batch) (uint64, error) { return 1, nil }
