package journey

import (
	"slices"

	"touchpoint/gateway"
)

// splitArm is the arm of a split step that a customer got when he first came
// there; it never changes while the step has it.
type splitArm struct{ step, arm string }

// armSubject is who an arm is drawn for: the group, so that a household gets
// one arm, else the customer.
func (c *customer) armSubject() uint64 {
	if c.groupOf() != 0 {
		return uint64(c.groupOf())
	}
	return uint64(c.id)
}

// split returns the arm of a split step for an enrollment, and stores it at the
// first assignment.
func (p *Partition) split(e *enrollment, s *step) *arm {
	m := e.c.mark(e.v.journey)
	stored := slices.IndexFunc(m.splits, func(a splitArm) bool { return a.step == s.id })
	if stored >= 0 {
		if i := slices.IndexFunc(s.arms, func(a arm) bool { return a.name == m.splits[stored].arm }); i >= 0 {
			return &s.arms[i]
		}
	}
	b := bucket(e.c.armSubject(), e.v.def.Name+"/"+s.id)
	a := &s.arms[slices.IndexFunc(s.arms, func(a arm) bool { return b < a.upTo })] // the last one goes up to all
	splits := slices.Clone(m.splits)
	if stored >= 0 {
		splits[stored].arm = a.name
	} else {
		splits = append(splits, splitArm{s.id, a.name})
	}
	m.past = pastOf(m.keys, splits)
	do(p, markChange{e.c.id, m})
	return a
}

// signArm notes on a decision in which arm the enrollment runs and for which
// group, so that an effect can be computed from the decisions alone. Test
// customers are in no arm, and neither are recipients: they count nowhere.
func (p *Partition) signArm(d *gateway.Decision, e *enrollment) {
	d.Group = e.c.groupOf()
	if e.c.test || e.origin != nil {
		return
	}
	d.Arm, d.Split = e.arm.String(), e.split
	d.Mixed = p.mixed(e.c, e.v.journey)
}

// mixed reports whether members of the customer's group are in different arms
// of a journey: some had theirs before the household formed.
func (p *Partition) mixed(c *customer, j *journey) bool {
	if c.groupOf() == 0 {
		return false
	}
	own := c.mark(j)
	for _, o := range p.groups[c.groupOf()] {
		if o == c || o.test {
			continue
		}
		m := o.mark(j)
		if m.arm != armNone && m.arm != own.arm {
			return true
		}
		for _, a := range m.splits {
			i := slices.IndexFunc(own.splits, func(b splitArm) bool { return b.step == a.step })
			if i >= 0 && own.splits[i].arm != a.arm {
				return true
			}
		}
	}
	return false
}

func (e *encoder) splits(list []splitArm) {
	e.uint(uint64(len(list)))
	for _, a := range list {
		e.string(a.step)
		e.string(a.arm)
	}
}

func (d *decoder) splits() (list []splitArm) {
	for range d.length(2) {
		list = append(list, splitArm{d.string(), d.string()})
	}
	return list
}
