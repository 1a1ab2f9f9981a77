package journey

import "touchpoint/gateway"

// The counters of the rules are filled like those of a version: until history
// has come to them, the rules before stay in force. Rules that are replaced
// before that go on being filled, since their counters may be shared, and never
// come into force.

// ofRules reports whether it is no version of a journey, but holds the traits of
// the rules.
func (v *version) ofRules() bool { return v.journey.name == "" }

// fillRules says how rules that come are filled, nil when that is not needed.
func (p *Partition) fillRules(rs *classRules) *fill {
	if !p.cfg.FillRules || len(p.customers) == 0 || !p.newCounters(rs.v.def) {
		return nil
	}
	return &fill{at: p.now, seq: p.seq, index: p.index, foreign: map[uint64]struct{}{}}
}

// latestRules are those that were taken up last, in force or being filled.
func (p *Partition) latestRules() *classRules {
	if n := len(p.classSets); n > 0 {
		return p.classSets[n-1]
	}
	return nil
}

// addRules notes a set of rules.
func (p *Partition) addRules(rs *classRules) {
	p.classSets = append(p.classSets, rs)
	rs.v.number = uint32(len(p.classSets))
}

// rulesFilled puts rules in force whose counters history has filled, unless
// others replaced them meanwhile.
func (p *Partition) rulesFilled(v *version) {
	for _, t := range v.traits {
		t.awaits = false
	}
	if rs := p.latestRules(); rs.v == v {
		p.enforce(rs)
		return
	}
	p.classSets[v.number-1].dropped = true
}

// filledVersion names a version of a journey, or the rules.
func (e *encoder) filledVersion(v *version) {
	index := 0
	if !v.ofRules() {
		index = v.journey.index + 1
	}
	e.uint(uint64(index))
	e.uint(uint64(v.number))
}

func (d *decoder) filledVersion(p *Partition) *version {
	index, number := d.uint(), d.uint32()
	var v *version
	if index == 0 {
		for _, rs := range p.classSets {
			if rs.v.number == number {
				v = rs.v
			}
		}
	} else if index-1 < uint64(len(p.journeys)) {
		v = p.journeys[index-1].version(number)
	}
	d.must(v != nil)
	return v
}

// The states of a set of rules in a snapshot.
const (
	rulesForced = iota // in force, or once were
	rulesFilling
	rulesDropped
)

func (rs *classRules) standing() byte {
	switch {
	case rs.v.fill != nil:
		return rulesFilling
	case rs.dropped:
		return rulesDropped
	}
	return rulesForced
}

// rulesDecision tells that rules wait for history.
func (p *Partition) rulesDecision(f *fill) {
	if f != nil {
		p.decide(gateway.Decision{Kind: gateway.DecisionJourney, Reason: gateway.ReasonFilling, Rule: "rules"})
	}
}
