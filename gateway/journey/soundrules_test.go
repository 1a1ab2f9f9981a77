package journey

import (
	"cmp"
	"slices"

	"touchpoint/gateway"
)

// definitions looks at the counters and the index of event types.
func (i *inspector) definitions() {
	p := i.p
	of := map[string][]*trait{}
	for n, t := range p.traits {
		i.at("trait", n)
		i.wrong(t.id != n || t.p != p || t.typ == nil || t.typ != p.types[t.spec.event], "stands elsewhere")
		i.wrong(slices.ContainsFunc(p.traits[:n], func(o *trait) bool { return o.key == t.key }), "stands there twice", t.key)
		i.wrong(int(t.place) != min(len(of[t.spec.event]), maxTraitsPerType), "at another place of its type", t.place)
		of[t.spec.event] = append(of[t.spec.event], t)
		i.wrong(i.rest && (t.since > p.now || t.ignore > p.now), "since the future")
	}
	listen, unless := map[string][]*version{}, map[string][]*trait{}
	for _, j := range p.journeys {
		v := j.active
		if v == nil || j.state != gateway.JourneyPublished && j.state != gateway.JourneyPaused {
			continue
		}
		tr := &v.def.trigger
		if tr.sequence != nil {
			for _, name := range tr.sequence.types() {
				listen[name] = append(listen[name], v)
			}
		} else if tr.event != "" {
			listen[tr.event] = append(listen[tr.event], v)
		}
		if tr.unless >= 0 {
			event := v.traits[tr.unless].spec.event
			unless[event] = append(unless[event], v.traits[tr.trait])
		}
	}
	for name, et := range p.types {
		i.at("event type", name)
		i.wrong(et.name != name || !slices.Equal(et.traits, of[name]), "moves other counters")
		i.wrong(!slices.Equal(et.journeys, listen[name]) || !slices.Equal(et.unless, unless[name]), "is heard by others")
		valued, ruled := uint64(0), false
		for _, t := range et.traits {
			if t.form == formSums {
				valued |= 1 << t.place
			}
			ruled = ruled || t.rules != 0
		}
		i.wrong(et.valued != valued || et.ruled != ruled, "sums, or is looked at by rules, otherwise")
		k := slices.IndexFunc(p.cfg.Touchpoints, func(t Touchpoint) bool { return t.Event == name })
		i.wrong((et.contact != nil) != (k >= 0), "a contact or none")
		delete(listen, name)
	}
	i.at("event types", "")
	i.wrong(len(listen) > 0, "are not heard", len(listen))
	i.wrong(p.any != p.types[gateway.AnyEvent], "another one for any event")
}

func (i *inspector) journeys() {
	p := i.p
	for n, j := range p.journeys {
		i.at("journey", j.name)
		i.wrong(j.index != n || j.p != p || p.journeyNamed(j.name) != j || len(j.versions) == 0, "stands elsewhere")
		i.wrong(j.active != nil && !slices.Contains(j.versions, j.active), "an active version that it does not have")
		for k, v := range j.versions {
			i.wrong(v.journey != j || i.rest && k > 0 && j.versions[k-1].number >= v.number, "versions out of order", v.number)
			i.wrong(len(v.traits) != len(v.def.traits), "a version without its counters", v.number)
			for t := range v.traits {
				i.wrong(p.traits[v.traits[t].id] != v.traits[t] || v.traits[t].key != traitKey(&v.def.traits[t]), "a version with another counter", v.number)
			}
			i.wrong(v.running != i.inside[v], "counts other runs than there are", v.number, v.running, i.inside[v])
			if i.rest {
				i.version(v)
			}
		}
		i.timer(j)
		i.limits(j)
		if i.rest {
			i.journey(j)
		}
	}
}

// version looks at a version of a partition at rest.
func (i *inspector) version(v *version) {
	j := v.journey
	inPause := v.state == gateway.JourneyPublished && j.state == gateway.JourneyPaused
	i.wrong(v == j.active && v.state != j.state && !inPause, "its active version says", v.state, j.state)
	i.wrong(v != j.active && (v.state == gateway.JourneyPublished || v.state == gateway.JourneyPaused), "two versions are active", v.number)
	i.wrong(v.state == gateway.JourneyDraining && v.running == 0, "nobody is inside and it is not finished", v.number)
	i.wrong(v.state == gateway.JourneyFinished && v.running > 0, "finished with somebody inside", v.number)
	i.wrong((v.fill != nil) != (v.state == gateway.JourneyFilling), "is filled, or not", v.number, v.state)
	i.wrong(v == j.active && len(v.fresh()) > 0, "an active version waits for counters", v.number)
	i.wrong(v.filtered != 0 || v.unowned != 0, "counts of a record that is over", v.number)
	i.fill(v)
}

func (i *inspector) fill(v *version) {
	if f := v.fill; f != nil {
		i.wrong(f.first > len(i.p.traits) || f.at > i.p.now, "fills counters that there are not")
		for _, t := range v.own() {
			i.wrong(!t.awaits, "a counter is filled and does not wait for it")
		}
	}
}

// journey looks at a journey of a partition at rest.
func (i *inspector) journey(j *journey) {
	now := i.p.now
	i.wrong(j.state == gateway.JourneyPaused != (j.pause.since != 0), "paused since never, or still", j.pause.since)
	i.wrong(j.state != gateway.JourneyPaused && j.pause != pause{}, "why it paused is kept")
	for n, c := range j.changes {
		i.wrong(c.at < now && !j.fills(c) || n > 0 && j.changes[n-1].at > c.at, "a change that was due", c.at)
		i.wrong(c.version != 0 && j.version(c.version) == nil, "a change to a version that it does not have")
	}
	if s := j.scan; s.kind == scanNone {
		i.wrong(!atRest(s), "a scan that is over is remembered")
	} else {
		i.wrong(j.active == nil, "a scan for no version")
	}
}

// limits looks at the accounts of a journey.
func (i *inspector) limits(j *journey) {
	l := j.limits
	if l == nil || !i.rest {
		return
	}
	for k := range l.ledgers {
		g := &l.ledgers[k]
		i.wrong(!sorted(g.out, func(a, b portion) int { return a.partition - b.partition }), "granted out of order")
		i.wrong(!sorted(g.used, func(a, b use) int { return cmp.Compare(a.at, b.at) }), "used out of order")
		i.wrong(len(g.out)+len(g.used) > 0 && !i.p.coordinates(j), "keeps accounts that another keeps")
		for _, o := range g.out {
			i.wrong(o.n <= 0 || o.partition < 0 || o.partition >= i.p.cfg.Partitions || o.partition == i.p.cfg.Partition, "granted to nobody", o.partition, o.n)
		}
		keep := longAgo
		if a := j.active.allows(gateway.Limit(k)); a != nil && len(g.used) > 0 {
			if keep = a.per.before(g.used[len(g.used)-1].at); a.per == 0 {
				keep = longAgo
			}
		}
		for _, u := range g.used {
			i.wrong(u.n <= 0 || u.at > i.p.now, "used nothing, or in the future", u.n)
			i.wrong(u.at <= keep && len(j.versions) == 1, "an old use is kept", u.at)
		}
	}
	i.wrong(l.asked < 0 || l.asked > 0 && i.p.coordinates(j), "asks itself")
	for _, w := range l.waiting {
		i.wrong(i.p.customers[w.customer] == nil, "lets somebody wait who is not here", w.customer)
		i.wrong(w.since > i.p.now, "waits since the future")
	}
	i.wrong(len(l.waiting) > maxWaiting || len(l.waiting) > 0 && i.p.coordinates(j), "too many wait")
	i.wrong(l.units < 0 || l.used < 0 || l.units+l.used > 0 && i.p.coordinates(j), "units of its own", l.units, l.used)
	i.wrong(l.rampDue != 0 && (l.rampAt == 0 || l.rampDue <= l.rampAt), "a ramp that grows before it began")
	i.wrong(l.closed != 0 && l.closedVersion == 0, "closed for no version")
}

// allows is the allowance of a kind, also that of a forecast; nil for none.
func (v *version) allows(kind gateway.Limit) *allowance {
	if v == nil {
		return nil
	}
	if kind == gateway.LimitMessages {
		return &allowance{per: forecastWindow}
	}
	return v.allowanceOf(kind)
}

// rules looks at segments and stages.
func (i *inspector) rules() {
	p := i.p
	i.at("rules", len(p.classSets))
	var forced *classRules
	for n, rs := range p.classSets {
		i.wrong(int(rs.v.number) != n+1, "stand elsewhere", n)
		if rs.v.fill == nil && !rs.dropped {
			forced = rs
		}
		i.wrong(i.rest && rs != p.classRules && !atRest(rs.scan), "a scan of rules that are not in force")
		i.wrong(rs.v.fill != nil && rs.dropped || rs == p.classRules && rs.dropped, "dropped and not")
		if i.rest {
			i.fill(rs.v)
		}
	}
	i.wrong(p.classRules != forced, "other rules are in force")
	read := uint64(0)
	if p.classRules != nil {
		read = p.classRules.read()
		i.timer(p.classRules)
	}
	for _, t := range p.traits {
		want := uint64(0)
		if p.classRules != nil {
			for n, o := range p.classRules.v.traits {
				if o == t && read>>n&1 == 1 {
					want |= 1 << n
				}
			}
		}
		i.wrong(t.rules != want, "look at another counter", t.key)
	}
}

// brake looks at the brake and what it takes back.
func (i *inspector) brake() {
	b := &i.p.brake
	i.at("brake", b.on)
	for _, s := range b.sweeps {
		i.wrong(s.journey < -1 || s.journey >= len(i.p.journeys), "takes back of no journey", s.journey)
	}
	i.timer(brakeTimer{i.p})
	i.wrong(i.rest && !b.on && (b.reason != "" || b.since != 0), "why it was on is kept")
}

// idle looks at what only lasts for a record, and at time.
func (i *inspector) idle() {
	p := i.p
	i.at("partition", p.cfg.Partition)
	i.wrong(p.observed > p.now, "observed the future", p.observed, p.now)
	i.wrong(p.more || p.out != nil || p.enc.b != nil || len(p.actions)+len(p.chain)+len(p.sent)+len(p.filtering)+len(p.contest.claims) > 0 ||
		p.classing != nil || p.contest.since != 0 || p.contest.without != nil, "work of a record is left")
	i.wrong(len(p.regained.all) > 0, "restored times are left")
}

// atRest reports whether a scan goes over nobody.
func atRest(s scan) bool {
	return s.kind == scanNone && s.next == 0 && s.due == 0 && s.existing == 0 && len(s.guests) == 0
}
