package directory_test

import (
	"testing"

	"touchpoint/gateway"
	"touchpoint/gateway/directory"
)

func TestReasonsCountTheLatestDecisions(t *testing.T) {
	f := open(t)
	send := func(journey string, r gateway.Reason) gateway.Decision {
		return gateway.Decision{At: start, Kind: gateway.DecisionSend, Reason: r, Journey: journey}
	}
	f.step(gateway.Step{Decisions: []gateway.Decision{send("old", gateway.ReasonSent)}})
	f.step(gateway.Step{Decisions: []gateway.Decision{
		send("a", gateway.ReasonCapped), send("b", gateway.ReasonCapped), send("b", gateway.ReasonCapped), send("a", gateway.ReasonSent),
	}})
	diff(t, "reasons", []directory.ReasonCount{
		{Kind: gateway.DecisionSend, Reason: gateway.ReasonCapped, Journey: "b", N: 2},
		{Kind: gateway.DecisionSend, Reason: gateway.ReasonCapped, Journey: "a", N: 1},
		{Kind: gateway.DecisionSend, Reason: gateway.ReasonSent, Journey: "a", N: 1},
	}, must(f.Reasons(f.ctx, 4))(t))
	if _, err := f.Reasons(f.ctx, 0); gateway.KindOf(err) != gateway.Invalid {
		t.Errorf("none: %v", err)
	}
}
