package reference

import (
	"slices"

	"touchpoint/gateway"
)

// choice is what a send decides.
type choice struct {
	channel, reason, rule string
	fallback              []string
	until, notAfter       gateway.Instant
	device                gateway.DeviceID
	hold                  string
}

// send visits a send step; false: held back by quiet hours.
func (w *world) send(r *run, s *stepDef, e *event) bool {
	first := r.held
	if first == 0 {
		first = w.now
	}
	life := s.expires
	if life == 0 {
		life = w.cfg.expires
	}
	d := decision{kind: "send", step: s.id}
	ch := w.choose(r, s, first+life)
	if r.stand == nil && w.competes(r, s, ch) {
		r.stand = &standing{since: w.now, at: w.now}
		if e != nil {
			r.stand.at, r.stand.event = e.at, e.id
		}
		r.waiting, r.due, r.held = true, w.now+r.def.window, first
		return false
	}
	switch {
	case e != nil:
		d.event = e.id
	case r.stand != nil:
		d.event = r.stand.event
	}
	r.stand = nil
	d.reason, d.rule = ch.reason, ch.rule
	if ch.until != 0 {
		if ch.hold == "" || ch.hold != r.hold { // else it was said before
			w.decideRun(r, d)
		}
		r.waiting, r.due, r.held, r.hold = true, ch.until, first, ch.hold
		return false
	}
	r.hold = ""
	if ch.channel != "" {
		d.message = w.message(r, s, ch, first+life)
	}
	w.decideRun(r, d)
	r.held = 0
	return true
}

// choose takes the first channel in order that nothing speaks against.
func (w *world) choose(r *run, s *stepDef, expires gateway.Instant) choice {
	ch := choice{device: w.deviceFor(r)}
	if w.now >= expires {
		ch.reason = "expired"
		return ch
	}
	best := -1
	for _, name := range w.channels(r.c, s) {
		reason, rule, passed := w.against(r, name, r.def.tagsOf(s), ch.device)
		switch {
		case reason == "" && ch.channel == "":
			ch.channel = name
		case ch.channel != "" && (reason == "" || reason == "capped"):
			ch.fallback = append(ch.fallback, name)
		case ch.channel == "" && passed > best:
			ch.reason, ch.rule, best = reason, rule, passed
		}
	}
	if ch.channel == "" {
		if ch.reason == "" {
			ch.reason = "unreachable"
		}
		return ch
	}
	ch.reason, ch.rule = "sent", ch.channel
	if r.arm == "holdout" {
		ch.reason = "holdout"
	}
	if held, is := w.suspended(r, ch, expires); is {
		return held
	}
	if held, is := w.gated(r, s, ch, expires); is {
		return held
	}
	return w.quietHours(r, s, ch, expires)
}

func (w *world) channels(c *customer, s *stepDef) []string {
	switch {
	case slices.Contains(s.channels, ofCase):
		return w.withCase(c, s.channels)
	case len(c.channels) == 0 && len(s.channels) > 0:
		return s.channels
	case len(c.channels) == 0:
		return w.cfg.order
	case len(s.channels) == 0:
		return c.channels
	}
	var out []string
	for _, name := range c.channels {
		if slices.Contains(s.channels, name) {
			out = append(out, name)
		}
	}
	return out
}

// against says what speaks against a channel: consent, reach, caps.
func (w *world) against(r *run, channel string, tags []string, d gateway.DeviceID) (reason, rule string, passed int) {
	if reason := consentFor(r.c, r.def.purpose, channel); reason != "" {
		return reason, "", 0
	}
	if dataMissing(r.c, r.def) {
		return "no_consent", "", 0
	}
	if channel == "product" && d == 0 || channel == "email" && !slices.Contains(r.c.reachable, "email") {
		return "unreachable", "", 1
	}
	if rule := w.capped(r, channel, tags); rule != "" {
		return "capped", rule, 2
	}
	return "", "", 3
}

// deviceFor: his device of the enrollment, or any of his when it names none.
func (w *world) deviceFor(r *run) gateway.DeviceID {
	devices := w.devicesOf(r.c)
	switch {
	case len(devices) == 0:
		return 0
	case r.device == 0:
		return devices[0]
	case slices.Contains(devices, r.device):
		return r.device
	}
	return 0
}

// capped names the cap that closes a channel, "" when none does.
func (w *world) capped(r *run, channel string, tags []string) string {
	c := r.c
	if !r.def.obeys || c.test {
		return ""
	}
	for _, rule := range w.cfg.caps {
		if !rule.covers(channel, r.def.purpose, tags) {
			continue
		}
		n := 0
		for _, m := range c.sent {
			if !rule.covers(m.channel, m.run.def.purpose, m.tags) {
				continue
			}
			inside := m.slotAt > w.now-rule.per
			if rule.calendar != "" {
				inside = m.slotAt >= w.periodStart(w.zone(c), rule.calendar)
			}
			if m != w.except && (m.slot == "reserved" || m.slot == "shown" && inside) {
				n++
			}
		}
		for _, k := range w.claims {
			if rule.covers(k.channel, k.r.def.purpose, k.tags) {
				n++
			}
		}
		if n >= rule.max {
			return rule.name
		}
	}
	if c.capMax > 0 {
		n := len(w.claims)
		for _, m := range c.sent {
			if m != w.except && (m.slot == "reserved" || m.slot == "shown" && m.slotAt > w.now-c.capPer) {
				n++
			}
		}
		if n >= c.capMax {
			return "customer"
		}
	}
	return ""
}

func (r *capDef) covers(channel, purpose string, tags []string) bool {
	return (len(r.channels) == 0 || slices.Contains(r.channels, channel)) &&
		(len(r.purposes) == 0 || slices.Contains(r.purposes, purpose)) &&
		(len(r.tags) == 0 || slices.ContainsFunc(r.tags, func(t string) bool { return slices.Contains(tags, t) }))
}

// quietHours turns a choice into held, discarded or expired where it must not
// be sent now.
func (w *world) quietHours(r *run, s *stepDef, ch choice, expires gateway.Instant) choice {
	ch.notAfter = expires
	if r.def.purpose == "safety" {
		return ch
	}
	zone := w.zone(r.c)
	var rules []quietDef
	for _, layer := range [][]quietDef{w.cfg.quiet, r.def.quiet, s.quiet, r.c.quiet} {
		for _, q := range layer {
			if len(q.channels) == 0 || slices.Contains(q.channels, ch.channel) {
				rules = append(rules, q)
			}
		}
	}
	until, discard := w.now, false
	for again := true; again; {
		again = false
		for _, q := range rules {
			if end := w.quietUntil(zone, q, until); end > until && end < expires+day {
				until, again = end, true
				discard = discard || q.discard
			}
		}
	}
	for _, q := range rules {
		if start := w.quietFrom(zone, q); start != 0 {
			ch.notAfter = min(ch.notAfter, start)
		}
	}
	switch {
	case until == w.now:
		return ch
	case discard:
		return choice{reason: "quiet_hours"}
	case until >= expires:
		return choice{reason: "expired"}
	}
	return choice{reason: "held", until: until}
}

func (w *world) message(r *run, s *stepDef, ch choice, expires gateway.Instant) *message {
	r.visits++
	m := &message{run: r, step: s.id, visit: r.visits, device: ch.device, channel: ch.channel, fallback: ch.fallback,
		holdout: r.arm == "holdout", notAfter: ch.notAfter, expires: expires, state: "decided", slot: "none", slotAt: w.now,
		decided: w.now, notBefore: w.now, tags: r.def.tagsOf(s), def: r.def, values: w.valuesOf(r)}
	if r.def.counts && !r.c.test && !m.holdout {
		m.slot = "reserved"
	}
	w.awaitReceipt(m, s)
	r.c.sent = append(r.c.sent, m)
	w.messages = append(w.messages, m)
	return m
}

// awaitReceipt sets until when a receipt must have come.
func (w *world) awaitReceipt(m *message, s *stepDef) {
	if s.fallback > 0 && len(m.fallback) > 0 && !m.holdout {
		m.silent = m.notBefore + s.fallback
	}
}

// valuesOf are the traits that a text may show.
func (w *world) valuesOf(r *run) map[string]any {
	values := map[string]any{}
	for _, t := range r.def.traits {
		if v, ok := w.traitOf(r.c, r.j.since, &t, r.device); ok {
			values["trait."+t.name] = v
		}
	}
	return values
}

func (m *message) close() {
	m.closed, m.due, m.silent = true, 0, 0
	if m.slot == "reserved" {
		m.slot = "free"
	}
}
