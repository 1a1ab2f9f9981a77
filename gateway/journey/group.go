package journey

import (
	"cmp"
	"slices"

	"touchpoint/gateway"
)

// member says which group a customer is in.
type member struct {
	group gateway.GroupID
	role  string
	since gateway.Instant
}

// joinGroup makes a customer a member: recorded where the group lives, which
// asks for his state.
func (p *Partition) joinGroup(in *gateway.Input, c gateway.JoinGroup) gateway.Outcome {
	if c.Customer == 0 || c.Group == 0 || p.gone(c.Customer) {
		return gateway.Outcome{Disposition: gateway.Refused, Customer: c.Customer}
	}
	if c.At == 0 {
		c.At = p.now
	}
	next := gateway.Input{Command: c, From: in.From}
	if to := gateway.HomeOf(c.Customer, c.Group, p.cfg.Partitions); to != p.cfg.Partition {
		p.forward(to, next)
		return gateway.Outcome{Disposition: gateway.Passed, Customer: c.Customer}
	}
	switch at, to := p.locateCustomer(c.Customer); at {
	case here:
		p.joinHere(p.meet(c.Customer), c)
		return gateway.Outcome{Customer: c.Customer}
	case elsewhere:
		do(p, expectCustomerChange{c.Customer})
		p.forward(to, gateway.Input{Command: gateway.ReleaseCustomer{Customer: c.Customer, To: p.cfg.Partition}})
	}
	do(p, holdCustomerChange{c.Customer, cloneInput(&next)})
	return gateway.Outcome{Disposition: gateway.Held, Customer: c.Customer}
}

// joinHere puts the membership of a customer who lives here. Of two joins the
// one that is applied last holds.
func (p *Partition) joinHere(c *customer, j gateway.JoinGroup) {
	m := member{group: j.Group, role: clone(j.Role), since: j.At}
	if old := c.membership(); old != nil {
		m.since = max(m.since, old.since)
		if old.group == j.Group {
			m.since = old.since
		} else {
			p.announceMember(c.id, *old, m.since)
		}
	}
	do(p, memberChange{c.id, &m})
	p.announceMember(c.id, m, 0)
}

// leaveGroup ends a membership; the customer goes home. What was sent to him
// stays his: it counts for him alone from now on.
func (p *Partition) leaveGroup(in *gateway.Input, c gateway.LeaveGroup) gateway.Outcome {
	refused := gateway.Outcome{Disposition: gateway.Refused, Customer: c.Customer}
	if c.Customer == 0 || p.gone(c.Customer) {
		return refused
	}
	if c.At == 0 {
		c.At = p.now
	}
	if o, done := p.routeCustomer(c.Customer, &gateway.Input{Command: c, From: in.From}); done {
		return o
	}
	cust := p.customers[c.Customer]
	if cust == nil || cust.membership() == nil || c.Group != 0 && c.Group != cust.membership().group {
		return refused
	}
	old := *cust.membership()
	do(p, memberChange{cust.id, nil})
	p.announceMember(cust.id, old, max(c.At, old.since))
	p.goWhereHeBelongs(cust.id)
	return gateway.Outcome{Customer: c.Customer}
}

// announceMember tells the read model about a membership.
func (p *Partition) announceMember(c gateway.CustomerID, m member, to gateway.Instant) {
	p.out.Memberships = append(p.out.Memberships, gateway.Membership{Customer: c, Group: m.group, Role: m.role, From: m.since, To: to})
}

// groupOf returns the group of a customer, 0 for none.
func (c *customer) groupOf() gateway.GroupID {
	if m := c.membership(); m != nil {
		return m.group
	}
	return 0
}

// joinIndex and leaveIndex keep the members of each group by id; derived.
func (p *Partition) joinIndex(c *customer) {
	group := c.groupOf()
	if group == 0 {
		return
	}
	list := p.groups[group]
	if i, found := searchCustomer(list, c.id); !found {
		p.groups[group] = slices.Insert(list, i, c)
	}
}

func (p *Partition) leaveIndex(c *customer) {
	group := c.groupOf()
	list := p.groups[group]
	if i, found := searchCustomer(list, c.id); found {
		if list = slices.Delete(list, i, i+1); len(list) == 0 {
			delete(p.groups, group)
		} else {
			p.groups[group] = list
		}
	}
}

func searchCustomer(list []*customer, id gateway.CustomerID) (int, bool) {
	return slices.BinarySearchFunc(list, id, func(c *customer, id gateway.CustomerID) int { return cmp.Compare(c.id, id) })
}

// memberChange puts a customer's membership, nil for none.
type memberChange struct {
	customer gateway.CustomerID
	member   *member
}

func (c memberChange) encode(e *encoder) {
	e.byte(opMember)
	e.fixed(uint64(c.customer))
	e.member(c.member)
}

func (c memberChange) apply(p *Partition) {
	cust := p.customer(c.customer)
	p.leaveIndex(cust)
	if c.member != nil || cust.more != nil {
		cust.grow().member = c.member
	}
	if c.member != nil {
		c.member.role = p.intern(c.member.role)
	}
	p.joinIndex(cust)
}

func (e *encoder) member(m *member) {
	if m == nil {
		e.fixed(0)
		return
	}
	e.fixed(uint64(m.group))
	e.string(m.role)
	e.at(m.since)
}

func (d *decoder) member() *member {
	m := member{group: gateway.GroupID(d.fixed())}
	if m.group == 0 {
		return nil
	}
	m.role, m.since = d.string(), d.at()
	return &m
}
