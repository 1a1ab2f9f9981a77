package journey

import (
	"cmp"
	"fmt"
	"slices"

	"touchpoint/gateway"
)

// inspector looks at the whole state of a partition and notes what cannot be.
// What holds whatever was decoded is always asked for: lists in order, all that
// is derived as it follows from the rest. At rest, between two records of a run,
// the parts must also agree with each other, nothing that is due may be left
// undone, and nothing of who is gone may be left over.
type inspector struct {
	p      *Partition
	rest   bool
	idled  bool   // what was due by now was done, too
	kind   string // of what is looked at
	id     any
	faults []string
	queued map[timed][2]gateway.Instant // the earliest valid note in each heap
	parked map[timed]bool
	inside map[*version]int
	sent   int // messages
}

func newInspector(p *Partition, rest bool) *inspector {
	return &inspector{p: p, rest: rest, queued: map[timed][2]gateway.Instant{}, parked: map[timed]bool{}, inside: map[*version]int{}}
}

// Unsound lists what is wrong with a state.
func Unsound(p *Partition, rest bool) []string {
	i := newInspector(p, rest)
	i.heaps()
	i.customers()
	i.devices()
	i.moves()
	i.definitions()
	i.journeys()
	i.rules()
	i.brake()
	if rest {
		i.idle()
	}
	return i.faults
}

func (i *inspector) at(kind string, id any) { i.kind, i.id = kind, id }

// wrong notes a fault when bad holds.
func (i *inspector) wrong(bad bool, what string, details ...any) {
	if bad {
		i.faults = append(i.faults, fmt.Sprint(i.kind, " ", i.id, ": ", what, " ", fmt.Sprint(details...)))
	}
}

// sorted reports whether a list is in rising order, without two that are equal.
func sorted[T any](list []T, compare func(a, b T) int) bool {
	for i := 1; i < len(list); i++ {
		if compare(list[i-1], list[i]) >= 0 {
			return false
		}
	}
	return true
}

func (i *inspector) customers() {
	p := i.p
	for id, c := range p.customers {
		i.at("customer", id)
		i.wrong(c.id != id, "stands under another id", c.id)
		i.wrong(c.profile.isEmpty() && c.profile != noProfile, "has an empty profile of his own")
		i.wrong(c.since > p.now && i.rest, "is known since", c.since)
		i.counters(c)
		i.enrollments(c)
		i.marks(c)
		i.messages(c)
		i.further(c)
		i.wrong(!sorted(c.devices, cmp.Compare[gateway.DeviceID]), "devices out of order", c.devices)
		for _, d := range c.devices {
			dev := p.devices.get(d)
			i.wrong(dev == nil || dev.owner != c, "has a device that is not his", d)
		}
		if i.rest {
			i.wrong(p.gone(id), "was erased")
			i.wrong(gateway.HomeOf(id, c.groupOf(), p.cfg.Partitions) != p.cfg.Partition, "lives elsewhere")
		}
	}
	i.wrong(i.sent != len(p.messages), "messages stand in the index", len(p.messages), i.sent)
	members := 0
	for g, list := range p.groups {
		i.at("group", g)
		members += len(list)
		i.wrong(len(list) == 0 || !sorted(list, func(a, b *customer) int { return cmp.Compare(a.id, b.id) }), "members out of order")
		for _, c := range list {
			i.wrong(c.groupOf() != g || p.customers[c.id] != c, "a member who is none", c.id)
		}
	}
	for id, c := range p.customers {
		if c.groupOf() != 0 {
			members--
			i.wrong(!slices.Contains(p.groups[c.groupOf()], c), "a member is missing", id)
		}
	}
	i.wrong(members != 0, "members too many", members)
}

// known reports whether a journey is one of the partition's.
func (i *inspector) known(j *journey) bool {
	return j != nil && j.index < len(i.p.journeys) && i.p.journeys[j.index] == j
}

func (i *inspector) marks(c *customer) {
	i.wrong(!sorted(c.marks, func(a, b mark) int { return a.journey.index - b.journey.index }), "marks out of order")
	for k := range c.marks {
		m := &c.marks[k]
		i.wrong(!i.known(m.journey), "a mark of an unknown journey")
		i.wrong(len(m.keys)+len(m.splits) == 0 && m.past != noPast, "a mark with an empty past of its own")
		if !i.rest {
			continue
		}
		running := 0
		for _, e := range c.enrollments {
			running += boolInt(e.v.journey == m.journey && !e.ended() && e.origin == nil)
		}
		i.wrong(int(m.active) != running, "a mark counts other runs than there are:", m.journey.name, m.active, running)
		i.wrong(int(m.entries) < running, "fewer entries than runs", m.journey.name)
		i.wrong(m.exitedAt > i.p.now, "left in the future", m.journey.name)
		for n, key := range m.keys {
			i.wrong(key.at > i.p.now || key.at < apiKeyLife.before(m.keys[len(m.keys)-1].at), "an old key is kept", m.journey.name)
			i.wrong(slices.ContainsFunc(m.keys[:n], func(o apiKey) bool { return o.hash == key.hash }), "a key twice", m.journey.name)
		}
	}
	for _, e := range c.enrollments {
		i.wrong(i.rest && e.origin == nil && c.mark(e.v.journey).entries == 0, "a run without a mark", e.v.journey.name)
	}
}

func (i *inspector) enrollments(c *customer) {
	for n, e := range c.enrollments {
		i.wrong(e.c != c, "a run of somebody else")
		i.wrong(!i.known(e.v.journey) || !slices.Contains(e.v.journey.versions, e.v), "a run of an unknown version")
		i.wrong(slices.ContainsFunc(c.enrollments[:n], func(o *enrollment) bool { return o.id == e.id }), "a run twice")
		i.wrong(e.isEmpty() && e.extras != noExtras, "empty extras of its own")
		i.wrong(e.step < toEnd || int(e.step) >= len(e.v.def.steps), "stands at no step", e.step)
		i.inside[e.v] += boolInt(!e.ended())
		i.timer(e)
		if i.rest {
			i.enrollment(c, e)
		}
	}
}

// enrollment looks at a run of a partition at rest.
func (i *inspector) enrollment(c *customer, e *enrollment) {
	name, now := e.v.journey.name, i.p.now
	i.wrong(e.due == 0, "nothing will move a run on:", name, e.step)
	i.wrong(e.enteredAt > e.changedAt || e.changedAt > now || e.endedAt > now || e.waitFrom > now || e.holdFrom > now, "a run in the future", name)
	i.wrong((e.done|e.skip)>>len(e.v.def.steps) != 0 && len(e.v.def.steps) < tracked, "steps done that there are not", name)
	i.wrong(e.stand != nil && !e.waiting, "competes without waiting", name)
	i.wrong(e.absence && !e.waiting, "waits for an absence without waiting", name)
	i.wrong(e.overdue && !e.absence, "overdue without an absence", name)
	if a := e.addressed; a != nil {
		i.wrong(!sorted(a.list, cmp.Compare[gateway.CustomerID]), "addressed out of order", name)
		for _, id := range a.list {
			i.wrong(i.p.gone(id), "addressed who is erased", name, id)
		}
		i.wrong(a.step != "" && (e.step < 0 || e.v.def.steps[e.step].id != a.step), "addressed at a step where it is not", name, a.step)
	}
	if e.ended() {
		i.wrong(e.step != toEnd || e.waiting || e.absence || e.stand != nil || e.endReason == "", "goes on after its end", name)
		latest := max(now, e.endedAt) + dayMillis
		if e.addressed != nil {
			latest = max(latest, e.addressed.until)
		}
		if g := e.v.def.goal; g != nil {
			latest = max(latest, (g.within + i.p.cfg.DedupWindow).after(e.enteredAt))
		}
		i.wrong(e.due > latest, "is kept too long after its end", name, e.due)
		return
	}
	i.wrong(e.endReason != "", "has a reason to have ended", name)
	if !e.waiting {
		i.wrong(e.v.journey.state != gateway.JourneyPaused && e.due > now, "stands still without waiting", name)
		return
	}
	i.wrong(e.step < 0, "waits at no step", name)
	switch s := &e.v.def.steps[max(e.step, 0)]; s.kind {
	case stepSend:
		i.wrong(e.holdFrom == 0, "holds a message since never", name)
		i.wrong(e.absence, "a send waits for an absence", name)
	case stepWait:
		i.wrong(e.absence != (s.wait.kind == waitEvent), "waits for another thing than its step says", name)
		i.wrong(e.stand != nil || e.hold != holdTime, "a wait that holds a message", name)
	default:
		i.wrong(true, "waits at a step that does not wait", name)
	}
}

func (i *inspector) messages(c *customer) {
	for _, m := range c.messages {
		i.sent++
		i.wrong(m.c != c || i.p.messages[m.id] != m, "a message that the index does not know", m.id)
		i.wrong(!i.known(m.journey), "a message of an unknown journey")
		i.timer(m)
		if !i.rest {
			continue
		}
		i.wrong(m.slotAt > i.p.now, "a message of the future")
		if m.full == nil {
			i.wrong(m.slot == slotReserved, "a finished message keeps its slot", m.id)
			keep := max(i.p.retention(c), 90*dayMillis) // the settings may have changed
			i.wrong(m.due == 0 || m.due > keep.after(i.p.now), "a finished message is kept for ever", m.id, m.due)
			continue
		}
		f := m.full
		i.wrong(f.ID != m.id || f.Enrollment != m.enrollment || f.Customer != c.id || f.Journey != m.journey.name || f.State != m.state ||
			f.Step != m.step || f.Device != m.device || f.Channel != m.channel || f.Purpose != m.purpose, "what delivery has differs", m.id)
		i.wrong(rank[m.state] == 0 || rank[m.state] >= 5 && m.state != gateway.MessageMissedWindow, "delivery has what is over", m.id, m.state)
		i.wrong(m.slot == slotReleased && m.state != gateway.MessageMissedWindow, "on the way without its slot", m.id)
	}
}

// further looks at what only some customers have.
func (i *inspector) further(c *customer) {
	m := c.more
	if m == nil {
		return
	}
	i.wrong(!sorted(m.sequences, bySequence), "sequences out of order")
	for _, s := range m.sequences {
		i.sequence(s)
	}
	i.wrong(!sorted(m.occasions, func(a, b *occasion) int { return a.journey.index - b.journey.index }), "occasions out of order")
	for _, o := range m.occasions {
		i.wrong(o.c != c || !i.known(o.journey), "an occasion of another one")
		i.timer(o)
	}
	if k := m.class; k != nil {
		i.wrong(k.c != c, "the class of somebody else")
		i.wrong(i.rest && len(k.visits) > maxVisits, "too many stages are remembered", len(k.visits))
		for n, j := range k.missed {
			i.wrong(!i.known(j), "missed an unknown journey")
			i.wrong(i.rest && slices.Contains(k.missed[:n], j), "missed a journey twice")
		}
		i.timer(k)
	}
	for s := m.silences; s != nil; s = s.next {
		i.wrong(s.c != c || c.counter(s.trait, 0) == nil, "a silence of nobody", s.trait.id)
		i.timer(s)
	}
	i.seen(m.seen)
	if i.rest {
		i.remembered(c, m)
	}
}

func bySequence(a, b *sequenceState) int {
	if n := a.v.journey.index - b.v.journey.index; n != 0 {
		return n
	}
	return cmp.Compare(a.device, b.device)
}

// remembered looks at lists that are bounded.
func (i *inspector) remembered(c *customer, m *more) {
	i.wrong(len(m.complaints) > maxCases, "too many complaints")
	for n, k := range m.complaints {
		i.wrong(slices.ContainsFunc(m.complaints[:n], func(o complaint) bool { return o.id == k.id }), "a complaint twice", k.id)
	}
	i.wrong(len(m.tasks) > maxOpenTasks, "too many tasks")
	for n, k := range m.tasks {
		i.wrong(slices.ContainsFunc(m.tasks[:n], func(o task) bool { return o.id == k.id }), "a task twice")
	}
	newest := gateway.Instant(0)
	for _, k := range m.contacts {
		newest = max(newest, k.at)
	}
	for _, k := range m.contacts {
		i.wrong(k.at <= i.p.retention(c).before(newest), "an old contact is kept", k.at)
	}
	i.wrong(m.member != nil && m.member.group == 0, "a member of no group")
}

func (i *inspector) sequence(s *sequenceState) {
	q := s.v.def.trigger.sequence
	i.wrong(!i.known(s.v.journey) || q == nil, "a sequence of no journey")
	if q == nil {
		return
	}
	i.wrong(len(s.open) != len(q.steps)-1, "a sequence of another length")
	i.wrong(s.device != 0 && !q.perDev, "a sequence of a device")
	i.wrong(len(s.recent) > maxSequenceEvents, "too many events of a sequence")
	i.wrong(!sorted(s.recent, func(a, b sequenceEvent) int { return a.before(&b) }), "a sequence out of order")
	if !i.rest {
		return
	}
	for n := range s.recent {
		e := &s.recent[n]
		last := e.steps>>(len(q.steps)-1) == 1
		i.wrong(e.steps == 0 && !e.blocks || e.steps>>len(q.steps) != 0, "an event that is no step")
		i.wrong(e.ev != nil && (!last || e.fired) || last && e.ev == nil && !e.fired, "an event is kept that cannot fire, or is missing", e.key)
		i.wrong(e.at < i.p.maxAge(s.v).before(s.recent[len(s.recent)-1].at), "an old event is kept", e.key)
	}
	for n, at := range append(slices.Clone(s.open), s.blocked) {
		i.wrong(at != never && (at > i.p.now || n > 0 && n < len(s.open) && at > s.open[0] && s.open[0] != never), "a chain from the future")
	}
}
