package reference

import (
	"slices"

	"touchpoint/gateway"
)

// Devices that upload in bulk: what did not come may still come.

// uploadDef says of a model how rarely it tells, and what; nil is anything.
type uploadDef struct {
	interval gateway.Instant
	events   []string
}

// heardOf notes when a device that uploads in bulk told of what.
type heardOf struct{ occurred, came gateway.Instant }

// hearDevice notes that a device told something.
func (w *world) hearDevice(d *device, e *event) {
	if _, bulk := w.cfg.uploads[d.product]; bulk {
		d.heard = append(d.heard, heardOf{e.at, w.now})
	}
}

// knownAt is from when on it is known whether an event came by a time, and the
// device that is waited for.
func (w *world) knownAt(c *customer, typ string, due gateway.Instant) (at gateway.Instant, by gateway.DeviceID) {
	at = due
	for _, id := range w.devicesOf(c) {
		d := w.devices[id]
		u, bulk := w.cfg.uploads[d.product]
		if !bulk || u.events != nil && !slices.Contains(u.events, typ) || d.owners[len(d.owners)-1].from > due {
			continue
		}
		known := due + u.interval
		for _, h := range d.heard {
			if h.occurred > due { // it told of what came later
				known = due
			}
		}
		for _, h := range d.heard {
			if h.occurred < h.came-minute { // in the middle of an upload
				known = max(known, h.came+minute)
			}
		}
		if known > at {
			at, by = known, id
		}
	}
	return at, by
}

func uploadRule(at gateway.Instant) string { return "upload until " + at.String() }

// silenceDue is when a silence is decided.
func (w *world) silenceDue(c *customer, j *journey) gateway.Instant {
	due := w.silentUntil(c, j)
	if due != 0 && c.latch(j, 0).told == due && j.def.trigger.kind == "absence" {
		due, _ = w.knownAt(c, j.def.trigger.event, due)
	}
	return due
}

// waitsForUpload says, once, that a silence cannot be decided yet because of a device.
func (w *world) waitsForUpload(c *customer, j *journey) bool {
	due := w.silentUntil(c, j)
	at, by := w.knownAt(c, j.def.trigger.event, due)
	if j.def.trigger.kind != "absence" || at < w.observed || at == due {
		return false
	}
	if l := c.latch(j, 0); l.told != due {
		l.told = due
		if j.state == "published" {
			w.decide(decision{kind: "entry", reason: "unobserved", journey: j.def.name, version: j.def.version, customer: c.id, device: by, rule: uploadRule(at)})
		}
	}
	return true
}

// dueOf is when an enrollment goes on.
func (w *world) dueOf(r *run) gateway.Instant {
	if !r.overdue {
		return r.due
	}
	due, _ := w.knownAt(r.c, r.def.steps[r.step].until.event, r.due)
	return due
}

// timeoutWaits says so of the timeout of a wait for an event.
func (w *world) timeoutWaits(r *run, s *stepDef) bool {
	at, by := w.knownAt(r.c, s.until.event, r.due)
	if at < w.observed || at == r.due {
		return false
	}
	if !r.overdue {
		r.overdue = true
		w.decideRun(r, decision{kind: "step", reason: "unobserved", step: s.id, device: by, rule: uploadRule(at)})
	}
	return true
}
