package journey

import (
	"fmt"
	"reflect"
	"slices"
	"strings"
	"testing"

	"pgregory.net/rapid"

	"touchpoint/gateway"
)

// The journeys of the recipients' model: every audience, with waits, exits and a
// goal, under the cap of two messages a day.
var recipientJourneys = map[string]string{
	"told": `name: told
purpose: service
trigger: {event: due}
reentry: concurrent_per_key
key: device
exit: [{event: done}]
traits:
  dues: {count: due, within: 30d}
steps:
  - {id: dealer, send: {recipient: dealer, channels: [stream, webhook], expires_after: 6h, texts: {en: {title: "{{ trait.dues }} {{ event.ml }}"}}}}
  - {id: rest, wait: {for: 90m}}
  - {id: users, send: {recipient: users, texts: {en: {title: Due}}}}
`,
	"home": `name: home
purpose: marketing
holdout: 50
trigger: {event: due, where: event.ml > 100}
goal: {event: done, within: 2d}
steps:
  - {id: group, send: {recipient: group, channels: [stream], quiet_hours: [{from: "22:00", to: "07:00"}], texts: {en: {title: Leak}}}}
  - {id: staff, send: {recipient: staff, channels: [webhook], texts: {en: {title: "{{ trigger.ml }}"}}}}
  - {id: rest, wait: {for: 1d}}
`,
}

func newPeople(t *testing.T, rt *rapid.T, partitions int) *households {
	h := newHouseholds(t, rt, partitions)
	h.w.onStep = func(b *gateway.Batch, s *gateway.Step) {
		h.step(b, s)
		said := slices.DeleteFunc(slices.Clone(s.Decisions), func(d gateway.Decision) bool { return d.Kind == gateway.DecisionJourney }) // one for each partition
		for name, list := range map[string]any{"message": s.Messages, "update": s.Updates, "decision": said, "run": s.Entered,
			"profile": s.Profiles, "device": s.Ownerships, "class": s.Classes, "member": s.Memberships, "task": s.Tasks} {
			for i, v := 0, reflect.ValueOf(list); i < v.Len(); i++ {
				h.decisions = append(h.decisions, fmt.Sprintf("%s %+v", name, v.Index(i)))
			}
		}
	}
	for i := range h.w.parts {
		for _, name := range []string{"told", "home"} {
			h.submit(i, gateway.PublishJourney{Journey: name, Version: 1, Effective: modelStart, Definition: []byte(recipientJourneys[name])})
		}
	}
	for c := gateway.CustomerID(1); c <= modelCustomers; c++ {
		home := gateway.HomeOf(c, 0, h.n)
		if c%3 != 0 {
			h.submit(home, gateway.SetConsent{Customer: c, Purpose: gateway.PurposeMarketing, Granted: true, At: modelStart})
		}
		h.submit(home, gateway.UpsertCustomer{Customer: c, Mask: []string{"locale", "test"}, Locale: "en", Test: c%4 == 0})
	}
	return h
}

// play2 does one thing to people and recipients.
func (h *households) play2(i int, p plan) {
	to, home := p.route%h.n, gateway.HomeOf(p.customer, 0, h.n)
	bind := func(role string) {
		h.pass(p.gap / 1000)
		h.submit(home, gateway.BindDevice{Device: p.device, Product: "brewer", Customer: p.customer, Role: role, At: h.w.clock - p.age, Holder: to})
	}
	switch p.what {
	case 1, 2, 4, 5, 10, 12:
		roles := []string{"owner", "user", "user", "dealer", "staff", "payer"}
		bind(roles[p.pick%len(roles)])
	case 3:
		h.pass(p.gap / 1000)
		c := p.customer
		if p.pick%3 == 0 {
			c = 0
		}
		h.submit(to, gateway.UnbindDevice{Device: p.device, Customer: c, At: h.w.clock - p.age/10})
	case 13:
		state := []gateway.JourneyState{gateway.JourneyPaused, gateway.JourneyPublished, gateway.JourneyPublished}[p.pick%3]
		h.pass(p.gap / 1000)
		for k := range h.w.parts {
			h.submit(k, gateway.SetJourneyState{Journey: []string{"told", "home"}[p.pick%2], State: state, Effective: h.w.clock, Withdraw: p.pick%5 == 0})
		}
	case 14, 15, 16, 17, 18, 19:
		h.pass(p.gap)
		typ := "due"
		if p.pick%4 == 0 {
			typ = "done"
		}
		ev := gateway.Event{Type: typ, ID: fmt.Sprint("e", i), ReceivedAt: h.w.clock, OccurredAt: h.w.clock - p.age, Device: p.device, Product: "brewer",
			Properties: gateway.Properties{{Key: "ml", Value: gateway.Int(int64(1 + p.pick%200))}}}
		h.sent = append(h.sent, ev)
		h.w.submit(to, gateway.Input{Event: ev})
	default: // joins, receipts, an erasure, a restart, time
		h.play(i, p)
	}
}

// people lists who is known of each device.
func (h *households) people() (list []string) {
	for d := gateway.DeviceID(1); d <= modelDevices; d++ {
		for _, p := range h.w.parts {
			for _, o := range p.People(d) {
				list = append(list, fmt.Sprint(o))
			}
		}
	}
	return list
}

// lives is the state of every customer and device, wherever it is.
func (h *households) lives() string {
	all := map[string]string{}
	for _, p := range h.w.parts {
		for id, c := range p.customers {
			var e encoder
			e.customer(p, c, p.oldestDay())
			all[fmt.Sprint("customer ", id)] += string(e.b)
		}
		for d := range p.devices.all {
			var e encoder
			e.device(d, p.oldestDay())
			all[fmt.Sprint("device ", d.id)] += string(e.b)
		}
	}
	var out strings.Builder
	for _, k := range sortedKeys(all) {
		fmt.Fprintf(&out, "%s: %q\n", k, all[k])
	}
	return out.String()
}

// TestRecipientsOfPartitions plays the same things to one partition and to
// several that carry their forwards at once: the same people, the same runs of
// recipients, the same messages to them, the same state of everybody.
func TestRecipientsOfPartitions(t *testing.T) {
	rapid.Check(t, func(rt *rapid.T) {
		one, many := newPeople(t, rt, 1), newPeople(t, rt, rapid.SampledFrom([]int{2, 4, 7}).Draw(rt, "partitions"))
		one.exact, many.exact = true, true
		one.decisions, many.decisions = nil, nil
		for i := range rapid.IntRange(5, 60).Draw(rt, "steps") {
			p := drawPlan(rt)
			one.play2(i, p)
			many.play2(i, p)
			slices.Sort(one.decisions)
			slices.Sort(many.decisions)
			if a, b := one.decisions, many.decisions; !slices.Equal(a, b) {
				rt.Fatalf("after %+v\none partition decided\n%v\n%d partitions\n%v", p, a, many.n, b)
			}
			if a, b := one.people(), many.people(); !slices.Equal(a, b) {
				rt.Fatalf("after %+v\none partition knows\n%v\n%d partitions\n%v", p, a, many.n, b)
			}
			if a, b := one.lives(), many.lives(); a != b {
				rt.Fatalf("after %+v\none partition has\n%s\n%d partitions have\n%s", p, a, many.n, b)
			}
			one.decisions, many.decisions = nil, nil
		}
		one.w.check()
		many.w.check()
		many.settled(rt)
	})
}

// TestPeopleOnTheMove lets forwards wait and overtake each other while devices,
// their people and recipients move: nobody is told anything twice, nothing waits
// for ever, and the state is what its changes and its snapshot say.
func TestPeopleOnTheMove(t *testing.T) {
	rapid.Check(t, func(rt *rapid.T) {
		h := newPeople(t, rt, rapid.SampledFrom([]int{2, 4}).Draw(rt, "partitions"))
		h.w.OnPick(func(n int) int { return rapid.IntRange(0, n-1).Draw(rt, "overtakes") })
		for i := range rapid.IntRange(5, 80).Draw(rt, "steps") {
			if rapid.IntRange(0, 4).Draw(rt, "hold") == 0 {
				h.w.held = !h.w.held
				h.w.carry()
			}
			if h.w.held && len(h.w.waiting) > 0 && rapid.Bool().Draw(rt, "one") {
				f := h.w.next()
				h.w.apply(f.to, h.w.clock, h.w.watermark(), []gateway.Input{f.in})
			}
			h.play2(i, drawPlan(rt))
		}
		h.w.held = false
		h.w.carry()
		h.w.check()
		h.settled(rt)
		for i, p := range h.w.parts {
			if len(p.early) > 0 {
				rt.Errorf("partition %d still waits for a publication: %v", i, p.early)
			}
		}
	})
}
