package journey

import (
	"fmt"
	"slices"
	"strings"
	"testing"

	"pgregory.net/rapid"

	"touchpoint/gateway"
)

const modelGroups = 3

// households drives random members, devices and events through a world.
type households struct {
	rt *rapid.T
	w  *world
	n  int // partitions
	// exact lets every timer fire when it is due, as a runner does.
	exact bool
	sent  []gateway.Event
	// joined is the last membership that was asked for.
	joined map[gateway.CustomerID]gateway.GroupID
	erased map[gateway.CustomerID]bool
	// accepted events by key, and what was decided.
	accepted  map[string]int
	messages  map[gateway.MessageID]int
	decisions []string
	receipts  []gateway.Receipt
	twice     []string
}

func newHouseholds(t *testing.T, rt *rapid.T, partitions int) *households {
	h := &households{rt: rt, n: partitions, joined: map[gateway.CustomerID]gateway.GroupID{}, erased: map[gateway.CustomerID]bool{},
		accepted: map[string]int{}, messages: map[gateway.MessageID]int{}}
	h.w = newWorld(t, Config{Caps: []CapRule{{Name: "two", Max: 2, Per: 24 * hour}}}, partitions)
	h.w.clock = modelStart
	h.w.onStep = h.step
	return h
}

func (h *households) step(b *gateway.Batch, s *gateway.Step) {
	for i, o := range s.Outcomes {
		if in := &b.Inputs[i]; in.Command == nil {
			h.take(&in.Event, o)
		}
	}
	for i := range s.Late {
		h.take(&s.Late[i].Event, s.Late[i].Outcome)
	}
	for i := range s.Messages {
		m := &s.Messages[i]
		h.messages[m.ID]++
		h.receipts = append(h.receipts, gateway.Receipt{Message: m.ID, Customer: m.Customer, Device: m.Device, Channel: m.Channel})
	}
	for _, d := range s.Decisions {
		if d.Reason == gateway.ReasonInvalid {
			h.rt.Fatalf("%s: %s", d.Journey, d.Rule)
		}
		if d.Kind != gateway.DecisionJourney {
			h.decisions = append(h.decisions, fmt.Sprint(d.At, d.Kind, d.Reason, d.Journey, d.Step, d.Customer, d.Device, d.EventID, d.Rule, d.Message))
		}
	}
}

// take notes an event that was accepted; those of erased customers are nobody's.
func (h *households) take(ev *gateway.Event, o gateway.Outcome) {
	if o.Disposition != gateway.Accepted || ev.Device == 0 && o.Customer == 0 {
		return
	}
	key := fmt.Sprint(ev.Customer, eventKey(ev))
	if h.accepted[key]++; h.accepted[key] > 1 {
		h.twice = append(h.twice, key)
	}
}

// plan is what happens, drawn once and played to worlds of several sizes.
type plan struct {
	what     int
	customer gateway.CustomerID
	device   gateway.DeviceID
	group    gateway.GroupID
	gap      gateway.Instant
	age      gateway.Instant
	pick     int
	route    int
	state    gateway.MessageState
}

func drawPlan(rt *rapid.T) plan {
	p := plan{what: rapid.IntRange(0, 19).Draw(rt, "what"),
		customer: gateway.CustomerID(rapid.IntRange(1, modelCustomers).Draw(rt, "customer")),
		device:   gateway.DeviceID(rapid.IntRange(1, modelDevices).Draw(rt, "device")),
		group:    gateway.GroupID(rapid.IntRange(1, modelGroups).Draw(rt, "group")),
		gap:      gateway.Instant(rapid.IntRange(1, 2*hour).Draw(rt, "gap")),
		pick:     rapid.IntRange(0, 999).Draw(rt, "pick"),
		route:    rapid.IntRange(0, 999).Draw(rt, "route"),
		state: rapid.SampledFrom([]gateway.MessageState{gateway.MessageHandedOver, gateway.MessageDisplayed, gateway.MessageFailed,
			gateway.MessageMissedWindow, gateway.MessageClicked}).Draw(rt, "state")}
	if rapid.IntRange(0, 3).Draw(rt, "late") == 0 {
		p.age = gateway.Instant(rapid.IntRange(0, 10*hour).Draw(rt, "age"))
	}
	return p
}

// pass lets time pass; when exact, every timer fires at its time.
func (h *households) pass(d gateway.Instant) {
	if h.exact {
		h.w.advance(h.w.clock + d)
	} else {
		h.w.clock += d
	}
}

func (h *households) submit(to int, c gateway.Command) {
	h.w.submit(to, gateway.Input{Command: c})
}

// play does one thing; where it is sent is a hint only.
func (h *households) play(i int, p plan) {
	to := p.route % h.n
	home := gateway.HomeOf(p.customer, 0, h.n)
	switch p.what {
	case 0, 1:
		h.pass(p.gap / 1000)
		h.joined[p.customer] = p.group
		h.submit(gateway.HomeOf(p.customer, p.group, h.n), gateway.JoinGroup{Customer: p.customer, Group: p.group, At: h.w.clock})
	case 2:
		h.pass(p.gap / 1000)
		delete(h.joined, p.customer)
		h.submit(home, gateway.LeaveGroup{Customer: p.customer, At: h.w.clock})
	case 3, 4:
		h.pass(p.gap / 1000)
		h.submit(to, gateway.BindDevice{Device: p.device, Product: "brewer", Customer: p.customer, Role: "owner", At: h.w.clock, Holder: to})
	case 5:
		h.submit(to, gateway.UpsertCustomer{Customer: p.customer, Mask: []string{"attributes"},
			Attributes: gateway.Properties{{Key: fmt.Sprint("k", i), Value: gateway.Int(int64(i))}}})
	case 6:
		h.w.advance(h.w.clock + 15*p.gap)
	case 7:
		h.w.restart()
	case 8, 9:
		if len(h.receipts) > 0 {
			// What partitions send at one instant has no order among them.
			slices.SortFunc(h.receipts, func(a, b gateway.Receipt) int { return strings.Compare(a.Message.String(), b.Message.String()) })
			r := h.receipts[p.pick%len(h.receipts)]
			r.State, r.At = p.state, h.w.clock
			h.submit(to, r)
		}
	case 10:
		h.submit(to, gateway.TriggerJourney{Journey: "api", Customer: p.customer, Key: fmt.Sprint("key", p.pick%5)})
	case 11:
		if p.pick%10 == 0 {
			h.erased[p.customer] = true
			delete(h.joined, p.customer)
			h.submit(home, gateway.EraseCustomer{Customer: p.customer})
		}
	case 12:
		if len(h.sent) > 0 {
			h.w.submit(to, gateway.Input{Event: h.sent[p.pick%len(h.sent)]})
		}
	default:
		h.pass(p.gap)
		ev := gateway.Event{Type: "brew", ID: fmt.Sprint("e", i), ReceivedAt: h.w.clock, OccurredAt: h.w.clock - p.age,
			Properties: gateway.Properties{{Key: "ml", Value: gateway.Int(int64(1 + p.pick%200))}}}
		if p.what < 15 {
			ev.Customer = p.customer
		} else {
			ev.Device, ev.Product = p.device, "brewer"
		}
		h.sent = append(h.sent, ev)
		h.w.submit(to, gateway.Input{Event: ev})
	}
}

const apiJourney = `name: api
purpose: service
trigger: {api: {}}
steps:
  - {id: pause, wait: {for: 5h}}
  - {id: say, send: {channels: [stream], texts: {en: {title: Hello}}}}
`

const rareJourney = `name: rare
purpose: service
trigger: {event: brew, where: event.ml > 100}
reentry: concurrent_per_key
key: event.ml
entry_cap: {max: 3, per: 2d}
steps:
  - {id: say, send: {channels: [stream], texts: {en: {title: Rare}}}}
`

const pairJourney = `name: pair
purpose: service
trigger:
  sequence: {events: [{event: brew, where: event.ml > 100}, {event: brew, where: event.ml < 100}], within: 6h}
reentry: after_exit
steps:
  - {id: rest, wait: {for: 1h}}
  - {id: say, send: {channels: [stream], texts: {en: {title: Pair}}}}
`

// publish makes the journeys known, with shuffled in another order on each
// partition: each numbers them in its own.
func (h *households) publish(shuffled bool) {
	names := []string{}
	for n := range modelJourneys {
		names = append(names, n)
	}
	slices.Sort(names)
	texts := map[string]string{"api": apiJourney}
	for _, n := range names {
		texts[n] = modelJourneys[n]
	}
	names = append(names, "api")
	texts["pair"], names = pairJourney, append(names, "pair")
	if shuffled {
		texts["rare"], names = rareJourney, append(names, "rare")
	}
	for i := range h.w.parts {
		for k, name := range names {
			if shuffled {
				name = names[(k+i)%len(names)]
			}
			h.submit(i, gateway.PublishJourney{Journey: name, Version: 1, Effective: modelStart, Definition: []byte(texts[name])})
		}
	}
}

// TestGroupsModel moves customers between groups, and with them between
// partitions, while devices move, events arrive anywhere, forwards wait and
// overtake each other and partitions restart. Afterwards everybody is in one
// place, the right one, and nothing was lost or taken twice.
func TestGroupsModel(t *testing.T) {
	rapid.Check(t, func(rt *rapid.T) {
		h := newHouseholds(t, rt, rapid.SampledFrom([]int{2, 3, 5}).Draw(rt, "partitions"))
		h.w.OnPick(func(n int) int { return rapid.IntRange(0, n-1).Draw(rt, "overtakes") })
		h.publish(true)
		for i := range rapid.IntRange(5, 80).Draw(rt, "steps") {
			if rapid.IntRange(0, 5).Draw(rt, "hold") == 0 {
				h.w.held = !h.w.held
				h.w.carry()
			}
			if h.w.held && len(h.w.waiting) > 0 && rapid.Bool().Draw(rt, "one") {
				f := h.w.next()
				h.w.apply(f.to, h.w.clock, h.w.watermark(), []gateway.Input{f.in})
			}
			h.play(i, drawPlan(rt))
		}
		h.w.held = false
		h.w.carry()
		h.w.check()
		h.settled(rt)
	})
}

// settled checks that everybody is in one place and nothing is left over.
func (h *households) settled(rt *rapid.T) {
	if len(h.twice) > 0 {
		rt.Errorf("accepted twice: %v", h.twice)
	}
	for i := range h.sent {
		key := fmt.Sprint(h.sent[i].Customer, eventKey(&h.sent[i]))
		if h.accepted[key] == 0 && !h.erased[h.sent[i].Customer] {
			rt.Errorf("event %s was lost", key)
		}
	}
	for id, n := range h.messages {
		if n != 1 {
			rt.Errorf("message %s was decided %d times", id, n)
		}
	}
	for i, p := range h.w.parts {
		if len(p.awaited)+len(p.expected)+len(p.strays) > 0 {
			rt.Errorf("partition %d still waits: customers %v, devices %v, strays %v", i, p.awaited, p.expected, p.strays)
		}
	}
	for c := gateway.CustomerID(1); c <= modelCustomers; c++ {
		h.customerSettled(rt, c)
	}
	for d := gateway.DeviceID(1); d <= modelDevices; d++ {
		h.deviceSettled(rt, d)
	}
}

func (h *households) places(has func(*Partition) bool) (at []int) {
	for i, p := range h.w.parts {
		if has(p) {
			at = append(at, i)
		}
	}
	return at
}

func (h *households) customerSettled(rt *rapid.T, c gateway.CustomerID) {
	at := h.places(func(p *Partition) bool { return p.customers[c] != nil })
	switch {
	case h.erased[c]:
		if len(at) > 0 {
			rt.Errorf("customer %d was erased and lives on %v", c, at)
		}
		return
	case len(at) == 0:
		return // never seen
	case len(at) > 1:
		rt.Errorf("customer %d lives on %v", c, at)
		return
	}
	cust := h.w.parts[at[0]].customers[c]
	if want := gateway.HomeOf(c, cust.groupOf(), h.n); at[0] != want {
		rt.Errorf("customer %d of group %d lives on %d, not on %d", c, cust.groupOf(), at[0], want)
	}
	for i, p := range h.w.parts { // every way leads to him
		for hops := 0; i != at[0]; hops++ {
			_, i = p.locateCustomer(c)
			if p = h.w.parts[i]; hops > h.n {
				rt.Errorf("the marks of customer %d lead in a circle", c)
				return
			}
		}
	}
}

func (h *households) deviceSettled(rt *rapid.T, d gateway.DeviceID) {
	at := h.places(func(p *Partition) bool { return p.devices.get(d) != nil })
	if len(at) > 1 {
		rt.Errorf("device %d is on %v", d, at)
	}
	if len(at) != 1 {
		return
	}
	p := h.w.parts[at[0]]
	owner := p.devices.get(d).present()
	if owner == 0 {
		return
	}
	cust := p.customers[owner]
	if cust == nil {
		rt.Errorf("device %d is on %d, its owner %d is not\n%s", d, at[0], owner, h.w.whereabouts(d))
		return
	}
	if !slices.Contains(cust.devices, d) || p.devices.get(d).owner != cust {
		rt.Errorf("device %d and its owner %d are not linked", d, owner)
	}
}

// TestPartitionsAreOne plays the same things to one partition and to several
// that carry their forwards at once: the same decisions at the same times, the
// same customers afterwards.
func TestPartitionsAreOne(t *testing.T) {
	rapid.Check(t, func(rt *rapid.T) {
		one, many := newHouseholds(t, rt, 1), newHouseholds(t, rt, rapid.SampledFrom([]int{2, 3, 7}).Draw(rt, "partitions"))
		one.exact, many.exact = true, true
		one.publish(false)
		many.publish(false)
		for i := range rapid.IntRange(5, 60).Draw(rt, "steps") {
			p := drawPlan(rt)
			one.play(i, p)
			many.play(i, p)
			slices.Sort(one.decisions)
			slices.Sort(many.decisions)
			if a, b := one.decisions, many.decisions; !slices.Equal(a, b) {
				rt.Fatalf("after %+v\none partition decided\n%v\n%d partitions\n%v", p, a, many.n, b)
			}
			one.decisions, many.decisions = nil, nil
		}
		many.settled(rt)
		for c := gateway.CustomerID(1); c <= modelCustomers; c++ {
			a, known := one.w.parts[0].View(c)
			var b View
			knownToo := false
			for _, p := range many.w.parts {
				if v, ok := p.View(c); ok {
					b, knownToo = v, true
				}
			}
			if known != knownToo || fmt.Sprintf("%+v", a) != fmt.Sprintf("%+v", b) {
				rt.Fatalf("customer %d: %+v is %+v", c, a, b)
			}
		}
	})
}
