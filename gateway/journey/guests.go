package journey

import (
	"slices"

	"touchpoint/gateway"
)

// Guests of a scan
//
// `existing: enroll N per day` lets in so many a day by a scan that rests in
// between. Who comes from another partition behind the place where it stands,
// and was not looked at there, is looked at before it goes on.

// invite notes a customer whom a scan of existing customers is to look at.
func (p *Partition) invite(j *journey, c *customer, due gateway.Instant) {
	if j.scan.kind == scanMigrate {
		return // the scan behind that one comes to him
	}
	change := j.put()
	if change.scan.kind == scanNone { // nobody else is left
		change.scan = scan{kind: scanEntry, next: ^gateway.CustomerID(0), existing: ^gateway.CustomerID(0)}
	}
	change.scan.due = due
	change.scan.guests = append(slices.Clone(change.scan.guests), c.id)
	do(p, change)
}

// scanGuests looks at those who came; false when the pace allows no more today.
func (p *Partition) scanGuests(j *journey) bool {
	s := j.scan
	if len(s.guests) == 0 {
		return true
	}
	for i, id := range s.guests {
		if c := p.customers[id]; c != nil && !p.enterExisting(j, c, true) {
			p.rest(j, s.guests[i:], scan{kind: scanEntry, next: s.next, existing: s.existing, guests: s.guests[i:]})
			return false
		}
	}
	change := j.put()
	change.scan.guests = nil
	do(p, change)
	return true
}

// dismiss forgets a guest who left again, or was erased.
func (j *journey) dismiss(id gateway.CustomerID) {
	j.scan.guests = slices.DeleteFunc(slices.Clone(j.scan.guests), func(g gateway.CustomerID) bool { return g == id })
}

// scansPaused reports whether the scan of existing customers goes on in a pause:
// where a counter can note who would have entered.
func (j *journey) scansPaused() bool { return j.active.pace == 0 && j.active.def.trigger.class == nil }

// withGuests says that a list of them follows a scan.
const withGuests = 0x80

func (e *encoder) guests(list []gateway.CustomerID) {
	e.uint(uint64(len(list)))
	for _, id := range list {
		e.fixed(uint64(id))
	}
}

func (d *decoder) guests() (list []gateway.CustomerID) {
	for range d.length(8) {
		list = append(list, gateway.CustomerID(d.fixed()))
	}
	return list
}
