package backtest

import (
	"container/heap"

	"touchpoint/gateway"
)

// wait lets pass the time of a lane up to the next record, as a gateway does: when
// a timer is due it appends a tick. What was recorded has the ticks of those who
// waited then, not those of the draft. lag is by how much the watermark is behind
// the clock at that record: in that time the gateway may have been down.
func (d *draft) wait(r *run, l *lane, until, lag gateway.Instant) {
	for {
		at, observed := l.tick(until, lag)
		if len(d.expiring) > 0 && d.expiring[0].at < min(at, until) {
			d.expire(r)
			continue
		}
		if at >= until {
			return
		}
		d.now = at
		l.inject(at, observed, func(s *gateway.Step) { d.saw(r, l, s) }, gateway.Input{Command: gateway.Tick{}})
		d.carry(r)
		if again, _ := l.tick(until, lag); again == at { // it changed nothing: no spin
			return
		}
	}
}

// tick returns when the lane's next timer makes it append a tick, and with which
// watermark; until when there is none before.
func (l *lane) tick(until, lag gateway.Instant) (at, observed gateway.Instant) {
	at, observed = until, l.observed
	pure, absence := l.core.NextTimers()
	if pure != 0 && pure < until-lag {
		at = pure
	}
	if absence != 0 && absence < until-lag && max(absence+1+lag, l.now) < at {
		at, observed = max(absence+1+lag, l.now), max(observed, absence+1)
	}
	return max(at, min(l.now, until)), observed
}

// expire gives up the next message that nobody would have seen.
func (d *draft) expire(r *run) {
	e := heap.Pop(&d.expiring).(expiry)
	if l := r.drafted[e.partition]; l != nil {
		d.now = e.at
		l.inject(e.at, l.observed, func(s *gateway.Step) { d.saw(r, l, s) }, e.in)
		d.carry(r)
	}
}

// expiry is a message that is given up.
type expiry struct {
	at gateway.Instant
	synthetic
}

type expiries []expiry

func (h expiries) Len() int           { return len(h) }
func (h expiries) Less(i, j int) bool { return h[i].at < h[j].at }
func (h expiries) Swap(i, j int)      { h[i], h[j] = h[j], h[i] }

// Push implements heap.Interface.
func (h *expiries) Push(x any) { *h = append(*h, x.(expiry)) }

// Pop implements heap.Interface.
func (h *expiries) Pop() any {
	old := *h
	e := old[len(old)-1]
	*h = old[:len(old)-1]
	return e
}
