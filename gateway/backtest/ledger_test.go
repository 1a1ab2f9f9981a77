package backtest_test

import (
	"cmp"
	"fmt"
	"slices"
	"strings"

	"touchpoint/gateway"
	"touchpoint/gateway/journey/story"
)

// ledger is all that was decided, a line each, by partition and in order.
type ledger map[int][]entry

type entry struct {
	at       gateway.Instant
	customer gateway.CustomerID
	journey  string
	text     string
}

func (l *ledger) add(s *gateway.Step) {
	if *l == nil {
		*l = ledger{}
	}
	say := func(at gateway.Instant, c gateway.CustomerID, journey, kind string, what any) {
		(*l)[s.Partition] = append((*l)[s.Partition], entry{at, c, journey, fmt.Sprintf("%v %s %+v", at, kind, what)})
	}
	for _, m := range s.Messages {
		say(m.DecidedAt, m.Customer, m.Journey, "message", m)
	}
	for _, u := range s.Updates {
		say(u.At, u.Customer, "", "update", u)
	}
	for _, d := range s.Decisions {
		about := d.Journey
		if d.Kind == gateway.DecisionJourney {
			about = "" // about the definition, not by it
		}
		say(d.At, d.Customer, about, "decision", d)
	}
	for _, e := range s.Entered {
		say(e.ChangedAt, e.Customer, e.Journey, "enrollment", e)
	}
	for _, o := range s.Ownerships {
		say(o.From, o.Customer, "", "ownership", o)
	}
}

// without leaves out what is about customers.
func (l ledger) without(gone map[gateway.CustomerID]bool) ledger {
	out := ledger{}
	for p, list := range l {
		for _, e := range list {
			if !gone[e.customer] {
				out[p] = append(out[p], e)
			}
		}
	}
	return out
}

// of is what a journey decided, in the order of time.
func (l ledger) of(journey string) ledger {
	out := ledger{}
	for p, list := range l {
		for _, e := range list {
			if e.journey == journey {
				out[p] = append(out[p], e)
			}
		}
		slices.SortFunc(out[p], func(a, b entry) int { return cmp.Or(cmp.Compare(a.at, b.at), cmp.Compare(a.text, b.text)) })
	}
	return out
}

// text is the ledger from a time on.
func (l ledger) text(from gateway.Instant) string {
	var b strings.Builder
	parts := []int{}
	for p := range l {
		parts = append(parts, p)
	}
	slices.Sort(parts)
	for _, p := range parts {
		for _, e := range l[p] {
			if e.at >= from {
				fmt.Fprintf(&b, "%d: %s\n", p, e.text)
			}
		}
	}
	return b.String()
}

// diff is "" when both say the same from a time on.
func (l ledger) diff(got ledger, from gateway.Instant) string {
	return story.Diff("ledger", []byte(l.text(from)), []byte(got.text(from)))
}
