package journey

import (
	"fmt"
	"slices"
	"strings"
)

// sequence reads a trigger such as {events: [a, b], without: c, within: 10m}.
func (c *compiler) sequence(o *object) {
	tr, q := &c.def.trigger, &sequence{}
	tr.sequence = q
	q.steps = c.sequenceEvents(o, "events")
	if n := len(q.steps); n < 2 {
		o.fault("events", "is missing; name at least two events in their order, such as [machine_on, brew_finished]")
	} else if n > maxSequence {
		o.fault("events", "has %d entries; %d are allowed", n, maxSequence)
	} else {
		tr.event = q.steps[n-1].event
	}
	if q.without = c.sequenceEvents(o, "without"); len(q.without) > maxSequence {
		o.fault("without", "has %d entries; %d are allowed", len(q.without), maxSequence)
	}
	tr.within = o.length("within", "write a duration such as 10m")
	q.perDev = o.choice("per", "customer", "customer", "device") == "device"
	o.finish()
	q.key = q.text(tr.within)
}

// sequenceEvents reads a list of event types, each perhaps with a filter.
func (c *compiler) sequenceEvents(o *object, key string) (out []listener) {
	for i, n := range o.list(key) {
		if n.kind == nodeScalar {
			if n.text == "" {
				o.fault(key, "holds an empty entry; name an event type such as brew_finished")
			}
			out = append(out, listener{event: c.eventName(o, key, n.text)})
			continue
		}
		e := c.object(n, indexed(o.field(key), i))
		l := listener{event: c.event(e, "event")}
		l.where = c.condition(e, "where", onEvent(l.event))
		e.finish()
		out = append(out, l)
	}
	return out
}

// text is the canonical text of a sequence.
func (q *sequence) text(within Duration) string {
	var b strings.Builder
	for _, part := range [][]listener{q.steps, q.without} {
		for i := range part {
			fmt.Fprintf(&b, "%q,", part[i].rule())
		}
		b.WriteByte('|')
	}
	fmt.Fprintf(&b, "%d|%t", within, q.perDev)
	return b.String()
}

// types lists the event types that a sequence listens to.
func (q *sequence) types() (names []string) {
	for _, l := range slices.Concat(q.steps, q.without) {
		if !slices.Contains(names, l.event) {
			names = append(names, l.event)
		}
	}
	return names
}

// sequenceProperties says what must be kept of a last event: it comes at the
// end, when every reference is known.
func (c *compiler) sequenceProperties() {
	q := c.def.trigger.sequence
	if q == nil {
		return
	}
	q.props, q.whole = slices.Clone(c.def.keep), c.def.starts()
	if by := c.def.keyBy; by != "" && by != "device" {
		q.props = append(q.props, by)
	}
	if f := c.def.filter; f != nil {
		for _, ref := range f.refs {
			if ref.root == "event" {
				q.props = append(q.props, ref.key)
			}
		}
	}
	slices.Sort(q.props)
	q.props = slices.Compact(q.props)
}
