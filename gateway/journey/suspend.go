package journey

import (
	"slices"

	"touchpoint/gateway"
)

// Suspension
//
// While a complaint of a customer is open, marketing is suspended: he may enter
// journeys, but nothing is sent, and what he was not shown yet is taken back.
// What is held goes out, after all checks were made again, when the case is
// closed, unless the message has expired by then. Service and safety go on; a
// step that names the channel of_case answers where he complained.

// Suspension names the events that open and close a complaint.
type Suspension struct {
	Opened Names `yaml:"opened"`
	Closed Names `yaml:"closed"`
	// Case is the property with the case's id, Channel the one with the channel
	// that the customer used.
	Case    string `yaml:"case"`
	Channel string `yaml:"channel"`
	// Max is how long a case suspends that nobody closes.
	Max Duration `yaml:"max"`
	// OnHit is "hold" (the default: sent when the case is closed) or "discard".
	OnHit string `yaml:"on_hit"`
}

func (s *Suspension) defaults() {
	if len(s.Opened) == 0 {
		s.Opened = Names{"case_opened"}
	}
	if len(s.Closed) == 0 {
		s.Closed = Names{"case_closed"}
	}
	if s.Case == "" {
		s.Case = "case_id"
	}
	if s.Channel == "" {
		s.Channel = "channel"
	}
	if s.Max == 0 {
		s.Max = 90 * dayMillis
	}
}

// channelOfCase stands in a step for the channel on which he complained.
const channelOfCase = "of_case"

// complaint is one case of a customer.
type complaint struct {
	id      string
	channel string
	opened  gateway.Instant // 0 = only its end is known
	closed  gateway.Instant
}

// maxCases bounds what is remembered; the oldest closed ones go first.
const maxCases = 16

// noteCase learns of a complaint from an event; closed reports that one ended.
func (p *Partition) noteCase(c *customer, ev *gateway.Event) (closed bool) {
	s := &p.cfg.Suspension
	opens := slices.Contains(s.Opened, ev.Type)
	if !opens && !slices.Contains(s.Closed, ev.Type) {
		return false
	}
	id := ""
	if v := ev.Properties.Get(s.Case); v.Kind() != gateway.KindNull && v.Kind() != gateway.KindSealed {
		id = v.String()
	}
	next := complaint{id: id}
	if c.more != nil {
		if i := slices.IndexFunc(c.more.complaints, func(k complaint) bool { return k.id == id }); i >= 0 {
			next = c.more.complaints[i]
		}
	}
	if opens {
		next.opened = max(next.opened, ev.OccurredAt)
		if next.channel = ev.Properties.Get(s.Channel).AsString(); next.channel == "" && ev.Device != 0 {
			next.channel = productChannel
		}
	} else {
		next.closed = max(next.closed, ev.OccurredAt)
	}
	do(p, caseChange{c.id, next})
	if opens && p.openCase(c) != nil {
		p.withdraw(c, string(gateway.ReasonSuspended), func(m *message) bool { return m.purpose == gateway.PurposeMarketing })
	}
	return !opens
}

// openCase returns the latest complaint that is open.
func (p *Partition) openCase(c *customer) *complaint {
	if c.more == nil || len(c.more.complaints) == 0 {
		return nil
	}
	for i := len(c.more.complaints) - 1; i >= 0; i-- {
		k := &c.more.complaints[i]
		if k.opened > k.closed && p.now < p.cfg.Suspension.Max.after(k.opened) {
			return k
		}
	}
	return nil
}

// suspended holds marketing back while a complaint is open.
func (p *Partition) suspended(e *enrollment, ch *choice, expires gateway.Instant) bool {
	if e.v.def.Purpose != gateway.PurposeMarketing {
		return false
	}
	k := p.openCase(e.c)
	if k == nil {
		return false
	}
	rule := "case"
	if k.id != "" {
		rule += " " + k.id
	}
	*ch = choice{reason: gateway.ReasonSuspended, rule: rule}
	if p.cfg.Suspension.OnHit != "discard" {
		ch.hold, ch.until = holdCase, min(expires, p.cfg.Suspension.Max.after(k.opened))
	}
	return true
}

// caseChannel is the channel that the customer used for his complaint: the open
// one, else the last one. "" when the installation has no such channel.
func (p *Partition) caseChannel(c *customer) string {
	if c.more == nil || len(c.more.complaints) == 0 {
		return ""
	}
	k := p.openCase(c)
	if k == nil {
		k = &c.more.complaints[len(c.more.complaints)-1]
	}
	if !slices.Contains(p.cfg.Channels, k.channel) {
		return ""
	}
	return k.channel
}

// withCaseChannel puts the channel of the complaint in front of the others.
func (p *Partition) withCaseChannel(c *customer, order []string) []string {
	var out []string
	if first := p.caseChannel(c); first != "" {
		out = append(out, first)
	}
	for _, name := range order {
		if name != channelOfCase && !slices.Contains(out, name) {
			out = append(out, name)
		}
	}
	return out
}

// caseChange puts one complaint.
type caseChange struct {
	customer gateway.CustomerID
	complaint
}

func (c caseChange) encode(e *encoder) {
	e.byte(opCase)
	e.fixed(uint64(c.customer))
	e.complaint(c.complaint)
}

func (c caseChange) apply(p *Partition) {
	cust := p.customer(c.customer)
	m := cust.grow()
	k := c.complaint
	k.id, k.channel = clone(k.id), p.intern(k.channel)
	list := slices.DeleteFunc(m.complaints, func(o complaint) bool { return o.id == k.id })
	if len(list) >= maxCases {
		i := max(slices.IndexFunc(list, func(o complaint) bool { return o.closed >= o.opened }), 0)
		list = slices.Delete(list, i, i+1)
	}
	m.complaints = append(list, k)
}

func (e *encoder) complaint(k complaint) {
	e.string(k.id)
	e.string(k.channel)
	e.at(k.opened)
	e.at(k.closed)
}

func (d *decoder) complaint() complaint {
	return complaint{id: d.string(), channel: d.string(), opened: d.at(), closed: d.at()}
}
