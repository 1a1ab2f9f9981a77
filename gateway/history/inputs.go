package history

import (
	"reflect"

	"touchpoint/gateway"
	"touchpoint/gateway/wire"
)

// input adds what the input of a record leaves in the history. A duplicate event
// leaves nothing and neither does one that was passed on: neither changes
// anything here.
func (c *chunk) input(in *gateway.Input, out gateway.Outcome, at, observed gateway.Instant, place Place) {
	if in.Command != nil {
		p := other(KindInput, at, observed, place)
		if p.Customer = customerOf(in.Command); p.Customer != 0 && out.Customer != 0 {
			p.Customer = out.Customer
		}
		from := len(c.data)
		c.data = wire.AppendInput(c.data, in)
		p.Data = c.data[from:len(c.data):len(c.data)]
		c.points = append(c.points, p)
		return
	}
	p := Point{Event: in.Event, Customer: out.Customer, AppliedAt: at, Place: place, Observed: observed}
	switch out.Disposition {
	case gateway.Accepted:
	case gateway.TooOld:
		p.TooOld = true
	case gateway.Held:
		p.Kind = KindHeld
	default:
		return
	}
	c.points = append(c.points, p)
}

// other returns a point that is no event.
func other(kind Kind, at, observed gateway.Instant, place Place) Point {
	return Point{Kind: kind, Event: gateway.Event{OccurredAt: at, ReceivedAt: at}, AppliedAt: at, Observed: observed, Place: place}
}

// rules notes the settings that the step says are in force from here on. They
// stand before its first record, behind the last one.
func (p *pairing) rules(s *gateway.Step, c *chunk) {
	if len(s.Rules) == 0 {
		return
	}
	at := s.Now
	if len(s.Applied) > 0 {
		at = s.Applied[0].At
	}
	point := other(KindRules, at, s.Observed, Place{Partition: s.Partition, Seq: p.pos.EventSeq, Index: uint32(p.pos.Inputs)})
	point.Data = s.Rules
	c.points = append(c.points, point)
}

var customerType = reflect.TypeFor[gateway.CustomerID]()

// customerOf returns the customer whom a command is about, 0 for none: with him
// it is deleted. That someone was erased stays known, as it does in the logs.
func customerOf(c gateway.Command) gateway.CustomerID {
	if _, ok := c.(gateway.EraseCustomer); ok {
		return 0
	}
	v := reflect.ValueOf(c)
	for i := range v.NumField() {
		if f := v.Field(i); f.Type() == customerType {
			return gateway.CustomerID(f.Uint())
		}
	}
	return 0
}
