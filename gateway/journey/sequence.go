package journey

import (
	"cmp"
	"fmt"
	"slices"

	"touchpoint/gateway"
)

// sequence is the trigger "A, then B, without C in between, within T". The
// order is that of occurred_at (then of the id), not that of arrival: an event
// of the last step fires when a chain of the steps before it is there.
//
// Of each customer (and device) the events of the last max_event_age are kept
// one by one, so that one that comes late finds its place. What is older is
// folded into one instant per step: the latest start of a chain that has come
// that far. That is exact for in-order streams of any length, since the latest
// start is within T whenever any is, and no blocking event lies behind it.
type sequence struct {
	steps   []listener
	without []listener
	perDev  bool
	// key is the canonical text: what another text gathered does not count.
	key string
	// props are the properties of a last event that an entry may need later.
	props []string
	whole bool // all of them
}

const (
	maxSequence = 8 // steps, and blocking events
	// maxSequenceEvents bounds the events that are kept one by one.
	maxSequenceEvents = 64
)

// never stands for no instant.
const never = gateway.Instant(-1 << 62)

// sequenceState is how far a sequence has come for one customer.
type sequenceState struct {
	v      *version
	device gateway.DeviceID
	// open holds the latest start of a folded chain by its length - 1; blocked is
	// the latest folded blocking event.
	open    []gateway.Instant
	blocked gateway.Instant
	recent  []sequenceEvent // by (at, key)
}

// sequenceEvent is one event that a sequence looks at.
type sequenceEvent struct {
	at     gateway.Instant
	key    string // orders events of one instant; unique
	steps  uint8  // the steps that it can be
	blocks bool
	fired  bool           // as the last step, it was decided about
	ev     *gateway.Event // as the last step, while it may still fire
}

func newSequenceState(v *version, d gateway.DeviceID) *sequenceState {
	s := &sequenceState{v: v, device: d, blocked: never}
	s.open = s.fresh()
	return s
}

func (s *sequenceState) fresh() []gateway.Instant {
	open := make([]gateway.Instant, len(s.v.def.trigger.sequence.steps)-1)
	for i := range open {
		open[i] = never
	}
	return open
}

// orderKey orders the events of one instant and is unique among the devices of
// a customer.
func orderKey(ev *gateway.Event) string {
	device := "\x00" + ev.Device.String() // sorts "a" before "ab"
	switch {
	case ev.ID != "":
		return "id:" + ev.ID + device
	case ev.HasSeq:
		return fmt.Sprintf("seq:%010d:%020d", ev.Boot, ev.Seq) + device
	}
	return fmt.Sprintf("hash:%016x", identify(ev).hash) + device
}

func (a *sequenceEvent) before(b *sequenceEvent) int {
	return cmp.Or(cmp.Compare(a.at, b.at), cmp.Compare(a.key, b.key))
}

// pass takes the chains past an event; it returns the start of the chain that
// the event completes, never when it completes none.
func (q *sequence) pass(open []gateway.Instant, e *sequenceEvent, within Duration) gateway.Instant {
	last, start := len(q.steps)-1, never
	if e.steps>>last&1 == 1 && open[last-1] != never && e.at-open[last-1] < gateway.Instant(within) {
		start = open[last-1]
	}
	if e.blocks {
		for i := range open {
			open[i] = never
		}
	}
	for i := last - 1; i > 0; i-- {
		if e.steps>>i&1 == 1 {
			open[i] = max(open[i], open[i-1])
		}
	}
	if e.steps&1 == 1 {
		open[0] = e.at
	}
	return start
}

// passLate joins an event to chains that were folded already. The first step
// and a blocking event find their place exactly, the second step is joined to the
// latest start that is known. Where those behind it lay is not kept: a later
// step is not joined, lest it fires for what came in another order.
func (s *sequenceState) passLate(e *sequenceEvent) {
	free := e.at > s.blocked
	if e.blocks {
		for i := range s.open {
			if s.open[i] <= e.at {
				s.open[i] = never
			}
		}
		s.blocked = max(s.blocked, e.at)
	}
	if len(s.open) > 1 && e.steps>>1&1 == 1 && s.open[0] < e.at {
		s.open[1] = max(s.open[1], s.open[0])
	}
	if e.steps&1 == 1 && free {
		s.open[0] = max(s.open[0], e.at)
	}
}

// fold takes the chains past the events before the horizon, and past the
// oldest when there are too many.
func (s *sequenceState) fold(horizon gateway.Instant) {
	q, n := s.v.def.trigger.sequence, 0
	for n < len(s.recent) && (s.recent[n].at < horizon || len(s.recent)-n > maxSequenceEvents) {
		e := &s.recent[n]
		q.pass(s.open, e, 0)
		if e.blocks {
			s.blocked = e.at
		}
		n++
	}
	s.recent = slices.Delete(s.recent, 0, n)
}

// add puts an event in its place.
func (s *sequenceState) add(e sequenceEvent, horizon gateway.Instant) {
	s.fold(horizon)
	if e.at < horizon || len(s.recent) == maxSequenceEvents && e.before(&s.recent[0]) < 0 { // among what is folded
		s.passLate(&e)
		return
	}
	i, found := slices.BinarySearchFunc(s.recent, &e, func(a sequenceEvent, b *sequenceEvent) int { return a.before(b) })
	if found {
		return // the same event by another way
	}
	s.recent = slices.Insert(s.recent, i, e)
	s.fold(horizon)
}

// starts returns, beside recent, the start of the chain that each event
// completes, never for none.
func (s *sequenceState) starts() []gateway.Instant {
	tr := &s.v.def.trigger
	open := slices.Clone(s.open)
	out := make([]gateway.Instant, len(s.recent))
	for i := range s.recent {
		out[i] = tr.sequence.pass(open, &s.recent[i], tr.within)
	}
	return out
}

// completesLate reports whether a last event from before the horizon would
// have fired.
func (s *sequenceState) completesLate(e *sequenceEvent, horizon gateway.Instant) bool {
	if s == nil || e.at >= horizon || e.steps>>len(s.open)&1 == 0 {
		return false
	}
	probe := sequenceState{v: s.v, open: slices.Clone(s.open), recent: slices.Clone(s.recent)}
	probe.fold(horizon)
	start := probe.open[len(probe.open)-1]
	return start < e.at && e.at-start < gateway.Instant(s.v.def.trigger.within)
}

// sequence returns the state of a sequence for a customer, nil when there is
// none or when another text gathered it.
func (c *customer) sequence(v *version, d gateway.DeviceID) *sequenceState {
	if c.more == nil {
		return nil
	}
	if !v.def.trigger.sequence.perDev {
		d = 0
	}
	for _, s := range c.more.sequences {
		if s.v.journey == v.journey && s.device == d {
			if s.v.def.trigger.sequence.key != v.def.trigger.sequence.key {
				return nil
			}
			return s
		}
	}
	return nil
}

// roles says what an event is to a sequence.
func (p *Partition) roles(v *version, c *customer, ev *gateway.Event) (steps uint8, blocks bool) {
	q := v.def.trigger.sequence
	s := p.look(c, v, nil, ev)
	for i := range q.steps {
		if l := &q.steps[i]; l.event == ev.Type && l.where.eval(s) == yes {
			steps |= 1 << i
		}
	}
	for i := range q.without {
		if l := &q.without[i]; l.event == ev.Type && l.where.eval(s) == yes {
			blocks = true
		}
	}
	return steps, blocks
}

// trySequence takes an event into a sequence and enters for what it completes:
// itself, or events that occurred after it and came before it.
func (p *Partition) trySequence(v *version, c *customer, ev *gateway.Event) {
	e := sequenceEvent{at: ev.OccurredAt}
	e.steps, e.blocks = p.roles(v, c, ev)
	if e.steps == 0 && !e.blocks {
		return
	}
	e.key = orderKey(ev)
	q, horizon := v.def.trigger.sequence, p.maxAge(v).before(p.now)
	var undone []string
	st := c.sequence(v, ev.Device)
	late := e.at < horizon
	if st != nil && e.blocks {
		undone = st.fired()
	}
	lateEnd := st.completesLate(&e, horizon)
	if !late && e.steps>>(len(q.steps)-1) == 1 {
		e.ev = q.keep(ev)
	}
	do(p, sequenceChange{customer: c.id, version: v, device: ev.Device, horizon: horizon, event: e})
	if lateEnd {
		p.tooLate(v, c, ev)
	}
	st = c.sequence(v, ev.Device)
	starts := st.starts()
	for i := range starts {
		if s := &st.recent[i]; starts[i] == never && slices.Contains(undone, s.key) {
			p.decideEntry(v, gateway.Decision{Reason: gateway.ReasonBlockedLate, Customer: c.id, Rule: ev.Type + " after it had fired"}, ev)
		}
	}
	p.fireSequence(v, c, st, starts, ev, late)
}

// fireSequence enters for the events that complete a chain and were not
// decided about.
func (p *Partition) fireSequence(v *version, c *customer, st *sequenceState, starts []gateway.Instant, ev *gateway.Event, late bool) {
	for i := range starts {
		e := &st.recent[i]
		if starts[i] == never || e.fired {
			continue
		}
		last := e.ev
		if e.key == orderKey(ev) {
			last = ev
		}
		do(p, sequenceFiredChange{customer: c.id, version: v, device: st.device, at: e.at, key: e.key})
		if late {
			p.tooLate(v, c, last)
			continue
		}
		p.enter(&entry{v: v, c: c, ev: last, trigger: "sequence:" + e.key, device: last.Device, since: starts[i],
			values: gateway.Properties{{Key: "started_at", Value: gateway.String(starts[i].String())}}})
	}
}

func (p *Partition) tooLate(v *version, c *customer, ev *gateway.Event) {
	p.decideEntry(v, gateway.Decision{Reason: gateway.ReasonTooLateToAct, Customer: c.id, Rule: "max_event_age " + p.maxAge(v).String()}, ev)
}

// fired returns the keys of the events that fired and complete a chain as of now.
func (s *sequenceState) fired() (keys []string) {
	for i, start := range s.starts() {
		if start != never { // it was decided about when it was complete
			keys = append(keys, s.recent[i].key)
		}
	}
	return keys
}

// keep copies what a later entry needs of an event.
func (q *sequence) keep(ev *gateway.Event) *gateway.Event {
	return &gateway.Event{ID: clone(ev.ID), Type: clone(ev.Type), Device: ev.Device, Product: clone(ev.Product),
		OccurredAt: ev.OccurredAt, ReceivedAt: ev.ReceivedAt, Properties: q.kept(ev.Properties)}
}

func (q *sequence) kept(props gateway.Properties) gateway.Properties {
	if q.whole {
		return cloneProperties(props)
	}
	return keepProperties(q.props, props)
}

// keepProperties copies the named properties; nested fields are kept one by one.
func keepProperties(names []string, props gateway.Properties) (out gateway.Properties) {
	for _, key := range names {
		for i := range props {
			if props[i].Key == key || len(props[i].Key) > len(key) && props[i].Key[:len(key)] == key && props[i].Key[len(key)] == '.' {
				out = append(out, gateway.Property{Key: clone(props[i].Key), Value: cloneValue(props[i].Value)})
			}
		}
	}
	out.Sort()
	return out
}
