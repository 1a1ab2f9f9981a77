package deliver

import (
	"context"
	"slices"

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
	// ahead marks a revocation that is in force here before its step is
	// committed: an older profile must not undo it.
	ahead bool
}

func newConsents() consents {
	return consents{entries: map[gateway.CustomerID][]consent{}, erased: map[gateway.CustomerID]struct{}{}}
}

// allows looks for the newest entry that covers the channel. A safety message
// has its own legal ground.
func (c *consents) allows(customer gateway.CustomerID, purpose gateway.Purpose, channel string) bool {
	if _, erased := c.erased[customer]; erased {
		return false
	}
	if purpose == gateway.PurposeSafety {
		return true
	}
	granted, at := true, gateway.Instant(-1)
	for _, e := range c.entries[customer] {
		if e.purpose != purpose || e.channel != "" && e.channel != channel {
			continue
		}
		if e.at > at || e.at == at && !e.granted {
			granted, at = e.granted, e.at
		}
	}
	return granted
}

// profile takes over what a step says, but for revocations ahead of it.
func (c *consents) profile(p *gateway.CustomerProfile) {
	var kept []consent
	for _, e := range c.entries[p.Customer] {
		if e.ahead && !slices.ContainsFunc(p.Consents, func(n gateway.Consent) bool { return e.confirmedBy(n) }) {
			kept = append(kept, e)
		}
	}
	for _, n := range p.Consents {
		if !slices.ContainsFunc(kept, func(e consent) bool { return e.purpose == n.Purpose && e.channel == n.Channel }) {
			kept = append(kept, consent{purpose: n.Purpose, channel: n.Channel, granted: n.Granted, at: n.At})
		}
	}
	c.keep(p.Customer, kept)
}

func (e consent) confirmedBy(n gateway.Consent) bool {
	return n.Purpose == e.purpose && n.Channel == e.channel && !n.Granted && n.At >= e.at
}

// set puts one consent in force at once. A grant only lifts a revocation that
// is ahead; for the rest it waits for its step.
func (c *consents) set(s gateway.SetConsent) {
	kept := slices.DeleteFunc(slices.Clone(c.entries[s.Customer]), func(e consent) bool {
		return e.purpose == s.Purpose && e.channel == s.Channel
	})
	// It counts from now on, whatever time its source gave it.
	at := s.At
	for _, e := range kept {
		at = max(at, e.at)
	}
	kept = append(kept, consent{purpose: s.Purpose, channel: s.Channel, granted: s.Granted, at: at, ahead: !s.Granted})
	c.keep(s.Customer, kept)
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
	d.consents.set(s)
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
	return d.consents.allows(customer, purpose, channel)
}

// recheck stops the attempts of a customer that are no longer allowed and
// withdraws what is with a channel; it returns what to wait for.
func (d *Delivery) recheck(customer gateway.CustomerID) []chan struct{} {
	var running []chan struct{}
	for _, it := range slices.Clone(d.box.byCustomer[customer]) {
		switch {
		case d.consents.allows(customer, it.m.Purpose, it.route()):
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
