package story

import (
	"cmp"
	"fmt"
	"slices"
	"strings"
	"time"

	"touchpoint/gateway"
	"touchpoint/gateway/explain"
)

// cmdExplain: explain NAME JOURNEY [lang=de] tells why he got, or did not get,
// a message of the journey.
func (s *Session) cmdExplain(a args) error {
	for _, line := range explain.Tell(s.explanation(gateway.CustomerID(s.id(a.plain[0])), a.plain[1]), cmp.Or(a.named["lang"], "en"), time.UTC) {
		s.out = append(s.out, line.String())
	}
	return nil
}

// explanation asks the partition where the customer lives, with the names of
// the story.
func (s *Session) explanation(c gateway.CustomerID, journey string) gateway.Explanation {
	parts := s.world().Partitions()
	x := parts[s.customerPart(c)].Explain(c, journey)
	for i := range parts {
		if x.Known {
			break
		}
		if other := parts[i].Explain(c, journey); other.Known {
			x = other
		}
	}
	if x.Unsettled {
		x.Settle(parts[x.Coordinator].ExplainLimits(journey))
	}
	for i := range x.Checks {
		for k, v := range x.Checks[i].Values {
			if v.Key == "device" {
				x.Checks[i].Values = slices.Clone(x.Checks[i].Values)
				x.Checks[i].Values[k].Value = gateway.String(s.deviceName(v.Value.String()))
			}
		}
	}
	return x
}

func (s *Session) deviceName(id string) string {
	for name, n := range s.names {
		if gateway.DeviceID(n).String() == id {
			return name
		}
	}
	return id
}

// explainAll asks about everybody and every journey, in both languages: asking
// changes nothing (the caller compares the states) and never fails.
func (s *Session) explainAll() error {
	for _, p := range s.w.Partitions() {
		for _, name := range p.JourneyNames() {
			for _, id := range s.names {
				x := p.Explain(gateway.CustomerID(id), name)
				if x.Unsettled {
					x.Settle(s.w.Partitions()[x.Coordinator].ExplainLimits(name))
				}
				for _, lang := range explain.Languages {
					explain.Tell(x, lang, time.UTC)
				}
			}
		}
	}
	return s.untold()
}

func (s *Session) keepDecisions(list []gateway.Decision) {
	for _, d := range list {
		d.Values = slices.Clone(d.Values)
		s.decided = append(s.decided, d)
	}
}

// cmdDecided: decided NAME [lang=de] tells what was decided about him.
func (s *Session) cmdDecided(a args) error {
	for _, d := range s.decided {
		if d.Customer == gateway.CustomerID(s.id(a.plain[0])) {
			s.out = append(s.out, showTime(d.At)+" "+explain.Decision(d, cmp.Or(a.named["lang"], "en"), time.UTC))
		}
	}
	return nil
}

// untold names a decision whose rule German words repeat in English: all that
// is no name, no condition and nothing that a person wrote.
func (s *Session) untold() error {
	for ; s.told < len(s.decided); s.told++ {
		d := s.decided[s.told]
		text := explain.Decision(d, "de", time.UTC)
		written := d.Kind == gateway.DecisionJourney || d.Reason == gateway.ReasonBrake || strings.ContainsAny(d.Rule, "=<>!&|([→\"")
		if !written && strings.Contains(d.Rule, " ") && strings.Contains(text, d.Rule) {
			return fmt.Errorf("%s: write the rule in words in gateway/explain/rule.go", text)
		}
	}
	return nil
}
