package journey

import (
	"bytes"
	"fmt"
	"testing"

	"touchpoint/gateway"
)

// everythingJourneys leave something of every kind in a partition's state.
var everythingJourneys = []string{`name: all
purpose: marketing
holdout: 0
trigger: {event: brew}
key: event.n
reentry: concurrent_per_key
tags: [news]
traits:
  day: {count: brew, within: 24h}
  ml: {sum: brew.ml, within: 48h, per: device}
  mean: {mean: brew.ml, within: 48h}
  high: {p90: brew.ml, within: 48h}
  kinds: {distinct: brew.kind}
  start: {first: brew.ml}
  slope: {slope: brew.ml, within: 2d}
  ever: {count: brew}
goal: {event: rinse, within: 2d}
exit: [{event: never}, {when: customer.gone == true}]
steps:
  - {id: which, split: [{arm: a, percent: 50}, {arm: b, percent: 50}]}
  - {id: mark, set: {seen: true}}
  - {id: say, send: {channels: [product, email], fallback_after: 1h, tags: [offer], texts: {en: {title: "{{ event.ml }}"}}}}
  - {id: rest, wait: {until_event: rinse, timeout: 3h}}
  - {id: night, send: {channels: [email], expires_after: 9h, quiet_hours: [{from: "00:00", to: "23:59"}], texts: {en: {title: Night}}}}
`, `name: chain
purpose: service
trigger: {sequence: {events: [brew, stir, rinse], without: spill, within: 1h, per: device}}
filter: event.ml > 1
reentry: after_exit
steps: [{id: say, send: {texts: {en: {title: Chain}}}}]
`, `name: weekly
purpose: service
trigger: {schedule: {rrule: "FREQ=WEEKLY;BYDAY=MO", start: "2026-05-04 09:00"}}
steps: [{id: w, wait: {for: 1d}}]
`, `name: pair
purpose: service
trigger: {sequence: {events: [brew, descale], within: 4h, per: device}}
steps: [{id: w, wait: {for: 1d}}]
`, `name: monthly
purpose: service
trigger: {schedule: {rrule: "FREQ=MONTHLY;BYMONTHDAY=3", start: "2026-05-03 09:00"}}
steps: [{id: w, wait: {for: 1d}}]
`, `name: keen
purpose: service
trigger: {stage: {enter: keen}}
steps: [{id: w, wait: {for: 30d}}]
`, `name: late
purpose: service
trigger: {stage: {enter: keen, from: [fresh]}}
steps: [{id: w, wait: {for: 30d}}]
`, `name: call
purpose: service
trigger: {api: {}}
reentry: after_exit
steps: [{id: phone, task: {assignee: support, texts: {en: {title: Call}}}}, {id: w, wait: {for: 3d}}]
`, `name: silence
purpose: service
trigger: {absence: {event: brew, for: 20h}}
steps: [{id: e, end: {}}]
`, `name: rival
purpose: marketing
holdout: 0
decision_window: 6h
trigger: {event: brew}
reentry: once
steps: [{id: say, send: {channels: [email], texts: {en: {title: Rival}}}}]
`, `name: quick
purpose: service
trigger: {event: start}
reentry: after_exit
goal: {event: rinse, within: 2d}
steps: [{id: e, end: {}}]
`, `name: few
purpose: service
trigger: {threshold: {count: brew, within: 1d, at_least: 2, unless: rinse}}
existing: enroll 3 per day
entry_cap: {max: 5, per: 7d}
steps: [{id: w, wait: {for: 3d}}]
`}

// everything is a partition in whose state something of every kind stands, and
// the steps that led there.
func everything(t testing.TB) (*Partition, []gateway.Step) {
	var steps []gateway.Step
	w, who := everythingHere(t, everythingJourneys, func(b *gateway.Batch, s *gateway.Step) {
		if b.Partition == 0 {
			s.Changes = bytes.Clone(s.Changes)
			steps = append(steps, *s)
		}
	})
	w.ok(w.HoldForwards(true)) // moves begin and do not end
	who.command(
		gateway.JoinGroup{Customer: who.there, Group: who.home, Role: "child", At: w.clock},
		gateway.UpsertCustomer{Customer: who.there, Mask: []string{"locale"}, Locale: "fr"})
	w.submit(0, gateway.Input{Command: gateway.AdmitDevice{Device: 12}}, gateway.Input{From: gateway.Forwarded{Partition: 2, Step: 7, Index: 1}, Command: gateway.EraseCustomer{Customer: who.away}})
	for d := gateway.DeviceID(20); d < 24; d++ {
		who.command(gateway.BindDevice{Device: d, Product: "brewer", Customer: who.anna, Role: "owner", At: w.clock, Holder: 2})
		who.event("brew", d, 0)
	}
	w.check()
	return w.parts[0], steps
}

// persons are those of a world with something of every kind: anna and bert live
// in partition 0 and have it, there lives in partition 1, away is erased. The
// group home lives in partition 0, too.
type persons struct {
	anna, bert, there, away gateway.CustomerID
	home                    gateway.GroupID
	// what partition 0 hears of, with time in between
	command func(...gateway.Command)
	event   func(kind string, device gateway.DeviceID, customer gateway.CustomerID, props ...gateway.Property)
}

// everythingHere is a world of three partitions with something of every kind in
// the first. The others hear of the journeys in the order that is given.
func everythingHere(t testing.TB, order []string, onStep func(*gateway.Batch, *gateway.Step)) (*world, persons) {
	w := newWorld(t, Config{
		Segments:     []Rule{{"big", "trait.cups >= 3"}, {"odd", "customer.odd == true"}},
		Stages:       []Rule{{"keen", "trait.cups >= 2"}, {"fresh", ""}},
		Traits:       map[string]map[string]any{"cups": {"count": "brew", "within": "7d"}},
		Touchpoints:  []Touchpoint{{Event: "visit", Channel: "shop", Tags: []string{"news"}}},
		DeviceStates: map[string]DeviceState{"brewing": {From: []string{"start"}, To: []string{"brew"}}},
		Caps:         []CapRule{{Name: "week", Max: 20, Per: 7 * dayMillis}},
	}, 3)
	w.clock = modelStart
	w.onStep = onStep
	homes := map[int][]gateway.CustomerID{}
	for id := gateway.CustomerID(1); len(homes[0]) < 3 || len(homes[1]) < 3; id++ {
		home := gateway.HomeOf(id, 0, 3)
		homes[home] = append(homes[home], id)
	}
	anna, bert, away, there := homes[0][0], homes[0][1], homes[0][2], homes[1][0]
	home := gateway.GroupID(1) // that lives here
	for gateway.HomeOf(anna, home, 3) != 0 {
		home++
	}
	publish := func(part int, text string, version uint32, at gateway.Instant) {
		name := text[len("name: "):bytes.IndexByte([]byte(text), '\n')]
		w.submit(part, gateway.Input{Command: gateway.PublishJourney{Journey: name, Version: version, Effective: at, Definition: []byte(text), Existing: "enroll", Running: "migrate"}})
	}
	for i := range w.parts {
		list := everythingJourneys
		if i > 0 {
			list = order
		}
		for _, text := range list {
			publish(i, text, 1, modelStart)
		}
		publish(i, everythingJourneys[0], 2, modelStart+3*dayMillis)
	}
	command := func(c ...gateway.Command) {
		for _, c := range c {
			w.clock += 60_000
			w.submit(0, gateway.Input{Command: c})
		}
	}
	n := 0
	event := func(kind string, device gateway.DeviceID, customer gateway.CustomerID, props ...gateway.Property) {
		n++
		w.advance(w.clock + 600_000)
		ev := gateway.Event{Type: kind, Device: device, Customer: customer, OccurredAt: w.clock - 1000, ReceivedAt: w.clock,
			Properties: append(gateway.Properties{{Key: "kind", Value: gateway.String(fmt.Sprint("k", n%3))}, {Key: "ml", Value: gateway.Float(float64(n) + 0.5)}, {Key: "n", Value: gateway.Int(int64(n))}}, props...)}
		switch n % 3 {
		case 0:
			ev.ID = fmt.Sprint("id", n)
		case 1:
			ev.Boot, ev.Seq, ev.HasSeq = uint32(n%2), uint64(n*n), true
		}
		w.submit(0, gateway.Input{Event: ev})
	}
	command(gateway.BindDevice{Device: 10, Product: "brewer", Customer: anna, Role: "owner", At: w.clock, TimeZone: "Europe/Berlin"},
		gateway.BindDevice{Device: 11, Product: "brewer", Customer: bert, Role: "user", At: w.clock},
		gateway.BindDevice{Device: 11, Product: "brewer", Customer: anna, Role: "owner", At: w.clock + 120_000},
		gateway.UpsertCustomer{Customer: anna, Mask: []string{"locale", "time_zone", "country", "channels", "reachable", "attributes", "quiet_hours", "cap", "test"}, Locale: "de",
			TimeZone: "Europe/Berlin", Country: "DE", Channels: []string{"product", "email"}, Reachable: []string{"email"}, CapCount: 9, CapWindow: dayMillis,
			QuietHours: []gateway.QuietInterval{{From: 60, To: 120, Days: 3, Channels: []string{"email"}}},
			Attributes: gateway.Properties{{Key: "b", Value: gateway.Bool(true)}, {Key: "f", Value: gateway.Float(2.5)}, {Key: "i", Value: gateway.Int(-3)},
				{Key: "s", Value: gateway.String("x")}, {Key: "z", Value: gateway.Sealed("sealed")}}},
		gateway.SetConsent{Customer: anna, Purpose: gateway.PurposeMarketing, Granted: true, Source: "form"},
		gateway.SetConsent{Customer: anna, Purpose: gateway.PurposeMarketing, Channel: "webhook", Source: "call"},
		gateway.JoinGroup{Customer: anna, Group: home, Role: "parent", At: w.clock})
	for range 4 {
		event("brew", 10, 0)
		event("stir", 10, 0)
	}
	event("brew", 11, 0)
	event("start", 10, 0)
	event("visit", 0, anna)
	event("case_opened", 0, bert, gateway.Property{Key: "case_id", Value: gateway.String("c1")}, gateway.Property{Key: "channel", Value: gateway.String("email")})
	command(gateway.TriggerJourney{Journey: "call", Customer: anna, Device: 10, Key: "order-1", Properties: gateway.Properties{{Key: "ml", Value: gateway.Int(5)}}},
		gateway.SetJourneyState{Journey: "late", State: gateway.JourneyPaused, Effective: w.clock},
		gateway.SetJourneyState{Journey: "weekly", State: gateway.JourneyPaused, Effective: w.clock + dayMillis, Withdraw: true, Reason: gateway.ReasonForecast, Rule: "twice"},
		gateway.EraseCustomer{Customer: away})
	for range 3 {
		event("brew", 0, bert)
	}
	event("rinse", 11, 0)
	command(gateway.BindDevice{Device: 11, Product: "brewer", Customer: there, Role: "owner", At: w.clock})
	event("start", 10, 0)
	event("brew", 10, 0)
	w.check()
	return w, persons{anna, bert, there, away, home, command, event}
}

// TestEverything: the state has something of all that a customer can have, or
// the tests of encodings below show nothing.
func TestEverything(t *testing.T) {
	p, _ := everything(t)
	has := map[string]bool{}
	note := func(name string, is bool) { has[name] = has[name] || is }
	for name, n := range map[string]int{"moved": len(p.moved), "expected": len(p.expected), "awaited": len(p.awaited), "cursors": len(p.cursors),
		"erased": len(p.erased)} {
		note(name, n > 0)
	}
	for _, c := range p.customers {
		for _, e := range c.enrollments {
			note("waits", e.waiting)
			note("ended", e.ended())
			note("competes", e.stand != nil)
			note("converted", e.converted)
		}
		for _, m := range c.messages {
			note("on the way", m.full != nil)
			note("in place of another", m.instead != gateway.MessageID{})
		}
		note("counters", len(c.counters) > 0)
		note("marks", len(c.marks) > 0)
		note("in a group", c.groupOf() != 0)
		note("touchpoints", c.touched() != nil)
		if m := c.more; m != nil {
			note("sequences", len(m.sequences) > 0)
			note("contacts", len(m.contacts) > 0)
			note("complaints", len(m.complaints) > 0)
			note("occasions", len(m.occasions) > 0)
			note("tasks", len(m.tasks) > 0)
			note("visits", m.class != nil && len(m.class.visits) > 1)
			note("missed", m.class != nil && len(m.class.missed) > 0)
		}
	}
	for _, name := range sortedKeys(has) {
		if !has[name] {
			t.Errorf("nothing is %s", name)
		}
	}
}
