package reference

import (
	"bytes"
	"cmp"
	"slices"

	"touchpoint/gateway"
)

// choice is what a send decides.
type choice struct {
	channel, reason, rule string
	fallback              []string
	until, notAfter       gateway.Instant
	device                gateway.DeviceID
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
	if ch.reason == "held" {
		w.decideRun(r, d)
		r.waiting, r.due, r.held = true, ch.until, first
		return false
	}
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
	return w.quietHours(r, s, ch, expires)
}

func (w *world) channels(c *customer, s *stepDef) []string {
	switch {
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
			if m.slot == "reserved" || m.slot == "shown" && inside {
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
			if m.slot == "reserved" || m.slot == "shown" && m.slotAt > w.now-c.capPer {
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

// --- competing sends ---

// claim is the slot that a better candidate with an open window will take.
type claim struct {
	r       *run
	channel string
	tags    []string
}

// competes: a cap may close one of the channels, so the send waits until its
// instant is over and the best of it is known.
func (w *world) competes(r *run, s *stepDef, ch choice) bool {
	if ch.reason != "sent" && ch.reason != "holdout" && ch.reason != "capped" || !r.def.obeys || r.c.test {
		return false
	}
	for _, name := range w.channels(r.c, s) {
		for _, rule := range w.cfg.caps {
			if rule.covers(name, r.def.purpose, r.def.tagsOf(s)) {
				return true
			}
		}
	}
	return r.c.capMax > 0
}

// arbitrate decides about all who compete for a customer's slots: by priority,
// then time of the event, then id.
func (w *world) arbitrate(c *customer) {
	type candidate struct {
		r        *run
		m        *message
		priority int
		at, due  gateway.Instant
		id       [16]byte
	}
	var list []candidate
	for _, r := range c.runs {
		if r.stand != nil && !r.over && r.j.state != "paused" {
			list = append(list, candidate{r: r, priority: r.def.priority, at: r.stand.at, due: r.due, id: r.id})
		}
	}
	for _, m := range c.sent {
		if m.due != 0 && m.due <= w.now && m.run.j.state != "paused" {
			list = append(list, candidate{m: m, priority: m.def.priority, at: m.decided, due: m.due, id: m.id})
		}
	}
	slices.SortFunc(list, func(a, b candidate) int {
		return cmp.Or(b.priority-a.priority, cmp.Compare(a.at, b.at), bytes.Compare(a.id[:], b.id[:]))
	})
	w.claims = nil
	for _, k := range list {
		switch {
		case k.m != nil && k.m.due == k.due:
			w.decideMessage(k.m)
		case k.m != nil || k.r.over || k.r.stand == nil || k.r.due != k.due:
		case k.due > w.now:
			s := &k.r.def.steps[k.r.step]
			if ch := w.choose(k.r, s, 1<<60); ch.channel != "" && k.r.def.counts && !c.test && k.r.arm != "holdout" {
				w.claims = append(w.claims, claim{k.r, ch.channel, k.r.def.tagsOf(s)})
			}
		case w.stillRelevant(k.r):
			w.walk(k.r, nil)
		}
	}
	w.claims = nil
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
	for _, layer := range [][]quietDef{w.cfg.quiet, r.def.quiet, s.quiet} {
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
	r.c.sent = append(r.c.sent, m)
	w.messages = append(w.messages, m)
	return m
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
	m.closed, m.due = true, 0
	if m.slot == "reserved" {
		m.slot = "free"
	}
}

// --- receipts ---

// order says how far each state lies; a receipt never leads back.
var order = map[string]int{"decided": 1, "attempted": 2, "handed_over": 3, "redelivered": 3, "delivered": 4,
	"missed_window": 5, "held_out": 5, "failed": 5, "expired": 5, "withdrawn": 5, "displayed": 6, "opened": 7, "clicked": 8, "dismissed": 8}

func (w *world) receipt(m *message, state string, at gateway.Instant) string {
	if w.customers[m.run.c.id] != m.run.c { // erased
		return "refused"
	}
	news := order[state] > order[m.state] || order[state] == 3 && order[m.state] == 3 && state != m.state
	if state == "decided" || m.slot == "shown" && order[state] == 5 || m.closed && state == "missed_window" {
		news = false
	}
	if !news {
		return "duplicate"
	}
	if at == 0 || at > w.now {
		at = w.now
	}
	m.state = state
	w.updates = append(w.updates, update{m, state, at})
	switch state {
	case "attempted", "redelivered":
	case "handed_over", "delivered":
		if m.channel != "product" { // nobody will say when it is shown
			m.shown(at)
		}
	case "displayed", "opened", "clicked", "dismissed":
		m.shown(at)
		w.takeBackInstead(m)
	case "missed_window":
		if m.slot == "reserved" {
			m.slot = "free"
		}
		w.decideAnew(m)
	case "failed":
		open := !m.closed
		m.close()
		if open {
			w.next(m)
		}
	default:
		m.close()
	}
	return "accepted"
}

func (m *message) shown(at gateway.Instant) {
	if m.slot == "reserved" || m.slot == "free" {
		m.slot, m.slotAt = "shown", max(at, m.slotAt)
	}
	m.close()
}

// decideAnew: a message missed its allowed interval; it competes like any other.
func (w *world) decideAnew(m *message) {
	s := &m.run.def.steps[m.run.def.step(m.step)]
	if w.competes(m.run, s, w.choose(m.run, s, m.expires)) {
		m.due = w.now
		return
	}
	w.decideMessage(m)
}

func (w *world) decideMessage(m *message) {
	m.due = 0
	r := m.run
	give := func(state string) {
		m.state = state
		m.close()
		w.updates = append(w.updates, update{m, state, w.now})
	}
	if r.over && r.reason != "completed" {
		give("withdrawn")
		return
	}
	s := &r.def.steps[r.def.step(m.step)]
	ch := w.choose(r, s, m.expires)
	d := decision{kind: "send", reason: ch.reason, step: m.step}
	switch {
	case ch.reason == "held":
		w.decideRun(r, d)
		m.due = ch.until
	case ch.channel == "":
		w.decideRun(r, d)
		if ch.reason == "expired" {
			give("expired")
		} else {
			give("failed")
		}
	default:
		d.message = w.message(r, s, ch, m.expires)
		w.decideRun(r, d)
		m.close()
	}
}

// next tries the channels that are left after one failed.
func (w *world) next(m *message) {
	r := m.run
	if len(m.fallback) == 0 || r.over && r.reason != "completed" || w.now >= m.expires {
		return
	}
	d := decision{kind: "send", step: m.step}
	device := w.deviceFor(r)
	for i, name := range m.fallback {
		reason, rule, _ := w.against(r, name, m.tags, device)
		s := &r.def.steps[r.def.step(m.step)]
		ch := w.quietHours(r, s, choice{channel: name, until: w.now}, m.expires)
		if reason == "" && ch.until == 0 { // quiet for as long as it is of use
			reason = "quiet_hours"
		}
		d.reason = reason
		if reason == "capped" {
			d.rule = rule
		}
		if reason == "" {
			d.reason, d.rule = "sent", ""
			now := w.now
			w.now = ch.until // the next quiet hours after the present ones
			after := w.quietHours(r, s, choice{channel: name}, m.expires).notAfter
			w.now = now
			d.message = w.message(r, s, choice{channel: name, fallback: m.fallback[i+1:], device: device, notAfter: after}, m.expires)
			d.message.notBefore, d.message.instead = ch.until, m
			break
		}
	}
	w.decideRun(r, d)
}

// takeBackInstead: a person saw m, so what was sent in its place is taken back.
func (w *world) takeBackInstead(m *message) {
	for _, o := range m.run.c.sent {
		if o.instead != m {
			continue
		}
		if !o.closed {
			o.state = "withdrawn"
			o.close()
			w.updates = append(w.updates, update{o, "withdrawn", w.now})
		}
		w.takeBackInstead(o)
		return
	}
}
