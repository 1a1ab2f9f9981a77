package journey

import (
	"fmt"
	"slices"

	"github.com/cespare/xxhash/v2"

	"touchpoint/gateway"
)

// Limits over the whole installation
//
// The partition that the hash of a journey's name falls to keeps the accounts of
// its limits: it coordinates them. Its own entries it decides at once. Another
// partition asks for as many units as entries wait there, uses or returns what
// it is granted, and tells so. A granted unit counts until it is told what
// became of it, a used one by when it was used: so the limit is never exceeded,
// and nothing of it is lost.

// limits is what a partition keeps of a journey's limits.
type limits struct {
	ledgers [limitKinds]ledger // of the coordinator
	asked   [limitKinds]int    // units that were asked for and not yet granted
	askedAt gateway.Instant    // the latest
	waiting []*waiting         // entries that ask for a place
	units   int                // granted for the scan of existing customers
	used    int                // of them, not yet told
	// closed is until when the coordinator has nothing to grant to the version.
	closed        gateway.Instant
	closedVersion uint32
	rampAt        gateway.Instant // the ramp began
	rampDue       gateway.Instant // it grows next
}

const limitKinds = int(gateway.LimitMessages) + 1

// The bounds of entries that wait for a grant.
const (
	maxWaiting = 4096
	grantWait  = Duration(5 * 60_000)
)

// ledger is the coordinator's account of one limit.
type ledger struct {
	out  []portion // granted, and not yet told what became of it; by partition
	used []use     // by time
}

type portion struct{ partition, n int }

type use struct {
	at gateway.Instant
	n  int
}

// allowance is at most max per window; without a window for ever.
type allowance struct {
	max      int
	per      Duration
	calendar string // "day", "week" or "month" in the project's zone
}

func (a *allowance) String() string {
	switch {
	case a.per > 0:
		return fmt.Sprintf("%d per %s", a.max, a.per)
	case a.calendar != "":
		return fmt.Sprintf("%d per calendar %s", a.max, a.calendar)
	}
	return fmt.Sprintf("%d in all", a.max)
}

const longAgo = gateway.Instant(-1 << 62)

// after returns the instant behind which uses count.
func (a *allowance) after(p *Partition) gateway.Instant {
	switch {
	case a.per > 0:
		return a.per.before(p.now)
	case a.calendar != "":
		return calendarStart(p.now, p.projectZone(), a.calendar) - 1
	}
	return longAgo
}

// turns returns when the calendar window after now begins.
func (a *allowance) turns(p *Partition) gateway.Instant {
	start := calendarStart(p.now, p.projectZone(), a.calendar)
	days := map[string]gateway.Instant{"day": 1, "week": 7, "month": 31}[a.calendar]
	return calendarStart(start+days*dayMillis+dayMillis/2, p.projectZone(), a.calendar)
}

func (l *ledger) outstanding() (n int) {
	for _, o := range l.out {
		n += o.n
	}
	return n
}

func (l *ledger) usedAfter(t gateway.Instant) (n int) {
	for i := len(l.used) - 1; i >= 0 && l.used[i].at > t; i-- {
		n += l.used[i].n
	}
	return n
}

// room returns how many units are free and, when none is, from when on one may
// be: 0 when that is not known, NoMore for never.
func (p *Partition) room(l *ledger, a *allowance) (free int, next gateway.Instant) {
	bound := a.after(p)
	if free = a.max - l.outstanding() - l.usedAfter(bound); free > 0 {
		return free, 0
	}
	switch {
	case len(l.out) > 0:
		return 0, 0 // some may come back
	case a.calendar != "":
		return 0, a.turns(p)
	case a.per > 0:
		i, _ := slices.BinarySearchFunc(l.used, bound+1, func(u use, t gateway.Instant) int { return compare(int64(u.at), int64(t)) })
		if i < len(l.used) {
			return 0, a.per.after(l.used[i].at)
		}
		return 0, 0
	}
	return 0, gateway.NoMore
}

// allowanceOf returns the limit of a version, nil when it has none.
func (v *version) allowanceOf(kind gateway.Limit) *allowance {
	switch {
	case kind == gateway.LimitEntry:
		return v.def.cap
	case kind == gateway.LimitExisting && v.pace > 0:
		return &allowance{max: v.pace, calendar: "day"}
	}
	return nil
}

// coordinator is the partition that keeps the accounts of a journey.
func (p *Partition) coordinator(j *journey) int {
	return int(xxhash.Sum64String(j.name) % uint64(p.cfg.Partitions))
}

func (p *Partition) coordinates(j *journey) bool { return p.coordinator(j) == p.cfg.Partition }

// limitsOf returns what is known of a journey's limits; only changes make it.
func (j *journey) limitsOf() *limits {
	if j.limits == nil {
		j.limits = &limits{}
	}
	return j.limits
}

// capEntry asks whether there is a place under the entry cap. An entry that has
// to ask elsewhere waits and is decided when the answer is here.
func (p *Partition) capEntry(en *entry) (gateway.Reason, string, gateway.Properties) {
	a := en.v.def.cap
	if a == nil || en.c.test || en.grant == granted {
		return "", "", nil
	}
	j := en.v.journey
	reason, rule, values := p.capCheck(en)
	switch reason {
	case "":
		do(p, ledgerChange{journey: j, kind: gateway.LimitEntry, at: p.now, n: 1, bound: a.after(p)})
	case gateway.ReasonWaiting:
		do(p, waitChange{j, en.waits()})
		p.askGrant(j, 0, 0)
	}
	return reason, rule, values
}

// capCheck says what the entry cap answers, and takes no place.
func (p *Partition) capCheck(en *entry) (gateway.Reason, string, gateway.Properties) {
	a, j := en.v.def.cap, en.v.journey
	if a == nil || en.c.test || en.grant == granted {
		return "", "", nil
	}
	l := j.limits
	if l == nil {
		l = &limits{}
	}
	switch {
	case en.grant == denied && l.closedVersion == en.v.number:
		return gateway.ReasonEntryCap, a.String(), frees(l.closed)
	case en.grant == denied:
		return gateway.ReasonEntryCap, a.String(), nil
	case p.coordinates(j):
		if free, next := p.room(&l.ledgers[gateway.LimitEntry], a); free <= 0 {
			return gateway.ReasonEntryCap, a.String(), frees(next)
		}
		return "", "", nil
	case l.closedVersion == en.v.number && p.now < l.closed:
		return gateway.ReasonEntryCap, a.String(), frees(l.closed)
	case len(l.waiting) >= maxWaiting:
		return gateway.ReasonExhausted, fmt.Sprintf("%d entries wait for a grant already", maxWaiting), nil
	}
	return gateway.ReasonWaiting, a.String(), nil
}

// frees says when a limit has room again.
func frees(next gateway.Instant) gateway.Properties {
	if next == 0 || next == gateway.NoMore {
		return nil
	}
	return gateway.Properties{{Key: "free_at", Value: gateway.String(next.String())}}
}

// askGrant tells the coordinator what became of granted units and asks for as
// many as entries wait, unless it was asked already.
func (p *Partition) askGrant(j *journey, used, returned int) {
	l := j.limitsOf()
	r := gateway.RequestGrant{Journey: j.name, Limit: gateway.LimitEntry, Partition: p.cfg.Partition,
		Used: used, Returned: returned}
	if used > 0 {
		r.UsedAt = p.now
	}
	if l.asked[r.Limit] == 0 && len(l.waiting) > 0 && j.active != nil && j.state != gateway.JourneyPaused {
		r.Want, r.Version = len(l.waiting), j.active.number
		do(p, askChange{journey: j, kind: r.Limit, asked: r.Want, at: p.now, closed: l.closed, version: l.closedVersion})
	}
	if r.Want+used+returned > 0 {
		p.forward(p.coordinator(j), gateway.Input{Command: r})
	}
}

// requestGrant is the coordinator's part.
func (p *Partition) requestGrant(c gateway.RequestGrant) gateway.Outcome {
	j := p.journeyNamed(c.Journey)
	if j == nil || !p.coordinates(j) || int(c.Limit) >= limitKinds || c.Limit == 0 {
		return gateway.Outcome{Disposition: gateway.Refused}
	}
	var a *allowance
	if v := j.version(c.Version); v != nil {
		a = v.allowanceOf(c.Limit)
	}
	bound := longAgo
	if a != nil {
		bound = a.after(p)
	}
	if c.Used+c.Returned > 0 {
		do(p, ledgerChange{journey: j, kind: c.Limit, partition: c.Partition, out: -c.Used - c.Returned,
			at: max(c.UsedAt, 0), n: c.Used, bound: bound})
	}
	if c.Want == 0 {
		return gateway.Outcome{}
	}
	g := gateway.Grant{Journey: j.name, Limit: c.Limit, At: p.now}
	if a != nil {
		free, next := p.room(&j.limitsOf().ledgers[c.Limit], a)
		if g.Units = min(free, c.Want); g.Units < c.Want {
			g.Next = next
		}
	}
	if g.Units > 0 {
		do(p, ledgerChange{journey: j, kind: c.Limit, partition: c.Partition, out: g.Units, bound: bound})
		if free, next := p.room(&j.limitsOf().ledgers[c.Limit], a); free == 0 && g.Units < c.Want {
			g.Next = next
		}
	}
	p.forward(c.Partition, gateway.Input{Command: g})
	return gateway.Outcome{}
}

// takeGrant decides the entries that waited for it.
func (p *Partition) takeGrant(c gateway.Grant) gateway.Outcome {
	j := p.journeyNamed(c.Journey)
	if j == nil || int(c.Limit) >= limitKinds || c.Limit == 0 {
		return gateway.Outcome{Disposition: gateway.Refused}
	}
	if c.Limit == gateway.LimitExisting {
		p.takeExistingGrant(j, c)
		return gateway.Outcome{}
	}
	l := j.limitsOf()
	asked, units, used := min(l.asked[c.Limit], len(l.waiting)), c.Units, 0
	change := askChange{journey: j, kind: c.Limit, at: l.askedAt}
	if units < asked && j.active != nil {
		change.closed, change.version = c.Next, j.active.number
	}
	do(p, change)
	if j.state == gateway.JourneyPaused { // a pause loses nobody: they ask again on resume
		p.askGrant(j, 0, units)
		return gateway.Outcome{}
	}
	for ; asked > 0; asked-- {
		w := l.waiting[0]
		do(p, unwaitChange{j, 1})
		if p.enterWaiting(j, w, units > 0) {
			units--
			used++
		}
	}
	p.askGrant(j, used, units)
	return gateway.Outcome{}
}

// enterWaiting decides an entry anew that waited; it reports whether a unit was
// used.
func (p *Partition) enterWaiting(j *journey, w *waiting, unit bool) bool {
	c := p.customers[w.customer]
	if c == nil || j.active == nil {
		return false
	}
	en := w.entry(j.active, c)
	if en.grant = denied; unit {
		en.grant = granted
	}
	if en.apiKey != 0 {
		m := c.mark(j)
		if i := slices.IndexFunc(m.keys, func(k apiKey) bool { return k.hash == en.apiKey }); i >= 0 {
			p.decideEntry(en.v, gateway.Decision{Reason: gateway.ReasonReplayed, Customer: c.id, Enrollment: m.keys[i].enrollment}, en.ev)
			return false
		}
	}
	return p.enter(en).Reason == gateway.ReasonEnrolled
}

// giveUpWaiting ends the entries whose grant did not come.
func (p *Partition) giveUpWaiting(j *journey) {
	l := j.limits
	list := slices.Clone(l.waiting)
	do(p, unwaitChange{j, len(list)})
	for _, w := range list {
		c := p.customers[w.customer]
		if c == nil || j.active == nil {
			continue
		}
		en := w.entry(j.active, c)
		p.decideEntry(j.active, gateway.Decision{Reason: gateway.ReasonExhausted, Customer: c.id, Device: en.device,
			Rule: "no grant within " + grantWait.String(), Values: en.values}, en.ev)
	}
}

// limitTimer is when something of the journey's limits is due, 0 for never.
func (j *journey) limitTimer() (due gateway.Instant) {
	l := j.limits
	if l == nil {
		return 0
	}
	if len(l.waiting) > 0 && l.asked[gateway.LimitEntry] > 0 && j.state != gateway.JourneyPaused {
		due = grantWait.after(l.askedAt)
	}
	if l.rampDue != 0 && (due == 0 || l.rampDue < due) {
		due = l.rampDue
	}
	return due
}

func (p *Partition) limitsDue(j *journey) {
	l := j.limits
	if l == nil {
		return
	}
	if len(l.waiting) > 0 && l.asked[gateway.LimitEntry] > 0 && j.state != gateway.JourneyPaused && grantWait.after(l.askedAt) <= p.now {
		p.giveUpWaiting(j)
	}
	if l.rampDue != 0 && l.rampDue <= p.now {
		p.growRamp(j)
	}
}

// takeExisting takes a unit for a customer of before the publication. Without
// one it asks, and the scan waits.
func (p *Partition) takeExisting(j *journey) bool {
	a := j.active.allowanceOf(gateway.LimitExisting)
	if p.coordinates(j) {
		free, _ := p.room(&j.limitsOf().ledgers[gateway.LimitExisting], a)
		return free > 0
	}
	return j.limitsOf().units > 0
}

// usedExisting notes that such a customer entered.
func (p *Partition) usedExisting(j *journey) {
	a := j.active.allowanceOf(gateway.LimitExisting)
	if p.coordinates(j) {
		do(p, ledgerChange{journey: j, kind: gateway.LimitExisting, at: p.now, n: 1, bound: a.after(p)})
		return
	}
	l := j.limits
	do(p, unitsChange{j, l.units - 1, l.used + 1})
}

// waitExisting asks for units for the scan; it returns when the scan goes on: 0
// = with the grant.
func (p *Partition) waitExisting(j *journey, want int) gateway.Instant {
	a := j.active.allowanceOf(gateway.LimitExisting)
	if p.coordinates(j) {
		if _, next := p.room(&j.limitsOf().ledgers[gateway.LimitExisting], a); next != 0 {
			return next
		}
		return p.now + 60_000 // units are on their way back
	}
	p.tellExisting(j, min(want, a.max))
	return 0
}

// tellExisting tells the coordinator what the scan used, returns the rest and
// asks for more.
func (p *Partition) tellExisting(j *journey, want int) {
	l := j.limits
	if l == nil || p.coordinates(j) || want == 0 && l.used == 0 && l.units == 0 {
		return
	}
	r := gateway.RequestGrant{Journey: j.name, Version: j.active.number, Limit: gateway.LimitExisting,
		Partition: p.cfg.Partition, Want: want, Used: l.used, Returned: l.units}
	if l.used > 0 {
		r.UsedAt = p.now
	}
	do(p, unitsChange{j, 0, 0})
	p.forward(p.coordinator(j), gateway.Input{Command: r})
}

// takeExistingGrant goes on with the scan.
func (p *Partition) takeExistingGrant(j *journey, c gateway.Grant) {
	l := j.limitsOf()
	do(p, unitsChange{j, l.units + c.Units, l.used})
	change := j.put()
	switch {
	case j.scan.kind != scanEntry || j.active == nil:
		if j.active != nil {
			p.tellExisting(j, 0)
		}
		return
	case c.Units > 0:
		change.scan.due = p.now
	case c.Next == 0 || c.Next == gateway.NoMore:
		change.scan.due = p.now + 60_000
	default:
		change.scan.due = max(c.Next, p.now)
	}
	do(p, change)
}
