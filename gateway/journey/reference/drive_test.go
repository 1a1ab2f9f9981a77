package reference

import (
	"fmt"
	"slices"

	"touchpoint/gateway"
	core "touchpoint/gateway/journey"
)

// driver lets the core and the reference live through the same scenario.
type driver struct {
	s      *scenario
	core   *core.World
	ref    *world
	clock  gateway.Instant
	frozen gateway.Instant // the watermark stands here; 0 = follows

	// What the core did since the last comparison.
	decisions []gateway.Decision
	messages  []gateway.Message
	updates   []gateway.MessageUpdate
	told      []string // of journeys
	outcome   string
	outcomes  int // that say what became of the input

	sent    []*message // all messages so far, for receipts
	tasks   []*task    // all tasks so far
	opened  []gateway.Task
	named   map[gateway.EnrollmentID]bool
	events  []gateway.Event
	version map[int]uint32
	model   readModel
	log     []string // of everything that the core decided
}

func coreConfig(c config) core.Config {
	out := core.Config{Zone: c.zone, DedupWindow: core.Duration(c.dedup), MaxEventAge: core.Duration(c.maxAge),
		Holdout: map[gateway.Purpose]float64{gateway.PurposeMarketing: float64(c.holdout)}, Channels: c.order,
		ExpiresAfter: core.Duration(c.expires), QuietHours: coreQuiet(c.quiet)}
	for _, r := range c.caps {
		rule := core.CapRule{Name: r.name, Channels: r.channels, Tags: r.tags, Max: r.max, Per: core.Duration(r.per), Calendar: r.calendar}
		for _, p := range r.purposes {
			rule.Purposes = append(rule.Purposes, gateway.Purpose(p))
		}
		out.Caps = append(out.Caps, rule)
	}
	rules := func(list []ruleDef) (out []core.Rule) {
		for _, r := range list {
			rule := core.Rule{Name: r.name}
			if r.when != nil {
				rule.When = r.when.cel()
			}
			out = append(out, rule)
		}
		return out
	}
	for _, s := range c.states {
		if out.DeviceStates == nil {
			out.DeviceStates = map[string]core.DeviceState{}
		}
		out.DeviceStates[s.name] = core.DeviceState{From: s.from, To: s.to, Max: core.Duration(s.max)}
	}
	out.Suspension.Max = core.Duration(c.suspend)
	if c.discard {
		out.Suspension.OnHit = "discard"
	}
	for name, u := range c.uploads {
		if out.Uploads == nil {
			out.Uploads = map[string]core.Upload{}
		}
		out.Uploads[name] = core.Upload{Interval: core.Duration(u.interval), Events: u.events}
	}
	out.Segments, out.Stages = rules(c.segments), rules(c.stages)
	if len(c.traits) > 0 {
		out.Traits = map[string]map[string]any{}
		for i := range c.traits {
			out.Traits[c.traits[i].name] = c.traits[i].yaml()
		}
	}
	return out
}

func coreQuiet(list []quietDef) (out []core.QuietHours) {
	for _, q := range list {
		h := core.QuietHours{From: core.LocalTime(q.from), To: core.LocalTime(q.to), Channels: q.channels, OnHit: "hold"}
		if q.discard {
			h.OnHit = "discard"
		}
		for _, d := range q.days {
			h.Days = append(h.Days, core.Weekday(d))
		}
		out = append(out, h)
	}
	return out
}

func newDriver(s *scenario, checked bool) *driver {
	d := &driver{s: s, core: core.NewWorld(coreConfig(s.cfg), s.partitions, checked), ref: newWorld(s.cfg, s.partitions), clock: start,
		version: map[int]uint32{}, model: newReadModel(), named: map[gateway.EnrollmentID]bool{}}
	d.ref.onEnter = d.nameRun
	if s.like != nil {
		d.core.Like(s.like)
	}
	d.core.OnStep(d.onStep)
	return d
}

func (d *driver) onStep(b *gateway.Batch, s *gateway.Step) {
	for _, dec := range s.Decisions {
		if dec.Kind == gateway.DecisionJourney && dec.Journey != "" {
			d.told = append(d.told, coreDecision(&dec)) // each partition says so
			continue
		}
		if dec.Reason == gateway.ReasonTooLateToAct && d.sequence(dec.Journey) {
			continue // about an end that is itself too late the core is not exact
		}
		if dec.Reason != gateway.ReasonUnobserved || d.s.partitions == 1 && !d.s.wide { // else it depends on which record comes first
			d.decisions = append(d.decisions, dec)
		}
	}
	d.model.step(s)
	d.messages = append(d.messages, s.Messages...)
	d.opened = append(d.opened, s.Tasks...)
	d.updates = append(d.updates, s.Updates...)
	for i, o := range s.Outcomes {
		if len(b.Inputs) == 1 && b.Inputs[i].Command != nil {
			switch b.Inputs[i].Command.(type) {
			case gateway.SetConsent, gateway.UpsertCustomer, gateway.TriggerJourney, gateway.Receipt, gateway.UnbindDevice:
				if text := dispositions[o.Disposition]; text != "" {
					d.outcome = text
					d.outcomes++
				}
			}
		}
		if o.Disposition != gateway.Passed && o.Disposition != gateway.Held && len(b.Inputs) == 1 && b.Inputs[i].Command == nil {
			d.outcome = fmt.Sprintf("%s of %d", dispositions[o.Disposition], o.Customer)
			d.outcomes++
		}
	}
	for i := range s.Late {
		d.outcomes++
		d.outcome = fmt.Sprintf("%s of %d", dispositions[s.Late[i].Outcome.Disposition], s.Late[i].Outcome.Customer)
	}
}

var dispositions = map[gateway.Disposition]string{gateway.Accepted: "accepted", gateway.Duplicate: "duplicate",
	gateway.TooOld: "too_old", gateway.Refused: "refused"}

func (d *driver) sequence(name string) bool {
	return slices.ContainsFunc(d.s.defs, func(j *journeyDef) bool { return j.name == name && j.trigger.kind == "sequence" })
}

// run lives through the scenario; the error says where the two part.
func (d *driver) run() (err error) {
	for i := range d.s.defs {
		if err := d.publish(i); err != nil {
			return err
		}
	}
	for i, a := range d.s.actions {
		if err := d.step(a); err != nil {
			return fmt.Errorf("action %d (%s) at %s: %w", i, a.String(), d.clock, err)
		}
	}
	if err := d.advance(d.clock + 30*hour); err != nil {
		return fmt.Errorf("afterwards: %w", err)
	}
	if err := d.compareState(); err != nil {
		return fmt.Errorf("afterwards: %w", err)
	}
	for _, t := range d.tasks {
		if d.s.seen != nil {
			d.s.seen.note("task", t.state)
		}
	}
	return nil
}

// records applies inputs as one record of a partition at the present time.
func (d *driver) records(target int, inputs ...gateway.Input) error {
	d.core.SetClock(d.clock)
	d.core.SetObserved(d.frozen)
	for i := range d.s.partitions {
		if i != target {
			if err := d.core.Submit(i); err != nil {
				return err
			}
		}
	}
	return d.core.Submit(target, inputs...)
}

// said applies a command and compares its outcome with the reference's.
func (d *driver) said(want string, target int, inputs ...gateway.Input) error {
	if err := d.records(target, inputs...); err != nil {
		return err
	}
	if d.outcome != want || d.outcomes != 1 {
		return fmt.Errorf("the command was %s (said %d times), the reference says %s", d.outcome, d.outcomes, want)
	}
	return nil
}

// arrive moves the reference to the present time, as a record does.
func (d *driver) arrive() {
	observed := d.clock
	if d.frozen != 0 {
		observed = min(d.frozen, d.clock)
	}
	d.ref.observed = max(d.ref.observed, observed)
	if d.ref.now < d.clock {
		d.ref.before = d.ref.now
	}
	d.ref.fire(d.clock)
	d.ref.now = d.clock
}

func (d *driver) tick() error {
	if err := d.tickCore(); err != nil {
		return err
	}
	d.arrive()
	d.ref.fire(d.clock + 1)
	return d.equal("tick")
}

func (d *driver) tickCore() error {
	d.core.SetClock(d.clock)
	d.core.SetObserved(d.frozen)
	for i := range d.s.partitions {
		if err := d.core.Submit(i, gateway.Input{Command: gateway.Tick{}}); err != nil {
			return err
		}
	}
	return nil
}

// advance ticks wherever something is due before the time.
func (d *driver) advance(to gateway.Instant) error {
	for range 1000 {
		next := d.nextTick()
		if next == 0 || next >= to {
			d.clock = to
			return nil
		}
		d.clock = next
		if err := d.tick(); err != nil {
			return err
		}
	}
	return fmt.Errorf("timers without end")
}

// nextTick is the next time at which a tick lets something happen.
func (d *driver) nextTick() (next gateway.Instant) {
	for _, p := range d.core.Partitions() {
		pure, absence := p.NextTimers()
		if absence != 0 && (d.frozen == 0 || absence < d.frozen) {
			absence = max(absence+1, d.clock+1)
		} else {
			absence = 0
		}
		if pure != 0 {
			pure = max(pure, d.clock)
		}
		for _, t := range []gateway.Instant{pure, absence} {
			if t != 0 && (next == 0 || t < next) {
				next = t
			}
		}
	}
	return next
}

func (d *driver) step(a action) error {
	to := d.clock + a.gap
	if a.edge > 0 {
		if due := d.ref.nextDue(); due > d.clock+1 && due < d.clock+3*day {
			to = due + gateway.Instant(a.edge) - 2
		}
	}
	if to-start > 7*day {
		to = d.clock // messages and duplicates are remembered for eight days
	}
	if err := d.advance(to); err != nil {
		return err
	}
	if err := d.act(a); err != nil {
		return err
	}
	return d.equal(a.kind)
}
