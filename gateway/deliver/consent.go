package deliver

import (
	"context"
	"slices"
	"time"

	"touchpoint/gateway"
)

// consents is delivery's own table: what forbids a hand-over. The core decides
// who may be sent to; here is only what came after its decision. A customer
// without an entry is one about whom the core's decision stands.
type consents struct {
	entries map[gateway.CustomerID][]consent
	erased  map[gateway.CustomerID]struct{}
}

type consent struct {
	purpose gateway.Purpose
	channel string // "" = every channel
	granted bool
	at      gateway.Instant
	// until marks a consent that is in force here before a step told of it: an
	// older profile must not undo it. It ends by itself, since the core may have
	// found it older than what it knows. 0 for what a step told.
	until gateway.Instant
}

// aheadLife is far above the time that a command takes to be a step.
const aheadLife = 24 * time.Hour

func newConsents() consents {
	return consents{entries: map[gateway.CustomerID][]consent{}, erased: map[gateway.CustomerID]struct{}{}}
}

// allows reads the entry of the channel, else the one of every channel. A
// safety message has its own legal ground.
func (c *consents) allows(customer gateway.CustomerID, purpose gateway.Purpose, channel string, now gateway.Instant) bool {
	if _, erased := c.erased[customer]; erased {
		return false
	}
	if purpose == gateway.PurposeSafety {
		return true
	}
	granted, specific := true, false
	for _, e := range c.entries[customer] {
		switch {
		case e.purpose != purpose || e.until != 0 && e.until <= now:
		case e.channel == channel:
			granted, specific = e.granted, true
		case e.channel == "" && !specific:
			granted = e.granted
		}
	}
	return granted
}

// profile takes over what a step says, and puts on top of it what is ahead.
func (c *consents) profile(p *gateway.CustomerProfile) {
	var ahead, es []consent
	for _, e := range c.entries[p.Customer] {
		if e.until != 0 {
			ahead = append(ahead, e)
		}
	}
	for _, n := range p.Consents {
		es = append(es, consent{purpose: n.Purpose, channel: n.Channel, granted: n.Granted, at: n.At})
	}
	for _, a := range ahead {
		es = a.over(es)
	}
	c.keep(p.Customer, es)
}

// over puts a consent on top of others as the core does: what was said later of
// the channel, or of every channel, stays; one for every channel replaces what
// was said before of single ones. Of two at the same instant the revocation
// stays.
func (e consent) over(es []consent) []consent {
	var kept []consent
	for _, o := range es {
		stays := o.at > e.at || o.at == e.at && !o.granted
		switch {
		case o.purpose != e.purpose:
			kept = append(kept, o)
		case stays && (o.channel == e.channel || o.channel == ""):
			return es
		case stays || o.channel != e.channel && e.channel != "":
			kept = append(kept, o)
		}
	}
	return append(kept, e)
}

// set puts one consent in force at once, ahead of its step.
func (c *consents) set(s gateway.SetConsent, now gateway.Instant) {
	e := consent{purpose: s.Purpose, channel: s.Channel, granted: s.Granted, at: s.At, until: now.Add(aheadLife)}
	if e.at == 0 {
		e.at = now
	}
	es := c.entries[s.Customer]
	if e.granted { // two calls at the same instant: the later one counts
		es = slices.DeleteFunc(slices.Clone(es), func(o consent) bool {
			return o.until != 0 && o.at == e.at && o.purpose == e.purpose && o.channel == e.channel
		})
	}
	c.keep(s.Customer, e.over(es))
}

// keep stores only customers about whom something is denied.
func (c *consents) keep(customer gateway.CustomerID, es []consent) {
	if !slices.ContainsFunc(es, func(e consent) bool { return !e.granted }) {
		delete(c.entries, customer)
		return
	}
	for i := range es { // the strings belong to a step that is reused
		es[i].purpose = gateway.Purpose([]byte(es[i].purpose))
		es[i].channel = string([]byte(es[i].channel))
	}
	c.entries[customer] = slices.Clip(es)
}

// SetConsent puts a consent in force. When it returns nil after a revocation,
// nothing is handed over any more that the revocation forbids: a hand-over that
// was on its way has ended, and what is not displayed yet is being withdrawn.
func (d *Delivery) SetConsent(ctx context.Context, s gateway.SetConsent) error {
	d.mu.Lock()
	d.consents.set(s, d.opts.Clock.Now())
	var running []chan struct{}
	if !s.Granted {
		running = d.recheck(s.Customer)
	}
	d.mu.Unlock()
	return wait(ctx, running)
}

// Erase forgets a customer: nothing is handed over to him any more when it
// returns nil. Step.Erased does the same later.
func (d *Delivery) Erase(ctx context.Context, customer gateway.CustomerID) error {
	d.mu.Lock()
	running := d.erase(customer)
	d.mu.Unlock()
	return wait(ctx, running)
}

// Allowed says whether a message may still go to a customer; channels that
// store messages ask again when they give them out.
func (d *Delivery) Allowed(customer gateway.CustomerID, purpose gateway.Purpose, channel string) bool {
	d.mu.Lock()
	defer d.mu.Unlock()
	return d.allows(customer, purpose, channel)
}

func (d *Delivery) allows(customer gateway.CustomerID, purpose gateway.Purpose, channel string) bool {
	return d.consents.allows(customer, purpose, channel, d.opts.Clock.Now())
}

// recheck stops the attempts of a customer that are no longer allowed and
// withdraws what is with a channel; it returns what to wait for.
func (d *Delivery) recheck(customer gateway.CustomerID) []chan struct{} {
	var running []chan struct{}
	for _, it := range slices.Clone(d.box.byCustomer[customer]) {
		switch {
		case d.allows(customer, it.m.Purpose, it.m.Channel):
		case it.running:
			it.recheck = true
			it.cancel()
			running = append(running, it.done)
		case it.handed:
			d.takeBack(it, string(gateway.ReasonNoConsent), true)
		}
	}
	return running
}

func (d *Delivery) erase(customer gateway.CustomerID) []chan struct{} {
	d.consents.erased[customer] = struct{}{}
	delete(d.consents.entries, customer)
	var running []chan struct{}
	for _, it := range slices.Clone(d.box.byCustomer[customer]) {
		if it.running {
			running = append(running, it.done)
		}
		d.takeBack(it, string(gateway.ReasonErased), false)
	}
	for _, l := range d.lanes {
		if e, ok := l.route.Channel.(Eraser); ok {
			d.background(func(ctx context.Context) error { return e.Erase(ctx, customer) })
		}
	}
	return running
}

func wait(ctx context.Context, running []chan struct{}) error {
	for _, done := range running {
		select {
		case <-done:
		case <-ctx.Done():
			return ctx.Err()
		}
	}
	return nil
}
