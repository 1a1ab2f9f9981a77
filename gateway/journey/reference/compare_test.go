package reference

import (
	"fmt"
	"slices"
	"strings"

	"touchpoint/gateway"
	core "touchpoint/gateway/journey"
)

// equal compares what both did since the last call.
func (d *driver) equal(what string) error {
	d.nameRuns()
	d.ref.settle()
	d.ref.sayUnobserved()
	d.name()
	d.note(what)
	var got, want []string
	for i := range d.opened {
		got = append(got, coreTask(&d.opened[i]))
	}
	for _, t := range d.ref.tasks {
		want = append(want, refTask(t))
	}
	d.opened, d.ref.tasks = nil, nil
	for i := range d.decisions {
		got = append(got, coreDecision(&d.decisions[i]))
	}
	for i := range d.messages {
		got = append(got, coreMessage(&d.messages[i]))
	}
	for i := range d.updates {
		got = append(got, coreUpdate(&d.updates[i]))
	}
	for i := range d.ref.decisions {
		dec := &d.ref.decisions[i]
		if dec.reason == "too_late_to_act" && d.sequence(dec.journey) || dec.reason == "unobserved" && (d.s.partitions > 1 || d.s.wide) {
			continue
		}
		want = append(want, refDecision(&d.ref.decisions[i]))
	}
	for _, m := range d.ref.messages {
		want = append(want, refMessage(m))
	}
	for i := range d.ref.updates {
		want = append(want, refUpdate(&d.ref.updates[i]))
	}
	d.decisions, d.messages, d.updates = nil, nil, nil
	d.ref.decisions, d.ref.messages, d.ref.updates = nil, nil, nil
	slices.Sort(got)
	d.log = append(d.log, got...)
	got, d.told = append(got, d.told...), nil
	slices.Sort(got)
	slices.Sort(want)
	if slices.Equal(got, want) {
		return d.compareRuns()
	}
	only := func(a, b []string) (out string) {
		b = slices.Clone(b)
		for _, line := range a {
			if i := slices.Index(b, line); i >= 0 {
				b = slices.Delete(b, i, i+1)
			} else {
				out += "\n    " + line
			}
		}
		return out
	}
	return fmt.Errorf("%s:\n  only the core:%s\n  only the reference:%s", what, only(got, want), only(want, got))
}

// name gives the reference's enrollments and messages the ids of the core.
func (d *driver) name() {
	d.nameRuns()
	for _, m := range d.ref.messages {
		m.id = gateway.NewMessageID(m.run.id, m.step, m.visit)
		d.sent = append(d.sent, m)
	}
	for _, t := range d.ref.tasks {
		t.id = gateway.NewTaskID(t.run.id, t.step, t.visit)
		d.tasks = append(d.tasks, t)
	}
}

func (d *driver) nameRuns() {
	for i := range d.ref.decisions {
		if dec := &d.ref.decisions[i]; dec.reason == "enrolled" {
			d.nameRun(dec.run)
		}
	}
}

// nameRun gives a new enrollment the core's id, when the core was first to make it.
func (d *driver) nameRun(r *run) {
	for _, dec := range d.decisions {
		if r.id == (gateway.EnrollmentID{}) && dec.Kind == gateway.DecisionEntry && dec.Reason == gateway.ReasonEnrolled &&
			dec.At == r.entered && dec.Journey == r.j.def.name && dec.Customer == r.c.id && dec.EventID == r.event && !d.named[dec.Enrollment] {
			r.id, d.named[dec.Enrollment] = dec.Enrollment, true
		}
	}
}

// compareState compares traits, devices and enrollments as they stand.
func (d *driver) compareState() error {
	if err := d.tick(); err != nil {
		return err
	}
	for id, c := range d.ref.customers {
		v, ok := d.core.Partitions()[home(id, d.s.partitions)].View(id)
		if !ok {
			return fmt.Errorf("the core does not know customer %d", id)
		}
		if want := d.ref.devicesOf(c); !slices.Equal(v.Devices, want) {
			return fmt.Errorf("customer %d has devices %v, the reference says %v", id, v.Devices, want)
		}
		for _, t := range v.Traits {
			if !strings.HasPrefix(t.Name, "t") {
				continue
			}
			want, known := d.ref.trait(c, d.ref.journey(t.Journey).def, t.Device, t.Name)
			if known != t.Known || known && number6(t.Value.Any()) != number6(want) {
				return fmt.Errorf("customer %d: %s trait.%s is %s (%v), the reference says %v (%v)", id, t.Journey, t.Name, t.Value, t.Known, want, known)
			}
		}
		if err := d.compareView(id, c, v); err != nil {
			return err
		}
	}
	return d.compareModel()
}

func (d *driver) compareView(id gateway.CustomerID, c *customer, v core.View) error {
	running := 0
	for _, e := range v.Enrollments {
		i := slices.IndexFunc(c.runs, func(r *run) bool { return r.id == e.ID })
		if i < 0 {
			return fmt.Errorf("customer %d: the reference has no enrollment %s", id, e.ID)
		}
		r := c.runs[i]
		if r.over != (e.EndedAt != 0) || r.goal != e.Converted {
			return fmt.Errorf("customer %d: enrollment %s ended %v, converted %v; the reference says %v, %v", id, e.ID, e.EndedAt != 0, e.Converted, r.over, r.goal)
		}
		if !r.over {
			running++
			at := ""
			if r.step < len(r.def.steps) {
				at = r.def.steps[r.step].id
			}
			if at != e.Step || d.ref.dueOf(r) != e.WaitsUntil {
				return fmt.Errorf("customer %d: enrollment %s stands at %q until %s; the reference says %q until %s", id, e.ID, e.Step, e.WaitsUntil, at, r.due)
			}
		}
	}
	for _, r := range c.runs {
		if !r.over {
			running--
		}
	}
	if running != 0 {
		return fmt.Errorf("customer %d: the core runs %d enrollments more than the reference", id, running)
	}
	return nil
}

// note counts what happened.
func (d *driver) note(what string) {
	if d.s.seen == nil {
		return
	}
	d.s.seen.note("action", what)
	for i := range d.ref.decisions {
		d.s.seen.decision(&d.ref.decisions[i])
	}
	for _, m := range d.ref.messages {
		d.s.seen.note("message on", m.channel)
	}
	for _, u := range d.ref.updates {
		d.s.seen.note("message", u.state)
	}
}
