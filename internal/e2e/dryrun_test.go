package e2e

import (
	"testing"
	"time"

	pb "touchpoint/proto/touchpoint/v1"
)

// TestDryRun lets a draft run beside the live traffic: its decisions are listed
// with their mark, no machine shows anything, and afterwards it decides no more.
func TestDryRun(t *testing.T) {
	g := start(t, lockstep(time.Date(2026, 3, 2, 6, 0, 0, 0, time.UTC)))
	g.customer("K-1")
	g.bind("SN-1", "K-1")
	m := g.power("SN-1")
	text := func(yaml string) *pb.JourneyDefinition {
		return &pb.JourneyDefinition{Form: &pb.JourneyDefinition_Yaml{Yaml: yaml}}
	}
	must[*pb.CreateJourneyResponse](t)(g.journeys.CreateJourney(g.ctx, &pb.CreateJourneyRequest{Definition: text(script)}))
	run := must[*pb.DryRunJourneyResponse](t)(g.journeys.DryRunJourney(g.ctx, &pb.DryRunJourneyRequest{Name: "second"}))
	if run.DryRun.GetName() != "second~dry" || run.DryRun.Revision != 1 {
		t.Errorf("dry run %v", run)
	}
	brewed := 0
	brewTwice := func(hour int) {
		for range 2 {
			brewed++
			at := time.Date(2026, 3, 2, hour, brewed, 0, 0, time.UTC)
			g.advance(at)
			m.brew(g.ctx, brewed, at.Format(time.RFC3339))
		}
		g.advance(time.Date(2026, 3, 2, hour+1, 0, 0, 0, time.UTC))
	}
	sent := func(journey string) (n int) {
		list := must[*pb.ListDecisionsResponse](t)(g.customers.ListDecisions(g.ctx, &pb.ListDecisionsRequest{
			Journey: journey, Reasons: []string{"sent"}, AtLeast: g.now()})).Decisions
		for _, d := range list {
			if d.DryRun != (journey == "second~dry") || d.MessageId != "" && d.DryRun {
				t.Errorf("decision %v", d)
			}
		}
		return len(list)
	}
	brewTwice(7)
	if n := sent("second~dry"); n != 1 {
		t.Errorf("the dry run would have sent %d, want 1", n)
	}
	if list := g.listMessages(&pb.ListMessagesRequest{AtLeast: g.now()}); len(list) != 0 {
		t.Errorf("messages of a dry run: %v", list)
	}
	// The journey itself is published beside it, and both decide.
	must[*pb.PublishJourneyResponse](t)(g.journeys.PublishJourney(g.ctx, &pb.PublishJourneyRequest{Name: "second"}))
	brewTwice(12)
	if dry, real := sent("second~dry"), sent("second"); dry != 2 || real != 1 {
		t.Errorf("%d in the dry run, %d in truth; want 2 and 1", dry, real)
	}
	// Its effect counts what was truly sent: one customer, once, and no dry run.
	effect := must[*pb.GetEffectResponse](t)(g.journeys.GetEffect(g.ctx, &pb.GetEffectRequest{Name: "second", AtLeast: g.now()}))
	if a := effect.Arms; len(a) != 2 || a[0].Enrolled != 0 || a[1].Arm != "treated" || a[1].Enrolled != 1 || a[1].Exposed != 1 || a[1].Converted != 0 ||
		effect.Comparisons[0].Verdict != pb.EffectVerdict_EFFECT_VERDICT_TOO_LITTLE_DATA {
		t.Errorf("effect %v", effect)
	}
	must[*pb.StopDryRunResponse](t)(g.journeys.StopDryRun(g.ctx, &pb.StopDryRunRequest{Name: "second"}))
	brewTwice(17)
	if dry, real := sent("second~dry"), sent("second"); dry != 2 || real != 2 {
		t.Errorf("after its end: %d in the dry run, %d in truth; want 2 and 2", dry, real)
	}
	if j := must[*pb.GetJourneyResponse](t)(g.journeys.GetJourney(g.ctx, &pb.GetJourneyRequest{Name: "second"})).Journey; j.DryRun != nil {
		t.Errorf("it is still shown: %v", j.DryRun)
	}
}
