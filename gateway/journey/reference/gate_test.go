package reference

import (
	"slices"

	"touchpoint/gateway"
)

// The state of a device, such as brewing, and the messages that wait for it.

type stateDef struct {
	name     string
	from, to []string
	max      gateway.Instant
}

// gateDef is the context in which a message may be shown.
type gateDef struct {
	when     *cond
	hold     bool // while the state is unknown
	channels []string
}

// told is an event that says something of a device's state.
type told struct {
	typ string
	at  gateway.Instant
}

const idle = "idle"

// doing goes through what the device told: what is older than what is known
// changes nothing. An empty state is unknown.
func (w *world) doing(d *device) (state string, since gateway.Instant) {
	for _, t := range d.told {
		if t.at < since {
			continue
		}
		for _, s := range w.cfg.states {
			if slices.Contains(s.to, t.typ) && (state == s.name || state == "") {
				state, since = idle, t.at
			}
		}
		for _, s := range w.cfg.states {
			if slices.Contains(s.from, t.typ) {
				state, since = s.name, t.at
			}
		}
	}
	return state, since
}

// stateOf is the state now, and when its longest life ends.
func (w *world) stateOf(id gateway.DeviceID) (state string, until gateway.Instant) {
	d := w.devices[id]
	if d == nil {
		return "", 0
	}
	state, since := w.doing(d)
	for _, s := range w.cfg.states {
		if s.name == state {
			if until = since + s.max; w.now >= until {
				return idle, 0
			}
		}
	}
	return state, until
}

// tell notes what an event says of the device; it reports whether that is news.
func (w *world) tell(d *device, e *event) bool {
	if !slices.ContainsFunc(w.cfg.states, func(s stateDef) bool { return slices.Contains(append(s.from, s.to...), e.typ) }) {
		return false
	}
	before, since := w.doing(d)
	d.told = append(d.told, told{e.typ, e.at})
	after, now := w.doing(d)
	return before != after || since != now
}

// gated holds a message back until the device is in the state that is allowed.
func (w *world) gated(r *run, s *stepDef, ch choice, expires gateway.Instant) (choice, bool) {
	g := s.context
	if g == nil {
		g = r.def.context
	}
	if g == nil || len(g.channels) > 0 && !slices.Contains(g.channels, ch.channel) {
		return ch, false
	}
	d := ch.device
	if d == 0 {
		d = r.device
	}
	switch w.eval(g.when, view{c: r.c, def: r.def, r: r, device: d, product: r.product}) {
	case isTrue:
		return ch, false
	case unknown:
		if !g.hold {
			return ch, false
		}
	}
	state, until := w.stateOf(d)
	if until == 0 || until > expires {
		until = expires
	}
	if state == "" {
		state = "unknown"
	}
	return choice{reason: "held", rule: "context " + g.when.cel(), until: until, hold: "context", values: map[string]any{"device.state": state}}, true
}

// wake lets those look again that wait for what just changed.
func (w *world) wake(c *customer, hold string, d gateway.DeviceID) {
	for _, r := range slices.Clone(c.runs) {
		switch {
		case r.over || !r.waiting || r.hold != hold || d != 0 && r.device != d && r.device != 0:
		case r.j.state == "paused":
			r.due = w.now
		case w.stillRelevant(r):
			w.walk(r, nil)
		}
	}
	for _, m := range slices.Clone(c.sent) {
		if m.due > w.now && m.hold == hold && (d == 0 || m.device == d) {
			m.due = w.now
		}
	}
}

// --- complaints ---

const (
	caseOpened = "case_opened"
	caseClosed = "case_closed"
	ofCase     = "of_case"
)

// complaint is a case of a customer.
type complaint struct {
	id, channel    string
	opened, closed gateway.Instant
}

// complaints goes through all that was heard; the one heard of last comes last.
func (c *customer) complaints() (out []complaint) {
	for i := range c.events {
		e := &c.events[i]
		if e.typ != caseOpened && e.typ != caseClosed {
			continue
		}
		k := complaint{}
		if id, ok := e.props["case_id"]; ok {
			k.id = show(id)
		}
		if at := slices.IndexFunc(out, func(o complaint) bool { return o.id == k.id }); at >= 0 {
			k = out[at]
			out = slices.Delete(out, at, at+1)
		}
		if e.typ == caseClosed {
			k.closed = max(k.closed, e.at)
		} else {
			k.opened = max(k.opened, e.at)
			if k.channel, _ = e.props["channel"].(string); k.channel == "" && e.device != 0 {
				k.channel = "product"
			}
		}
		out = append(out, k)
	}
	return out
}

// openCase is the latest one that is open.
func (w *world) openCase(c *customer) (open complaint, ok bool) {
	for _, k := range c.complaints() {
		if k.opened > k.closed && w.now < k.opened+w.cfg.suspend {
			open, ok = k, true
		}
	}
	return open, ok
}

// suspended holds marketing back while a complaint is open.
func (w *world) suspended(r *run, ch choice, expires gateway.Instant) (choice, bool) {
	k, open := w.openCase(r.c)
	if !open || r.def.purpose != "marketing" {
		return ch, false
	}
	ch = choice{reason: "suspended", rule: "case"}
	if k.id != "" {
		ch.rule += " " + k.id
	}
	if !w.cfg.discard {
		ch.hold, ch.until = "case", min(expires, k.opened+w.cfg.suspend)
	}
	return ch, true
}

// caseHeard takes back what must not be shown while the case is open.
func (w *world) caseHeard(c *customer, e *event) {
	if _, open := w.openCase(c); open && e.typ == caseOpened {
		w.withdraw(c, "suspended", func(m *message) bool { return m.run.def.purpose == "marketing" })
	}
}

// withCase puts the channel of the complaint in front.
func (w *world) withCase(c *customer, list []string) (out []string) {
	k, open := w.openCase(c)
	if all := c.complaints(); !open && len(all) > 0 {
		k = all[len(all)-1]
	}
	if slices.Contains(w.cfg.order, k.channel) {
		out = append(out, k.channel)
	}
	for _, name := range list {
		if name != ofCase && !slices.Contains(out, name) {
			out = append(out, name)
		}
	}
	return out
}

// --- data ---

// dataMissing: a journey that joins data of devices with data of the customer
// needs his consent to each category.
func dataMissing(c *customer, d *journeyDef) bool {
	if len(d.data) < 2 || !slices.Contains(d.data, "customer") || d.purpose == "safety" {
		return false
	}
	return slices.ContainsFunc(d.data, func(category string) bool {
		return category != "customer" && consentFor(c, "data:"+category, "") != ""
	})
}

// --- silence of a channel ---

// silent is the end of the time in which a receipt should have come.
func (w *world) silent(m *message) {
	m.silent = 0
	w.except = m // its slot is the one that is given on
	sent := w.nextFor(m, "no_receipt")
	w.except = nil
	if sent {
		w.withdraw(m.run.c, "no_receipt", func(o *message) bool { return o == m })
	}
}
