package reference

import (
	"touchpoint/gateway"
)

// order says how far each state lies; a receipt never leads back.
var order = map[string]int{"decided": 1, "attempted": 2, "handed_over": 3, "redelivered": 3, "delivered": 4,
	"missed_window": 5, "held_out": 5, "failed": 5, "expired": 5, "withdrawn": 5, "displayed": 6, "opened": 7, "clicked": 8, "dismissed": 8}

func (w *world) receipt(m *message, state string, at gateway.Instant) string {
	if w.customers[m.run.c.id] != m.run.c { // erased
		return "refused"
	}
	news := order[state] > order[m.state] || order[state] == 3 && order[m.state] == 3 && state != m.state
	if state == "decided" || m.closed && order[state] == 5 {
		news = false
	}
	if !news {
		return "duplicate"
	}
	if at == 0 || at > w.now {
		at = w.now
	}
	m.state = state
	w.updates = append(w.updates, update{m, state, at, ""})
	switch state {
	case "attempted", "redelivered":
	case "handed_over", "delivered":
		if m.channel != "product" { // nobody will say when it is shown
			m.shown(at)
		}
	case "displayed", "opened", "clicked", "dismissed":
		m.shown(at)
		w.takeBackInstead(m, m.channel)
	case "missed_window":
		m.silent = 0
		if m.slot == "reserved" {
			m.slot = "free"
		}
		w.decideAnew(m)
	case "failed":
		open := !m.closed
		m.close()
		if open {
			w.nextFor(m, "sent")
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
		w.updates = append(w.updates, update{m, state, w.now, ""})
	}
	if r.over && r.reason != "completed" {
		give("withdrawn")
		return
	}
	s := &r.def.steps[r.def.step(m.step)]
	ch := w.choose(r, s, m.expires)
	d := decision{kind: "send", reason: ch.reason, rule: "missed window", values: ch.values, step: m.step}
	if ch.rule != "" {
		d.rule += ", " + ch.rule
	}
	switch {
	case ch.until != 0:
		w.decideRun(r, d)
		m.due, m.hold = ch.until, ch.hold
	case ch.channel == "":
		w.decideRun(r, d)
		if ch.reason == "expired" {
			give("expired")
		} else {
			give("failed")
		}
	default:
		d.message = w.message(r, s, ch, m.expires, cause{})
		w.decideRun(r, d)
		m.close()
	}
}

// nextFor tries the channels that are left after one failed or kept silent; it
// reports whether one took the message.
func (w *world) nextFor(m *message, success string) bool {
	r := m.run
	if len(m.fallback) == 0 || r.over && r.reason != "completed" || w.now >= m.expires {
		return false
	}
	d := decision{kind: "send", step: m.step}
	device := w.deviceFor(r)
	for i, name := range m.fallback {
		k := w.against(r, name, m.tags, device)
		s := &r.def.steps[r.def.step(m.step)]
		ch := w.quietHours(r, s, choice{channel: name, until: w.now}, m.expires)
		if k.reason == "" && ch.until == 0 { // quiet for as long as it is of use
			k.reason, k.rule = "quiet_hours", name
		}
		d.reason, d.rule, d.values = k.reason, k.rule, k.values
		if k.reason == "" {
			d.reason, d.rule = success, name+" after "+m.channel+" failed"
			if success == "no_receipt" {
				d.rule = name + " after " + m.channel + " gave no receipt in " + span(s.fallback)
			}
			now := w.now
			w.now = ch.until // the next quiet hours after the present ones
			after := w.quietHours(r, s, choice{channel: name}, m.expires).notAfter
			w.now = now
			d.message = w.message(r, s, choice{channel: name, fallback: m.fallback[i+1:], device: device, notAfter: after}, m.expires, cause{})
			d.message.notBefore, d.message.instead = ch.until, m
			w.awaitReceipt(d.message, s)
			break
		}
	}
	w.decideRun(r, d)
	return d.message != nil
}

// takeBackInstead: a person saw m, so what was sent in its place is taken back.
func (w *world) takeBackInstead(m *message, shownOn string) {
	for _, o := range m.run.c.sent {
		if o.instead != m {
			continue
		}
		if !o.closed {
			o.state = "withdrawn"
			o.close()
			w.updates = append(w.updates, update{o, "withdrawn", w.now, "shown by " + shownOn})
		}
		w.takeBackInstead(o, shownOn)
		return
	}
}
