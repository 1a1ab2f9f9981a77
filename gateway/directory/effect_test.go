package directory_test

import (
	"fmt"
	"testing"

	"touchpoint/gateway"
	"touchpoint/gateway/directory"
)

// TestEffect counts units by version and by split step: once each, whatever
// they came through, in the arm that they had first.
func TestEffect(t *testing.T) {
	f := open(t)
	const house = gateway.GroupID(7)
	var step gateway.Step
	add := func(c gateway.CustomerID, g gateway.GroupID, version uint32, arm, split, what string) {
		d := gateway.Decision{At: start, Customer: c, Group: g, Arm: arm, Split: split, Journey: "j", Version: version, Mixed: what == "mixed"}
		switch what {
		case "enter", "mixed":
			d.Kind, d.Reason = gateway.DecisionEntry, gateway.ReasonEnrolled
		case "split":
			d.Kind, d.Reason, d.Step, d.Rule = gateway.DecisionStep, gateway.ReasonBranch, "tone", split
		case "branch":
			d.Kind, d.Reason, d.Step, d.Rule = gateway.DecisionStep, gateway.ReasonBranch, "other", "yes"
		case "sent":
			d.Kind, d.Reason = gateway.DecisionSend, gateway.ReasonSent
		case "held":
			d.Kind, d.Reason = gateway.DecisionSend, gateway.ReasonHoldout
		case "capped":
			d.Kind, d.Reason = gateway.DecisionSend, gateway.ReasonCapped
		case "goal":
			d.Kind, d.Reason = gateway.DecisionConversion, gateway.ReasonGoal
		}
		step.Decisions = append(step.Decisions, d)
	}
	add(1, 0, 1, "treated", "", "enter") // in two versions, sent to in both
	add(1, 0, 1, "treated", "warm", "split")
	add(1, 0, 1, "treated", "warm", "branch")
	add(1, 0, 1, "treated", "warm", "sent")
	add(1, 0, 2, "treated", "", "enter")
	add(1, 0, 2, "treated", "", "sent")
	add(1, 0, 2, "treated", "", "goal")
	add(2, 0, 1, "treated", "", "enter") // sent to in version 1, migrated, then converted
	add(2, 0, 1, "treated", "cool", "split")
	add(2, 0, 1, "treated", "cool", "sent")
	add(2, 0, 2, "treated", "cool", "goal")
	add(3, 0, 1, "treated", "", "enter") // an arm that sends nothing: exposed to no message, but he came to the split
	add(3, 0, 1, "treated", "none", "split")
	add(3, 0, 1, "treated", "none", "goal")
	add(4, 0, 1, "treated", "", "enter") // capped
	add(4, 0, 1, "treated", "", "capped")
	add(4, 0, 1, "treated", "", "goal")
	add(5, 0, 1, "holdout", "", "enter")
	add(5, 0, 1, "holdout", "warm", "split") // no arm of a split for who is left untreated
	add(5, 0, 1, "holdout", "warm", "held")
	add(5, 0, 1, "holdout", "warm", "goal")
	add(6, house, 1, "holdout", "", "enter")
	add(8, house, 1, "holdout", "", "enter") // the same unit
	add(9, house, 1, "treated", "", "mixed")
	add(10, 0, 1, "", "", "enter") // test customers
	add(10, 0, 1, "", "", "sent")
	f.await(f.step(step))
	check := func(when string) {
		t.Helper()
		for _, c := range []struct {
			q    directory.EffectQuery
			want string
		}{
			{directory.EffectQuery{Journey: "j"}, "[{holdout false 1 1 1} {holdout true 1 0 0} {treated false 4 2 2}]"},
			{directory.EffectQuery{Journey: "j", Version: 1}, "[{holdout false 1 1 1} {holdout true 1 0 0} {treated false 4 2 1}]"},
			{directory.EffectQuery{Journey: "j", Version: 2}, "[{treated false 1 1 1}]"},
			{directory.EffectQuery{Journey: "j", Split: "tone"}, "[{cool false 1 1 1} {none false 1 0 1} {warm false 1 1 1}]"},
			{directory.EffectQuery{Journey: "j", Split: "other"}, "[]"},
			{directory.EffectQuery{Journey: "k"}, "[]"},
		} {
			if got := fmt.Sprint(must(f.Effect(f.ctx, c.q))(t)); got != c.want {
				t.Errorf("%s, %+v: %s, want %s", when, c.q, got, c.want)
			}
		}
	}
	check("live")
	f.await(f.step(gateway.Step{Erased: []gateway.CustomerID{1, 3, 5}}))
	check("after erasures")
}

// TestEffectOfRecipients counts the origin alone, as one who was, or would have
// been, told; who is addressed by his run is no unit and no entry.
func TestEffectOfRecipients(t *testing.T) {
	f := open(t)
	origin := gateway.EnrollmentID{1}
	entry := func(c gateway.CustomerID, arm string) gateway.Decision {
		return gateway.Decision{At: start, Kind: gateway.DecisionEntry, Reason: gateway.ReasonEnrolled, Customer: c, Arm: arm, Journey: "j", Version: 1}
	}
	told := func(c gateway.CustomerID, arm string) gateway.Decision {
		return gateway.Decision{At: start, Kind: gateway.DecisionSend, Reason: gateway.ReasonDelegated, Rule: "dealer", Customer: c, Arm: arm, Journey: "j", Version: 1}
	}
	run := gateway.Enrollment{ID: gateway.EnrollmentID{9}, Journey: "j", Version: 1, Customer: 5, EnteredAt: start, ChangedAt: start, EndedAt: start,
		EndReason: gateway.ReasonCompleted, Recipient: "dealer", Origin: origin}
	sent := gateway.Decision{At: start, Kind: gateway.DecisionSend, Reason: gateway.ReasonSent, Customer: 5, Journey: "j", Version: 1,
		Recipient: "dealer", Origin: origin, Enrollment: run.ID}
	f.await(f.step(gateway.Step{
		Decisions: []gateway.Decision{entry(1, "treated"), told(1, "treated"), entry(2, "holdout"), told(2, "holdout"), sent,
			{At: start, Kind: gateway.DecisionConversion, Reason: gateway.ReasonGoal, Customer: 1, Arm: "treated", Journey: "j", Version: 1}},
		Entered: []gateway.Enrollment{{ID: origin, Journey: "j", Version: 1, Customer: 1, EnteredAt: start, ChangedAt: start, Step: "rest"}, run},
	}))
	if got, want := fmt.Sprint(must(f.Effect(f.ctx, directory.EffectQuery{Journey: "j"}))(t)), "[{holdout false 1 1 0} {treated false 1 1 1}]"; got != want {
		t.Errorf("%s, want %s", got, want)
	}
	if n := must(f.Counts(f.ctx, "j", 0))(t); n.Entered != 1 || n.Active != 1 || len(n.Ended) != 0 {
		t.Errorf("counted %+v", n)
	}
	if got := must(f.Enrollment(f.ctx, run.ID))(t); got != run {
		t.Errorf("%+v, want %+v", got, run)
	}
	page := must(f.Decisions(f.ctx, directory.DecisionQuery{Customer: 5}))(t)
	if len(page.Items) != 1 || page.Items[0].Recipient != "dealer" || page.Items[0].Origin != origin {
		t.Errorf("%+v", page.Items)
	}
}
