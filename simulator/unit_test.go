package simulator

import (
	"encoding/json"
	"testing"
	"time"

	"touchpoint/devices"
	"touchpoint/gateway"
)

const noon = gateway.Instant(1_767_614_400_000)

func down(n byte, expires gateway.Instant) *devices.Downlink {
	return &devices.Downlink{ID: gateway.MessageID{n}, Title: "Hello", ExpiresAt: expires, Now: noon}
}

// The contract of the product channel, as a story of one machine.
func TestContract(t *testing.T) {
	u := newUnit(0, "barista-3", "B3-000001", noon)
	hour := gateway.Instant(3_600_000)
	withdraw := &devices.Downlink{ID: gateway.MessageID{3}, Withdraw: true}
	for i, step := range []struct {
		say  string
		got  verdict
		want verdict
	}{
		{"a message is taken", u.judge(down(1, noon+10*hour), noon), take},
		{"again, before it is shown: it waits already", u.judge(down(1, noon+10*hour), noon), known},
		{"it is shown", u.show(gateway.MessageID{1}, noon+hour), take},
		{"it cannot be shown twice", u.show(gateway.MessageID{1}, noon+hour), gone},
		{"again, after it was shown: remembered", u.judge(down(1, noon+10*hour), noon+2*hour), repeat},
		{"again, after its end: forgotten, but too late", u.judge(down(1, noon+10*hour), noon+10*hour), stale},
		{"one that comes too late is dropped", u.judge(down(2, noon-hour), noon), stale},
		{"and was never waiting", u.show(gateway.MessageID{2}, noon), gone},
		{"one is taken", u.judge(down(3, noon+hour), noon), take},
		{"and withdrawn", u.judge(withdraw, noon), gone},
		{"so that it is not shown", u.show(gateway.MessageID{3}, noon), gone},
		{"one is taken", u.judge(down(4, noon+hour), noon), take},
		{"but noticed too late", u.show(gateway.MessageID{4}, noon+hour), stale},
		{"one without an end is taken", u.judge(down(5, 0), noon), take},
		{"and shown", u.show(gateway.MessageID{5}, noon+100*hour), take},
		{"and remembered for long", u.judge(down(5, 0), noon.Add(300*24*time.Hour)), repeat},
	} {
		if step.got != step.want {
			t.Errorf("step %d, %s: got %d, want %d", i+1, step.say, step.got, step.want)
		}
	}
}

// What a machine sends is what the gateway's decoder reads.
func TestPayloadsDecode(t *testing.T) {
	u := newUnit(0, "barista-3", "B3-000001", noon)
	d := devices.NewDecoder(devices.OpenRegistry(), devices.DefaultLimits())
	var up devices.Uplink
	var list []kept
	for range 3 {
		id := u.nextID()
		list = append(list, kept{id: id, payload: u.appendEvent(nil, id, "brew_finished", noon, func(b []byte) []byte { return append(b, `{"water_ml":38}`...) })})
	}
	err := batches(list, 2, func(part []kept, payload []byte) error {
		if err := d.Decode(u.eventsTopic, payload, noon, &up); err != nil {
			return err
		}
		for i, e := range up.Events {
			if e.ID != part[i].id || e.Type != "brew_finished" || e.OccurredAt != noon || !e.HasSeq || e.Properties.Get("water_ml").AsInt() != 38 {
				t.Errorf("event %+v", e)
			}
		}
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
	u.judge(down(9, noon+1000), noon)
	u.show(gateway.MessageID{9}, noon)
	if err := d.Decode(devices.HelloTopic(u.product, u.serial), u.appendHello(nil, noon), noon, &up); err != nil || len(up.Shown) != 1 {
		t.Errorf("greeting: %v, shown %v", err, up.Shown)
	}
	id := gateway.MessageID{9}
	receipt := appendReceipt(nil, gateway.MessageClicked, noon, "order")
	if err := d.Decode(devices.ReceiptsTopic(u.product, u.serial, id), receipt, noon, &up); err != nil || up.Receipt.State != gateway.MessageClicked {
		t.Errorf("receipt: %v, %+v", err, up.Receipt)
	}
	if !json.Valid(receipt) {
		t.Errorf("no JSON: %s", receipt)
	}
}

func BenchmarkAppendEvent(b *testing.B) {
	u := newUnit(0, "barista-3", "B3-000001", noon)
	var buf []byte
	for b.Loop() {
		buf = u.appendEvent(buf[:0], u.nextID(), "brew_finished", noon, func(b []byte) []byte { return append(b, `{"water_ml":38}`...) })
	}
	b.ReportAllocs()
}
