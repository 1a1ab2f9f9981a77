package app

import (
	"log/slog"

	"touchpoint/gateway"
)

// alarms says loudly what brakes do: an operator has to look at it.
type alarms struct{ log *slog.Logger }

// Committed implements engine.Sink.
func (a alarms) Committed(partition int, s *gateway.Step) {
	for i := range s.Decisions {
		if d := &s.Decisions[i]; d.Kind == gateway.DecisionJourney && d.Reason == gateway.ReasonForecast {
			a.log.Error("JOURNEY PAUSED ITSELF: it sends far more than forecast; look at it, then resume it",
				"journey", d.Journey, "version", d.Version, "rule", d.Rule, "partition", partition)
		}
	}
	switch s.Brake {
	case gateway.BrakeOn:
		a.log.Warn("the brake is on: nothing is handed over, nothing is decided to be sent", "partition", partition)
	case gateway.BrakeOff:
		a.log.Warn("the brake is released: what it held back is decided anew", "partition", partition)
	}
}

// Resume implements engine.Sink.
func (alarms) Resume(int, []gateway.Message) {}

// Lost implements engine.Sink.
func (alarms) Lost(int) {}
