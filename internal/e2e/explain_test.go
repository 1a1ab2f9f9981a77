package e2e

import (
	"fmt"
	"strings"
	"testing"
	"time"

	"google.golang.org/protobuf/types/known/timestamppb"

	"touchpoint/gateway/app"
	pb "touchpoint/proto/touchpoint/v1"
)

const offer = `name: offer
purpose: marketing
trigger: {threshold: {count: brew_finished, at_least: 20, within: 30d}}
steps: [{id: tell, send: {channels: [stream], texts: {en: {title: An offer}}}}]
`

// TestExplain: a customer for whom nothing was decided is explained, from the
// live partition and, as of before, from the history.
func TestExplain(t *testing.T) {
	origin := time.Date(2026, 3, 2, 8, 0, 0, 0, time.UTC)
	g := start(t, func(c *app.Config) { lockstep(origin)(c) })
	g.publish(offer)
	g.customer("K-1")
	var recorded []*pb.Position
	brews := 0
	brew := func(n int) {
		for range n {
			brews++
			resp := must[*pb.RecordEventsResponse](t)(g.events.RecordEvents(g.ctx, &pb.RecordEventsRequest{Events: []*pb.EventInput{
				{Id: fmt.Sprint("brew-", brews), Type: "brew_finished", Customer: customerRef("K-1"), OccurredAt: timestamppb.New(origin)}}}))
			recorded = resp.Positions
		}
		must[*pb.ListEventsResponse](t)(g.events.ListEvents(g.ctx, &pb.ListEventsRequest{AtLeast: recorded}))
	}
	explained := func(at *timestamppb.Timestamp) string {
		var text strings.Builder
		for _, l := range must[*pb.ExplainResponse](t)(g.customers.Explain(g.ctx, &pb.ExplainRequest{Customer: customerRef("K-1"), Journey: "offer", At: at})).Lines {
			text.WriteString(l.Text + "\n")
		}
		return text.String()
	}
	want := func(text string, sentences ...string) {
		t.Helper()
		for _, s := range sentences {
			if !strings.Contains(text, s) {
				t.Errorf("%q is missing in\n%s", s, text)
			}
		}
	}
	brew(3)
	want(explained(nil), "would not be let in now: the consent is missing", "3 of 20 brew_finished in 30 days")
	g.advance(origin.Add(time.Hour))
	must[*pb.SetConsentResponse](t)(g.customers.SetConsent(g.ctx, &pb.SetConsentRequest{Customer: customerRef("K-1"), Purpose: "marketing", Granted: true, Source: "test"}))
	brew(1)
	want(explained(nil), "nothing is against it, but what starts it has not come", "4 of 20 brew_finished")
	want(explained(timestamppb.New(origin.Add(time.Minute))), "the consent is missing", "3 of 20 brew_finished")
}
