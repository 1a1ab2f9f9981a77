package device_test

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"sync"
	"testing"
	"time"

	"touchpoint/devices"
	"touchpoint/gateway"
	"touchpoint/gateway/clock"
	"touchpoint/gateway/deliver"
	"touchpoint/gateway/deliver/device"
	"touchpoint/gateway/deliver/render"
)

const start = gateway.Instant(1_780_000_000_000)

// broker keeps what is published.
type broker struct {
	mu     sync.Mutex
	topics []string
	got    []devices.Downlink
	err    error
}

func (b *broker) Publish(_ context.Context, topic string, payload []byte, qos byte) error {
	b.mu.Lock()
	defer b.mu.Unlock()
	if b.err != nil {
		return b.err
	}
	if qos != 1 {
		return fmt.Errorf("qos %d", qos)
	}
	d, err := devices.DecodeDownlink(payload)
	b.topics, b.got = append(b.topics, topic), append(b.got, d)
	return err
}

type names struct{}

func (names) DeviceName(_ context.Context, d gateway.DeviceID) (string, string, error) {
	if d == 404 {
		return "", "", gateway.Errorf(gateway.NotFound, "no such device")
	}
	return "cm1", fmt.Sprintf("SN-%d", d), nil
}

// calls notes what delivery is told.
type calls []string

func (c *calls) Present(d gateway.DeviceID) { *c = append(*c, fmt.Sprint("present ", uint64(d))) }

func (c *calls) Hello(d gateway.DeviceID, shown []gateway.MessageID) {
	*c = append(*c, fmt.Sprint("hello ", uint64(d), " ", len(shown)))
}

func newChannel(t *testing.T) (*device.Channel, *broker, *calls, *clock.Clock) {
	t.Helper()
	b, told, c := &broker{}, &calls{}, clock.NewVirtual(start)
	ch, err := device.New(device.Options{Publisher: b, Names: names{}, Clock: c})
	if err != nil {
		t.Fatal(err)
	}
	ch.Attach(told)
	return ch, b, told, c
}

func outgoing(d gateway.DeviceID) *deliver.Outgoing {
	return &deliver.Outgoing{
		Message: &gateway.Message{ID: gateway.MessageID{1}, Device: d, DecidedAt: start - 5, ExpiresAt: start.Add(90 * time.Second), Cause: "brew-1"},
		Content: render.Content{Title: "Willkommen", Body: "Hallo", Locale: "de", Actions: []render.Action{{ID: "ok", Label: "OK", URL: "https://example.com/"}}},
		Now:     start,
	}
}

func TestPresence(t *testing.T) {
	ch, _, told, c := newChannel(t)
	step := func(name string, do func(), present bool, want ...string) {
		t.Helper()
		*told = nil
		do()
		if ch.Present(9) != present || !slices.Equal(*told, want) {
			t.Errorf("%s: present %v, told %q", name, ch.Present(9), *told)
		}
	}
	ahead := func(d time.Duration) func() {
		return func() { _ = c.Advance(c.Now().Add(d)) }
	}
	step("at first", func() {}, false)
	step("an uplink", func() { ch.Uplink(9) }, true, "present 9")
	step("one more", func() { ch.Uplink(9) }, true)
	step("another device", func() { ch.Uplink(8) }, true, "present 8")
	step("within ten minutes", ahead(10*time.Minute), true)
	step("later", ahead(time.Millisecond), false)
	step("back", func() { ch.Uplink(9) }, true, "present 9")
	step("hello", func() { ch.Hello(9, []gateway.MessageID{{1}}) }, true, "hello 9 1")
}

func TestHandOver(t *testing.T) {
	ch, b, _, _ := newChannel(t)
	ctx := context.Background()
	if err := ch.HandOver(ctx, outgoing(9)); !errors.Is(err, deliver.ErrAbsent) {
		t.Fatalf("absent: %v", err)
	}
	ch.Uplink(9)
	if err := ch.HandOver(ctx, outgoing(9)); err != nil {
		t.Fatal(err)
	}
	want := devices.Downlink{ID: gateway.MessageID{1}, Title: "Willkommen", Body: "Hallo", Locale: "de", Cause: "brew-1",
		Actions:   []devices.Action{{ID: "ok", Label: "OK", URL: "https://example.com/"}},
		DecidedAt: start - 5, ExpiresAt: start.Add(90 * time.Second), Now: start}
	if got := b.got[0]; fmt.Sprint(got) != fmt.Sprint(want) || b.topics[0] != "touchpoint/v1/cm1/SN-9/messages" {
		t.Errorf("got %+v on %s", got, b.topics[0])
	}
	b.err = gateway.Errorf(gateway.Unavailable, "broker away")
	if err := ch.HandOver(ctx, outgoing(9)); gateway.KindOf(err) != gateway.Unavailable {
		t.Errorf("got %v", err)
	}
	ch.Uplink(404)
	if err := ch.HandOver(ctx, outgoing(404)); gateway.KindOf(err) != gateway.NotFound {
		t.Errorf("got %v", err)
	}
	if err := ch.HandOver(ctx, outgoing(0)); gateway.KindOf(err) != gateway.Invalid {
		t.Errorf("got %v", err)
	}
}

// A device that holds its own connection is there, however silent it is.
func TestHandOverToASilentConnection(t *testing.T) {
	b := &broker{}
	connected := map[string]bool{"touchpoint/v1/cm1/SN-9/messages": true}
	ch, err := device.New(device.Options{Publisher: b, Names: names{}, Clock: clock.NewVirtual(start),
		Connected: func(topic string) bool { return connected[topic] }})
	if err != nil {
		t.Fatal(err)
	}
	if err := ch.HandOver(t.Context(), outgoing(9)); err != nil || len(b.got) != 1 {
		t.Errorf("connected: %v, %d handed over", err, len(b.got))
	}
	if err := ch.HandOver(t.Context(), outgoing(8)); !errors.Is(err, deliver.ErrAbsent) {
		t.Errorf("not connected: %v", err)
	}
}

func TestWithdraw(t *testing.T) {
	ch, b, _, _ := newChannel(t)
	ctx := context.Background()
	if err := ch.Withdraw(ctx, outgoing(9).Message); !errors.Is(err, deliver.ErrAbsent) {
		t.Errorf("absent: %v, want it repeated with hello", err)
	}
	ch.Uplink(9)
	if err := ch.Withdraw(ctx, outgoing(9).Message); err != nil {
		t.Error(err)
	}
	if len(b.got) != 2 || !b.got[0].Withdraw || b.got[1].Title != "" || b.got[1].ID != (gateway.MessageID{1}) {
		t.Errorf("got %+v", b.got)
	}
}

func TestOptions(t *testing.T) {
	for _, o := range []device.Options{
		{Names: names{}, Clock: clock.Wall()}, {Publisher: &broker{}, Clock: clock.Wall()}, {Publisher: &broker{}, Names: names{}},
		{Publisher: &broker{}, Names: names{}, Clock: clock.Wall(), TTL: -1},
	} {
		if _, err := device.New(o); gateway.KindOf(err) != gateway.Invalid {
			t.Errorf("got %v", err)
		}
	}
}

func BenchmarkUplink(b *testing.B) {
	ch, err := device.New(device.Options{Publisher: &broker{}, Names: names{}, Clock: clock.Wall()})
	if err != nil {
		b.Fatal(err)
	}
	b.ReportAllocs()
	for i := 0; b.Loop(); i++ {
		ch.Uplink(gateway.DeviceID(i % 10_000))
	}
}
