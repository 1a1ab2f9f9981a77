package rpc_test

import (
	"testing"

	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/status"

	pb "touchpoint/proto/touchpoint/v1"
)

// TestGetEffect compares treated customers with the holdout, and the arms of a
// split with its first.
func TestGetEffect(t *testing.T) {
	conn, _ := newWorld().serve(t, nil)
	api, ctx := pb.NewJourneyServiceClient(conn), testContext(t)
	publish := func(text string) {
		t.Helper()
		if _, err := api.CreateJourney(ctx, &pb.CreateJourneyRequest{Definition: yamlText(text)}); err != nil {
			t.Fatal(err)
		}
		if _, err := api.PublishJourney(ctx, &pb.PublishJourneyRequest{Name: "welcome"}); err != nil {
			t.Fatal(err)
		}
	}
	publish("name: welcome\nsteps:\n  - id: tone\n    split: [{arm: a}]\n  - {id: say, send: {}}\n")
	got, err := api.GetEffect(ctx, &pb.GetEffectRequest{Name: "welcome"})
	if err != nil {
		t.Fatal(err)
	}
	if c := got.Comparisons; len(got.Arms) != 2 || len(c) != 1 || c[0].Arm != "treated" || c[0].Base != "holdout" || got.Mixed != 3 ||
		c[0].Verdict != pb.EffectVerdict_EFFECT_VERDICT_BETTER || c[0].Low <= 0 || c[0].High >= 0.2 || got.Arms[1].Rate != 0.2 {
		t.Errorf("got %v", got)
	}
	got, err = api.GetEffect(ctx, &pb.GetEffectRequest{Name: "welcome", Split: "tone"})
	if err != nil {
		t.Fatal(err)
	}
	if c := got.Comparisons; len(got.Arms) != 3 || len(c) != 2 || c[0].Arm != "b" || c[0].Base != "a" || c[0].Verdict != pb.EffectVerdict_EFFECT_VERDICT_BETTER ||
		c[1].Verdict != pb.EffectVerdict_EFFECT_VERDICT_TOO_LITTLE_DATA || c[1].MissingUnits < 40 || got.Arms[1].Rate != 0.3 {
		t.Errorf("got %v", got)
	}
	for _, req := range []*pb.GetEffectRequest{{Name: "nobody"}, {Name: "welcome", Version: 7}, {Name: "welcome", Split: "say"}} {
		if _, err := api.GetEffect(ctx, req); status.Code(err) != codes.NotFound {
			t.Errorf("%v: %v", req, err)
		}
	}
}
