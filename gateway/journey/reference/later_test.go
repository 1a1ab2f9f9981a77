package reference

import (
	"slices"
	"strings"

	"touchpoint/gateway"
)

// What an input leads to beside its own path comes when the input is done: the
// journeys that a step starts or stops, that a segment or stage starts, exits
// that look at the stage.

type later struct {
	c     *customer
	chain []*journey // that led here without a wait
	do    func()
}

func (w *world) putOff(c *customer, do func()) {
	w.later = append(w.later, later{c, w.chain, do})
}

// settle does what was put off, and what that leads to.
func (w *world) settle() {
	for len(w.later) > 0 {
		l := w.later[0]
		w.later = w.later[1:]
		if w.customers[l.c.id] == l.c {
			w.chain = l.chain
			l.do()
		}
	}
	w.chain = nil
}

// within runs what belongs to a journey: what it puts off knows of it.
func (w *world) within(j *journey, do func()) {
	before := w.chain
	if !slices.Contains(before, j) {
		w.chain = append(slices.Clone(before), j)
	}
	do()
	w.chain = before
}

// enterNext enters a journey that another one, a segment or a time led to,
// unless it is itself among those that led here.
func (w *world) enterNext(j *journey, c *customer, t trigger) {
	e, d := t.e, t.device
	if slices.Contains(w.chain, j) {
		dec := decision{kind: "entry", reason: "loop", journey: j.def.name, version: j.def.version, customer: c.id, device: d}
		if e != nil {
			dec.event = e.id
			if d == 0 {
				dec.device = e.device
			}
		}
		for _, other := range w.chain {
			dec.rule += other.def.name + " → "
		}
		dec.rule += j.def.name
		w.decide(dec)
		return
	}
	t.since = w.now
	w.within(j, func() { w.enterBy(j, c, t) })
}

// startOther is the start_journey step.
func (w *world) startOther(r *run, s *stepDef) {
	w.decideRun(r, decision{kind: "step", reason: "started", step: s.id, rule: s.other})
	r.visits++
	w.within(r.j, func() {
		w.putOff(r.c, func() {
			if j := w.journey(s.other); j != nil {
				w.enterNext(j, r.c, trigger{device: r.device, props: r.props})
				return
			}
			w.decide(decision{kind: "entry", reason: "not_active", journey: s.other, customer: r.c.id})
		})
	})
}

// stopOther is the stop_journey step.
func (w *world) stopOther(r *run, s *stepDef) {
	w.decideRun(r, decision{kind: "step", reason: "stopped", step: s.id, rule: s.other})
	w.within(r.j, func() {
		w.putOff(r.c, func() {
			for _, other := range slices.Clone(r.c.runs) {
				if other.def.name == s.other && !other.over {
					w.end(other, "stopped", nil, r.j.def.name+"/"+s.id)
				}
			}
		})
	})
}

// --- tasks ---

// task is something that the staff is asked to do.
type task struct {
	id      gateway.TaskID
	run     *run
	step    string
	visit   uint32
	device  gateway.DeviceID
	opened  gateway.Instant
	due     gateway.Instant
	product string
	locale  string
	values  map[string]any
	def     *journeyDef
	state   string // open done withdrawn
	outcome string
	closed  gateway.Instant
}

// openTask is the task step; the control group has none.
func (w *world) openTask(r *run, s *stepDef) {
	if r.arm == "holdout" {
		w.decideRun(r, decision{kind: "step", reason: "holdout", step: s.id, rule: "support"})
		return
	}
	r.visits++
	device := w.deviceFor(r)
	t := &task{run: r, step: s.id, visit: r.visits, device: device, product: w.productOf(device), locale: r.c.locale, opened: w.now,
		values: w.valuesOf(r, device), def: r.def, state: "open"}
	if s.length > 0 {
		t.due = w.now + s.length
	}
	r.c.tasks = append(r.c.tasks, t)
	w.tasks = append(w.tasks, t)
	w.decideRun(r, decision{kind: "step", reason: "task", step: s.id, rule: "support"})
}

func (w *world) closeTasks(c *customer, state, outcome string, which func(*task) bool) {
	for _, t := range c.tasks {
		if t.state == "open" && which(t) {
			t.state, t.outcome, t.closed = state, outcome, w.now
		}
	}
}

// taskDone hears the event that says so.
func (w *world) taskDone(c *customer, e *event) {
	if e.typ != gateway.EventTaskDone {
		return
	}
	outcome, _ := e.props["outcome"].(string)
	w.closeTasks(c, "done", outcome, func(t *task) bool { return strings.EqualFold(t.id.String(), show(e.props["task"])) })
}
