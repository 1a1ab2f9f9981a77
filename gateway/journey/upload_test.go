package journey

import (
	"fmt"
	"testing"

	"touchpoint/gateway"
)

// TestKnownAt: from when on it is known that an event did not occur by a time:
// at once, unless a device that may send it has not told that far, or uploads.
func TestKnownAt(t *testing.T) {
	const due, hour, settle = 10_000_000, 3_600_000, 60_000
	uploads := map[string]Upload{"tracker": {Interval: 2 * hour, Events: []string{"ride"}}, "logger": {Interval: hour}}
	dev := func(product string, from, through, backlog gateway.Instant) device {
		d := device{product: product, ownedFrom: from}
		if through|backlog != 0 {
			d.fact().heard = heard{through, backlog}
		}
		return d
	}
	for i, tt := range []struct {
		devices []device
		at      gateway.Instant
		by      gateway.DeviceID
	}{
		{nil, due, 0},
		{[]device{dev("bike", 0, 0, 0)}, due, 0},
		{[]device{dev("tracker", 0, 0, 0)}, due + 2*hour, 1},
		{[]device{dev("tracker", due, 0, 0)}, due + 2*hour, 1},
		{[]device{dev("tracker", due+1, 0, 0)}, due, 0},
		{[]device{dev("tracker", 0, due, 0)}, due + 2*hour, 1},
		{[]device{dev("tracker", 0, due+1, 0)}, due, 0},
		{[]device{dev("tracker", 0, due+1, due-settle)}, due, 0},
		{[]device{dev("tracker", 0, due+1, due-settle+1)}, due + 1, 1},
		{[]device{dev("tracker", 0, due+1, due+hour)}, due + hour + settle, 1},
		{[]device{dev("tracker", 0, due, due+hour)}, due + 2*hour, 1},
		{[]device{dev("tracker", 0, due, due+2*hour)}, due + 2*hour + settle, 1},
		{[]device{dev("logger", 0, 0, 0), dev("tracker", 0, 0, 0)}, due + 2*hour, 2},
		{[]device{dev("tracker", 0, 0, 0), dev("logger", 0, 0, 0)}, due + 2*hour, 1},
		{[]device{dev("logger", 0, 0, 0), dev("logger", 0, 0, 0)}, due + hour, 1},
		{[]device{dev("bike", 0, 0, 0), dev("logger", due+1, 0, 0), dev("logger", 0, 0, 0)}, due + hour, 3},
	} {
		p := NewPartition(Config{Uploads: uploads})
		c := p.customer(1)
		for j := range tt.devices {
			d := &tt.devices[j]
			d.id = gateway.DeviceID(j + 1)
			p.devices.put(d)
			c.devices = append(c.devices, d.id)
		}
		if at, by := p.knownAt(c, "ride", due); at != tt.at || by != tt.by {
			t.Errorf("%d: known at %d, by %d, want %d and %d", i, at-due, by, tt.at-due, tt.by)
		}
		for j := range tt.devices {
			if tt.devices[j].product == "tracker" {
				tt.devices[j].product = "other"
			}
		}
		at, _ := p.knownAt(c, "ride", due)
		for j := range tt.devices {
			if tt.devices[j].product == "other" {
				tt.devices[j].product = "tracker"
			}
		}
		if other, _ := p.knownAt(c, "service", due); other != at {
			t.Errorf("%d: what a tracker does not send is known at %d, not %d", i, other-due, at-due)
		}
		p.cfg.Uploads = nil
		if at, by := p.knownAt(c, "ride", due); at != due || by != 0 {
			t.Errorf("%d: without uploads known at %d, by %d", i, at-due, by)
		}
	}
}

// TestHearing: a device of a model that uploads in bulk is known to have told up to
// its newest event; an event of more than a minute ago shows an upload under way.
func TestHearing(t *testing.T) {
	p := NewPartition(Config{Uploads: map[string]Upload{"tracker": {Interval: 1000}}})
	for i, tt := range []struct {
		product string
		ago     gateway.Instant
		want    heard
	}{
		{"bike", 0, heard{}},
		{"tracker", 60_000, heard{modelStart + 940_000, 0}},
		{"tracker", 60_001, heard{modelStart + 1_940_000 - 1, modelStart + 2_000_000}},
		{"tracker", 90_000_000, heard{modelStart + 1_940_000 - 1, modelStart + 3_000_000}},
		{"tracker", 0, heard{modelStart + 4_000_000, modelStart + 3_000_000}},
		{"tracker", 4, heard{modelStart + 5_000_000 - 4, modelStart + 3_000_000}},
		{"tracker", 1_000_000 + 4, heard{modelStart + 5_000_000 - 4, modelStart + 6_000_000}},
	} {
		now := modelStart + gateway.Instant(i)*1_000_000
		var s gateway.Step
		p.Apply(&gateway.Batch{Seq: uint64(i + 1), RecordTime: now, Observed: now, Inputs: []gateway.Input{{Event: gateway.Event{
			ID: fmt.Sprint(i), Type: "ride", Device: 1, Product: tt.product, OccurredAt: now - tt.ago, ReceivedAt: now}}}}, &s)
		if got := p.devices.get(1).facts.hearing(); got != tt.want {
			t.Errorf("%d: heard %+v, want %+v", i, got, tt.want)
		}
	}
	if (heardChange{device: 77}).apply(p); p.devices.get(77) != nil {
		t.Error("a device that is not known is made")
	}
}
