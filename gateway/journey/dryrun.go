package journey

import "touchpoint/gateway"

// A dry run is a journey of its own, under a name that says so (gateway.DryRun).
// It decides like any other, on the same events, consents, caps and quiet hours,
// but nothing comes of it: no message, no slot of a cap, no attribute, no place
// in an arbitration. Its counters and latches are its own, so that the journey
// itself fires as if there were no dry run; its arms are those of the journey.

// dry reports whether the journey only tells what it would do.
func (j *journey) dry() bool { return gateway.IsDryRun(j.name) }

// acts reports whether a step does something beyond its own enrollment. A dry run
// passes over it. (A send decides, and makes no message there.)
func (k stepKind) acts() bool {
	switch k {
	case stepSend, stepWait, stepBranch, stepSplit, stepEnd:
		return false
	}
	return true
}

// compileAs compiles what was published under a name.
func compileAs(name string, text []byte) (*Definition, error) {
	def, err := Compile(text, Env{})
	if err == nil && gateway.IsDryRun(name) {
		for i := range def.traits {
			if t := &def.traits[i]; t.owner != "" {
				t.owner = name
			}
		}
	}
	return def, err
}

// over reports whether the enrollment belongs to a dry run that was stopped: it
// ends without a word.
func (p *Partition) over(e *enrollment) bool {
	if !e.v.journey.dry() || e.v.journey.state != gateway.JourneyArchived {
		return false
	}
	do(p, forgetChange{e.c.id, e.id})
	if !e.ended() && e.origin == nil {
		m := e.c.mark(e.v.journey)
		m.active, m.exitedAt = m.active-1, p.now
		do(p, markChange{e.c.id, m})
	}
	return true
}

// triggerDry lets the dry run of a journey hear an API call, too. The answer is
// the journey's own.
func (p *Partition) triggerDry(in *gateway.Input, t gateway.TriggerJourney) {
	j := p.journeyNamed(gateway.DryRun(t.Journey))
	if j != nil && j.active != nil && j.state != gateway.JourneyArchived && p.customers[t.Customer] != nil {
		t.Journey = j.name
		p.triggerJourney(in, t)
	}
}
