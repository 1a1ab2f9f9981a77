package e2e

import (
	"fmt"
	"slices"
	"testing"
	"time"

	"touchpoint/gateway/app"
	"touchpoint/gateway/journey"
	pb "touchpoint/proto/touchpoint/v1"
)

// TestFillRulesFromHistory starts the gateway with a new segment over recorded
// telemetry: customers who were known before are in it without an event of its
// trait's type, and a journey names the trait of the rules.
func TestFillRulesFromHistory(t *testing.T) {
	g := start(t, func(c *app.Config) { c.Partitions = 4 })
	now := time.Now()
	for n := range 12 { // visits 2, 3 or 4
		who := fmt.Sprintf("K-%d", n)
		g.customer(who)
		for k := range 2 + n%3 {
			g.record("shop_visit", who, now.Add(-time.Duration(k+1)*time.Hour))
		}
	}
	g.stop()
	g.cfg.Rules.Traits = map[string]map[string]any{"visits": {"count": "shop_visit", "within": "30d"}}
	g.cfg.Rules.Segments = []journey.Rule{{Name: "fans", When: "trait.visits >= 3"}}
	g.start()
	inside := func(n int) bool {
		c := must[*pb.GetCustomerResponse](t)(g.customers.GetCustomer(g.ctx, &pb.GetCustomerRequest{Customer: customerRef(fmt.Sprintf("K-%d", n))}))
		return slices.Contains(c.Customer.Segments, "fans")
	}
	for n := range 12 {
		g.record("call_logged", fmt.Sprintf("K-%d", n), time.Now())
	}
	eventually(t, "the traits of the rules are filled", func() bool { // on every partition
		in := 0
		for n := range 12 {
			if inside(n) {
				in++
			}
		}
		return in >= 8
	})
	for n := range 12 {
		if in := inside(n); in != (n%3 > 0) {
			t.Errorf("K-%d has %d visits; in the segment: %v", n, 2+n%3, in)
		}
	}
	const thanks = `
name: thanks
purpose: service
trigger: {event: call_logged}
filter: trait.visits == 4
steps:
  - id: say
    send: {channels: [stream], expires_after: 1d, texts: {en: {title: "{{ trait.visits }}"}}}
`
	must[*pb.CreateJourneyResponse](t)(g.journeys.CreateJourney(g.ctx, &pb.CreateJourneyRequest{
		Definition: &pb.JourneyDefinition{Form: &pb.JourneyDefinition_Yaml{Yaml: thanks}}}))
	if p := must[*pb.PublishJourneyResponse](t)(g.journeys.PublishJourney(g.ctx, &pb.PublishJourneyRequest{Name: "thanks"})); p.Filling {
		t.Fatalf("still filling: %s", p.FillingDetail)
	}
	for n := range 12 {
		g.record("call_logged", fmt.Sprintf("K-%d", n), time.Now().Add(time.Millisecond))
	}
	if entered, filtered := g.decisions("thanks", "enrolled"), g.decisions("thanks", "filtered"); entered != 4 || filtered != 8 {
		t.Errorf("%d entered and %d were filtered out, want 4 and 8", entered, filtered)
	}
}
