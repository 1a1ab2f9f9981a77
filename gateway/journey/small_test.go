package journey

import (
	"fmt"
	"slices"
	"strings"
	"testing"

	"touchpoint/gateway"
)

// TestOwnQuietHours: intervals that are none are left out of a customer's own.
func TestOwnQuietHours(t *testing.T) {
	var got []string
	for _, q := range ownQuietHours([]gateway.QuietInterval{{From: 0, To: 1439}, {From: 1439, To: 0, Days: 1 << 6}, {From: -1, To: 60}, {From: 60, To: -1},
		{From: 1440, To: 60}, {From: 60, To: 1440}, {From: 60, To: 60}, {From: 60, To: 120, Days: 0b101, Channels: []string{"email"}}}) {
		days := ""
		for _, d := range q.Days {
			days += string(rune('0' + d))
		}
		got = append(got, strings.Join([]string{q.From.String(), q.To.String(), days, strings.Join(q.Channels, ","), q.OnHit}, " "))
	}
	want := []string{"00:00 23:59   hold", "23:59 00:00 6  hold", "01:00 02:00 02 email hold"}
	if !slices.Equal(got, want) {
		t.Errorf("got %q, want %q", got, want)
	}
}

// TestContactSettings shows what an operator reads who gets a touchpoint or the
// scope of a cap wrong.
func TestContactSettings(t *testing.T) {
	contact := Touchpoint{Event: "called", Channel: "call"}
	rule := CapRule{Name: "one", Max: 1, Per: dayMillis}
	with := func(change func(*Touchpoint, *CapRule)) Config {
		k, r := contact, rule
		change(&k, &r)
		return Config{Touchpoints: []Touchpoint{contact, k}, Caps: []CapRule{rule, r}}
	}
	for want, cfg := range map[string]Config{
		"touchpoints[1].event: is missing":                                    with(func(k *Touchpoint, _ *CapRule) { k.Event = "" }),
		"touchpoints[1].channel: is missing":                                  with(func(k *Touchpoint, _ *CapRule) { k.Channel = "" }),
		`touchpoints[1].purpose: "sales" is not marketing, service or safety`: with(func(k *Touchpoint, _ *CapRule) { k.Purpose = "sales" }),
		`caps[1].scope: "household" is not group or customer`:                 with(func(_ *Touchpoint, r *CapRule) { r.Scope = "household" }),
	} {
		if err := cfg.WithDefaults().Validate(); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%v, want %s", err, want)
		}
	}
	for _, purpose := range []gateway.Purpose{"", gateway.PurposeMarketing, gateway.PurposeService, gateway.PurposeSafety} {
		if err := with(func(k *Touchpoint, _ *CapRule) { k.Purpose = purpose }).Validate(); err != nil {
			t.Errorf("purpose %q: %v", purpose, err)
		}
	}
	for _, scope := range []string{"", "group", "customer"} {
		if err := with(func(_ *Touchpoint, r *CapRule) { r.Scope = scope }).Validate(); err != nil {
			t.Errorf("scope %q: %v", scope, err)
		}
	}
}

// TestContactsAreForgotten: a contact stays for as long as a cap may ask for it,
// at least eight days.
func TestContactsAreForgotten(t *testing.T) {
	for days, want := range map[Duration][]gateway.Instant{1: {-7, 0}, 10: {-9, -8, -7, 0}, 30: {-20, -10, -9, -8, -7, 0}} {
		w := newWorld(t, Config{DedupWindow: 90 * dayMillis, Touchpoints: []Touchpoint{{Event: "called", Channel: "call"}},
			Caps: []CapRule{{Name: "one", Max: 1, Per: days * dayMillis}}}, 1)
		w.clock = modelStart
		for _, ago := range []gateway.Instant{-20, -10, -9, -8, -7, 0} {
			at := w.clock + ago*dayMillis
			w.submit(0, gateway.Input{Event: gateway.Event{Type: "called", ID: at.String(), Customer: 1, OccurredAt: at, ReceivedAt: w.clock}})
		}
		var got []gateway.Instant
		for _, k := range w.parts[0].customers[1].more.contacts {
			got = append(got, (k.at-w.clock)/dayMillis)
		}
		if !slices.Equal(got, want) {
			t.Errorf("caps of %d days: contacts of days %v are kept, want %v", days, got, want)
		}
		w.check()
	}
}

// TestFillWants: which events of history a version that is being filled counts:
// those of before its publication, of a type and age that it asks for; what other
// partitions accepted has no place in this one's order.
func TestFillWants(t *testing.T) {
	f := &gateway.Filling{Partition: 1, Seq: 10, Index: 3, Needs: []gateway.FillNeed{{Type: "brew", From: 1000}, {Type: "rinse"}}}
	for _, tt := range []struct {
		partition int
		seq       uint64
		index     uint32
		typ       string
		at        gateway.Instant
		want      bool
	}{
		{1, 9, 7, "brew", 1000, true}, {1, 10, 2, "brew", 1000, true}, {1, 10, 3, "brew", 1000, false}, {1, 10, 4, "brew", 1000, false},
		{1, 11, 0, "brew", 1000, false}, {2, 11, 0, "brew", 1000, true}, {2, 10, 3, "brew", 1000, true}, {1, 9, 0, "brew", 999, false},
		{1, 9, 0, "rinse", 1, true}, {1, 9, 0, "clean", 2000, false},
	} {
		if got := FillWants(f, tt.partition, tt.seq, tt.index, &gateway.Event{Type: tt.typ, OccurredAt: tt.at}); got != tt.want {
			t.Errorf("%+v: %t", tt, got)
		}
	}
}

// TestMoves: what a receipt may say of a message that is in a state. Nothing moves
// it back; a display wins over what was given up; whoever has it has it.
func TestMoves(t *testing.T) {
	open := &gateway.Message{}
	for _, tt := range []struct {
		from gateway.MessageState
		full *gateway.Message
		to   gateway.MessageState
		want bool
	}{
		{gateway.MessageDecided, open, gateway.MessageAttempted, true},
		{gateway.MessageAttempted, open, gateway.MessageAttempted, false},
		{gateway.MessageHandedOver, open, gateway.MessageAttempted, false},
		{gateway.MessageHandedOver, open, gateway.MessageRedelivered, true},
		{gateway.MessageRedelivered, open, gateway.MessageHandedOver, true},
		{gateway.MessageHandedOver, open, gateway.MessageHandedOver, false},
		{gateway.MessageDelivered, open, gateway.MessageHandedOver, false},
		{gateway.MessageDelivered, open, gateway.MessageFailed, true},
		{gateway.MessageDelivered, open, gateway.MessageMissedWindow, true},
		{gateway.MessageDelivered, nil, gateway.MessageMissedWindow, false},
		{gateway.MessageHandedOver, nil, gateway.MessageFailed, false},
		{gateway.MessageDelivered, nil, gateway.MessageExpired, false},
		{gateway.MessageFailed, nil, gateway.MessageExpired, false},
		{gateway.MessageWithdrawn, nil, gateway.MessageDisplayed, true},
		{gateway.MessageDisplayed, nil, gateway.MessageDismissed, true},
		{gateway.MessageDisplayed, nil, gateway.MessageFailed, false},
		{gateway.MessageOpened, nil, gateway.MessageDisplayed, false},
		{gateway.MessageAttempted, open, gateway.MessageDecided, false},
		{gateway.MessageDecided, open, 0, false},
		{gateway.MessageDecided, open, gateway.MessageState(len(rank)), false},
		{gateway.MessageDecided, open, 255, false},
	} {
		if got := moves(&message{state: tt.from, full: tt.full}, tt.to); got != tt.want {
			t.Errorf("from %d to %d: %t", tt.from, tt.to, got)
		}
	}
}

// TestErasedOwnersOfADevice: a device that comes from another partition brings no
// owner along who was erased here; one that is here stays what it is.
func TestErasedOwnersOfADevice(t *testing.T) {
	p := NewPartition(Config{})
	apply := applies(p)
	state := func(d device) []byte {
		e := encoder{b: []byte{formatVersion}}
		e.device(&d, 0)
		return e.b
	}
	apply(gateway.EraseCustomer{Customer: 9})
	apply(gateway.EraseCustomer{Customer: 8})
	come := device{id: 4, product: "brewer", owners: []ownership{{customer: 9, from: 1, to: 10}, {customer: 7, from: 10, to: 20}, {customer: 8, from: 20}}}
	if d := apply(gateway.AdmitDevice{Device: 3, State: state(come)}); d != gateway.Refused {
		t.Errorf("another device: %v", d)
	}
	if d := apply(gateway.AdmitDevice{Device: 4, State: state(come)}); d != gateway.Accepted {
		t.Errorf("the device: %v", d)
	}
	var owners []gateway.CustomerID
	for _, o := range p.devices.get(4).owners {
		owners = append(owners, o.customer)
	}
	if !slices.Equal(owners, []gateway.CustomerID{0, 7, 0}) || p.customers[9] != nil || p.customers[8] != nil {
		t.Errorf("the owners are %v", owners)
	}
	if d := apply(gateway.AdmitDevice{Device: 4, State: state(device{id: 4, product: "other"})}); d != gateway.Refused || p.devices.get(4).product != "brewer" {
		t.Errorf("once more: %v", d)
	}
}

// TestManyWait: four thousand entries wait for a place at most; the next one is
// refused at once.
func TestManyWait(t *testing.T) {
	w := newWorld(t, Config{}, 2)
	w.clock = modelStart
	w.ok(w.HoldForwards(true))
	for i := range w.parts {
		w.submit(i, gateway.Input{Command: gateway.PublishJourney{Journey: "ping", Version: 1, Effective: w.clock, Definition: []byte(`name: ping
purpose: service
trigger: {event: brew}
entry_cap: {max: 5}
steps: [{id: rest, wait: {for: 1h}}]
`)}})
	}
	part := 0
	if w.parts[0].coordinates(w.parts[0].journeys[0]) {
		part = 1
	}
	said := map[gateway.Reason]int{}
	w.onStep = func(_ *gateway.Batch, s *gateway.Step) {
		for _, d := range s.Decisions {
			said[d.Reason]++
		}
	}
	for c := gateway.CustomerID(1); said[gateway.ReasonWaiting] <= maxWaiting && said[gateway.ReasonExhausted] < 3; c++ {
		if gateway.HomeOf(c, 0, 2) == part {
			w.submit(part, gateway.Input{Event: gateway.Event{ID: "e", Type: "brew", Customer: c, OccurredAt: w.clock, ReceivedAt: w.clock}})
		}
	}
	if said[gateway.ReasonWaiting] != maxWaiting || said[gateway.ReasonExhausted] != 3 {
		t.Errorf("decided %v", said)
	}
	w.ok(w.HoldForwards(false))
	w.advance(w.clock + 1000)
	if said[gateway.ReasonEnrolled] != 5 || said[gateway.ReasonEntryCap] != maxWaiting-5 {
		t.Errorf("decided %v", said)
	}
}

// TestFillPlaces: history comes in portions; one that does not follow the last one
// is not counted, and the version becomes active behind the last one alone.
func TestFillPlaces(t *testing.T) {
	p := NewPartition(Config{})
	apply := applies(p)
	apply(gateway.UpsertCustomer{Customer: 1})
	apply(gateway.PublishJourney{Journey: "fans", Version: 1, Fill: true, Effective: modelStart, Definition: []byte(`name: fans
purpose: service
trigger: {milestone: {event: brew, nth: 9}}
traits: {same: {count: brew}, rinses: {count: rinse}}
steps: [{id: rest, wait: {for: 1h}}]
`)})
	events := func(types ...string) (list []gateway.CustomerEvent) {
		for i, typ := range types {
			c := gateway.CustomerID(1)
			if typ == "" {
				c, typ = 0, "brew" // nobody's
			}
			if i == 5 {
				c = 77 // he does not live here
			}
			list = append(list, gateway.CustomerEvent{Customer: c, Event: gateway.Event{ID: fmt.Sprint("e", i), Type: typ, OccurredAt: modelStart - 5}})
		}
		return list
	}
	count := func() int {
		k := p.customers[1].counter(p.traits[0], 0)
		if k == nil {
			return 0
		}
		return int(k.n)
	}
	for _, tt := range []struct {
		c     gateway.Command
		want  gateway.Disposition
		count int
		state gateway.JourneyState
	}{
		{gateway.FillTraits{Journey: "fans", Version: 1, AfterAt: 5, LastAt: 7, LastN: 1, Events: events("brew")}, gateway.Duplicate, 0, gateway.JourneyFilling},
		{gateway.FillTraits{Journey: "fans", Version: 1, AfterN: 5, LastAt: 7, LastN: 1, Events: events("brew")}, gateway.Duplicate, 0, gateway.JourneyFilling},
		{gateway.FillTraits{Journey: "fans", Version: 1, LastAt: 7, LastN: 2, Events: events("brew", "unknown", "", "rinse", "brew", "brew")}, gateway.Accepted, 2, gateway.JourneyFilling},
		{gateway.FillTraits{Journey: "fans", Version: 1, LastAt: 7, LastN: 2, Events: events("brew")}, gateway.Duplicate, 2, gateway.JourneyFilling},
		{gateway.FinishFill{Journey: "fans", Version: 1}, gateway.Duplicate, 2, gateway.JourneyFilling},
		{gateway.FinishFill{Journey: "fans", Version: 1, AfterAt: 7, AfterN: 1}, gateway.Duplicate, 2, gateway.JourneyFilling},
		{gateway.FinishFill{Journey: "fans", Version: 1, AfterAt: 6, AfterN: 2}, gateway.Duplicate, 2, gateway.JourneyFilling},
		{gateway.FinishFill{Journey: "fans", Version: 1, AfterAt: 7, AfterN: 2}, gateway.Accepted, 2, gateway.JourneyPublished},
		{gateway.FinishFill{Journey: "fans", Version: 1, AfterAt: 7, AfterN: 2}, gateway.Duplicate, 2, gateway.JourneyPublished},
		{gateway.FillTraits{Journey: "fans", Version: 1, AfterAt: 7, AfterN: 2, LastAt: 9, LastN: 1, Events: events("brew")}, gateway.Duplicate, 2, gateway.JourneyPublished},
	} {
		got := apply(tt.c)
		if v := p.journeys[0].versions[0]; got != tt.want || count() != tt.count || v.state != tt.state {
			t.Errorf("%+v: %v, %d brews, %s", tt.c, got, count(), v.state)
		}
	}
}

// TestOutlineOfAFault: what does not compile, or is no YAML, has no outline.
func TestOutlineOfAFault(t *testing.T) {
	for text, want := range map[string]string{"name: [": "is no YAML", "name: x\npurpose: fun\n": "purpose"} {
		if o, err := Describe([]byte(text), Env{}); err == nil || o != nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%q: %v, %v", text, o, err)
		}
	}
}

// applies returns what tells a partition a command and says what became of it.
func applies(p *Partition) func(gateway.Command) gateway.Disposition {
	return func(c gateway.Command) gateway.Disposition {
		var s gateway.Step
		p.Apply(&gateway.Batch{Seq: 1, RecordTime: modelStart, Observed: modelStart, Inputs: []gateway.Input{{Command: c}}}, &s)
		return s.Outcomes[0].Disposition
	}
}
