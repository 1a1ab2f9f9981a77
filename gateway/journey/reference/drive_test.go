package reference

import (
	"fmt"
	"slices"
	"strings"

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
	outcome   string

	sent    []*message // all messages so far, for receipts
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
	d := &driver{s: s, core: core.NewWorld(coreConfig(s.cfg), s.partitions, checked), ref: newWorld(s.cfg), clock: start,
		version: map[int]uint32{}, model: newReadModel()}
	d.core.OnStep(d.onStep)
	return d
}

func (d *driver) onStep(b *gateway.Batch, s *gateway.Step) {
	for _, dec := range s.Decisions {
		if dec.Reason == gateway.ReasonTooLateToAct && d.sequence(dec.Journey) {
			continue // about an end that is itself too late the core is not exact
		}
		if dec.Kind != gateway.DecisionJourney && dec.Reason != gateway.ReasonUnobserved {
			d.decisions = append(d.decisions, dec)
		}
	}
	d.model.step(s)
	d.messages = append(d.messages, s.Messages...)
	d.updates = append(d.updates, s.Updates...)
	for i, o := range s.Outcomes {
		if len(b.Inputs) == 1 && b.Inputs[i].Command != nil {
			switch b.Inputs[i].Command.(type) {
			case gateway.SetConsent, gateway.UpsertCustomer, gateway.TriggerJourney, gateway.Receipt, gateway.UnbindDevice:
				if text := dispositions[o.Disposition]; text != "" {
					d.outcome = text
				}
			}
		}
		if o.Disposition != gateway.Passed && o.Disposition != gateway.Held && len(b.Inputs) == 1 && b.Inputs[i].Command == nil {
			d.outcome = fmt.Sprintf("%s of %d", dispositions[o.Disposition], o.Customer)
		}
	}
	for i := range s.Late {
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
	return nil
}

// both applies inputs as one record of a partition at the present time.
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
	if d.outcome != want {
		return fmt.Errorf("the command was %s, the reference says %s", d.outcome, want)
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

// at is the time that a late action tells of.
func (d *driver) at(a action) gateway.Instant { return d.clock - a.age }

func home(c gateway.CustomerID, partitions int) int {
	return gateway.CustomerSubject(c).Partition(partitions)
}

func (d *driver) act(a action) error {
	at := d.at(a)
	homeOf := home(a.customer, d.s.partitions)
	d.outcome = ""
	switch a.kind {
	case "event":
		ev := gateway.Event{Type: a.event, ID: a.id, Device: a.device, OccurredAt: at, ReceivedAt: d.clock}
		if a.device == 0 {
			ev.Customer = a.customer
		} else {
			ev.Product = "p" + fmt.Sprint(uint64(a.device))
		}
		if a.id == "" {
			ev.HasSeq, ev.Boot, ev.Seq = true, 1, a.seq
		}
		for _, key := range []string{"s", "x"} {
			if v, ok := a.props[key]; ok {
				ev.Properties = append(ev.Properties, gateway.Property{Key: key, Value: value(v)})
			}
		}
		d.events = append(d.events, ev)
		return d.event(ev, a.route)
	case "again":
		if len(d.events) == 0 {
			return nil
		}
		return d.event(d.events[a.pick%len(d.events)], a.route)
	case "receipt":
		return d.receipt(a)
	case "bind":
		d.arrive()
		d.ref.bind(a.device, a.customer, "p"+fmt.Sprint(uint64(a.device)), at)
		return d.records(homeOf, gateway.Input{Command: gateway.BindDevice{Device: a.device, Product: "p" + fmt.Sprint(uint64(a.device)), Customer: a.customer, Role: a.text, At: at}})
	case "unbind":
		d.arrive()
		return d.said(d.ref.unbind(a.device, at), gateway.DeviceSubject(a.device).Partition(d.s.partitions), gateway.Input{Command: gateway.UnbindDevice{Device: a.device, At: at}})
	case "consent":
		d.arrive()
		return d.said(d.ref.consent(a.customer, consent{a.text, a.channel, a.flag, at}), homeOf, gateway.Input{Command: gateway.SetConsent{Customer: a.customer, Purpose: gateway.Purpose(a.text),
			Channel: a.channel, Granted: a.flag, At: at}})
	case "customer":
		return d.customer(a)
	case "api":
		d.arrive()
		return d.said(d.ref.api(d.ref.journey(d.s.defs[a.journey].name), a.customer, a.text, a.device), homeOf, gateway.Input{Command: gateway.TriggerJourney{Journey: d.s.defs[a.journey].name, Customer: a.customer, Device: a.device, Key: a.text}})
	case "journey":
		j := d.ref.journey(d.s.defs[a.journey].name)
		if j.state == "archived" {
			return nil
		}
		d.arrive()
		d.ref.setState(j, a.text)
		if err := d.everywhere(gateway.SetJourneyState{Journey: d.s.defs[a.journey].name, State: gateway.JourneyState(a.text), Effective: d.clock}); err != nil {
			return err
		}
		return d.tick()
	case "publish":
		if d.version[a.journey] == 2 {
			return nil
		}
		return d.publish(a.journey)
	case "erase":
		d.arrive()
		d.ref.erase(a.customer)
		return d.records(homeOf, gateway.Input{Command: gateway.EraseCustomer{Customer: a.customer}})
	case "restart":
		return d.core.Restart()
	case "stop":
		if d.frozen == 0 {
			d.frozen = d.clock
		}
	case "follow":
		d.frozen = 0
	}
	return nil
}

func value(v any) gateway.Value {
	switch x := v.(type) {
	case int64:
		return gateway.Int(x)
	case string:
		return gateway.String(x)
	}
	return gateway.Null()
}

func (d *driver) event(ev gateway.Event, route int) error {
	d.arrive()
	e := event{id: ev.ID, at: ev.OccurredAt, typ: ev.Type, device: ev.Device, product: ev.Product, props: map[string]any{}}
	e.ref = "id " + ev.ID
	if ev.ID == "" {
		e.ref = fmt.Sprintf("seq %d %d", ev.Boot, ev.Seq)
	}
	for _, p := range ev.Properties {
		e.props[p.Key] = p.Value.Any()
	}
	var outcome string
	var who gateway.CustomerID
	if ev.Device == 0 {
		outcome, who = d.ref.touchpoint(ev.Customer, e)
	} else {
		outcome, who = d.ref.deviceEvent(ev.Device, e)
	}
	if err := d.records(route%d.s.partitions, gateway.Input{Event: ev}); err != nil {
		return err
	}
	if want := fmt.Sprintf("%s of %d", outcome, who); d.outcome != want {
		return fmt.Errorf("the event was %s, the reference says %s", d.outcome, want)
	}
	return nil
}

func (d *driver) receipt(a action) error {
	if len(d.sent) == 0 {
		return nil
	}
	n := len(d.sent)
	m := d.sent[n-1-min(a.pick%4, n-1)]
	d.arrive()
	at := d.clock - a.age
	if a.flag {
		at = 0
	}
	state, _ := gateway.ParseMessageState(a.text)
	return d.said(d.ref.receipt(m, a.text, at), home(m.run.c.id, d.s.partitions), gateway.Input{Command: gateway.Receipt{Message: m.id, Customer: m.run.c.id, State: state, At: at}})
}

func (d *driver) customer(a action) error {
	d.arrive()
	u := gateway.UpsertCustomer{Customer: a.customer, Mask: []string{a.text}}
	c := &customer{attributes: map[string]any{}}
	if !d.ref.erased[a.customer] {
		c = d.ref.customer(a.customer)
	}
	switch a.text {
	case "vip", "level":
		u.Mask = []string{"attributes"}
		u.Attributes = gateway.Properties{{Key: a.text, Value: gateway.Int(int64(a.number))}}
		c.attributes[a.text] = int64(a.number)
	case "forget":
		u.Mask = []string{"attributes"}
		u.Attributes = gateway.Properties{{Key: "vip", Value: gateway.Null()}}
		delete(c.attributes, "vip")
	case "zone":
		u.Mask, u.TimeZone = []string{"time_zone"}, a.channel
		c.zone = a.channel
	case "channels":
		u.Channels, c.channels = a.list, a.list
		if a.number == 0 {
			u.Channels, c.channels = nil, nil
		}
	case "reachable":
		u.Reachable, c.reachable = a.list, a.list
	case "test":
		u.Test, c.test = a.flag, a.flag
	case "cap":
		u.CapCount, u.CapWindow = a.number, int64(a.age)
		c.capMax, c.capPer = a.number, a.age
	}
	d.ref.exitsByCondition(c, nil)
	return d.records(home(a.customer, d.s.partitions), gateway.Input{Command: u})
}

func (d *driver) everywhere(c gateway.Command) error {
	d.core.SetClock(d.clock)
	d.core.SetObserved(d.frozen)
	for i := range d.s.partitions {
		if err := d.core.Submit(i, gateway.Input{Command: c}); err != nil {
			return err
		}
	}
	return nil
}

func (d *driver) publish(i int) error {
	def, running := d.s.defs[i], ""
	if d.version[i] == 1 {
		def, running = d.s.later[i], d.s.running[i]
	}
	d.version[i]++
	d.arrive()
	d.ref.publish(def, running)
	if err := d.everywhere(gateway.PublishJourney{Journey: def.name, Version: def.version, Effective: d.clock, Definition: def.yaml(), Running: running}); err != nil {
		return err
	}
	for _, p := range d.core.Partitions() {
		if !p.Active(def.name, def.version) {
			return fmt.Errorf("%s was not published: %s", def.name, def.yaml())
		}
	}
	return d.tick()
}

// --- comparison ---

// equal compares what both did since the last call.
func (d *driver) equal(what string) error {
	d.name()
	var got, want []string
	for i := range d.decisions {
		got = append(got, coreDecision(&d.decisions[i]))
	}
	for i := range d.messages {
		got = append(got, coreMessage(&d.messages[i]))
	}
	for i := range d.updates {
		u := &d.updates[i]
		got = append(got, fmt.Sprintf("update %s %s %s", u.Message, u.State, u.At))
	}
	for i := range d.ref.decisions {
		if dec := &d.ref.decisions[i]; dec.reason == "too_late_to_act" && d.sequence(dec.journey) {
			continue
		}
		want = append(want, refDecision(&d.ref.decisions[i]))
	}
	for _, m := range d.ref.messages {
		want = append(want, refMessage(m, d.ref.now))
	}
	for _, u := range d.ref.updates {
		want = append(want, fmt.Sprintf("update %s %s %s", u.message.id, u.state, u.at))
	}
	d.decisions, d.messages, d.updates = nil, nil, nil
	d.ref.decisions, d.ref.messages, d.ref.updates = nil, nil, nil
	slices.Sort(got)
	slices.Sort(want)
	d.log = append(d.log, got...)
	if slices.Equal(got, want) {
		return nil
	}
	only := func(a, b []string) (out string) {
		for _, line := range a {
			if !slices.Contains(b, line) {
				out += "\n    " + line
			}
		}
		return out
	}
	return fmt.Errorf("%s:\n  only the core:%s\n  only the reference:%s", what, only(got, want), only(want, got))
}

// name gives the reference's enrollments and messages the ids of the core.
func (d *driver) name() {
	ids := map[string][]gateway.EnrollmentID{}
	for _, dec := range d.decisions {
		if dec.Kind == gateway.DecisionEntry && dec.Reason == gateway.ReasonEnrolled {
			k := fmt.Sprint(dec.Journey, dec.Customer)
			ids[k] = append(ids[k], dec.Enrollment)
		}
	}
	for i := range d.ref.decisions {
		dec := &d.ref.decisions[i]
		if dec.reason != "enrolled" {
			continue
		}
		if k := fmt.Sprint(dec.journey, dec.customer); len(ids[k]) > 0 {
			dec.run.id, ids[k] = ids[k][0], ids[k][1:]
		}
	}
	for _, m := range d.ref.messages {
		m.id = gateway.NewMessageID(m.run.id, m.step, m.visit)
		d.sent = append(d.sent, m)
	}
}

func coreDecision(x *gateway.Decision) string {
	rule := ""
	switch x.Reason {
	case gateway.ReasonCapped, gateway.ReasonBranch, gateway.ReasonConditionFailed:
		if x.Kind != gateway.DecisionEntry {
			rule = strings.TrimPrefix(x.Rule, "missed window, ")
		}
	case gateway.ReasonEnrolled:
		rule = x.Rule
	}
	return fmt.Sprintf("%s %s %s of %s v%d step %q customer %d device %d event %q rule %q %s %s", x.At, x.Kind, x.Reason, x.Journey, x.Version,
		x.Step, x.Customer, x.Device, x.EventID, rule, x.Enrollment, x.Message)
}

func refDecision(x *decision) string {
	rule := ""
	switch x.reason {
	case "capped", "branch", "condition_unavailable", "enrolled":
		rule = x.rule
	}
	var e gateway.EnrollmentID
	var m gateway.MessageID
	if x.run != nil {
		e = x.run.id
	}
	if x.message != nil {
		m = x.message.id
	}
	return fmt.Sprintf("%s %s %s of %s v%d step %q customer %d device %d event %q rule %q %s %s", x.at, x.kind, x.reason, x.journey, x.version,
		x.step, x.customer, x.device, x.event, rule, e, m)
}

func coreMessage(m *gateway.Message) string {
	var values []string
	for _, v := range m.Values {
		if strings.HasPrefix(v.Key, "trait.t") {
			values = append(values, v.Key+"="+number6(v.Value.Any()))
		}
	}
	return fmt.Sprintf("message %s %s v%d %s visit %d customer %d device %d on %s then %v holdout %v from %s until %s expires %s %v", m.ID, m.Journey,
		m.Version, m.Step, m.Visit, m.Customer, m.Device, m.Channel, m.Fallback, m.Holdout, m.NotBefore, m.NotAfter, m.ExpiresAt, values)
}

func refMessage(m *message, _ gateway.Instant) string {
	var values []string
	for k, v := range m.values {
		values = append(values, k+"="+number6(v))
	}
	slices.Sort(values)
	return fmt.Sprintf("message %s %s v%d %s visit %d customer %d device %d on %s then %v holdout %v from %s until %s expires %s %v", m.id, m.run.j.def.name,
		m.run.def.version, m.step, m.visit, m.run.c.id, m.device, m.channel, m.fallback, m.holdout, m.notBefore, m.notAfter, m.expires, values)
}

// number6 writes a number to a millionth, the unit of sums.
func number6(v any) string {
	f, _ := number(v)
	return fmt.Sprintf("%.5f", f)
}

// compareState compares traits, devices and enrollments as they stand.
func (d *driver) compareState() error {
	if err := d.tick(); err != nil {
		return err
	}
	for id, c := range d.ref.customers {
		v, ok := d.core.Partitions()[home(id, d.s.partitions)].View(id)
		if !ok {
			return fmt.Errorf("the core does not know customer %d", id)
		}
		if want := d.ref.devicesOf(c); !slices.Equal(v.Devices, want) {
			return fmt.Errorf("customer %d has devices %v, the reference says %v", id, v.Devices, want)
		}
		for _, t := range v.Traits {
			if !strings.HasPrefix(t.Name, "t") {
				continue
			}
			want, known := d.ref.trait(c, d.ref.journey(t.Journey).def, t.Device, t.Name)
			if known != t.Known || known && number6(t.Value.Any()) != number6(want) {
				return fmt.Errorf("customer %d: %s trait.%s is %s (%v), the reference says %v (%v)", id, t.Journey, t.Name, t.Value, t.Known, want, known)
			}
		}
		if err := compareRuns(id, c, v); err != nil {
			return err
		}
	}
	return d.compareModel()
}

func compareRuns(id gateway.CustomerID, c *customer, v core.View) error {
	running := 0
	for _, e := range v.Enrollments {
		i := slices.IndexFunc(c.runs, func(r *run) bool { return r.id == e.ID })
		if i < 0 {
			return fmt.Errorf("customer %d: the reference has no enrollment %s", id, e.ID)
		}
		r := c.runs[i]
		if r.over != (e.EndedAt != 0) || r.goal != e.Converted {
			return fmt.Errorf("customer %d: enrollment %s ended %v, converted %v; the reference says %v, %v", id, e.ID, e.EndedAt != 0, e.Converted, r.over, r.goal)
		}
		if !r.over {
			running++
			at := ""
			if r.step < len(r.def.steps) {
				at = r.def.steps[r.step].id
			}
			if at != e.Step || r.due != e.WaitsUntil {
				return fmt.Errorf("customer %d: enrollment %s stands at %q until %s; the reference says %q until %s", id, e.ID, e.Step, e.WaitsUntil, at, r.due)
			}
		}
	}
	for _, r := range c.runs {
		if !r.over {
			running--
		}
	}
	if running != 0 {
		return fmt.Errorf("customer %d: the core runs %d enrollments more than the reference", id, running)
	}
	return nil
}
