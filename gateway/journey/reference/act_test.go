package reference

import (
	"fmt"
	"maps"
	"slices"

	"touchpoint/gateway"
)

// at is the time that a late action tells of.
func (d *driver) at(a action) gateway.Instant { return d.clock - a.age }

func home(c gateway.CustomerID, partitions int) int {
	return gateway.CustomerSubject(c).Partition(partitions)
}

func (d *driver) act(a action) error {
	at := d.at(a)
	homeOf := home(a.customer, d.s.partitions)
	if a.pick%4 == 0 { // it comes to another partition, which passes it on
		homeOf = a.route % d.s.partitions
	}
	d.outcome, d.outcomes = "", 0
	switch a.kind {
	case "event":
		ev := gateway.Event{Type: a.event, ID: a.id, Device: a.device, OccurredAt: at, ReceivedAt: d.clock}
		if a.device == 0 {
			ev.Customer = a.customer
		} else {
			ev.Product = "p" + fmt.Sprint(uint64(a.device))
		}
		if a.id == "" {
			ev.HasSeq, ev.Boot, ev.Seq = true, 1, a.seq
		}
		ev.Properties = properties(a.props)
		d.events = append(d.events, ev)
		return d.event(ev, a.route)
	case "done":
		return d.done(a)
	case "again":
		if len(d.events) == 0 {
			return nil
		}
		return d.event(d.events[a.pick%len(d.events)], a.route)
	case "receipt":
		return d.receipt(a)
	case "bind":
		d.arrive()
		d.ref.bind(a.device, a.customer, "p"+fmt.Sprint(uint64(a.device)), a.channel, at)
		return d.records(homeOf, gateway.Input{Command: gateway.BindDevice{Device: a.device, Product: "p" + fmt.Sprint(uint64(a.device)), Customer: a.customer,
			Role: a.text, At: at, TimeZone: a.channel}})
	case "unbind":
		d.arrive()
		return d.said(d.ref.unbind(a.device, at), gateway.DeviceSubject(a.device).Partition(d.s.partitions), gateway.Input{Command: gateway.UnbindDevice{Device: a.device, At: at}})
	case "consent":
		d.arrive()
		return d.said(d.ref.consent(a.customer, consent{a.text, a.channel, a.flag, at}), homeOf, gateway.Input{Command: gateway.SetConsent{Customer: a.customer, Purpose: gateway.Purpose(a.text),
			Channel: a.channel, Granted: a.flag, At: at}})
	case "customer":
		return d.customer(a)
	case "api":
		d.arrive()
		if dev := d.ref.devices[a.device]; (d.s.partitions > 1 || d.s.wide) && dev != nil && dev.present() != a.customer {
			a.device = 0 // what is known of a stranger's device is known where it lives
		}
		name := d.s.defs[a.journey].name
		return d.said(d.ref.api(d.ref.journey(name), a.customer, a.text, a.device, a.props), homeOf, gateway.Input{Command: gateway.TriggerJourney{Journey: name,
			Customer: a.customer, Device: a.device, Key: a.text, Properties: properties(a.props)}})
	case "journey":
		j := d.ref.journey(d.s.defs[a.journey].name)
		if j.state == "archived" {
			return nil
		}
		d.arrive()
		d.ref.setState(j, a.text)
		if err := d.everywhere(gateway.SetJourneyState{Journey: d.s.defs[a.journey].name, State: gateway.JourneyState(a.text), Effective: d.clock}); err != nil {
			return err
		}
		return d.tick()
	case "publish":
		if d.version[a.journey] == 2 {
			return nil
		}
		return d.publish(a.journey)
	case "erase":
		d.arrive()
		d.ref.erase(a.customer)
		return d.records(home(a.customer, d.s.partitions), gateway.Input{Command: gateway.EraseCustomer{Customer: a.customer}})
	case "restart":
		return d.core.Restart()
	case "stop":
		if d.frozen == 0 {
			d.frozen = d.clock
		}
	case "follow":
		d.frozen = 0
	}
	return nil
}

func properties(props map[string]any) (out gateway.Properties) {
	for _, key := range slices.Sorted(maps.Keys(props)) {
		out = append(out, gateway.Property{Key: key, Value: value(props[key])})
	}
	return out
}

func value(v any) gateway.Value {
	switch x := v.(type) {
	case int64:
		return gateway.Int(x)
	case string:
		return gateway.String(x)
	}
	return gateway.Null()
}

// done says that one of the last tasks was done.
func (d *driver) done(a action) error {
	if len(d.tasks) == 0 {
		return nil
	}
	t := d.tasks[len(d.tasks)-1-min(a.pick%3, len(d.tasks)-1)]
	ev := gateway.Event{Type: gateway.EventTaskDone, ID: fmt.Sprint("done", a.pick, d.clock), Customer: t.run.c.id, OccurredAt: d.clock, ReceivedAt: d.clock,
		Properties: gateway.Properties{{Key: "journey", Value: gateway.String(t.def.name)}, {Key: "outcome", Value: gateway.String(a.text)},
			{Key: "step", Value: gateway.String(t.step)}, {Key: "task", Value: gateway.String(t.id.String())}}}
	return d.event(ev, a.route)
}

func (d *driver) event(ev gateway.Event, route int) error {
	d.arrive()
	e := event{id: ev.ID, at: ev.OccurredAt, came: ev.ReceivedAt, typ: ev.Type, device: ev.Device, product: ev.Product, props: map[string]any{}}
	e.ref = "id " + ev.ID
	if ev.ID == "" {
		e.ref = fmt.Sprintf("seq %d %d", ev.Boot, ev.Seq)
	}
	for _, p := range ev.Properties {
		e.props[p.Key] = p.Value.Any()
	}
	var outcome string
	var who gateway.CustomerID
	if ev.Device == 0 {
		outcome, who = d.ref.touchpoint(ev.Customer, e)
	} else {
		outcome, who = d.ref.deviceEvent(ev.Device, e)
	}
	if err := d.records(route%d.s.partitions, gateway.Input{Event: ev}); err != nil {
		return err
	}
	if want := fmt.Sprintf("%s of %d", outcome, who); d.outcome != want || d.outcomes != 1 {
		return fmt.Errorf("the event was %s (said %d times), the reference says %s", d.outcome, d.outcomes, want)
	}
	return nil
}

func (d *driver) receipt(a action) error {
	if len(d.sent) == 0 {
		return nil
	}
	n := len(d.sent)
	m := d.sent[n-1-min(a.pick%4, n-1)]
	d.arrive()
	at := d.clock - a.age
	if a.flag {
		at = 0
	}
	state, _ := gateway.ParseMessageState(a.text)
	return d.said(d.ref.receipt(m, a.text, at), a.route%d.s.partitions, gateway.Input{Command: gateway.Receipt{Message: m.id, Customer: m.run.c.id, State: state, At: at}})
}

func (d *driver) customer(a action) error {
	d.arrive()
	u := gateway.UpsertCustomer{Customer: a.customer, Mask: []string{a.text}}
	c := &customer{attributes: map[string]any{}}
	if !d.ref.erased[a.customer] {
		c = d.ref.customer(a.customer)
	}
	switch a.text {
	case "vip", "level":
		u.Mask = []string{"attributes"}
		u.Attributes = gateway.Properties{{Key: a.text, Value: gateway.Int(int64(a.number))}}
		d.ref.setAttribute(c, a.text, int64(a.number))
	case "forget":
		u.Mask = []string{"attributes"}
		u.Attributes = gateway.Properties{{Key: "vip", Value: gateway.Null()}}
		d.ref.setAttribute(c, "vip", nil)
	case "zone":
		u.Mask, u.TimeZone = []string{"time_zone"}, a.channel
		if changed := c.zone != a.channel; changed {
			c.zone = a.channel
			d.ref.classify(c, []string{"customer.time_zone"}, nil)
		}
	case "country":
		u.Country, c.country = a.channel, a.channel
	case "locale":
		u.Locale, c.locale = a.channel, a.channel
	case "channels":
		u.Channels, c.channels = a.list, a.list
		if a.number == 0 {
			u.Channels, c.channels = nil, nil
		}
	case "quiet":
		u.Mask = []string{"quiet_hours"}
		c.quiet = a.quiet
		for _, q := range a.quiet {
			k := gateway.QuietInterval{From: q.from, To: q.to, Channels: q.channels}
			for _, day := range q.days {
				k.Days |= 1 << day
			}
			u.QuietHours = append(u.QuietHours, k)
		}
	case "reachable":
		u.Reachable, c.reachable = a.list, a.list
	case "test":
		changed := c.test != a.flag
		if u.Test, c.test = a.flag, a.flag; changed {
			d.ref.classify(c, []string{"customer.test"}, nil)
		}
	case "cap":
		u.CapCount, u.CapWindow = a.number, int64(a.age)
		c.capMax, c.capPer = a.number, a.age
	}
	d.ref.rezone(c)
	d.ref.exitsByCondition(c, nil)
	want := "accepted"
	if d.ref.erased[a.customer] {
		want = "refused"
	}
	return d.said(want, a.route%d.s.partitions, gateway.Input{Command: u})
}

func (d *driver) everywhere(c gateway.Command) error {
	d.core.SetClock(d.clock)
	d.core.SetObserved(d.frozen)
	for i := range d.s.partitions {
		if err := d.core.Submit(i, gateway.Input{Command: c}); err != nil {
			return err
		}
	}
	return nil
}

func (d *driver) publish(i int) error {
	def, running := d.s.defs[i], ""
	if d.version[i] == 1 {
		def, running = d.s.later[i], d.s.running[i]
	}
	d.version[i]++
	if d.s.seen != nil {
		d.s.seen.definition(def)
	}
	d.arrive()
	d.ref.publish(def, running)
	if err := d.everywhere(gateway.PublishJourney{Journey: def.name, Version: def.version, Effective: d.clock, Definition: def.yaml(), Running: running}); err != nil {
		return err
	}
	for _, p := range d.core.Partitions() {
		if !p.Active(def.name, def.version) {
			return fmt.Errorf("%s was not published: %s", def.name, def.yaml())
		}
	}
	return d.tick()
}
