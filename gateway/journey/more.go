package journey

// more is what only some customers have; most share the absence of it.
type more struct {
	sequences  []*sequenceState // by journey, then device
	contacts   []contact        // made by others, in the order of their coming
	complaints []complaint      // in the order in which they were heard of
	class      *class           // what the rules say of him
	occasions  []*occasion      // by journey
	tasks      []task           // open ones, in the order in which they were opened
	member     *member          // of a group, nil for none
	seen       *seen            // of touchpoints that came without a device
	silences   *silence         // timers of absence triggers; derived
	stores                      // derived from the counters that a snapshot holds
}

// stores is what counters keep beside themselves.
type stores struct {
	logs    []timeLog // all but the first one
	windows []window
}

// grow returns the customer's further state, making it when it is not there.
// Only changes call it.
func (c *customer) grow() *more {
	if c.more == nil {
		c.more = &more{}
	}
	return c.more
}

// stored reports whether a snapshot holds any of it in its place.
func (m *more) stored() bool {
	return m != nil && (len(m.sequences) > 0 || len(m.contacts) > 0 || len(m.complaints) > 0 || m.class != nil ||
		len(m.occasions) > 0 || len(m.tasks) > 0)
}

// membership returns the customer's place in a group, nil for none.
func (c *customer) membership() *member {
	if c.more == nil {
		return nil
	}
	return c.more.member
}

// touched returns the memory of his events without a device, nil for none.
func (c *customer) touched() *seen {
	if c.more == nil {
		return nil
	}
	return c.more.seen
}

func (e *encoder) more(m *more) {
	e.bool(m.stored())
	if !m.stored() {
		return
	}
	e.uint(uint64(len(m.sequences)))
	for _, s := range m.sequences {
		e.sequence(s)
	}
	e.uint(uint64(len(m.contacts)))
	for _, k := range m.contacts {
		e.contact(k)
	}
	e.uint(uint64(len(m.complaints)))
	for _, k := range m.complaints {
		e.complaint(k)
	}
	e.bool(m.class != nil)
	if m.class != nil {
		e.class(m.class)
	}
	e.uint(uint64(len(m.occasions)))
	for _, o := range m.occasions {
		e.occasion(o)
	}
	e.uint(uint64(len(m.tasks)))
	for _, t := range m.tasks {
		e.task(t)
	}
}

func (d *decoder) more(p *Partition, c *customer) {
	if !d.bool() {
		return
	}
	m := c.grow()
	for range d.length(5) {
		s := d.sequence(p)
		if d.bad {
			return
		}
		m.putSequence(s)
	}
	for range d.length(2) {
		m.contacts = append(m.contacts, d.contact())
	}
	for range d.length(4) {
		m.complaints = append(m.complaints, d.complaint())
	}
	if d.bool() {
		m.class = d.class(p, c)
		p.schedule(m.class)
	}
	for range d.length(4) {
		o := d.occasion(p, c.id)
		if d.bad {
			return
		}
		o.apply(p)
	}
	for range d.length(32) {
		m.tasks = append(m.tasks, d.task())
	}
}

// leave takes an erased customer's timers out of reach.
func (m *more) leave() {
	if m == nil {
		return
	}
	if m.class != nil {
		m.class.due = 0
	}
	for _, o := range m.occasions {
		o.due = 0
	}
}
