package deliver

import (
	"context"
	"time"

	"golang.org/x/time/rate"

	"touchpoint/gateway"
)

// lane is the queue of one channel and its workers, so that a slow channel
// delays no other.
type lane struct {
	route   Route
	queue   []*item
	workers int
	limit   *rate.Limiter // nil = none; by the gateway's clock
}

func newLane(r Route) *lane {
	l := &lane{route: r}
	if r.Rate > 0 {
		l.limit = rate.NewLimiter(rate.Limit(r.Rate), r.Burst)
	}
	return l
}

// enqueue makes an item ready for a worker of its channel.
func (d *Delivery) enqueue(it *item) {
	d.schedule.drop(it)
	it.parked = false
	if it.queued || it.running || d.draining {
		return
	}
	if d.braked && it.recall == "" { // looked at again on release
		it.held = true
		return
	}
	it.queued = true
	d.begun()
	l := d.lane(it.m.Channel)
	l.queue = append(l.queue, it)
	if l.workers < l.route.Workers {
		l.workers++
		d.spawn(func() { d.work(l) })
	}
}

// at schedules an item for an instant and wakes the scheduler if that is the
// next one.
func (d *Delivery) at(it *item, due gateway.Instant) {
	d.schedule.set(it, max(due, 1))
	if d.schedule[0] == it && d.kick != nil {
		d.kick()
	}
}

// work takes items until the queue is empty.
func (d *Delivery) work(l *lane) {
	for {
		it, ctx := d.next(l)
		if it == nil {
			return
		}
		v := d.attempt(ctx, l, it)
		d.settle(it, v)
	}
}

func (d *Delivery) next(l *lane) (*item, context.Context) {
	d.mu.Lock()
	defer d.mu.Unlock()
	for len(l.queue) > 0 && !d.draining {
		it := l.queue[0]
		l.queue[0] = nil
		l.queue = l.queue[1:]
		it.queued = false
		if it.gone {
			d.ended()
			continue
		}
		if d.braked && it.recall == "" {
			it.held = true
			d.ended()
			continue
		}
		it.running = true
		it.woken, it.greeted, it.recheck = false, false, false
		it.done = make(chan struct{})
		ctx, cancel := context.WithTimeout(d.ctx, d.opts.HandOverTimeout)
		it.cancel = cancel
		return it, ctx
	}
	l.workers--
	if len(l.queue) == 0 {
		l.queue = nil
	}
	return nil, nil
}

// empty forgets what is queued.
func (d *Delivery) empty(l *lane) {
	for _, it := range l.queue {
		it.queued = false
		d.ended()
	}
	l.queue = nil
}

// runSchedule moves items to their lanes when their time has come.
func (d *Delivery) runSchedule() {
	for d.ctx.Err() == nil {
		d.mu.Lock()
		now := d.opts.Clock.Now()
		for len(d.schedule) > 0 && d.schedule[0].due <= now {
			it := d.schedule[0]
			d.schedule.drop(it)
			d.enqueue(it)
		}
		if d.busy == 0 {
			d.signal() // Idle may wait for this look alone
		}
		ctx, cancel := context.WithCancel(d.ctx)
		d.kick = cancel
		var due gateway.Instant
		if len(d.schedule) > 0 {
			due = d.schedule[0].due
		}
		d.mu.Unlock()
		if due == 0 {
			<-ctx.Done()
		} else {
			_ = d.opts.Clock.Until(ctx, due) // an error is a kick or the end
		}
		cancel()
	}
}

// background runs f until it succeeds; Idle and Drain wait for it.
func (d *Delivery) background(f func(context.Context) error) {
	d.begun()
	d.spawn(func() {
		d.persist(f)
		d.mu.Lock()
		d.ended()
		d.mu.Unlock()
	})
}

// persist repeats f with a growing pause of wall time until it succeeds, fails
// for good or delivery ends.
func (d *Delivery) persist(f func(context.Context) error) {
	for pause := 20 * time.Millisecond; d.ctx.Err() == nil; pause = min(2*pause, 5*time.Second) {
		err := f(d.ctx)
		if err == nil {
			return
		}
		d.opts.Logger.Warn("delivery: cannot be done now", "error", err)
		if final(err) {
			return
		}
		select {
		case <-time.After(pause):
		case <-d.ctx.Done():
		}
	}
}
