package reference

import (
	"cmp"
	"slices"

	"touchpoint/gateway"
)

// choice is what a send decides.
type choice struct {
	channel, reason, rule string
	values                map[string]any
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
			r.stand.at, r.stand.cause = e.at, cause{e.id, e.came}
		}
		r.waiting, r.due, r.held, r.changed = true, w.now+r.def.window, first, w.now
		return false
	}
	var by cause
	switch {
	case e != nil:
		by = cause{e.id, e.came}
	case r.stand != nil:
		by = r.stand.cause
	}
	r.stand = nil
	d.event, d.reason, d.rule, d.values = by.event, ch.reason, ch.rule, ch.values
	if ch.until != 0 {
		if ch.hold == "" || ch.hold != r.hold { // else it was said before
			w.decideRun(r, d)
		}
		r.waiting, r.due, r.held, r.hold, r.changed = true, ch.until, first, ch.hold, w.now
		return false
	}
	r.hold = ""
	if ch.channel != "" {
		d.message = w.message(r, s, ch, first+life, by)
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
		k := w.against(r, name, r.def.tagsOf(s), ch.device)
		switch {
		case k.reason == "" && ch.channel == "":
			ch.channel = name
		case ch.channel != "" && (k.reason == "" || k.reason == "capped"):
			ch.fallback = append(ch.fallback, name)
		case ch.channel == "" && k.passed > best:
			ch.reason, ch.rule, ch.values, best = k.reason, k.rule, k.values, k.passed
		}
	}
	if ch.channel == "" {
		if ch.reason == "" {
			ch.reason, ch.rule = "unreachable", "no channel"
		}
		return ch
	}
	ch.reason, ch.rule, ch.values = "sent", ch.channel, nil
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

// objection is what speaks against a channel, and how many checks it passed.
type objection struct {
	reason, rule string
	values       map[string]any
	passed       int
}

// against says what speaks against a channel: consent, reach, caps.
func (w *world) against(r *run, channel string, tags []string, d gateway.DeviceID) objection {
	if reason := consentFor(r.c, r.def.purpose, channel); reason != "" {
		return objection{reason: reason, rule: r.def.purpose + " on " + channel}
	}
	if dataMissing(r.c, r.def) {
		return objection{reason: "no_consent", rule: "data:usage"}
	}
	if channel == "product" && d == 0 {
		return objection{reason: "unreachable", rule: "no device", passed: 1}
	}
	if channel == "email" && !slices.Contains(r.c.reachable, "email") {
		return objection{reason: "unreachable", rule: "no address for email", passed: 1}
	}
	if rule := w.capped(r, channel, tags); rule != nil {
		k := objection{reason: "capped", rule: rule.name, passed: 2}
		if name := w.winner(r.c, rule); name != "" {
			k.values = map[string]any{"winner": name}
		}
		return k
	}
	return objection{passed: 3}
}

// winner names the journey that took the slot while the candidate at hand stood;
// none when the slot was gone before.
func (w *world) winner(c *customer, rule *capDef) (name string) {
	if w.stood == 0 {
		return ""
	}
	for _, k := range w.claims {
		if rule.covers(k.channel, k.r.def.purpose, k.tags) {
			name = k.r.j.def.name
		}
	}
	if name != "" {
		return name
	}
	latest := w.stood
	for _, m := range c.sent {
		if (m.slot == "reserved" || m.slot == "shown") && m.slotAt >= latest && rule.covers(m.channel, m.def.purpose, m.tags) {
			name, latest = m.def.name, m.slotAt
		}
	}
	return name
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

// capped returns the cap that closes a channel, nil when none does.
func (w *world) capped(r *run, channel string, tags []string) *capDef {
	c := r.c
	if !r.def.obeys || c.test {
		return nil
	}
	for i := range w.cfg.caps {
		rule := &w.cfg.caps[i]
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
			return rule
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
			return &capDef{name: "customer"}
		}
	}
	return nil
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
		return choice{reason: "quiet_hours", rule: "discard"}
	case until >= expires:
		return choice{reason: "expired", rule: "quiet until " + until.String()}
	}
	return choice{reason: "held", rule: "quiet until " + until.String(), until: until}
}

func (w *world) message(r *run, s *stepDef, ch choice, expires gateway.Instant, by cause) *message {
	r.visits++
	m := &message{run: r, step: s.id, visit: r.visits, device: ch.device, channel: ch.channel, fallback: ch.fallback,
		holdout: r.arm == "holdout", notAfter: ch.notAfter, expires: expires, state: "decided", slot: "none", slotAt: w.now,
		decided: w.now, notBefore: w.now, tags: r.def.tagsOf(s), def: r.def, values: w.valuesOf(r, ch.device),
		product: w.productOf(ch.device), locale: r.c.locale, cause: by}
	if r.def.counts && !r.c.test && !m.holdout {
		m.slot = "reserved"
	}
	w.awaitReceipt(m, s)
	r.c.sent = append(r.c.sent, m)
	w.messages = append(w.messages, m)
	w.countSent(r)
	return m
}

// awaitReceipt sets until when a receipt must have come.
func (w *world) awaitReceipt(m *message, s *stepDef) {
	if s.fallback > 0 && len(m.fallback) > 0 && !m.holdout {
		m.silent = m.notBefore + s.fallback
	}
}

// valuesOf is what a text may show: the properties of the trigger that the
// journey speaks of, traits, the product and how the customer is addressed.
func (w *world) valuesOf(r *run, d gateway.DeviceID) map[string]any {
	values := map[string]any{}
	for k, v := range r.props {
		if slices.Contains(r.def.speaks(), k) {
			values["event."+k] = v
		}
	}
	if name := cmp.Or(w.productOf(d), r.product); name != "" {
		values["product"] = name
	}
	if r.c.locale != "" {
		values["customer.locale"] = r.c.locale
	}
	if r.c.country != "" {
		values["customer.country"] = r.c.country
	}
	traits := r.def.traits
	if own, ok := r.def.trigger.counter(); ok {
		traits = append(slices.Clone(traits), own)
	}
	for _, t := range traits {
		if v, ok := w.traitOf(r.c, r.j.since, &t, r.device); ok {
			if n, whole := v.(int64); whole && t.most > 0 {
				v = min(n, t.most)
			}
			values["trait."+t.name] = v
		}
	}
	if t := &r.def.trigger; t.every { // used up: what it took
		own, _ := t.counter()
		values["trait."+own.name] = t.atLeast
	}
	return values
}

func (m *message) close() {
	m.closed, m.due, m.silent = true, 0, 0
	if m.slot == "reserved" {
		m.slot = "free"
	}
}
