package rpc_test

import (
	"context"
	"testing"
	"time"

	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/status"
	"google.golang.org/protobuf/types/known/timestamppb"

	"touchpoint/gateway"
	"touchpoint/gateway/rpc"
	pb "touchpoint/proto/touchpoint/v1"
)

// told answers with what it was asked.
type told struct{ at gateway.Instant }

func (x *told) Explain(_ context.Context, c gateway.CustomerID, journey string, at gateway.Instant) (gateway.Explanation, error) {
	x.at = at
	return gateway.Explanation{Customer: c, Journey: journey, Version: 2, At: 1_777_622_400_000, Known: true, Verdict: gateway.ReasonNoConsent,
		Checks: []gateway.ExplainCheck{{Name: gateway.CheckConsent, Result: gateway.CheckFails, Reason: gateway.ReasonNoConsent, Rule: "marketing"}}}, nil
}

// TestExplain: text in the language that is asked for, and the checks behind it.
func TestExplain(t *testing.T) {
	w, x := newWorld(), &told{}
	conn, _ := w.serve(t, func(o *rpc.Options) { o.Explainer = x })
	api, ctx := pb.NewCustomerServiceClient(conn), testContext(t)
	if _, err := api.UpsertCustomer(ctx, &pb.UpsertCustomerRequest{Customer: &pb.Customer{ExternalId: "K-1"}}); err != nil {
		t.Fatal(err)
	}
	then := time.Date(2026, 5, 1, 8, 0, 0, 0, time.UTC)
	resp, err := api.Explain(ctx, &pb.ExplainRequest{Customer: customerRef("K-1"), Journey: "offer", Language: "de", At: timestamppb.New(then)})
	if err != nil {
		t.Fatal(err)
	}
	if len(resp.Lines) != 2 || resp.Lines[1].Mark != "✗" || resp.Lines[1].Text != "Zweck marketing: der Kunde hat auf keinem der Kanäle eingewilligt." ||
		resp.Verdict != "no_consent" || resp.Checks[0].Reason != "no_consent" || x.at != gateway.InstantOf(then) {
		t.Errorf("%v, asked for %v", resp, x.at)
	}
	for _, bad := range []*pb.ExplainRequest{
		{Journey: "offer"}, {Customer: customerRef("K-1")}, {Customer: customerRef("K-1"), Journey: "offer", Language: "fr"},
		{Customer: customerRef("K-1"), Journey: "offer", TimeZone: "Mars"},
	} {
		if _, err := api.Explain(ctx, bad); status.Code(err) != codes.InvalidArgument {
			t.Errorf("%v: %v", bad, err)
		}
	}
}

// TestDecisionsInWords: recorded decisions are told in the language that is
// asked for, and in none when none is.
func TestDecisionsInWords(t *testing.T) {
	w := newWorld()
	w.decisions = []gateway.Decision{{Kind: gateway.DecisionSend, Reason: gateway.ReasonUnreachable, Journey: "offer", Version: 2, Step: "tell", Rule: "no address for email"}}
	conn, _ := w.serve(t, nil)
	api, ctx := pb.NewCustomerServiceClient(conn), testContext(t)
	for lang, want := range map[string]string{"": "", "en": "offer v2, step tell: not sent: cannot be reached there (no address for email)",
		"de": "offer v2, Schritt tell: nicht gesendet: ist dort nicht erreichbar (keine Adresse für email)"} {
		resp, err := api.ListDecisions(ctx, &pb.ListDecisionsRequest{Language: lang})
		if err != nil {
			t.Fatal(err)
		}
		if len(resp.Decisions) != 1 || resp.Decisions[0].Text != want {
			t.Errorf("%s: %v, want %q", lang, resp.Decisions, want)
		}
	}
	for _, bad := range []*pb.ListDecisionsRequest{{Language: "fr"}, {Language: "en", TimeZone: "Local"}} {
		if _, err := api.ListDecisions(ctx, bad); status.Code(err) != codes.InvalidArgument {
			t.Errorf("%v: %v", bad, err)
		}
	}
}
