package reference

import (
	"slices"
	"strings"

	"touchpoint/gateway"
)

// walk takes an enrollment through its steps until it rests or ends.
func (w *world) walk(r *run, e *event) {
	r.waiting, r.absence, r.overdue, r.due = false, false, false, 0
	for !r.over {
		if r.step >= len(r.def.steps) {
			w.end(r, "completed", e, "")
			return
		}
		s := &r.def.steps[r.step]
		to := r.def.after(r.step)
		switch s.kind {
		case "send":
			if !w.send(r, s, e) {
				return
			}
		case "wait_for", "wait_event", "wait_local":
			r.waiting, r.began, r.changed = true, w.now, w.now
			if w.length(r, s) {
				return
			}
			r.waiting, r.due = false, 0
		case "branch":
			to = w.branch(r, s, to)
		case "split":
			to = w.split(r, s, to)
		case "set":
			w.setAttribute(r.c, s.attr, s.value)
			w.exitsByCondition(r.c, r)
			if r.over {
				return
			}
		case "start_journey":
			w.startOther(r, s)
		case "stop_journey":
			w.stopOther(r, s)
		case "task":
			w.openTask(r, s)
		case "end":
			to = len(r.def.steps)
		}
		r.step, r.changed = to, w.now
	}
}

// length sets when a wait that began is over; false when it is over at once.
func (w *world) length(r *run, s *stepDef) bool {
	switch s.kind {
	case "wait_for":
		r.due, r.absence = r.began+s.length, false
	case "wait_event":
		r.due, r.absence = r.began+s.length, true
	case "wait_local":
		r.due, r.absence = w.nextLocal(w.zone(r.c), s.local, s.days), false
		return r.due > w.now
	}
	return true
}

func (w *world) branch(r *run, s *stepDef, next int) int {
	for _, a := range s.arms {
		if a.when == nil {
			w.decideRun(r, decision{kind: "step", reason: "branch", step: s.id, rule: "otherwise"})
			return r.def.step(a.to)
		}
		switch w.eval(a.when, view{c: r.c, def: r.def, r: r, device: r.device, product: r.product}) {
		case isTrue:
			w.decideRun(r, decision{kind: "step", reason: "branch", step: s.id, rule: a.when.cel()})
			return r.def.step(a.to)
		case unknown:
			w.decideRun(r, decision{kind: "step", reason: "condition_unavailable", step: s.id, rule: a.when.cel()})
		}
	}
	w.decideRun(r, decision{kind: "step", reason: "branch", step: s.id, rule: "next"})
	return next
}

func (w *world) split(r *run, s *stepDef, next int) int {
	place, upTo := bucket(r.c, r.def.name+"/"+s.id), 0
	for _, a := range s.arms {
		upTo += a.percent * 100
		if place < upTo {
			r.splitArm = a.name
			w.decideRun(r, decision{kind: "step", reason: "branch", step: s.id, rule: a.name})
			if a.to != "" {
				return r.def.step(a.to)
			}
			return next
		}
	}
	panic("the arms of a split make 100 %")
}

// leave goes on behind a wait; in a pause it stands ready until the resume.
func (w *world) leave(r *run, to int, e *event) {
	r.step, r.changed = to, w.now
	if r.j.state == "paused" {
		r.waiting, r.absence, r.overdue, r.due = false, false, false, w.now
		return
	}
	w.walk(r, e)
}

// runDue is the end of a wait, or of quiet hours, or of a pause.
func (w *world) runDue(r *run) {
	if !r.waiting || r.step >= len(r.def.steps) {
		w.walk(r, nil)
		return
	}
	s := &r.def.steps[r.step]
	switch s.kind {
	case "send":
		if r.stand != nil {
			w.arbitrate(r.c)
			return
		}
		if !w.stillRelevant(r) {
			return
		}
		w.walk(r, nil)
	case "wait_event":
		if w.timeoutWaits(r, s) {
			return
		}
		w.decideRun(r, decision{kind: "step", reason: "timed_out", step: s.id, rule: s.until.event})
		to := r.step + 1 // the step below, whatever next says
		if s.onTimeout != "" {
			to = r.def.step(s.onTimeout)
		}
		w.leave(r, to, nil)
	default:
		w.decideRun(r, decision{kind: "step", reason: "elapsed", step: s.id})
		w.leave(r, r.def.after(r.step), nil)
	}
}

// stillRelevant ends the enrollment when an exit condition holds.
func (w *world) stillRelevant(r *run) bool {
	for _, x := range r.def.exits {
		if x.event == "" && w.matchesRun(x.where, r, nil) {
			w.end(r, "exit_criterion", nil, x.rule())
			return false
		}
	}
	return true
}

// end ends an enrollment; unless it went through, what was not shown is taken
// back.
func (w *world) end(r *run, reason string, e *event, rule string) {
	d := decision{kind: "exit", reason: reason, rule: rule}
	if r.step < len(r.def.steps) {
		d.step = r.def.steps[r.step].id
	}
	if e != nil {
		d.event = e.id
	}
	w.decideRun(r, d)
	r.over, r.reason, r.exited, r.changed = true, reason, w.now, w.now
	r.waiting, r.overdue, r.due, r.stand = false, false, 0, nil
	if reason != "completed" {
		w.withdraw(r.c, reason, func(m *message) bool { return m.run == r })
		w.closeTasks(r.c, "withdrawn", reason, func(t *task) bool { return t.run == r })
	}
}

// withdraw takes back what was not shown yet.
func (w *world) withdraw(c *customer, detail string, which func(*message) bool) {
	for _, m := range c.sent {
		if !m.closed && which(m) {
			m.state = "withdrawn"
			m.close()
			w.updates = append(w.updates, update{m, "withdrawn", w.now, detail})
		}
	}
}

// exitsByCondition ends the enrollments whose exit condition holds now that an
// attribute changed; walking is the one that changed it.
func (w *world) exitsByCondition(c *customer, walking *run) {
	for _, r := range c.runs {
		if !r.over {
			w.stillRelevant(r)
		}
	}
}

// --- commands ---

func (w *world) publish(d *journeyDef, running string) {
	j := w.journey(d.name)
	w.tellJourney("published", d)
	if j == nil {
		w.journeys = append(w.journeys, &journey{def: d, versions: []*journeyDef{d}, state: "published", since: w.serial, began: w.now,
			deaf: map[int]bool{}, fired: map[int]bool{}})
		for _, id := range sortedCustomers(w) {
			w.armSchedule(w.journey(d.name), w.customers[id])
		}
		return
	}
	j.def = d
	j.versions = append(j.versions, d)
	if j.state != "paused" {
		j.state = "published"
	}
	defer func() {
		for _, id := range sortedCustomers(w) {
			w.armSchedule(j, w.customers[id])
		}
	}()
	if running != "migrate" && running != "restart" {
		return
	}
	for _, id := range sortedCustomers(w) {
		for _, r := range w.customers[id].runs {
			if r.j != j || r.over {
				continue
			}
			r.changed = w.now
			if running == "restart" {
				r.overdue, r.def, r.step, r.waiting, r.absence, r.held, r.hold, r.stand, r.due = false, d, 0, false, false, 0, "", nil, w.now
				continue
			}
			if r.step >= len(r.def.steps) { // went through in a pause
				r.def, r.step = d, len(d.steps)
				continue
			}
			id := r.def.steps[r.step].id
			r.def, r.step = d, d.step(id)
			s := &d.steps[r.step]
			if r.waiting && s.kind != "send" {
				before := r.due
				w.length(r, s)
				r.due = max(r.due, w.now)
				r.overdue = r.overdue && r.due == before
			}
		}
	}
}

func (w *world) setState(j *journey, state string) {
	if j.state == "paused" && state == "published" {
		j.scan, j.resumed = true, w.now
	}
	if j.state = state; state == "published" {
		j.sent = nil
	}
	w.tellJourney(map[string]string{"published": "resumed", "paused": "paused", "archived": "not_active"}[state], j.def)
}

// tellJourney says what happened to a journey; each partition does.
func (w *world) tellJourney(reason string, d *journeyDef) {
	for range w.partitions {
		w.decide(decision{kind: "journey", reason: reason, journey: d.name, version: d.version})
	}
}

func (w *world) bind(dev gateway.DeviceID, id gateway.CustomerID, product, zone string, at gateway.Instant) string {
	if w.erased[id] {
		return "refused"
	}
	d := w.device(dev)
	before := d.present()
	if product != "" {
		d.product = product
	}
	if zone != "" {
		d.zone = zone
	}
	defer w.rezoneAll()
	if before == id && d.owners[len(d.owners)-1].from <= at {
		return "accepted"
	}
	w.customer(id)
	var owners []owner
	added := owner{customer: id, from: at}
	for _, o := range d.owners {
		switch {
		case o.from < at:
			if o.to == 0 || o.to > at {
				o.to = at
			}
			owners = append(owners, o)
		case o.from > at && added.to == 0:
			added.to = o.from
			owners = append(owners, added, o)
		case o.from > at:
			owners = append(owners, o)
		}
	}
	if added.to == 0 {
		owners = append(owners, added)
	}
	d.owners = owners
	if d.present() != 0 {
		d.nobodys = nil
	}
	if before != 0 && before != d.present() {
		w.deviceLeft(w.customers[before], dev)
	}
	return "accepted"
}

func (w *world) unbind(dev gateway.DeviceID, at gateway.Instant) string {
	d := w.devices[dev]
	if d == nil || d.present() == 0 {
		return "refused"
	}
	who := d.present()
	last := &d.owners[len(d.owners)-1]
	last.to = max(at, last.from)
	w.rezoneAll()
	w.deviceLeft(w.customers[who], dev)
	return "accepted"
}

// deviceLeft ends what runs on a device that its owner no longer has.
func (w *world) deviceLeft(c *customer, dev gateway.DeviceID) {
	if c == nil {
		return
	}
	for _, r := range c.runs {
		if !r.over && r.device == dev {
			w.end(r, "unbound", nil, "")
		}
	}
	w.withdraw(c, "unbound", func(m *message) bool { return m.device == dev && m.channel == "product" })
}

func (w *world) consent(id gateway.CustomerID, k consent) string {
	if w.erased[id] {
		return "refused"
	}
	c := w.customer(id)
	for _, o := range c.consents { // an older record does not undo a newer one
		if o.purpose == k.purpose && (o.channel == "" || o.channel == k.channel) && o.at > k.at {
			return "duplicate"
		}
	}
	var kept []consent
	for _, o := range c.consents {
		replaced := o.purpose == k.purpose && (o.channel == k.channel || k.channel == "") && o.at <= k.at
		if !replaced {
			kept = append(kept, o)
		}
	}
	c.consents = append(kept, k)
	w.withdraw(c, "no_consent", func(m *message) bool {
		return m.run.def.purpose == k.purpose && consentFor(c, k.purpose, m.channel) != "" ||
			slices.Contains(m.def.data, strings.TrimPrefix(k.purpose, "data:")) && dataMissing(c, m.def)
	})
	return "accepted"
}

func (w *world) erase(id gateway.CustomerID) {
	if c := w.customers[id]; c != nil {
		w.withdraw(c, "erased", func(*message) bool { return true })
		w.closeTasks(c, "withdrawn", "erased", func(*task) bool { return true })
		for _, r := range c.runs {
			if !r.over {
				w.decideRun(r, decision{kind: "exit", reason: "erased"})
			}
		}
	}
	w.erased[id] = true
	delete(w.customers, id)
	for _, d := range w.devices {
		for i := range d.owners {
			if d.owners[i].customer == id {
				d.owners[i].customer = 0
			}
		}
	}
}
