package journey

import (
	"slices"

	"touchpoint/gateway"
)

// Preview is what a publication would do now: whom of the present customers it
// would enroll, and what becomes of who is inside. It changes nothing.
type Preview struct {
	def     *Definition
	scratch *Partition // holds the counters that nobody has yet
	v       *version
	running string
	needs   []gateway.FillNeed
}

// NewPreview prepares the preview of a definition. Count brings it the events
// of before, Look adds what a partition knows.
func NewPreview(text []byte, running string, cfg Config, now gateway.Instant) (*Preview, error) {
	def, err := Compile(text, Env{})
	if err != nil {
		return nil, err
	}
	pv := &Preview{def: def, scratch: NewPartition(cfg), running: running}
	pv.scratch.now = now
	publishChange{name: def.Name, text: text, def: def, existing: true,
		fill: &fill{at: now, foreign: map[uint64]struct{}{}}}.apply(pv.scratch)
	pv.v = pv.scratch.journeys[0].versions[0]
	pv.needs = pv.v.needs()
	for _, t := range pv.v.traits { // history fills them before anybody asks
		t.awaits, t.since = false, 0
	}
	return pv, nil
}

// Needs lists from when on events are needed to know the counters.
func (pv *Preview) Needs() []gateway.FillNeed { return pv.needs }

// Count counts an event of history.
func (pv *Preview) Count(c gateway.CustomerID, ev *gateway.Event) {
	p := pv.scratch
	if et := p.types[ev.Type]; et != nil { // what silences count lets nobody in who is here
		cust := p.customer(c)
		p.enc.b = p.enc.b[:0]
		p.look(cust, nil, nil, ev)
		p.countInto(cust, et, ev, nil)
	}
}

// PreviewResult is what a preview found on the partitions that it looked at.
type PreviewResult struct {
	// Meet is how many meet the entry now; Reasons says what would be decided
	// about them.
	Meet    int64
	Reasons map[gateway.Reason]int64
	Steps   []PreviewStep
}

// PreviewStep is where enrollments stand and what would become of them.
type PreviewStep struct {
	Version uint32
	Step    string
	// Outcome is "stays" (on its version), "goes_on" (at Target), "pinned" (its
	// step is gone and names no target) or "starts_again".
	Outcome string
	Target  string
	Count   int64
}

// Look adds what a partition knows.
func (pv *Preview) Look(p *Partition, r *PreviewResult) {
	if r.Reasons == nil {
		r.Reasons = map[gateway.Reason]int64{}
	}
	name := pv.def.Name
	j := p.journeyNamed(name)
	for _, id := range sortedIDs(p.customers) {
		c := p.customers[id]
		pv.entry(p, j, c, r)
		for _, e := range c.enrollments {
			if !e.ended() && e.v.journey == j && e.origin == nil {
				pv.inside(e, r)
			}
		}
	}
}

// entry asks what would be decided about a customer who meets the entry.
func (pv *Preview) entry(p *Partition, j *journey, c *customer, r *PreviewResult) {
	known := pv.scratch.customers[c.id]
	if known == nil {
		return
	}
	look := *c
	look.counters, look.log, look.more = known.counters, known.log, new(more)
	if c.more != nil {
		*look.more = *c.more
	}
	look.more.stores = known.grow().stores
	pv.scratch.now = p.now
	for _, k := range pv.scratch.meets(pv.v, &look) {
		r.Meet++
		r.Reasons[pv.check(p, j, &look, k.device)]++
	}
}

// check makes the checks of an entry, which a counter of a device leads to, against
// the state as it is.
func (pv *Preview) check(p *Partition, j *journey, c *customer, device gateway.DeviceID) gateway.Reason {
	if reason, _ := p.entryConsent(pv.def, c); reason != "" {
		return reason
	}
	en := &entry{v: pv.v, c: c, device: device}
	scope := pv.scratch.look(c, pv.v, nil, nil)
	scope.device, scope.product = device, p.productOf(device)
	if reason, _ := en.filterCheck(scope); reason != "" {
		return reason
	}
	if j != nil {
		m := c.mark(j)
		en.v = &version{journey: j, def: pv.def}
		en.key = p.correlationKey(en)
		if reason, _ := reentryCheck(en, &m, p.now); reason != "" {
			return reason
		}
	}
	if len(pv.def.ramp) > 0 && !c.test && rampPlace(pv.v, c) >= pv.rampShare(p, j) {
		return gateway.ReasonRamp
	}
	return gateway.ReasonEnrolled
}

// rampShare is the share that the ramp lets in: at first, or, when the version
// before has the same ramp, as far as that has grown.
func (pv *Preview) rampShare(p *Partition, j *journey) int {
	if j != nil && j.active != nil && slices.Equal(j.active.def.ramp, pv.def.ramp) {
		return p.rampShare(j.active)
	}
	return pv.def.ramp[0].share
}

// inside says what would become of an enrollment.
func (pv *Preview) inside(e *enrollment, r *PreviewResult) {
	s := PreviewStep{Version: e.v.number, Outcome: "stays", Step: "end"}
	if e.step >= 0 {
		s.Step = e.v.def.steps[e.step].id
	}
	s.Target = s.Step
	switch pv.running {
	case "restart":
		s.Outcome, s.Target = "starts_again", pv.def.steps[0].id
	case "migrate":
		s.Outcome = "goes_on"
		if target, named := pv.def.target(s.Step); e.step >= 0 && pv.def.stepIndex(s.Step) < 0 {
			switch {
			case !named:
				s.Outcome = "pinned"
			case target == toEnd:
				s.Target = "end"
			default:
				s.Target = pv.def.steps[target].id
			}
		}
	}
	i := slices.IndexFunc(r.Steps, func(o PreviewStep) bool { return o.Version == s.Version && o.Step == s.Step })
	if i < 0 {
		i = len(r.Steps)
		r.Steps = append(r.Steps, s)
	}
	r.Steps[i].Count++
}
