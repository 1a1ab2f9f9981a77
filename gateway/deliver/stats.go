package deliver

import "touchpoint/gateway"

// Stats are counters since the start and sizes as they are.
type Stats struct {
	// What ended or went on, by the state that was recorded.
	HandedOver, Redelivered, HeldOut, Failed, Expired, MissedWindow, Withdrawn int64
	// Retries are attempts that failed and will be repeated, Duplicates hand-overs
	// that were not repeated.
	Retries, Duplicates int64
	// Unfinished messages are in the outbox; of those, Waiting ones wait for an
	// instant or a device, and Resting ones are with a device, not displayed.
	Unfinished, Waiting, Resting int
	// Busy counts what is queued, on its way or not yet recorded.
	Busy int
	// Queues are the lengths of the channels' queues.
	Queues map[string]int
}

func (s *Stats) count(state gateway.MessageState) {
	switch state {
	case gateway.MessageHandedOver:
		s.HandedOver++
	case gateway.MessageRedelivered:
		s.Redelivered++
	case gateway.MessageHeldOut:
		s.HeldOut++
	case gateway.MessageFailed:
		s.Failed++
	case gateway.MessageExpired:
		s.Expired++
	case gateway.MessageMissedWindow:
		s.MissedWindow++
	case gateway.MessageWithdrawn:
		s.Withdrawn++
	}
}

// Stats returns the counters as they stand.
func (d *Delivery) Stats() Stats {
	d.mu.Lock()
	defer d.mu.Unlock()
	s := d.stats
	s.Unfinished, s.Busy = len(d.box.items), d.busy
	for _, it := range d.box.items {
		switch {
		case it.handed && !it.queued && !it.running:
			s.Resting++
		case it.due != 0:
			s.Waiting++
		}
	}
	s.Queues = make(map[string]int, len(d.lanes))
	for name, l := range d.lanes {
		s.Queues[name] = len(l.queue)
	}
	return s
}
