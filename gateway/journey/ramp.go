package journey

import (
	"fmt"
	"slices"

	"touchpoint/gateway"
)

// rampStep lets in a share of the customers, in hundredths of a percent, from
// after on.
type rampStep struct {
	after Duration
	share int
}

// forecast is what a journey is expected to send; beyond it times factor it
// pauses itself.
type forecast struct {
	perDay int
	factor float64
}

func (f *forecast) limit() int { return int(float64(f.perDay)*f.factor + 0.5) }

// rampShare is the share that may enter now, in hundredths of a percent, under the
// ramp of an active version.
func (p *Partition) rampShare(v *version) (share int) {
	for _, s := range v.def.ramp {
		if p.now >= s.after.after(v.journey.limits.rampAt) {
			share = s.share
		}
	}
	return share
}

// rampCheck keeps out whom the ramp does not let in yet: a customer's place in
// it never changes.
func (p *Partition) rampCheck(v *version, c *customer) (gateway.Reason, string) {
	if len(v.def.ramp) == 0 || c.test {
		return "", ""
	}
	share := p.rampShare(v)
	if rampPlace(v, c) < share {
		return "", ""
	}
	return gateway.ReasonRamp, percent(share) + " may enter"
}

// rampPlace is a customer's place in the ramp, in hundredths of a percent; in a
// dry run that in the journey.
func rampPlace(v *version, c *customer) int { return bucket(uint64(c.id), v.def.Name+"/ramp") }

func percent(hundredths int) string {
	return fmt.Sprintf("%v %%", float64(hundredths)/100)
}

// rampHolds reports whether only the ramp keeps a customer out: then a crossed
// threshold or milestone stays pending until the ramp has grown.
func (p *Partition) rampHolds(en *entry, k *counter) bool {
	if len(en.v.def.ramp) == 0 {
		return false
	}
	m := en.c.mark(en.v.journey)
	en.key = p.correlationKey(en)
	reason, rule := p.entryChecks(en, &m)
	if reason != gateway.ReasonRamp {
		return false
	}
	if k.flags&pending == 0 {
		do(p, flagsChange{counterRef{en.c.id, p.traits[k.trait], k.device}, k.flags | pending})
		p.decideEntry(en.v, gateway.Decision{Reason: reason, Rule: rule, Customer: en.c.id, Values: en.values}, en.ev)
	}
	return true
}

// startRamp begins the ramp of a version that becomes active. One that the
// version before had, too, goes on.
func (p *Partition) startRamp(before, v *version) {
	j := v.journey
	if len(v.def.ramp) == 0 {
		if j.limits != nil && j.limits.rampAt != 0 {
			do(p, rampChange{journey: j})
		}
		return
	}
	at := p.now
	if before != nil && slices.Equal(before.def.ramp, v.def.ramp) {
		at = j.limits.rampAt
	}
	do(p, rampChange{j, at, nextRamp(v, at, p.now)})
}

// nextRamp is when the ramp grows next after now, 0 for never.
func nextRamp(v *version, at, now gateway.Instant) gateway.Instant {
	for _, s := range v.def.ramp {
		if t := s.after.after(at); t > now {
			return t
		}
	}
	return 0
}

// growRamp lets in those who were kept out until now.
func (p *Partition) growRamp(j *journey) {
	at := j.limits.rampAt
	do(p, rampChange{j, at, nextRamp(j.active, at, p.now)})
	if j.state == gateway.JourneyPublished {
		change := j.put()
		change.scan = j.rescan(p.now)
		do(p, change)
	}
}

// forecastWindow is the sliding window of a forecast; what it counts is told
// apart by the minute.
const forecastWindow = Duration(dayMillis)

// sentCount is what a step decided of a journey with a forecast.
type sentCount struct {
	j *journey
	n int
}

// countMessage counts a message against the forecast of its journey.
func (p *Partition) countMessage(e *enrollment) {
	f := e.v.def.forecast
	if f == nil || e.c.test || e.arm == armHoldout {
		return
	}
	j := e.v.journey
	if p.coordinates(j) {
		p.countSent(j, 1, p.now)
		return
	}
	i := slices.IndexFunc(p.sent, func(s sentCount) bool { return s.j == j })
	if i < 0 {
		i = len(p.sent)
		p.sent = append(p.sent, sentCount{j: j})
	}
	p.sent[i].n++
}

// reportSent tells the coordinators what this step decided.
func (p *Partition) reportSent() {
	for _, s := range p.sent {
		p.forward(p.coordinator(s.j), gateway.Input{Command: gateway.ReportMessages{
			Journey: s.j.name, Partition: p.cfg.Partition, N: s.n, At: p.now}})
	}
	p.sent = p.sent[:0]
}

func (p *Partition) reportMessages(c gateway.ReportMessages) gateway.Outcome {
	j := p.journeyNamed(c.Journey)
	if j == nil || !p.coordinates(j) || c.N <= 0 {
		return gateway.Outcome{Disposition: gateway.Refused}
	}
	p.countSent(j, c.N, c.At)
	return gateway.Outcome{}
}

// countSent adds messages to the account and pauses a journey that sends far
// more than forecast, everywhere.
func (p *Partition) countSent(j *journey, n int, at gateway.Instant) {
	bound := forecastWindow.before(p.now)
	do(p, ledgerChange{journey: j, kind: gateway.LimitMessages, at: at - at%60_000, n: n, bound: bound})
	if j.active == nil || j.state != gateway.JourneyPublished || j.active.def.forecast == nil {
		return
	}
	f := j.active.def.forecast
	sent := j.limits.ledgers[gateway.LimitMessages].usedAfter(bound)
	if sent <= f.limit() {
		return
	}
	pause := gateway.SetJourneyState{Journey: j.name, State: gateway.JourneyPaused, Effective: p.now, Reason: gateway.ReasonForecast,
		Rule: fmt.Sprintf("%d messages in %s, forecast %d times %v", sent, forecastWindow, f.perDay, f.factor)}
	for to := range p.cfg.Partitions {
		if to != p.cfg.Partition {
			p.forward(to, gateway.Input{Command: pause})
		}
	}
	p.setJourneyState(pause)
}

// clearSent begins the count anew when a journey is resumed.
func (p *Partition) clearSent(j *journey) {
	if l := j.limits; l != nil && len(l.ledgers[gateway.LimitMessages].used) > 0 {
		do(p, ledgerChange{journey: j, kind: gateway.LimitMessages, bound: p.now})
	}
}
