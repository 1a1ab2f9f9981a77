package journey

import (
	"slices"

	"touchpoint/gateway"
)

// Device states
//
// The rules say which events begin and end a state of a device, such as brewing
// or driving. A device is in the state that began last, until that ends or its
// longest life is over; then it is idle. Before the first such event its state
// is unknown. What counts is when the events occurred: a late one changes
// nothing that a newer one said.

// idle is the state of a device that is in none of the declared ones.
const idle = "idle"

// DeviceState declares a state of devices by the events around it.
type DeviceState struct {
	// From begins the state, To ends it.
	From Names `yaml:"from"`
	To   Names `yaml:"to"`
	// Max is the longest life: a lost event must not keep a device busy for ever.
	Max Duration `yaml:"max"`
}

// Names is a list of words; in YAML a single one needs no brackets.
type Names []string

// UnmarshalYAML reads a word or a list of words.
func (n *Names) UnmarshalYAML(unmarshal func(any) error) error {
	var one string
	if unmarshal(&one) == nil {
		*n = Names{one}
		return nil
	}
	return unmarshal((*[]string)(n))
}

// stateEvent is what an event type says about the device that sent it.
type stateEvent struct {
	begins string
	ends   []string
}

// activity is the state of a device as its events say.
type activity struct {
	state string // "" = idle
	at    gateway.Instant
}

// facts are what is known of some devices only.
type facts struct {
	zone string // where it stands
	activity
	heard              // of a model that uploads in bulk
	told   []uint64    // journeys that said it belongs to nobody, by the hash of their names
	people []ownership // see people.go; by from
}

// where returns the device's zone, "" when it is not known.
func (f *facts) where() string {
	if f == nil {
		return ""
	}
	return f.zone
}

// doing returns the device's state; its at is 0 when nothing is known.
func (f *facts) doing() activity {
	if f == nil {
		return activity{}
	}
	return f.activity
}

// know changes a device's facts; only changes call it.
func (d *device) know(zone string, a activity) {
	if d.facts != nil || zone != "" || a != (activity{}) {
		f := d.fact()
		f.zone, f.activity = zone, a
	}
}

// stateEvents indexes the declared states by event type.
func stateEvents(states map[string]DeviceState) map[string]stateEvent {
	if len(states) == 0 {
		return nil
	}
	out := map[string]stateEvent{}
	for _, name := range sortedKeys(states) {
		for _, event := range states[name].From {
			k := out[event]
			k.begins = name
			out[event] = k
		}
		for _, event := range states[name].To {
			k := out[event]
			k.ends = append(k.ends, name)
			out[event] = k
		}
	}
	return out
}

// noteState learns the device's state from an event; it reports whether that
// may open a gate.
func (p *Partition) noteState(d *device, ev *gateway.Event) bool {
	k, ok := p.states[ev.Type]
	if !ok || ev.OccurredAt < d.facts.doing().at {
		return false
	}
	now := d.facts.doing()
	next := activity{state: now.state, at: ev.OccurredAt}
	switch {
	case k.begins != "":
		next.state = k.begins
	case now.at == 0, slices.Contains(k.ends, now.state):
		next.state = ""
	default:
		return false // the end of another state
	}
	if next == now {
		return false
	}
	do(p, activityChange{d.id, next})
	return true
}

// stateNoted lets look again who waits for a state of the device.
func (p *Partition) stateNoted(changed bool, d *device) {
	if changed && d.owner != nil {
		p.wake(d.owner, holdContext, d.id)
	}
}

// activityChange puts the state of a device.
type activityChange struct {
	device gateway.DeviceID
	activity
}

func (c activityChange) encode(e *encoder) {
	e.byte(opActivity)
	e.fixed(uint64(c.device))
	e.activity(c.activity)
}

func (c activityChange) apply(p *Partition) {
	if d := p.devices.get(c.device); d != nil {
		c.state = p.intern(c.state)
		d.know(d.facts.where(), c.activity)
	}
}

func (e *encoder) activity(a activity) {
	e.string(a.state)
	e.at(a.at)
}

func (d *decoder) activity() activity { return activity{state: d.string(), at: d.at()} }

// stateOf returns the state of a device now and when its life ends (0 = it does
// not); "" when nothing is known.
func (p *Partition) stateOf(id gateway.DeviceID) (state string, until gateway.Instant) {
	d := p.devices.get(id)
	if d == nil || d.facts.doing().at == 0 {
		return "", 0
	}
	a := d.facts.activity
	if a.state == "" {
		return idle, 0
	}
	end := p.cfg.DeviceStates[a.state].life().after(a.at)
	if p.now >= end {
		return idle, 0
	}
	return a.state, end
}

func (s DeviceState) life() Duration {
	if s.Max == 0 {
		return 12 * 3600_000
	}
	return s.Max
}

// gate is the context in which a message may be shown.
type gate struct {
	when     *condition
	channels []string
	hold     bool // while the state is unknown
}

// gated holds a message back until the device is in the state that the journey
// allows. Its timer is the end of the message or of the state's life.
func (p *Partition) gated(e *enrollment, s *step, ch *choice, expires gateway.Instant) bool {
	g := s.send.context
	if g == nil {
		g = e.v.def.context
	}
	if g == nil || e.origin != nil || // who is addressed elsewhere is not at the device
		len(g.channels) > 0 && !slices.Contains(g.channels, ch.channel) {
		return false
	}
	scope := p.look(e.c, e.v, e, nil)
	scope.device = ch.device
	if scope.device == 0 {
		scope.device = e.device
	}
	switch g.when.eval(scope) {
	case yes:
		return false
	case unavailable:
		if !g.hold {
			return false
		}
	}
	state, until := p.stateOf(scope.device)
	if state == "" {
		state = "unknown"
	}
	if until == 0 || until > expires {
		until = expires
	}
	*ch = choice{reason: gateway.ReasonHeld, rule: "context " + g.when.text, until: until, hold: holdContext,
		values: gateway.Properties{{Key: "device.state", Value: gateway.String(state)}}}
	return true
}

// holdKind says what a send step waits for.
type holdKind uint8

const (
	holdTime    holdKind = iota // the end of quiet hours, of a window
	holdContext                 // the device's state, or the end of the message
	holdCase                    // the end of a complaint, or of the message
)

// wake lets those sends look again that wait for something which just changed.
func (p *Partition) wake(c *customer, kind holdKind, d gateway.DeviceID) {
	for _, e := range slices.Clone(c.enrollments) {
		if !e.waiting || e.hold != kind || d != 0 && e.device != d && e.device != 0 {
			continue
		}
		if e.v.journey.state == gateway.JourneyPaused {
			next := *e
			next.due = p.now
			p.put(&next)
		} else if p.stillRelevant(e) {
			p.walk(e, nil)
		}
	}
	for _, m := range slices.Clone(c.messages) {
		if m.anew() && m.hold == kind && (d == 0 || m.device == d) {
			next := *m
			next.due = p.now
			p.putMessage(&next)
		}
	}
}
