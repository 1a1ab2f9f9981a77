package simulator

import (
	"bytes"
	"cmp"
	"container/heap"
	"context"
	"slices"
	"strings"
	"time"

	"touchpoint/devices"
	"touchpoint/gateway"
	"touchpoint/simulator/fleet"
	"touchpoint/simulator/ledger"
)

// uploadBatch is how many kept events go into one message.
const uploadBatch = 50

// action is what a customer will do.
type action struct {
	at      gateway.Instant
	order   int
	unit    *unit
	message gateway.MessageID
	state   gateway.MessageState // displayed, clicked, dismissed; 0 = an event
	event   string
	button  string
	down    *devices.Downlink
	then    fleet.Reaction
}

// actions is a heap by time, then by the order of planning.
type actions struct {
	list []action
	made int
}

func (a *actions) Len() int { return len(a.list) }
func (a *actions) Less(i, j int) bool {
	return cmp.Or(cmp.Compare(a.list[i].at, a.list[j].at), cmp.Compare(a.list[i].order, a.list[j].order)) < 0
}
func (a *actions) Swap(i, j int) { a.list[i], a.list[j] = a.list[j], a.list[i] }
func (a *actions) Push(x any)    { a.list = append(a.list, x.(action)) }
func (a *actions) Pop() any {
	x := a.list[len(a.list)-1]
	a.list = a.list[:len(a.list)-1]
	return x
}

func (r *Run) later(a action) {
	r.actions.made++
	a.order = r.actions.made
	heap.Push(&r.actions, a)
}

// act does what customers have planned until to.
func (r *Run) act(ctx context.Context, to gateway.Instant) error {
	for r.actions.Len() > 0 && r.actions.list[0].at < to {
		a := heap.Pop(&r.actions).(action)
		if r.fleet.IsOffline(a.unit.number, a.at) { // it shows when the machine is back
			a.at = max(to, a.at.Add(time.Hour))
			r.later(a)
			continue
		}
		if err := r.do(ctx, &a); err != nil {
			return err
		}
	}
	return nil
}

func (r *Run) do(ctx context.Context, a *action) error {
	switch a.state {
	case gateway.MessageUnknown:
		return r.event(ctx, a.unit, a.event, a.at, nil, false)
	case gateway.MessageDisplayed:
		return r.display(ctx, a.unit, a.down, &a.then, a.button, a.at)
	}
	return r.receipt(ctx, a.unit, a.message, a.state, a.at, a.button)
}

// display shows a message and plans what the customer does with it.
func (r *Run) display(ctx context.Context, u *unit, m *devices.Downlink, then *fleet.Reaction, button string, at gateway.Instant) error {
	id := m.ID
	if u.show(id, at) != take {
		return nil // withdrawn or expired while it waited to be noticed
	}
	r.counts.displayed.Add(1)
	r.counts.first.CompareAndSwap(0, time.Now().UnixMicro())
	r.mu.Lock()
	r.last = Shown{u.serial, m.Title, m.Body}
	r.mu.Unlock()
	r.opts.Ledger.Displayed(u.number, id.String(), at)
	if err := r.receipt(ctx, u, id, gateway.MessageDisplayed, at, ""); err != nil {
		return err
	}
	soon := at.Add(20 * time.Second)
	switch {
	case then.Clicked:
		r.later(action{at: soon, unit: u, message: id, state: gateway.MessageClicked, button: button})
	case then.Dismissed:
		r.later(action{at: soon, unit: u, message: id, state: gateway.MessageDismissed})
	}
	if then.Answer != nil {
		r.later(action{at: at.Add(then.AnswerAfter), unit: u, event: then.Answer.Event})
	}
	return nil
}

// receive makes the machines judge what arrived and returns how much that was.
func (r *Run) receive(ctx context.Context) (int, error) {
	r.mu.Lock()
	list := r.arrived
	r.arrived = nil
	r.mu.Unlock()
	// The order over several connections is a matter of chance; that of the
	// messages is not.
	slices.SortStableFunc(list, func(a, b arrival) int {
		return cmp.Or(cmp.Compare(a.unit.number, b.unit.number), bytes.Compare(a.down.ID[:], b.down.ID[:]))
	})
	for i := range list {
		u, m := list[i].unit, &list[i].down
		if r.fleet.IsOffline(u.number, r.now) {
			u.inbox = append(u.inbox, *m)
			continue
		}
		at := m.Now
		if at == 0 {
			at = r.now
		}
		if err := r.got(ctx, u, m, at); err != nil {
			return len(list), err
		}
	}
	return len(list), nil
}

// got makes a machine judge one message.
func (r *Run) got(ctx context.Context, u *unit, m *devices.Downlink, at gateway.Instant) error {
	switch u.judge(m, at) {
	case take:
		return r.taken(ctx, u, m, at)
	case repeat:
		r.counts.again.Add(1)
		return r.receipt(ctx, u, m.ID, gateway.MessageDisplayed, at, "")
	case stale:
		r.counts.stale.Add(1)
		r.opts.Ledger.Stale(u.number, m.ID.String(), at)
		return r.receipt(ctx, u, m.ID, gateway.MessageExpired, at, "")
	}
	return nil
}

func (r *Run) taken(ctx context.Context, u *unit, m *devices.Downlink, at gateway.Instant) error {
	then := r.fleet.React(m.ID, func(words []string) bool {
		text := strings.ToLower(m.Title + "\n" + m.Body)
		return slices.ContainsFunc(words, func(w string) bool { return strings.Contains(text, w) })
	})
	button := ""
	if len(m.Actions) > 0 {
		button = m.Actions[0].ID
	} else {
		then.Dismissed, then.Clicked = then.Dismissed || then.Clicked, false
	}
	if !then.Displayed { // it is on the machine, but nobody looks
		return r.receipt(ctx, u, m.ID, gateway.MessageDelivered, at, "")
	}
	notice := at.Add(then.After)
	if notice <= r.now || then.After < r.opts.Step/2 {
		return r.display(ctx, u, m, &then, button, at)
	}
	r.later(action{at: notice, unit: u, message: m.ID, down: m, state: gateway.MessageDisplayed, button: button, then: then})
	return r.receipt(ctx, u, m.ID, gateway.MessageDelivered, at, "")
}

// receipt publishes an answer.
func (r *Run) receipt(ctx context.Context, u *unit, id gateway.MessageID, state gateway.MessageState, at gateway.Instant, button string) error {
	r.number++
	r.opts.Ledger.Receipt(r.number, u.number, id.String(), state, at)
	r.scratch = appendReceipt(r.scratch[:0], state, at, button)
	return u.conn.publish(ctx, r.number, devices.ReceiptsTopic(u.product, u.serial, id), r.scratch)
}

// publishUntil publishes what happens before to.
func (r *Run) publishUntil(ctx context.Context, to gateway.Instant) error {
	if err := r.registrar.until(ctx, to); err != nil {
		return err
	}
	if err := r.act(ctx, to); err != nil {
		return err
	}
	for {
		if len(r.planned) == 0 {
			if r.fleet.Start.Add(time.Duration(r.day)*24*time.Hour) >= to {
				return nil
			}
			r.planned = r.fleet.Day(r.day)
			r.day++
			continue
		}
		if r.planned[0].At >= to {
			return nil
		}
		p := r.planned[0]
		r.planned = r.planned[1:]
		if err := r.happen(ctx, &p, p.At); err != nil {
			return err
		}
	}
}

// nextPlanned takes the next planned item whatever its time.
func (r *Run) nextPlanned() (*fleet.Planned, error) {
	for quiet := 0; len(r.planned) == 0; quiet++ {
		if quiet > 366 {
			return nil, gateway.Errorf(gateway.Invalid, "the fleet does nothing for a year: give it brews_per_day")
		}
		r.planned = r.fleet.Day(r.day)
		r.day++
	}
	p := &r.planned[0]
	r.planned = r.planned[1:]
	return p, nil
}

// happen makes a machine do what was planned; at is what its clock shows.
func (r *Run) happen(ctx context.Context, p *fleet.Planned, at gateway.Instant) error {
	u := r.units[p.Unit]
	offline := r.fleet.IsOffline(u.number, p.At)
	if p.Kind == fleet.Hello {
		if offline {
			return nil
		}
		return r.hello(ctx, u, at)
	}
	return r.event(ctx, u, p.Kind.Type(), at, p.AppendData, offline)
}

// event publishes an event, or keeps it while the machine is offline.
func (r *Run) event(ctx context.Context, u *unit, typ string, at gateway.Instant, data func([]byte) []byte, offline bool) error {
	if !offline && len(u.kept)+len(u.inbox) > 0 {
		if err := r.hello(ctx, u, at); err != nil { // it is back
			return err
		}
	}
	id := u.nextID()
	r.scratch = u.appendEvent(r.scratch[:0], id, typ, at, data)
	k := kept{id: id, typ: typ, at: at, payload: r.scratch}
	if offline {
		k.payload = bytes.Clone(k.payload)
		u.kept = append(u.kept, k)
		return nil
	}
	return r.send(ctx, u, []kept{k}, r.scratch)
}

// hello announces a machine, uploads what it kept and reads what waited for it.
func (r *Run) hello(ctx context.Context, u *unit, at gateway.Instant) error {
	r.scratch = u.appendHello(r.scratch[:0], at)
	if err := u.conn.publish(ctx, 0, devices.HelloTopic(u.product, u.serial), r.scratch); err != nil {
		return err
	}
	waiting := u.kept
	u.kept = nil
	if err := batches(waiting, uploadBatch, func(part []kept, payload []byte) error {
		return r.send(ctx, u, part, payload)
	}); err != nil {
		return err
	}
	inbox := u.inbox
	u.inbox = nil
	for i := range inbox {
		if err := r.got(ctx, u, &inbox[i], at); err != nil {
			return err
		}
	}
	return nil
}

// send publishes events in one message, now and then twice.
func (r *Run) send(ctx context.Context, u *unit, events []kept, payload []byte) error {
	u.published++
	copies := 1
	if r.fleet.Resent(u.number, uint64(u.published)) {
		copies = 2
	}
	for range copies {
		r.number++
		for i := range events {
			r.opts.Ledger.Event(r.number, u.number, events[i].id, events[i].typ, events[i].at)
		}
		if err := u.conn.publish(ctx, r.number, u.eventsTopic, payload); err != nil {
			return err
		}
	}
	r.counts.events.Add(int64(len(events)))
	return nil
}

func ledgerMessage(m *devices.Downlink) ledger.Message {
	return ledger.Message{ID: m.ID.String(), Cause: m.Cause, Withdraw: m.Withdraw, ExpiresAt: m.ExpiresAt}
}
