package story

import (
	"cmp"
	"slices"
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
func (s *Session) explainAll() {
	for _, p := range s.w.Partitions() {
		for _, name := range p.JourneyNames() {
			for _, id := range s.names {
				x := p.Explain(gateway.CustomerID(id), name)
				for _, lang := range explain.Languages {
					explain.Tell(x, lang, time.UTC)
				}
			}
		}
	}
}
