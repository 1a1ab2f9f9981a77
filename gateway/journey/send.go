package journey

import (
	"cmp"
	"slices"

	"touchpoint/gateway"
)

// productChannel shows messages on the device itself.
const productChannel = "product"

// choice is what a send decides: a channel, or the reason against all of them.
type choice struct {
	channel  string
	fallback []string
	device   gateway.DeviceID
	reason   gateway.Reason
	rule     string
	values   gateway.Properties
	until    gateway.Instant // look again then, for a message that is held
	hold     holdKind        // or when this changes
	// The message may be handed over in [notBefore, notAfter); instead names the
	// one in whose place it goes.
	notBefore, notAfter gateway.Instant
	instead             gateway.MessageID
}

// cause is the event that led to a send; the zero one is a timer.
type cause struct {
	id         string
	receivedAt gateway.Instant
}

func causeOf(e *enrollment, ev *gateway.Event) cause {
	switch {
	case ev != nil:
		return cause{ev.ID, ev.ReceivedAt}
	case e.stand != nil:
		return cause{e.stand.cause, e.stand.causeReceived}
	case e.origin != nil:
		return cause{e.origin.cause, e.origin.received}
	}
	return cause{}
}

// send visits a send step. It returns false when the message is held back by
// quiet hours and the enrollment stays at the step.
func (p *Partition) send(e *enrollment, s *step, ev *gateway.Event) bool {
	if p.brakeHolds(e, s, ev) {
		return false
	}
	first := e.holdFrom
	if first == 0 {
		first = p.now
	}
	life := s.send.expiresAfter
	if life == 0 {
		life = p.cfg.ExpiresAfter
	}
	expires := life.after(first)
	if !p.address(e, s, ev, expires) {
		e.holdSince(0)
		e.leavesStep()
		return true
	}
	d := gateway.Decision{Kind: gateway.DecisionSend, Step: s.id}
	ch := p.choose(e, s, expires)
	if e.stand == nil && !e.v.journey.dry() && p.competes(e, s, &ch) {
		e.holdSince(first)
		p.stand(e, ev)
		return false
	}
	why := causeOf(e, ev)
	if e.stand != nil {
		e.own().stand = nil
	}
	d.EventID, d.Reason, d.Rule, d.Values = why.id, ch.reason, ch.rule, ch.values
	if ch.until != 0 {
		if ch.hold == holdTime || ch.hold != e.hold { // else it was said before
			p.decideFor(e, d)
		}
		e.holdSince(first)
		e.waiting, e.due, e.changedAt, e.hold = true, ch.until, p.now, ch.hold
		return false
	}
	e.hold = holdTime
	if ch.channel != "" && !e.v.journey.dry() {
		d.Message = p.message(e, s, &ch, why, expires)
	}
	p.decideFor(e, d)
	e.holdSince(0)
	e.leavesStep()
	return true
}

// choose picks the first channel of the customer's order that he consented to,
// that reaches him and that no cap closes, and looks at the quiet hours there.
// When none is left, the reason is that of the check which got furthest.
func (p *Partition) choose(e *enrollment, s *step, expires gateway.Instant) (ch choice) {
	ch.device = p.deviceOf(e)
	if p.now >= expires {
		ch.reason = gateway.ReasonExpired
		return ch
	}
	depth := 0
	for _, name := range p.channelOrder(e.c, s) {
		check := p.channelChecks(e, s, name, ch.device)
		switch {
		case check.reason == "" && ch.channel == "":
			ch.channel = name
		case check.reason == "" || check.reason == gateway.ReasonCapped && ch.channel != "":
			ch.fallback = append(ch.fallback, name)
		case ch.channel == "" && (ch.reason == "" || check.passed > depth):
			ch.reason, ch.rule, ch.values, depth = check.reason, check.rule, check.values, check.passed
		}
	}
	if ch.channel == "" {
		if ch.reason == "" {
			ch.reason, ch.rule = gateway.ReasonUnreachable, "no channel"
		}
		return ch
	}
	ch.reason, ch.rule, ch.values = gateway.ReasonSent, ch.channel, nil
	if e.arm == armHoldout {
		ch.reason, ch.rule = gateway.ReasonHoldout, ch.channel
	}
	if !p.suspended(e, &ch, expires) && !p.gated(e, s, &ch, expires) {
		p.quiet(e, s, &ch, expires)
	}
	return ch
}

// channelOrder is the customer's order cut to the channels of the step; of a
// customer without one the step's order, else the project's.
func (p *Partition) channelOrder(c *customer, s *step) []string {
	if slices.Contains(s.send.channels, channelOfCase) {
		return p.withCaseChannel(c, s.send.channels)
	}
	if len(c.channels) == 0 {
		if len(s.send.channels) > 0 {
			return s.send.channels
		}
		return p.cfg.Channels
	}
	if len(s.send.channels) == 0 {
		return c.channels
	}
	var out []string
	for _, ch := range c.channels {
		if slices.Contains(s.send.channels, ch) {
			out = append(out, ch)
		}
	}
	return out
}

// check is the reason against a channel ("" = none) and how many checks passed
// before it.
type check struct {
	reason gateway.Reason
	rule   string
	values gateway.Properties
	passed int
}

// channelChecks looks for the first reason against a channel.
func (p *Partition) channelChecks(e *enrollment, s *step, channel string, d gateway.DeviceID) check {
	def := e.v.def
	if reason := consentFor(e.c, def.Purpose, channel); reason != "" {
		return check{reason: reason, rule: string(def.Purpose) + " on " + channel}
	}
	if rule, missing := dataConsent(e.c, def); missing && e.origin == nil {
		return check{reason: gateway.ReasonNoConsent, rule: rule}
	}
	switch channel {
	case productChannel:
		if d == 0 {
			return check{reason: gateway.ReasonUnreachable, rule: "no device", passed: 1}
		}
		if e.origin != nil && e.device != 0 {
			return check{reason: gateway.ReasonUnreachable, rule: "the display is the owner's", passed: 1}
		}
	case "email", "sms": // they need an address of the customer; services and webhooks have their own
		if !slices.Contains(e.c.reachable, channel) {
			return check{reason: gateway.ReasonUnreachable, rule: "no address for " + channel, passed: 1}
		}
	}
	if k := p.capped(e, s, channel); k.reason != "" {
		return k
	}
	return check{passed: 3}
}

// deviceOf returns the device that a message is shown on: the enrollment's, if
// the customer still has it, else his first.
func (p *Partition) deviceOf(e *enrollment) gateway.DeviceID {
	if e.origin != nil && e.device != 0 {
		return e.device
	}
	if slices.Contains(e.c.devices, e.device) || len(e.c.devices) == 0 {
		if len(e.c.devices) == 0 {
			return 0
		}
		return e.device
	}
	if e.device != 0 {
		return 0 // it left him; another device of his is another matter
	}
	return e.c.devices[0]
}

// consentFor returns the reason against a purpose on a channel. The entry of
// the channel counts before the one of all channels; without any, a service
// message is allowed and a marketing one is not. Safety needs none.
func consentFor(c *customer, purpose gateway.Purpose, channel string) gateway.Reason {
	if purpose == gateway.PurposeSafety {
		return ""
	}
	granted := purpose == gateway.PurposeService
	specific := false
	for i := range c.consents {
		k := &c.consents[i]
		if k.Purpose == purpose && (k.Channel == channel || k.Channel == "" && !specific) {
			granted = k.Granted
			specific = k.Channel == channel
		}
	}
	switch {
	case granted:
		return ""
	case purpose == gateway.PurposeService:
		return gateway.ReasonObjected
	}
	return gateway.ReasonNoConsent
}

// entryConsent lets a customer in whom the journey may reach on at least one
// of its channels.
func (p *Partition) entryConsent(def *Definition, c *customer) (gateway.Reason, string) {
	channels := def.Channels
	if len(channels) == 0 {
		channels = p.cfg.Channels
	}
	reason := gateway.Reason("")
	for _, ch := range channels {
		if reason = consentFor(c, def.Purpose, ch); reason == "" {
			if rule, missing := dataConsent(c, def); missing {
				return gateway.ReasonNoConsent, rule
			}
			return "", ""
		}
	}
	return reason, string(def.Purpose)
}

// message makes the message of a send step and returns its id.
func (p *Partition) message(e *enrollment, s *step, ch *choice, why cause, expires gateway.Instant) gateway.MessageID {
	e.visits++
	full := gateway.Message{
		ID: gateway.NewMessageID(e.id, s.id, e.visits), Enrollment: e.id, Journey: e.v.journey.name, Version: e.v.number,
		Step: s.id, Visit: e.visits, Customer: e.c.id, Device: ch.device, Product: p.productOf(ch.device),
		Channel: ch.channel, Fallback: ch.fallback, Purpose: e.v.def.Purpose, Template: s.send.template, Locale: e.c.locale,
		Values: p.messageValues(e, ch.device), Holdout: e.arm == armHoldout, DecidedAt: p.now, NotBefore: max(p.now, ch.notBefore),
		NotAfter: ch.notAfter, ExpiresAt: expires, State: gateway.MessageDecided,
	}
	full.Cause, full.CauseReceivedAt = clone(why.id), why.receivedAt
	if e.origin != nil {
		full.Product, full.Recipient = cmp.Or(full.Product, e.product), e.origin.role
	}
	m := message{id: full.ID, enrollment: e.id, journey: e.v.journey, step: s.id, device: ch.device, channel: ch.channel,
		purpose: full.Purpose, tags: s.send.tags, state: gateway.MessageDecided, slotAt: p.now, full: &full}
	if e.v.def.counts && !e.c.test && !full.Holdout {
		m.slot = slotReserved
	}
	m.instead = ch.instead
	s.awaitReceipt(&m, full.NotBefore)
	do(p, messageChange{e.c.id, m})
	p.out.Messages = append(p.out.Messages, full)
	p.countMessage(e)
	return full.ID
}

// messageValues lists the open values for the templates, by name.
func (p *Partition) messageValues(e *enrollment, d gateway.DeviceID) gateway.Properties {
	if e.origin != nil {
		return e.addressing(slices.Clone(e.origin.values))
	}
	values := make(gateway.Properties, 0, len(e.props)+len(e.v.def.traits)+3)
	props := e.props
	if e.v.def.starts() { // it keeps more than it shows
		props = keepProperties(e.v.def.keep, props)
	}
	for _, v := range props {
		if v.Value.Kind() != gateway.KindSealed {
			values = append(values, gateway.Property{Key: "event." + v.Key, Value: v.Value})
		}
	}
	for i := range e.v.def.traits {
		if name := e.v.def.traits[i].name; name != "" {
			v, ok := p.traitValue(e.c, e.v, e.device, name)
			if tr := &e.v.def.trigger; tr.every && tr.trait == i { // used up: what it took
				v, ok = tr.quantity(), true
			}
			if ok {
				values = append(values, gateway.Property{Key: "trait." + name, Value: v})
			}
		}
	}
	if product := cmp.Or(p.productOf(d), e.product); product != "" {
		values = append(values, gateway.Property{Key: "product", Value: gateway.String(product)})
	}
	return e.addressing(values)
}

// addressing adds how the customer is addressed.
func (e *enrollment) addressing(values gateway.Properties) gateway.Properties {
	for _, name := range []string{"locale", "country"} {
		if v, ok := e.c.field(name); ok {
			values = append(values, gateway.Property{Key: "customer." + name, Value: v})
		}
	}
	values.Sort()
	return values
}

// quantity is what a threshold asks for.
func (t *trigger) quantity() gateway.Value {
	if t.sum {
		return gateway.Float(float64(t.atLeast) / micros)
	}
	return gateway.Int(t.atLeast)
}
