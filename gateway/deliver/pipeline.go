package deliver

import (
	"context"
	"encoding/binary"
	"time"

	"touchpoint/gateway"
)

// stage is one step of the pipeline. It lets the attempt pass (the zero
// verdict) or says what happens instead.
type stage struct {
	name  string
	apply func(ctx context.Context, a *attempt) verdict
}

// attempt is one walk of a message through the stages.
type attempt struct {
	out     Outgoing
	it      *item
	lane    *lane
	handed  bool // as the item was when the attempt began
	unknown bool
	reached bool // the channel was called
}

// verdict is what a stage wants to happen.
type verdict struct {
	what    outcome
	until   gateway.Instant      // waits
	state   gateway.MessageState // ends
	detail  string
	err     error
	reached bool
	recall  bool // the attempt was a withdrawal
}

type outcome uint8

const (
	passes outcome = iota
	waits          // until an instant
	parks          // until the device is there
	ends           // with a state
	fails          // to be tried again
	handed
	recalled
)

// pipeline lists the stages in their order.
func (d *Delivery) pipeline() []stage {
	return []stage{
		{"dedup", d.dedup},
		{"window", d.window},
		{"consent", d.consent},
		{"render", d.render},
		{"holdout", d.holdout},
		{"rate", d.rate},
		{"announce", d.announce},
		{"hand over", d.handOver},
	}
}

// attempt walks one item through the stages.
func (d *Delivery) attempt(ctx context.Context, l *lane, it *item) verdict {
	d.mu.Lock()
	a := &attempt{it: it, lane: l, handed: it.handed, unknown: it.unknown, out: Outgoing{
		Message: &it.m, Partition: it.partition(), Channel: it.m.Channel,
		Attempt: int(it.attempts) + 1, Again: it.again, Now: d.opts.Clock.Now(),
	}}
	recall := it.recall
	d.mu.Unlock()
	if recall != "" {
		return d.withdrawFrom(ctx, a)
	}
	for _, s := range d.stages {
		if v := s.apply(ctx, a); v.what != passes {
			v.reached = a.reached
			return v
		}
	}
	return verdict{what: handed, reached: true}
}

// settle does what the attempt came to.
func (d *Delivery) settle(it *item, v verdict) {
	d.mu.Lock()
	defer d.mu.Unlock()
	it.cancel()
	it.running = false
	close(it.done)
	d.conclude(it, v)
	d.ended()
}

func (d *Delivery) conclude(it *item, v verdict) {
	if v.what == handed {
		d.recordHandOver(it)
	}
	defer func() { it.fresh = false }()
	switch {
	case it.gone:
	case v.what == recalled:
		d.remove(it)
	case it.recall != "":
		d.concludeRecall(it, v)
	case v.what == handed:
		d.concludeHandOver(it)
	case v.what == ends:
		d.finish(it, v.state, v.detail)
	case it.recheck:
		d.enqueue(it) // consent changed meanwhile: the stages decide
	case v.what == waits:
		d.at(it, min(v.until, d.deadline(it)))
	case v.what == parks && it.woken:
		d.enqueue(it)
	case v.what == parks:
		it.parked = true
		d.at(it, d.deadline(it))
	case v.what == fails:
		d.again(it, v.err)
	}
}

// concludeHandOver keeps what may have to be handed over again and forgets the rest.
func (d *Delivery) concludeHandOver(it *item) {
	_, presence := d.lane(it.m.Channel).route.Channel.(PresenceChannel)
	allowed := d.allows(it.m.Customer, it.m.Purpose, it.m.Channel)
	again := it.greeted // the device started anew in between: perhaps without the message
	it.handed, it.again, it.unknown, it.attempts = true, again, false, 0
	switch {
	case !allowed:
		d.takeBack(it, string(gateway.ReasonNoConsent), true)
	case !presence:
		d.remove(it)
	case again:
		d.enqueue(it)
	default:
		d.at(it, d.deadline(it))
	}
}

func (d *Delivery) recordHandOver(it *item) {
	d.recent.add(it.m.ID, it.m.Channel)
	state := gateway.MessageHandedOver
	if it.handed {
		state = gateway.MessageRedelivered
	}
	d.record(it, state, "")
}

// finish ends a message and records how. One that is to be decided anew must
// not be shown any more where it is.
func (d *Delivery) finish(it *item, state gateway.MessageState, detail string) {
	d.record(it, state, detail)
	if state == gateway.MessageMissedWindow && it.handed {
		d.takeBack(it, string(gateway.ReasonMissedWindow), false)
		return
	}
	d.remove(it)
}

// again schedules the next try.
func (d *Delivery) again(it *item, err error) {
	it.attempts++
	d.stats.Retries++
	now := d.opts.Clock.Now()
	pause := max(d.pause(it), retryAfter(err))
	d.opts.Logger.Debug("delivery: will try again", "message", it.m.ID, "channel", it.m.Channel, "attempt", it.attempts, "in", pause, "error", err)
	d.at(it, min(now.Add(pause), d.deadline(it)))
}

// pause doubles with each attempt. Its jitter comes from the message's id and
// the attempt, so that it spreads and is still the same in each run.
func (d *Delivery) pause(it *item) time.Duration {
	p := d.opts.Backoff
	for n := int32(1); n < it.attempts && p < d.opts.MaxBackoff; n++ {
		p *= 2
	}
	p = min(p, d.opts.MaxBackoff)
	h := binary.BigEndian.Uint64(it.m.ID[:8])*0x9e3779b97f4a7c15 + uint64(it.attempts)*0xbf58476d1ce4e5b9
	h ^= h >> 29
	return p - p/5 + time.Duration(h%1024)*(p*2/5)/1024 // ± 20 %
}
