package journey

import (
	"testing"

	"touchpoint/gateway"
)

// zoo is the partition of everything with what is rarer still, and the changes
// that led there: every kind of change is among them.
func zoo(t testing.TB) (*Partition, [][]byte) {
	p, steps := everything(t)
	var records [][]byte
	for _, s := range steps {
		records = append(records, s.Changes[1:])
	}
	var s gateway.Step
	p.begin(&s)
	ids := sortedIDs(p.customers)
	anna, bert, device, later := ids[0], ids[1], gateway.DeviceID(10), p.now+gateway.Instant(dayMillis)
	all, chain, few := p.journeys[0], p.journeys[1], p.journeyNamed("few")
	put(p, anna, p.customers[anna])
	zooCounts(p, anna)
	do(p, useUpChange{counterRef{anna, few.active.traits[few.active.def.trigger.trait], 0}})
	do(p, flagsChange{counterRef{bert, p.traits[0], 0}, latched | pending | unobserved | unknown | watched})
	st := p.customers[anna].more.sequences[0]
	for n, e := range []sequenceEvent{{at: p.now - 5, key: "id:a", steps: 1, blocks: true}, {at: p.now - 5, key: "id:b", steps: 4},
		{at: p.now - 4, key: "id:c", steps: 4, ev: &gateway.Event{ID: "c", Type: "rinse", Device: 10, ReceivedAt: p.now, Properties: gateway.Properties{{Key: "ml", Value: gateway.Int(7)}}}}} {
		do(p, sequenceChange{customer: anna, version: st.v, device: device, horizon: p.now - gateway.Instant(100-n), event: e})
	}
	do(p, sequenceFiredChange{customer: anna, version: st.v, device: st.device, at: p.now - 5, key: "id:b"})
	do(p, ruleScanChange{scan{kind: scanEntry, next: bert, due: p.now, existing: anna}})
	do(p, taskChange{bert, task{gateway.TaskID{1, 2}, gateway.EnrollmentID{3}}})
	do(p, taskClosedChange{bert, gateway.TaskID{1, 2}})
	do(p, taskChange{bert, task{gateway.TaskID{1, 3}, gateway.EnrollmentID{3}}})
	m := *p.customers[anna].messages[0]
	m.id, m.full, m.tags, m.due, m.hold = gateway.MessageID{9}, nil, []string{"a", "b"}, later, holdCase
	do(p, messageChange{anna, m})
	m.id = gateway.MessageID{8}
	do(p, messageChange{anna, m})
	do(p, forgetMessageChange{m.id})
	run := *p.customers[anna].enrollments[0]
	run.id = gateway.EnrollmentID{7}
	run.extras = &extras{key: "k", skip: 2, split: "a", holdFrom: p.now, props: gateway.Properties{{Key: "a", Value: gateway.Bool(true)}},
		origin:    &origin{gateway.EnrollmentID{6}, "say", "dealer", gateway.Properties{{Key: "b", Value: gateway.Float(1.5)}}, "cause", 5, 6},
		addressed: &addressed{"say", []gateway.CustomerID{3, 4, 5}, later}, stand: &standing{1, 2, "cause", 3}}
	run.step, run.waiting, run.due, run.hold = 0, true, later, holdContext
	do(p, enrollmentChange{anna, run})
	do(p, markChange{bert, mark{journey: all, past: pastOf([]apiKey{{1, 2, gateway.EnrollmentID{1}}, {3, 4, gateway.EnrollmentID{2}}}, nil), entries: 3, active: 1, exitedAt: 9, arm: armHoldout}})
	zooMoves(p, anna)
	zooLimits(p, few)
	zooSettings(p, chain)
	p.end()
	return p, append(records, s.Changes[1:])
}

// put fills what a profile can hold.
func put(p *Partition, id gateway.CustomerID, c *customer) {
	n := *c.profile
	n.quiet = []QuietHours{{From: 60, To: 1200, Days: []Weekday{1, 3}, Channels: []string{"email", "sms"}, OnHit: "discard"}, {From: 5, To: 6, OnHit: "hold"}}
	n.consents = append([]gateway.Consent{{Purpose: "service", Channel: "sms", Granted: true, Source: "x", At: 5}}, n.consents...)
	do(p, customerChange{id, c.since, &n})
}

// zooCounts lets the counters of a customer hold many events: late ones, some of
// one instant, with values of all sizes.
func zooCounts(p *Partition, who gateway.CustomerID) {
	et, hours := p.types["brew"], gateway.Instant(3600_000)
	for n, ago := range []gateway.Instant{20, 19, 19, 30, 12, 12, 5, 47, 0} {
		c := countChange{customer: who, device: gateway.DeviceID(10 + n%2), at: p.now - ago*hours, typ: et, mask: 1<<len(et.traits) - 1}
		for k, t := range et.traits {
			if t.spec.valued() {
				c.values = append(c.values, []int64{0, -3e6, 5, 1 << 40, -77_777_777}[(n+k)%5])
			}
		}
		do(p, c)
	}
	do(p, deviceChange{device: 99})
	for n, id := range []identity{{numbered: true, boot: 5, seq: 9}, {numbered: true, boot: 5, seq: 11}, {numbered: true, boot: 4, seq: 1}, {hash: 77}, {hash: 1 << 63}} {
		id.day = dayOf(p.now) - uint16(n)
		do(p, seenChange{device: 10, id: id})
		do(p, seenChange{device: 99, id: id})
		do(p, touchedChange{who, id})
	}
}

// zooMoves lets somebody go and come, with inputs of every kind that wait.
func zooMoves(p *Partition, who gateway.CustomerID) {
	for n, in := range heldInputs() {
		if n < 5 {
			do(p, holdChange{200, in})
		}
		do(p, holdCustomerChange{201, in})
	}
	do(p, holdCustomerChange{202, heldInputs()[0]})
	do(p, unholdCustomerChange{202})
	do(p, arriveChange{300, leaving(p, who, 300)})
	do(p, departChange{300, 2})
	do(p, peopleChange{10, []ownership{{7, roleDealer, 3, 0}, {8, roleUser, 5, 9}}})
	do(p, heardChange{10, heard{5, 6}})
	do(p, toldChange{11, 12})
	address := heldInputs()[13].Command.(gateway.AddressRecipient)
	do(p, earlyChange{[]gateway.AddressRecipient{address, address}})
}

// leaving is the state of a customer in transit, as that of another one.
func leaving(p *Partition, id, as gateway.CustomerID) []byte {
	e := encoder{b: []byte{formatVersion}}
	c := *p.customers[id]
	e.uint(uint64(len(c.devices)))
	for _, d := range c.devices {
		e.device(p.devices.get(d), 0)
	}
	p.encodeNames(&e, id)
	c.id = as
	c.messages, c.enrollments = nil, nil // they are the other's
	if as == id {
		c = *p.customers[id]
	}
	e.customer(p, &c, 0)
	return e.b
}

// zooLimits lets a journey have accounts of every kind.
func zooLimits(p *Partition, j *journey) {
	for k := range limitKinds {
		kind := gateway.Limit(k)
		do(p, ledgerChange{journey: j, kind: kind, partition: 2, out: 4, at: 1000, n: 3, bound: longAgo})
		do(p, ledgerChange{journey: j, kind: kind, partition: 1, out: 2, at: 900, n: 1, bound: longAgo})
	}
	ev := heldInputs()[0].Event
	do(p, waitChange{j, &waiting{customer: 5, device: 6, trigger: "t", key: "k", since: 7, apiKey: 8, event: &ev,
		values: gateway.Properties{{Key: "v", Value: gateway.Int(1)}}, props: gateway.Properties{{Key: "p", Value: gateway.Null()}}}})
	do(p, waitChange{j, &waiting{customer: 5}})
	do(p, unwaitChange{j, 1})
	do(p, unitsChange{j, 3, 2})
	do(p, rampChange{j, p.now - 5, p.now + 5})
}

// zooSettings lets definitions and rules wait for history, and the brake be on.
func zooSettings(p *Partition, j *journey) {
	text := []byte("name: filled\npurpose: service\ntrigger: {event: x}\ntraits: {n: {count: x}, m: {sum: x.y, within: 3d}}\nsteps: [{id: e, end: {}}]\n")
	def, err := p.texts.compileAs("filled", text)
	if err != nil {
		panic(err)
	}
	full := fill{at: 5, seq: 6, index: 7, foreign: map[uint64]struct{}{}}
	do(p, publishChange{name: "filled", number: 3, text: text, existing: true, migrate: "pin", pace: 4, fill: &full, def: def})
	v := p.journeyNamed("filled").versions[0]
	do(p, foreignChange{v, 99})
	do(p, foreignChange{v, 98})
	do(p, fillChange{version: v, stage: fillMoved, at: 8, n: 9})
	rs, err := p.texts.compileRules(`{"traits":{"rest":{"count":"rinse","within":"7d"}},"segments":[{"name":"rested","when":"trait.rest > 1"}]}`)
	if err != nil {
		panic(err)
	}
	do(p, classRulesChange{text: rs.text, set: rs, fill: &fill{at: 1, foreign: map[uint64]struct{}{}}})
	do(p, fillChange{version: rs.v, stage: fillMoved, at: 2, n: 1})
	change := j.put()
	change.changes = append(change.changes, pendingChange{at: p.now + 5, version: 1}, pendingChange{at: p.now + 6, state: gateway.JourneyPaused, withdraw: true, reason: "r", rule: "x"})
	change.pause, change.scan = pause{p.now, "forecast", "y"}, scan{kind: scanMigrate, next: 4, due: p.now, existing: 3}
	do(p, change)
	do(p, brakeChange{true, "stop", 5})
	do(p, sweepChange{[]sweep{{journey: -1, next: 4}, {journey: 1}}})
	do(p, sweepChange{nil})
	do(p, sweepChange{[]sweep{{journey: 0, next: 4}, {journey: 1}}})
}
