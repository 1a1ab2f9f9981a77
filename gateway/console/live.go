package console

import (
	"context"
	"slices"
	"sync"

	"touchpoint/gateway"
)

// laneLength is how many of the latest of each kind are shown.
const laneLength = 7

// row is one line of a lane.
type row struct {
	Key      string // tells lines apart, so that new ones can be marked
	At       gateway.Instant
	Title    string // event type or journey
	Detail   string // step
	Device   string
	Tone     string // good, wait, off, bad or plain
	Word     string // state or reason, in words
	Code     string
	customer gateway.CustomerID
	Journey  string // that the title names
}

// Who is the customer's id, "" for nobody.
func (r row) Who() string {
	if r.customer == 0 {
		return ""
	}
	return r.customer.String()
}

// live holds the latest events, decisions and messages: three short lanes,
// however much happens.
type live struct {
	mu                          sync.Mutex
	events, decisions, messages []row
	noEvents                    bool // the history does not answer
	decisionNo                  uint64
	dirty                       bool
	// While the lanes are read anew, changes wait here: they are later than
	// what is read, or part of it.
	seeding bool
	waiting []Change
}

// maxWaiting bounds the changes that wait for a seed.
const maxWaiting = 4096

func newLive() *live { return &live{} }

// lanes is what the panel of live touchpoints shows.
type lanes struct {
	Events, Decisions, Messages []row
	NoEvents                    bool
}

func (l *live) lanes() lanes {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.dirty = false
	return lanes{slices.Clone(l.events), slices.Clone(l.decisions), slices.Clone(l.messages), l.noEvents}
}

func (l *live) isDirty() bool {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.dirty
}

// push puts a row first. A row with the same key gives way to it.
func push(lane []row, r row) []row {
	lane = slices.DeleteFunc(lane, func(o row) bool { return o.Key == r.Key })
	lane = slices.Insert(lane, 0, r)
	return lane[:min(len(lane), laneLength)]
}

// apply takes a change in; true when the lanes must be read anew.
func (l *live) apply(ch Change) (again bool) {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.seeding && !ch.Lost {
		if len(l.waiting) >= maxWaiting {
			return true
		}
		l.waiting = append(l.waiting, ch)
		return false
	}
	return l.take(ch)
}

func (l *live) take(ch Change) (again bool) {
	switch {
	case ch.Lost:
		return true
	case ch.Message != nil:
		l.messages = push(l.messages, messageRow(ch.Message))
	case ch.Update != nil:
		l.messages = push(l.messages, l.updateRow(ch.Update))
	case ch.Decision != nil:
		l.decisionNo++
		l.decisions = push(l.decisions, decisionRow(ch.Decision, l.decisionNo))
	case ch.Erased != 0:
		l.erase(ch.Erased)
	default:
		return false
	}
	l.dirty = true
	return false
}

func (l *live) erase(c gateway.CustomerID) {
	of := func(r row) bool { return r.customer == c }
	l.events = slices.DeleteFunc(l.events, of)
	l.decisions = slices.DeleteFunc(l.decisions, of)
	l.messages = slices.DeleteFunc(l.messages, of)
}

// updateRow keeps the step that the message's row before it named.
func (l *live) updateRow(u *gateway.MessageUpdate) row {
	r := row{
		Key: u.Message.String(), At: u.At, Title: u.Journey, Device: u.Device.String(), customer: u.Customer,
		Code: u.State.String(), Word: stateWord(u.State), Tone: stateTone(u.State),
	}
	for _, o := range l.messages {
		if o.Key == r.Key {
			r.Detail = o.Detail
			r.Title, r.Device = orDefault(r.Title, o.Title), orDefault(r.Device, o.Device)
			r.Journey = r.Title
		}
	}
	return r
}

func messageRow(m *gateway.Message) row {
	state := m.State
	if state == gateway.MessageUnknown {
		state = gateway.MessageDecided
		if m.Holdout {
			state = gateway.MessageHeldOut
		}
	}
	return row{
		Key: m.ID.String(), At: m.DecidedAt, Title: m.Journey, Detail: m.Step, Device: m.Device.String(), customer: m.Customer,
		Code: state.String(), Word: stateWord(state), Tone: stateTone(state), Journey: m.Journey,
	}
}

func decisionRow(d *gateway.Decision, no uint64) row {
	w, key := wordsOf(d.Kind, d.Reason), "x"+number(int64(no))
	if d.Kind == gateway.DecisionJourney { // every partition says it: one line
		key = "j" + number(int64(d.Version)) + string(d.Reason) + " " + d.Journey
	}
	return row{
		Key: key, At: d.At, Title: d.Journey, Detail: d.Step, Device: d.Device.String(), customer: d.Customer,
		Code: string(d.Reason), Word: w.short, Tone: w.tone, Journey: d.Journey,
	}
}

// setEvents replaces the lane of events.
func (l *live) setEvents(list []Event, err error) {
	rows := make([]row, 0, laneLength)
	for _, e := range list[:min(len(list), laneLength)] {
		rows = append(rows, row{
			Key: e.Key, At: e.At, Title: humanize(e.Type), Code: e.Type, Device: e.Device.String(), Tone: "plain", customer: e.Customer,
		})
	}
	l.mu.Lock()
	defer l.mu.Unlock()
	if err != nil {
		l.dirty = l.dirty || !l.noEvents
		l.noEvents = true
		return
	}
	same := !l.noEvents && slices.EqualFunc(l.events, rows, func(a, b row) bool { return a.Key == b.Key })
	l.events, l.noEvents, l.dirty = rows, false, l.dirty || !same
}

// readEvents looks for the latest events.
func (c *console) readEvents(ctx context.Context) error {
	ctx, cancel := context.WithTimeout(ctx, lookTimeout)
	defer cancel()
	list, err := c.Events.LatestEvents(ctx, laneLength)
	c.live.setEvents(list, err)
	return err
}

// seed fills the lanes of decisions and messages from what is stored.
func (c *console) seed(ctx context.Context) error {
	ctx, cancel := context.WithTimeout(ctx, lookTimeout)
	defer cancel()
	l := c.live
	l.mu.Lock()
	l.seeding = true
	l.mu.Unlock()
	messages, err := c.Messages.LatestMessages(ctx, laneLength)
	decisions, err2 := c.Decisions.LatestDecisions(ctx, laneLength)
	if err == nil {
		err = err2
	}
	l.mu.Lock()
	defer l.mu.Unlock()
	if err == nil {
		l.fill(messages, decisions)
	}
	for _, ch := range l.waiting {
		l.take(ch)
	}
	l.seeding, l.waiting = false, nil
	return err
}

// fill replaces the lanes; what comes in is latest first.
func (l *live) fill(messages []gateway.Message, decisions []gateway.Decision) {
	l.messages, l.decisions, l.dirty = nil, nil, true
	for i := len(messages) - 1; i >= 0; i-- {
		l.messages = push(l.messages, messageRow(&messages[i]))
	}
	for i := len(decisions) - 1; i >= 0; i-- {
		l.decisionNo++
		l.decisions = push(l.decisions, decisionRow(&decisions[i], l.decisionNo))
	}
}
