package deliver

import (
	"context"
	"errors"

	"touchpoint/gateway"
)

// takeBack withdraws a message: what waits is dropped, what runs is stopped,
// what is with a channel is taken back there when the channel can. record says
// that the partition does not know yet.
func (d *Delivery) takeBack(it *item, reason string, record bool) {
	if it.recall != "" {
		return
	}
	it.recall, it.recordRecall = reason, record
	if !record {
		d.stats.Withdrawn++
	}
	switch {
	case it.running:
		it.cancel() // settle goes on
	case it.handed && d.canWithdraw(it):
		d.enqueue(it)
	default:
		d.endRecall(it)
	}
}

// takeBackUnknown withdraws a message that has left the outbox.
func (d *Delivery) takeBackUnknown(partition int, u *gateway.MessageUpdate) {
	if d.draining {
		return
	}
	now := d.opts.Clock.Now()
	it := &item{handed: true, recall: string(gateway.ReasonWithdrawn), m: gateway.Message{
		ID: u.Message, Customer: u.Customer, Device: u.Device, Channel: d.box.name(u.Channel), Journey: d.box.name(u.Journey),
		DecidedAt: now, ExpiresAt: now.Add(d.opts.MaxAge),
	}}
	it.at.Store(int32(partition))
	if !d.canWithdraw(it) {
		return
	}
	d.box.add(it)
	d.enqueue(it)
}

func (d *Delivery) canWithdraw(it *item) bool {
	_, ok := d.lane(it.m.Channel).route.Channel.(Withdrawer)
	return ok
}

func (d *Delivery) endRecall(it *item) {
	d.recordRecall(it)
	d.remove(it)
}

// recordRecall tells the partition, once, unless it knows.
func (d *Delivery) recordRecall(it *item) {
	if it.handed && !d.canWithdraw(it) {
		return // the receiver has it for good
	}
	if it.recordRecall {
		it.recordRecall = false
		d.record(it, gateway.MessageWithdrawn, it.recall)
	}
}

// concludeRecall goes on after an attempt during which the message was taken
// back, or after a withdrawal that did not succeed.
func (d *Delivery) concludeRecall(it *item, v verdict) {
	switch {
	case v.recall && v.what == parks && d.opts.Clock.Now() < d.expiry(&it.m):
		d.recordRecall(it)
		it.m.Values, it.m.Cause = nil, "" // only the order is left
		it.parked = true
		d.at(it, d.expiry(&it.m))
		if it.woken {
			d.enqueue(it)
		}
	case v.recall:
		if d.opts.Clock.Now() >= d.expiry(&it.m) {
			d.endRecall(it)
			return
		}
		d.again(it, v.err)
	case (v.reached || it.handed) && d.canWithdraw(it):
		it.handed = true // perhaps: the channel was called
		d.enqueue(it)
	default:
		d.endRecall(it)
	}
}

// withdrawFrom takes the message back from its channel.
func (d *Delivery) withdrawFrom(ctx context.Context, a *attempt) verdict {
	w, ok := a.lane.route.Channel.(Withdrawer)
	if ok {
		err := w.Withdraw(ctx, a.out.Message)
		if errors.Is(err, ErrAbsent) {
			return verdict{what: parks, recall: true}
		}
		if err != nil && !final(err) {
			return verdict{what: fails, err: err, recall: true}
		}
	}
	d.mu.Lock()
	defer d.mu.Unlock()
	if !a.it.gone {
		d.endRecall(a.it)
	}
	return verdict{what: recalled}
}
