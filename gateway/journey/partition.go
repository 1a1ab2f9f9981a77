package journey

import (
	"time"

	"touchpoint/gateway"
)

// Partition is the state of one partition. One goroutine owns it.
type Partition struct {
	cfg Config

	// The state: what a snapshot holds.
	now       gateway.Instant
	observed  gateway.Instant
	customers map[gateway.CustomerID]*customer
	devices   deviceTable
	moved     map[gateway.DeviceID]int             // forwarding marks
	expected  map[gateway.DeviceID][]gateway.Input // held until the device's state comes
	cursors   map[int]gateway.Forwarded
	erased    map[gateway.CustomerID]struct{}
	rules     rules
	left      map[gateway.CustomerID]int             // marks: where a customer went
	awaited   map[gateway.CustomerID][]gateway.Input // held until his state comes
	traits    []*trait
	journeys  []*journey
	brake     brake
	early     []gateway.AddressRecipient // runs whose version is not known here yet

	classSets  []*classRules // every text that was in force
	classRules *classRules   // the last of them, nil for none

	// Derived from state.
	types    map[string]*eventType
	any      *eventType // of gateway.AnyEvent, nil while no journey asks for it
	messages map[gateway.MessageID]*message
	heaps    [2]timerHeap
	groups   map[gateway.GroupID][]*customer           // members who live here
	strays   map[gateway.CustomerID][]gateway.DeviceID // devices whose owner is not here
	states   map[string]stateEvent                     // of the settings

	// Of the run at hand.
	out       *gateway.Step
	more      bool            // Apply stopped before its record
	before    gateway.Instant // p.now when Apply first met that record
	enc       encoder
	scope     scope
	fired     int
	values    []int64
	cells     []cell
	took      []int64  // see timecount.go
	taken     []sample // a log taken apart
	had       []sample
	regained  regained
	rewritten []byte
	touched   int        // see warm
	latest    *eventType // looked up last
	zones     map[string]*time.Location
	words     map[string]string
	texts     *texts
	ids       []gateway.CustomerID // of a scan, sorted
	sent      []sentCount          // of journeys with a forecast
	seq       uint64               // the record at hand, and the input of it
	index     uint32

	contest contest

	until            gateway.Instant // the record at hand moves time up to here
	filtering        []*version      // whose filter turned something away
	ruleText         string          // segments and stages of the configuration
	actions          []action        // put off to the end of the input
	chain            []*journey
	classing         *customer // whose stages are looked at, with his segments as they will be
	classingSegments uint64
	evaluated        int // rules, ever
}

// NewPartition makes an empty partition.
func NewPartition(cfg Config) *Partition {
	p := &Partition{cfg: cfg.WithDefaults(), zones: map[string]*time.Location{}, words: map[string]string{}}
	p.states = stateEvents(p.cfg.DeviceStates)
	p.ruleText = p.cfg.ruleText()
	p.reset()
	p.rules.print = p.cfg.fingerprint()
	p.scope.init(p)
	return p
}

func (p *Partition) reset() {
	p.now, p.observed, p.more = 0, 0, false
	p.rules = rules{print: p.rules.print}
	p.customers = map[gateway.CustomerID]*customer{}
	p.devices = deviceTable{}
	p.moved = map[gateway.DeviceID]int{}
	p.expected = map[gateway.DeviceID][]gateway.Input{}
	p.cursors = map[int]gateway.Forwarded{}
	p.erased = map[gateway.CustomerID]struct{}{}
	p.left = map[gateway.CustomerID]int{}
	p.awaited = map[gateway.CustomerID][]gateway.Input{}
	p.groups = map[gateway.GroupID][]*customer{}
	p.strays = map[gateway.CustomerID][]gateway.DeviceID{}
	p.traits, p.journeys = nil, nil
	p.types, p.latest, p.any = map[string]*eventType{}, nil, nil
	p.indexContacts()
	p.classSets, p.classRules = nil, nil
	p.messages = map[gateway.MessageID]*message{}
	p.heaps = [2]timerHeap{}
	p.ids = nil
	p.brake, p.sent, p.early = brake{}, nil, nil
}

// Apply moves time to the record's, fires what fell due, applies the inputs in
// order and appends to out what was decided and what changed. Several records
// may go into one step. When out.More is set afterwards, the record itself was
// not applied yet: commit out and call Apply with the same record again.
func (p *Partition) Apply(b *gateway.Batch, out *gateway.Step) {
	p.begin(out)
	applied := max(b.RecordTime, p.now)
	if !p.more {
		p.before = p.now
	}
	p.until = applied
	p.noteRules(applied)
	if observed := max(p.observed, min(b.Observed, applied)); observed != p.observed {
		p.setTime(p.now, observed)
	}
	p.seq, p.index = b.Seq, 0
	p.adoptRules()
	if out.More = !p.fireTimers(applied); !out.More {
		if applied != p.now {
			p.setTime(applied, p.observed)
		}
		p.applyInputs(b.Inputs)
		p.sayUnobserved(p.before)
		out.Applied = append(out.Applied, gateway.Applied{Seq: b.Seq, Inputs: len(b.Inputs), At: applied})
	}
	p.more = out.More
	p.end()
}

// begin takes up out, which may hold the records before.
func (p *Partition) begin(out *gateway.Step) {
	if len(out.Applied) == 0 {
		p.fired = 0
	}
	p.out, p.enc.b = out, out.Changes
	if len(p.enc.b) == 0 {
		p.enc.byte(formatVersion)
	}
	out.Partition = p.cfg.Partition
}

func (p *Partition) end() {
	p.tellFiltered()
	p.reportSent()
	p.out.Changes = p.enc.b
	p.out.Now, p.out.Observed = p.now, p.observed
	p.out, p.enc.b = nil, nil
	p.scope = scope{p: p, maps: p.scope.maps}
}

// input applies one input and appends its outcome.
func (p *Partition) input(in *gateway.Input) {
	outcome := gateway.Outcome{Disposition: gateway.Duplicate}
	if in.From.Step == 0 || p.advanceCursor(in.From) {
		outcome = p.dispatch(in)
		p.settleActions()
	}
	p.out.Outcomes = append(p.out.Outcomes, outcome)
	p.index++
}

// advanceCursor reports whether a forwarded input is new and notes it.
func (p *Partition) advanceCursor(from gateway.Forwarded) bool {
	last := p.cursors[from.Partition]
	if from.Step < last.Step || from.Step == last.Step && from.Index <= last.Index {
		return false
	}
	do(p, cursorChange{from})
	return true
}

// dispatch sends an input to the code that decides about it.
func (p *Partition) dispatch(in *gateway.Input) gateway.Outcome {
	switch c := in.Command.(type) {
	case nil:
		if in.Event.Device == 0 {
			return p.touchpoint(in)
		}
		return p.deviceEvent(in)
	case gateway.Tick:
		p.fireTimers(p.now + 1)
	case gateway.UpsertCustomer:
		return p.upsertCustomer(in, c)
	case gateway.SetConsent:
		return p.setConsent(in, c)
	case gateway.BindDevice:
		return p.bindDevice(in, c)
	case gateway.UnbindDevice:
		return p.unbindDevice(in, c)
	case gateway.ReleaseDevice:
		return p.releaseDevice(in, c)
	case gateway.AdmitDevice:
		return p.admitDevice(c)
	case gateway.CustomerEvent:
		return p.customerEvent(in, c)
	case gateway.EraseCustomer:
		return p.eraseCustomer(c)
	case gateway.PublishJourney:
		return p.publishJourney(c)
	case gateway.SetJourneyState:
		return p.setJourneyState(c)
	case gateway.TriggerJourney:
		o := p.triggerJourney(in, c)
		p.triggerDry(in, c)
		return o
	case gateway.Receipt:
		return p.receipt(in, c)
	default:
		return p.dispatchRare(in)
	}
	return gateway.Outcome{}
}

// dispatchRare takes what concerns households, recipients and the installation.
func (p *Partition) dispatchRare(in *gateway.Input) gateway.Outcome {
	switch c := in.Command.(type) {
	case gateway.JoinGroup:
		return p.joinGroup(in, c)
	case gateway.LeaveGroup:
		return p.leaveGroup(in, c)
	case gateway.ReleaseCustomer:
		return p.releaseCustomer(in, c)
	case gateway.AdmitCustomer:
		return p.admitCustomer(in, c)
	case gateway.AddressRecipient:
		return p.addressRecipient(in, c)
	case gateway.RecallRecipient:
		return p.recallRecipient(in, c)
	case gateway.RequestGrant:
		return p.requestGrant(c)
	case gateway.Grant:
		return p.takeGrant(c)
	case gateway.ReportMessages:
		return p.reportMessages(c)
	case gateway.SetBrake:
		return p.setBrake(c)
	case gateway.FillTraits:
		return p.fillTraits(c)
	case gateway.FinishFill:
		return p.finishFill(c)
	}
	return gateway.Outcome{Disposition: gateway.Refused}
}

// customer returns the customer, making him when he is new. Only changes call it.
func (p *Partition) customer(id gateway.CustomerID) *customer {
	c := p.customers[id]
	if c == nil {
		c = &customer{id: id, since: p.now, profile: noProfile}
		p.customers[id] = c
		p.linkStrays(c)
	}
	return c
}

func (p *Partition) gone(c gateway.CustomerID) bool {
	_, gone := p.erased[c]
	return gone
}

// oldestDay is the first day that the duplicate window touches.
func (p *Partition) oldestDay() uint16 { return dayOf(p.cfg.DedupWindow.before(p.now)) }

// decide appends a decision record.
func (p *Partition) decide(d gateway.Decision) {
	d.At = p.now
	p.out.Decisions = append(p.out.Decisions, d)
}

// forward appends an input for another partition.
func (p *Partition) forward(to int, in gateway.Input) {
	in.From = gateway.Forwarded{}
	p.out.Forwards = append(p.out.Forwards, gateway.Forward{To: to, Input: in})
}

// intern returns the one copy of a word that many things share: the name of a
// product, a channel, a zone.
func (p *Partition) intern(word string) string {
	w, ok := p.words[word]
	if !ok {
		w = clone(word)
		p.words[w] = w
	}
	return w
}

// Unfinished yields every message that delivery has still to do with, in the
// order of their ids.
func (p *Partition) Unfinished(yield func(gateway.Message)) {
	if p.brake.on {
		return // nothing is handed over; what is there is being taken back
	}
	for _, id := range sortedIDs(p.customers) {
		for _, m := range p.customers[id].messages {
			if m.full != nil && m.state != gateway.MessageMissedWindow { // that one waits here
				yield(*m.full)
			}
		}
	}
}
