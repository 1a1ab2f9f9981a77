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
	asked   int                // entries for which units were asked and not yet granted
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

// unitsLook is when a scan looks again that waits for units which others may return.
const unitsLook = Duration(60_000)

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
	case a.per != 0:
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
	case a.per != 0:
		return a.per.before(p.now)
	case a.calendar != "":
		return calendarStart(p.now, p.projectZone(), a.calendar) - 1
	}
	return longAgo
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
		return 0, calendarEnd(p.now, p.projectZone(), a.calendar)
	case a.per != 0:
		i, _ := slices.BinarySearchFunc(l.used, bound+1, func(u use, t gateway.Instant) int { return compare(int64(u.at), int64(t)) })
		return 0, a.per.after(l.used[i].at) // some is used, for max is at least 1
	}
	return 0, gateway.NoMore
}

// byGrants reports whether a limit is shared by units that are asked for.
func byGrants(kind gateway.Limit) bool {
	return kind == gateway.LimitEntry || kind == gateway.LimitExisting
}

// allowanceOf returns the limit of a version; nil when it has no entry cap.
func (v *version) allowanceOf(kind gateway.Limit) *allowance {
	if kind == gateway.LimitEntry {
		return v.def.cap
	}
	return &allowance{max: v.pace, calendar: "day"}
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
	j := en.v.journey
	reason, rule, values := p.capCheck(en)
	switch {
	case reason == gateway.ReasonWaiting:
		do(p, waitChange{j, en.waits()})
		p.askGrant(j, 0, 0)
	case reason == "" && en.needsPlace():
		do(p, ledgerChange{journey: j, kind: gateway.LimitEntry, at: p.now, n: 1, bound: en.v.def.cap.after(p)})
	}
	return reason, rule, values
}

// needsPlace reports whether the entry takes a place under the entry cap.
func (en *entry) needsPlace() bool { return en.v.def.cap != nil && !en.c.test && en.grant != granted }

// capCheck says what the entry cap answers, and takes no place.
func (p *Partition) capCheck(en *entry) (gateway.Reason, string, gateway.Properties) {
	if !en.needsPlace() {
		return "", "", nil
	}
	a, j := en.v.def.cap, en.v.journey
	l := j.limits
	if l == nil {
		l = &limits{}
	}
	switch {
	case en.grant == denied: // by an answer that says when there is room
		return gateway.ReasonEntryCap, a.String(), frees(l.closed)
	case p.coordinates(j):
		if free, next := p.room(&l.ledgers[gateway.LimitEntry], a); free == 0 {
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
	l := j.limits
	if l == nil {
		return
	}
	r := gateway.RequestGrant{Journey: j.name, Limit: gateway.LimitEntry, Partition: p.cfg.Partition,
		Used: used, Returned: returned}
	if used > 0 {
		r.UsedAt = p.now
	}
	if l.asked == 0 && len(l.waiting) > 0 && j.state != gateway.JourneyPaused {
		r.Want, r.Version = len(l.waiting), j.active.number
		do(p, askChange{journey: j, asked: r.Want, at: p.now, closed: l.closed, version: l.closedVersion})
	}
	if r.Want+used+returned > 0 {
		p.forward(p.coordinator(j), gateway.Input{Command: r})
	}
}

// requestGrant is the coordinator's part.
func (p *Partition) requestGrant(c gateway.RequestGrant) gateway.Outcome {
	j := p.journeyNamed(c.Journey)
	if j == nil || !p.coordinates(j) || !byGrants(c.Limit) {
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
		g.Units, g.Next = min(free, c.Want), next
	}
	if g.Units > 0 {
		do(p, ledgerChange{journey: j, kind: c.Limit, partition: c.Partition, out: g.Units, bound: bound})
	}
	p.forward(c.Partition, gateway.Input{Command: g})
	return gateway.Outcome{}
}

// takeGrant decides the entries that waited for it.
func (p *Partition) takeGrant(c gateway.Grant) gateway.Outcome {
	j := p.journeyNamed(c.Journey)
	if j == nil || j.active == nil || !byGrants(c.Limit) {
		return gateway.Outcome{Disposition: gateway.Refused}
	}
	if c.Limit == gateway.LimitExisting {
		p.takeExistingGrant(j, c)
		return gateway.Outcome{}
	}
	l := j.limitsOf()
	asked, units, used := min(l.asked, len(l.waiting)), c.Units, 0
	change := askChange{journey: j, at: l.askedAt}
	if units < asked {
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
		p.decideEntry(j.active, gateway.Decision{Reason: gateway.ReasonExhausted, Customer: w.customer, Device: w.device,
			Rule: "no grant within " + grantWait.String(), Values: w.values}, w.event)
	}
}

// givesUp is when the entries that wait for a grant give up, 0 for never.
func (j *journey) givesUp() gateway.Instant {
	if l := j.limits; len(l.waiting) > 0 && l.asked > 0 && j.state != gateway.JourneyPaused {
		return grantWait.after(l.askedAt)
	}
	return 0
}

// limitTimer is when something of the journey's limits is due, 0 for never.
func (j *journey) limitTimer() gateway.Instant {
	if j.limits == nil {
		return 0
	}
	return sooner(j.givesUp(), j.limits.rampDue)
}

func (p *Partition) limitsDue(j *journey) {
	if j.limits == nil {
		return
	}
	if due := j.givesUp(); due != 0 && due <= p.now {
		p.giveUpWaiting(j)
	}
	if due := j.limits.rampDue; due != 0 && due <= p.now {
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
		return unitsLook.after(p.now)
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
	if j.scan.kind != scanEntry {
		p.tellExisting(j, 0)
		return
	}
	change := j.put()
	if change.scan.due = max(c.Next, p.now); c.Units == 0 && c.Next == 0 {
		change.scan.due = unitsLook.after(p.now)
	}
	do(p, change)
}
