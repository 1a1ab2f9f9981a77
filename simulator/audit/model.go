package audit

import (
	"slices"
	"time"

	"touchpoint/gateway"
)

// The rules of the example journeys, counted anew by brute force from the
// history. Where a rule depends on more than that (the order within one instant,
// re-entry), only the clear cases are judged.
const (
	descalingBrews  = 200
	descalingWindow = 30 * 24 * time.Hour
	absence         = 14 * 24 * time.Hour
	// absenceSlack covers the wait until the next morning and the step of time.
	absenceSlack = 36 * time.Hour
)

// life is what a customer did and was told.
type life struct {
	marketing, service bool
	brews, descalings  []deed // by the time at which they were applied
	messages           map[string][]*message
}

// deed is something that a customer did: when, and when the gateway applied it.
type deed struct{ occurred, applied gateway.Instant }

func (a *audit) checkModel() {
	for id, l := range a.lives() {
		a.modelWelcome(id, l)
		a.modelDescaling(id, l)
		a.modelMissed(id, l)
	}
}

func (a *audit) lives() map[string]*life {
	lives := make(map[string]*life)
	for _, c := range a.book.Customers {
		lives[c.ID] = &life{marketing: c.Marketing, service: c.Service, messages: make(map[string][]*message)}
	}
	owner := make(map[int]*life)
	names := make(map[int]string)
	for _, c := range a.book.Customers {
		names[c.N] = c.ID
	}
	for _, d := range a.book.Devices {
		owner[d.N] = lives[names[d.Customer]]
	}
	for i := range a.book.Events {
		l, s := owner[a.book.Events[i].Device], &a.seen[i]
		if l == nil || s.points == 0 {
			continue
		}
		switch d := (deed{s.occurred, s.applied}); a.book.Events[i].Type {
		case "brew_finished":
			l.brews = append(l.brews, d)
		case "descaling_finished":
			l.descalings = append(l.descalings, d)
		}
	}
	for _, l := range lives {
		for _, list := range [][]deed{l.brews, l.descalings} {
			slices.SortStableFunc(list, func(x, y deed) int { return int(x.applied - y.applied) })
		}
	}
	for _, m := range a.order {
		if l := lives[m.customer]; l != nil && m.decided > 0 {
			l.messages[m.journey] = append(l.messages[m.journey], m)
		}
	}
	return lives
}

// modelWelcome: exactly one after the first brew, none without.
func (a *audit) modelWelcome(id string, l *life) {
	want, got := one(l.service && len(l.brews) > 0), len(l.messages["welcome"])
	switch {
	case got < want:
		a.find(ModelMissing, id, "welcome: %d brews, but no message", len(l.brews))
	case got > want:
		a.find(ModelExtra, id, "welcome: %d messages after %d brews, want %d", got, len(l.brews), want)
	}
}

// modelDescaling: whoever is asked has brewed 200 times in 30 days without
// descaling, and whoever did so without ever descaling is asked.
func (a *audit) modelDescaling(id string, l *life) {
	for _, m := range l.messages["descaling"] {
		if m.step != "ask" {
			continue
		}
		from := m.decidedAt.Add(-descalingWindow)
		if n := within(l.brews, from, m.decidedAt); n < descalingBrews {
			a.find(ModelExtra, m.id, "descaling: asked after %d brews in 30 days", n)
		}
		if within(l.descalings, from+1, m.decidedAt-1) > 0 {
			a.find(ModelExtra, m.id, "descaling: asked although it was done in the last 30 days")
		}
	}
	if !l.service || len(l.messages["descaling"]) > 0 {
		return
	}
	for i := descalingBrews + 1; i < len(l.brews); i++ {
		now := l.brews[i].applied
		if len(l.descalings) > 0 && l.descalings[0].applied <= now {
			return
		}
		first := l.brews[i-descalingBrews-1]
		if first.applied < now && within(l.brews[:i], now.Add(-descalingWindow)+1, now-1) > descalingBrews {
			a.find(ModelMissing, id, "descaling: more than 200 brews in the 30 days before %v, but never asked", now)
			return
		}
	}
}

// within counts what occurred in [from, to] and was applied by to.
func within(list []deed, from, to gateway.Instant) (n int) {
	for _, d := range list {
		if d.applied <= to && d.occurred >= from && d.occurred <= to {
			n++
		}
	}
	return n
}

// modelMissed: who is missed has not brewed for 14 days, and the first silence
// that is clearly longer is answered.
func (a *audit) modelMissed(id string, l *life) {
	for _, m := range l.messages["we-miss-you"] {
		if n := within(l.brews, m.decidedAt.Add(-absence)+1, m.decidedAt-1); n > 0 {
			a.find(ModelExtra, m.id, "we-miss-you: decided although the customer brewed %d times in the 14 days before", n)
		}
		if !l.marketing {
			a.find(ModelExtra, m.id, "we-miss-you: decided without consent")
		}
	}
	if !l.marketing || len(l.brews) == 0 {
		return
	}
	last := l.brews[0].occurred
	for _, d := range append(slices.Clone(l.brews[1:]), deed{a.book.To, a.book.To}) {
		if d.applied.Sub(last) > absence+absenceSlack {
			if len(l.messages["we-miss-you"]) == 0 {
				a.find(ModelMissing, id, "we-miss-you: no brew from %v to %v, but no message", last, d.applied)
			}
			return
		}
		last = max(last, d.occurred)
	}
}
