package directory_test

import (
	"fmt"
	"testing"

	"touchpoint/gateway"
	"touchpoint/gateway/directory"
)

// TestGroups follows memberships and what became of each unit with an arm.
func TestGroups(t *testing.T) {
	f := open(t)
	const house = gateway.GroupID(7)
	f.step(gateway.Step{Partition: 0, Memberships: []gateway.Membership{{Customer: anna, Group: house, Role: "payer", From: start}}})
	f.step(gateway.Step{Partition: 0, Memberships: []gateway.Membership{{Customer: ben, Group: house, From: start},
		{Customer: anna, Group: house, Role: "payer", From: start, To: start + 5}}})
	decision := func(c gateway.CustomerID, g gateway.GroupID, arm string, kind gateway.DecisionKind, reason gateway.Reason) gateway.Decision {
		return gateway.Decision{At: start, Customer: c, Group: g, Arm: arm, Journey: "j", Kind: kind, Reason: reason}
	}
	pos := f.step(gateway.Step{Partition: 0, Decisions: []gateway.Decision{
		decision(anna, 0, "treated", gateway.DecisionEntry, gateway.ReasonEnrolled),
		decision(anna, 0, "treated", gateway.DecisionSend, gateway.ReasonSent),
		decision(anna, 0, "treated", gateway.DecisionConversion, gateway.ReasonGoal),
		decision(ben, house, "holdout", gateway.DecisionEntry, gateway.ReasonEnrolled),
		decision(ben, house, "holdout", gateway.DecisionConversion, gateway.ReasonGoal), // before he was exposed
		decision(ben, house, "holdout", gateway.DecisionSend, gateway.ReasonHoldout),
		decision(99, 0, "", gateway.DecisionEntry, gateway.ReasonEnrolled), // a test customer
	}})
	f.await(pos)
	present := must(f.Memberships(f.ctx, directory.MembershipQuery{Group: house}))(t)
	all := must(f.Memberships(f.ctx, directory.MembershipQuery{Customer: anna, WithFormer: true}))(t)
	if len(present) != 1 || present[0].Customer != ben || len(all) != 1 || all[0].To != start+5 || all[0].Role != "payer" {
		t.Error(present, all)
	}
	want := "[{holdout false 1 1 0} {treated false 1 1 1}]"
	if got := fmt.Sprint(must(f.Effect(f.ctx, directory.EffectQuery{Journey: "j"}))(t)); got != want {
		t.Errorf("%s, want %s", got, want)
	}
	f.await(f.step(gateway.Step{Partition: 0, Erased: []gateway.CustomerID{anna}}))
	if left := must(f.Memberships(f.ctx, directory.MembershipQuery{Customer: anna, WithFormer: true}))(t); len(left) != 0 {
		t.Error("an erased customer is still a member:", left)
	}
	if got := fmt.Sprint(must(f.Effect(f.ctx, directory.EffectQuery{Journey: "j"}))(t)); got != want {
		t.Errorf("after an erasure %s, want %s: what was counted stays counted", got, want)
	}
}
