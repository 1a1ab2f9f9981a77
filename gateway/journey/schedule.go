package journey

import (
	"slices"
	"strconv"
	"time"

	"github.com/teambition/rrule-go"

	"touchpoint/gateway"
)

// schedule is the trigger "every Monday at nine": an RRULE in the customer's
// own zone. Its occurrences are times of the wall clock, the same for all; what
// instant one is depends on the zone: a time in the gap of a change is the
// first instant after it, of a repeated hour the first one counts.
type schedule struct {
	rule  rrule.ROption
	where *condition
}

// wall is a time of the wall clock in seconds since 1970, as if it were UTC.
type wall int64

func wallOf(t gateway.Instant, loc *time.Location) wall {
	return wall(wallClock(t.Time().In(loc)).Unix())
}

func (w wall) time() time.Time { return time.Unix(int64(w), 0).UTC() }

// instant is when the wall clock of a zone shows w.
func (w wall) instant(loc *time.Location) gateway.Instant {
	t := w.time()
	y, m, d := t.Date()
	return civil{y, m, d}.at(LocalTime(t.Hour()*60+t.Minute()), loc)
}

func (w wall) String() string { return w.time().Format("2006-01-02 15:04") }

// occurrences lists those of a rule as far as they were asked for; what lies
// far behind is dropped and made again when it is needed.
type occurrences struct {
	rule  rrule.ROption
	next  rrule.Next
	list  []wall
	begun bool // list begins with the first occurrence
	done  bool // there are no more
}

const maxOccurrences = 4096

// after returns the index of the first occurrence later than w.
func (o *occurrences) after(w wall) int {
	if o.next == nil || !o.begun && w < o.list[0] {
		r, err := rrule.NewRRule(o.rule)
		if err != nil {
			panic(err) // Compile has made one
		}
		*o = occurrences{rule: o.rule, next: r.Iterator(), begun: true}
	}
	for !o.done && (len(o.list) == 0 || o.list[len(o.list)-1] <= w) {
		t, ok := o.next()
		if o.done = !ok; ok {
			o.list = append(o.list, wall(t.Unix()))
		}
		if len(o.list) == 2*maxOccurrences {
			o.list, o.begun = slices.Delete(o.list, 0, maxOccurrences), false
		}
	}
	i, _ := slices.BinarySearch(o.list, w+1)
	return i
}

// zoneSlack is more than any change of a zone's clock.
const zoneSlack = 26 * 3600

// from returns the first occurrence that is not before t in a zone.
func (o *occurrences) from(t gateway.Instant, loc *time.Location) (w wall, ok bool) {
	for i := o.after(wallOf(t, loc) - zoneSlack); ; i++ {
		if i >= len(o.list) {
			if i = o.after(w); i >= len(o.list) {
				return
			}
		}
		if w = o.list[i]; w.instant(loc) >= t {
			return w, true
		}
	}
}

// following returns the occurrence behind w.
func (o *occurrences) following(w wall) (next wall, ok bool) {
	if i := o.after(w); i < len(o.list) {
		return o.list[i], true
	}
	return
}

// has reports whether w is an occurrence.
func (o *occurrences) has(w wall) bool {
	o.after(w)
	_, found := slices.BinarySearch(o.list, w)
	return found
}

// latest returns the last occurrence from w on that is before t.
func (o *occurrences) latest(w wall, t gateway.Instant, loc *time.Location) wall {
	i := o.after(wallOf(t, loc)+zoneSlack) - 1
	for ; i >= 0 && o.list[i] > w; i-- {
		if o.list[i].instant(loc) < t {
			return o.list[i]
		}
	}
	return w
}

// occasion is a customer's next time in a scheduled journey: one timer each.
type occasion struct {
	c       *customer
	journey *journey
	next    wall
	last    wall // decided
	due     gateway.Instant
	queued  queued
}

func (o *occasion) timer() (gateway.Instant, bool, uint64) {
	return o.due, false, (mix(uint64(o.c.id)) ^ mix(uint64(o.journey.index)+1)) >> 1
}
func (o *occasion) queue() *queued { return &o.queued }

// occasion returns a customer's occasion of a journey, nil when he has none.
func (c *customer) occasion(j *journey) *occasion {
	if c.more == nil {
		return nil
	}
	for _, o := range c.more.occasions {
		if o.journey == j {
			return o
		}
	}
	return nil
}

// scheduled reports whether the journey's schedule runs.
func (j *journey) scheduled() bool {
	return j.active != nil && j.active.def.trigger.schedule != nil &&
		(j.state == gateway.JourneyPublished || j.state == gateway.JourneyPaused)
}

// times are the occurrences of a version's schedule.
func (v *version) times() *occurrences {
	if v.occurrences == nil {
		v.occurrences = &occurrences{rule: v.def.trigger.schedule.rule}
	}
	return v.occurrences
}

// armAll gives a customer who is new here his times.
func (p *Partition) armAll(c *customer) {
	for _, j := range p.journeys {
		if j.scheduled() {
			p.armSchedule(j, c)
		}
	}
}

// armSchedule sets a customer's next time by the active version, from now on.
// A pause loses nobody: a time that he still waits for stays.
func (p *Partition) armSchedule(j *journey, c *customer) {
	zone := p.zone(c)
	next := occasionChange{customer: c.id, journey: j, last: wallOf(p.now, zone) - zoneSlack}
	old := c.occasion(j)
	if old != nil {
		next.last = old.last
	}
	if old != nil && old.due != 0 && old.due <= p.now {
		return // it came in a pause and is decided when that is over
	}
	w, ok := j.active.times().from(p.now, zone)
	if w <= next.last {
		w, ok = j.active.times().following(next.last)
	}
	if ok {
		next.next, next.due = w, max(w.instant(zone), p.now)
	}
	if old == nil || old.next != next.next || old.due != next.due {
		do(p, next)
	}
}

// rezone moves a customer's times after what his zone depends on changed: his
// clock may have jumped. A time that it jumped over is now; where it went back,
// a time that was decided does not come again.
func (p *Partition) rezone(c *customer) {
	if c == nil || c.more == nil {
		return
	}
	zone := p.zone(c)
	for _, o := range c.more.occasions {
		switch {
		case !o.journey.scheduled():
		case o.due > p.now && o.next.instant(zone) < p.now:
			do(p, occasionChange{c.id, o.journey, o.next, o.last, p.now})
		default:
			p.armSchedule(o.journey, c)
		}
	}
}

// fire is a time of a schedule. Of several that passed while the gateway was
// down, the latest one is decided.
func (o *occasion) fire(p *Partition) {
	j, c := o.journey, o.c
	if !j.scheduled() {
		do(p, occasionChange{c.id, j, 0, o.last, 0})
		return
	}
	if j.state == gateway.JourneyPaused {
		j.parked = append(j.parked, o)
		return
	}
	v, zone, reached := j.active, p.zone(c), p.until
	times, due, w := v.times(), o.due, o.next
	if latest := times.latest(w, reached, zone); latest != w {
		if at := latest.instant(zone); at > p.now {
			do(p, occasionChange{c.id, j, latest, o.last, at})
			return
		}
		w, due = latest, latest.instant(zone)
	}
	next := occasionChange{customer: c.id, journey: j, last: w}
	if following, ok := times.following(w); ok {
		next.next, next.due = following, max(following.instant(zone), p.now)
	}
	do(p, next)
	p.enterScheduled(v, c, w, reached-due)
}

func (p *Partition) enterScheduled(v *version, c *customer, w wall, late gateway.Instant) {
	device := p.firstDevice(c)
	values := gateway.Properties{{Key: "scheduled", Value: gateway.String(w.String())}}
	if late > gateway.Instant(p.maxAge(v)) {
		p.decideEntry(v, gateway.Decision{Reason: gateway.ReasonTooLateToAct, Customer: c.id, Device: device, Values: values,
			Rule: "max_event_age " + p.maxAge(v).String()}, nil)
		return
	}
	scope := p.look(c, v, nil, nil)
	scope.device, scope.product = device, p.productOf(device)
	if v.def.trigger.schedule.where.eval(scope) != yes {
		p.filteredOut(v)
		return
	}
	p.enterNext(&entry{v: v, c: c, device: device, since: p.now, values: values,
		trigger: "schedule:" + strconv.FormatInt(int64(w), 10)})
}

// occasionChange puts a customer's next time; a due time of 0 is none.
type occasionChange struct {
	customer   gateway.CustomerID
	journey    *journey
	next, last wall
	due        gateway.Instant
}

func (c occasionChange) encode(e *encoder) {
	e.byte(opOccasion)
	e.fixed(uint64(c.customer))
	e.uint(uint64(c.journey.index))
	e.int(int64(c.next))
	e.int(int64(c.last))
	e.at(c.due)
}

func (d *decoder) occasionChange(p *Partition) change {
	return d.occasion(p, gateway.CustomerID(d.fixed()))
}

func (c occasionChange) apply(p *Partition) {
	cust := p.customer(c.customer)
	o := cust.occasion(c.journey)
	if o == nil {
		o = &occasion{c: cust, journey: c.journey}
		m := cust.grow()
		i, _ := slices.BinarySearchFunc(m.occasions, c.journey.index, func(o *occasion, index int) int {
			return compare(o.journey.index, index)
		})
		m.occasions = slices.Insert(m.occasions, i, o)
	}
	o.next, o.last, o.due = c.next, c.last, c.due
	p.schedule(o)
}

func (e *encoder) occasion(o *occasion) {
	e.uint(uint64(o.journey.index))
	e.int(int64(o.next))
	e.int(int64(o.last))
	e.at(o.due)
}

func (d *decoder) occasion(p *Partition, c gateway.CustomerID) occasionChange {
	return occasionChange{c, d.journey(p), wall(d.int()), wall(d.int()), d.at()}
}
