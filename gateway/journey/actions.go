package journey

import (
	"slices"
	"strings"

	"touchpoint/gateway"
)

// What an event leads to beside its own path (a journey that a step starts or
// stops, an entry by a segment, an exit that looks at the stage) is put off
// until the input or the timer at hand is done: no walk meets a state that
// changes under it.

// action is one thing that was put off.
type action struct {
	customer gateway.CustomerID
	// chain are the journeys that led here without a wait.
	chain []*journey
	run   func(p *Partition, c *customer)
}

const (
	// maxChain bounds journeys that start each other without a wait.
	maxChain = 16
	// maxActions bounds what one input may lead to.
	maxActions = 1024
)

// putOff notes an action for the end of the input at hand.
func (p *Partition) putOff(c *customer, run func(*Partition, *customer)) {
	p.actions = append(p.actions, action{customer: c.id, chain: p.chain, run: run})
}

// settleActions does what was put off, and what that leads to.
func (p *Partition) settleActions() {
	for i := 0; i < len(p.actions); i++ {
		a := &p.actions[i]
		if c := p.customers[a.customer]; c != nil {
			p.chain = a.chain
			a.run(p, c)
		}
	}
	clear(p.actions)
	p.actions, p.chain = p.actions[:0], nil
}

// circle says why a journey must not start here, "" when it may: it is among
// those that led here without a wait, or there are too many of them.
func (p *Partition) circle(j *journey) string {
	if !slices.Contains(p.chain, j) && len(p.chain) < maxChain && len(p.actions) < maxActions {
		return ""
	}
	names := make([]string, 0, len(p.chain)+1)
	for _, other := range p.chain {
		names = append(names, other.name)
	}
	return strings.Join(append(names, j.name), " → ")
}

// enterNext enters a journey that another one, or a segment, led to. What its
// own first steps lead to knows of it.
func (p *Partition) enterNext(en *entry) {
	j := en.v.journey
	if rule := p.circle(j); rule != "" {
		p.decideEntry(en.v, gateway.Decision{Reason: gateway.ReasonLoop, Customer: en.c.id, Device: en.device, Rule: rule}, en.ev)
		return
	}
	before := p.chain
	p.chain = append(slices.Clip(before), j)
	p.enter(en)
	p.chain = before
}
