package journey

import (
	"slices"
	"time"

	"touchpoint/gateway"
)

// zone returns a customer's time zone: his own, else that of a device of his,
// else his country's if that has only one, else the project's, else UTC. An
// unknown name means that the next one applies.
func (p *Partition) zone(c *customer) *time.Location {
	if loc := p.location(c.zone); loc != nil {
		return loc
	}
	for _, id := range c.devices {
		if d := p.devices.get(id); d != nil {
			if loc := p.location(d.facts.where()); loc != nil {
				return loc
			}
		}
	}
	if loc := p.location(countryZones[c.country]); loc != nil {
		return loc
	}
	return p.projectZone()
}

// projectZone is the zone of limits over the whole installation.
func (p *Partition) projectZone() *time.Location {
	if loc := p.location(p.cfg.Zone); loc != nil {
		return loc
	}
	return time.UTC
}

// location returns the zone of a name, nil when there is none.
func (p *Partition) location(name string) *time.Location {
	if name == "" {
		return nil
	}
	loc, found := p.zones[name]
	if !found {
		loc = loadZone(name)
		p.zones[name] = loc
	}
	return loc
}

// quiet looks at the quiet hours and turns the choice into held, discarded or
// expired where they forbid.
func (p *Partition) quiet(e *enrollment, s *step, ch *choice, expires gateway.Instant) {
	until, notAfter, discard := p.quietHours(e, s, ch.channel, expires)
	switch {
	case until == p.now:
		ch.notAfter = notAfter
	case discard:
		*ch = choice{reason: gateway.ReasonQuietHours, rule: "discard"}
	case until >= expires:
		*ch = choice{reason: gateway.ReasonExpired, rule: "quiet until " + until.String()}
	default:
		*ch = choice{reason: gateway.ReasonHeld, rule: "quiet until " + until.String(), until: until}
	}
}

// quietHours returns the first allowed instant from now on, and when the next
// quiet hours after it start. Those of the project, the journey, the step and
// the customer all hold; discarding wins over holding.
func (p *Partition) quietHours(e *enrollment, s *step, channel string, expires gateway.Instant) (until, notAfter gateway.Instant, discard bool) {
	until, notAfter = p.now, expires
	if e.v.def.Purpose == gateway.PurposeSafety {
		return until, notAfter, false
	}
	zone := p.zone(e.c)
	layers := [][]QuietHours{p.cfg.QuietHours, e.v.def.quiet, s.send.quiet, e.c.quiet}
	for moved := true; moved; { // the end of one interval may lie in another
		moved = false
		for _, layer := range layers {
			for i := range layer {
				q := &layer[i]
				if end, hit := q.hit(until, zone); hit && q.on(channel) && end < expires+dayMillis {
					discard = discard || q.OnHit == "discard"
					until, moved = end, true
				}
			}
		}
	}
	for _, layer := range layers {
		for i := range layer {
			if start := layer[i].nextStart(until, zone); layer[i].on(channel) {
				notAfter = min(notAfter, start)
			}
		}
	}
	return until, notAfter, discard
}

// on reports whether the quiet hours hold for a channel.
func (q *QuietHours) on(channel string) bool {
	return len(q.Channels) == 0 || slices.Contains(q.Channels, channel)
}

// ownQuietHours takes the customer's own; they always hold.
func ownQuietHours(list []gateway.QuietInterval) (out []QuietHours) {
	for _, k := range list {
		q := QuietHours{From: LocalTime(k.From), To: LocalTime(k.To), OnHit: "hold", Channels: cloneStrings(k.Channels)}
		if !q.From.valid() || !q.To.valid() || q.From == q.To {
			continue // the interface refused it before
		}
		for d := range Weekday(7) {
			if k.Days>>d&1 == 1 {
				q.Days = append(q.Days, d)
			}
		}
		out = append(out, q)
	}
	return out
}

func (l LocalTime) valid() bool { return l >= 0 && l < 24*60 }

// ownQuiet is how the read model shows them.
func ownQuiet(list []QuietHours) (out []gateway.QuietInterval) {
	for _, q := range list {
		k := gateway.QuietInterval{From: int(q.From), To: int(q.To), Channels: q.Channels}
		for _, d := range q.Days {
			k.Days |= 1 << d
		}
		out = append(out, k)
	}
	return out
}

func (e *encoder) quietHours(list []QuietHours) {
	e.uint(uint64(len(list)))
	for _, k := range ownQuiet(list) {
		e.uint(uint64(k.From))
		e.uint(uint64(k.To))
		e.byte(k.Days)
		e.strings(k.Channels)
	}
}

func (d *decoder) quietHours() []QuietHours {
	list := make([]gateway.QuietInterval, d.length(4))
	for i := range list {
		list[i] = gateway.QuietInterval{From: int(d.uint()), To: int(d.uint()), Days: d.flags(1<<7 - 1), Channels: d.strings()}
	}
	return ownQuietHours(list)
}
