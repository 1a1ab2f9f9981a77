package journey

import "touchpoint/gateway"

// What an event needs lies in memory behind a chain: table → device → customer →
// counters → windows. With a million customers each link is a visit to main
// memory, which takes as long as a hundred instructions. warm walks the chains
// of some events side by side, link by link, before they are applied, so that
// the visits overlap. It reads and decides nothing.

// warmAhead is how many events are looked up at a time: enough to overlap, few
// enough to stay in the cache (some 64 KiB) until they are applied.
const warmAhead = 64

// applyInputs applies the inputs in order.
func (p *Partition) applyInputs(in []gateway.Input) {
	for len(in) > 0 {
		n := min(len(in), warmAhead)
		p.warm(in[:n])
		for i := range n {
			p.input(&in[i])
		}
		in = in[n:]
	}
}

// warm reads what the inputs will need.
func (p *Partition) warm(in []gateway.Input) {
	var devices [warmAhead]*device
	var customers [warmAhead]*customer
	n, touched := 0, 0
	for i := range in { // before any slot is compared: a wrong guess there would wait for it
		touched += p.devices.touch(in[i].Event.Device)
	}
	for i := range in {
		if d := p.devices.get(in[i].Event.Device); d != nil {
			devices[n] = d
			n++
		}
	}
	m := 0
	for _, d := range devices[:n] {
		touched += int(d.id) + len(d.product) + int(d.seen.hi)
		if d.owner != nil {
			customers[m] = d.owner
			m++
		}
	}
	for _, c := range customers[:m] {
		touched += int(c.id) + len(c.enrollments)
	}
	for _, c := range customers[:m] {
		for i := range c.counters {
			touched += int(c.counters[i].n) + int(c.counters[i].first)
		}
		if n := len(c.log.buf); n > 0 {
			touched += int(c.log.buf[n-1])
		}
		if len(c.enrollments) > 0 && c.enrollments[0] != nil {
			touched++
		}
	}
	for _, c := range customers[:m] {
		for i := range c.counters {
			if k := &c.counters[i]; int(k.head) < len(c.log.buf) {
				touched += int(c.log.buf[k.head])
			}
		}
		for _, e := range c.enrollments {
			touched += int(e.step) + int(e.endedAt)
		}
	}
	p.touched = touched
}
