package e2e

import (
	"fmt"
	"syscall"
	"testing"
	"time"

	"google.golang.org/protobuf/types/known/timestamppb"

	"touchpoint/gateway/app"
	"touchpoint/internal/testservers"
	pb "touchpoint/proto/touchpoint/v1"
)

// record brings events of customers in as a service would.
func (a *api) record(typ, external string, times ...time.Time) {
	a.t.Helper()
	req := &pb.RecordEventsRequest{}
	for i, at := range times {
		req.Events = append(req.Events, &pb.EventInput{Id: fmt.Sprintf("%s-%s-%d-%d", typ, external, i, at.UnixMilli()), Type: typ,
			Customer: customerRef(external), OccurredAt: timestamppb.New(at)})
	}
	must[*pb.RecordEventsResponse](a.t)(a.events.RecordEvents(a.ctx, req))
}

// fans is a journey with a trait that nothing counted before it is published.
const fans = `
name: fans
purpose: service
trigger:
  threshold: {count: shop_visit, within: 30d, at_least: 3}
traits:
  calls: {count: call_logged, within: 30d}
filter: trait.calls >= 2
steps:
  - id: say
    send: {channels: [stream], expires_after: 1d, texts: {en: {title: "{{ trait.calls }}"}}}
`

// entered lists who entered a journey.
func (a *api) decisions(journey string, reason string) int {
	a.t.Helper()
	resp := must[*pb.ListDecisionsResponse](a.t)(a.customers.ListDecisions(a.ctx, &pb.ListDecisionsRequest{
		Journey: journey, Reasons: []string{reason}, PageSize: 1000, AtLeast: a.now()}))
	return len(resp.Decisions)
}

// TestFillFromHistory publishes a journey with a new 30-day trait onto recorded
// telemetry: it decides as if it had been there all along, and only about what
// happens from now on.
func TestFillFromHistory(t *testing.T) {
	for name, change := range map[string]func(*testing.T, *app.Config){
		"embedded": func(*testing.T, *app.Config) {},
		"influx": func(t *testing.T, c *app.Config) {
			influx := testservers.Influx(t)
			c.History.Influx = &app.InfluxConfig{URL: influx.URL, Org: influx.Org, Bucket: influx.Bucket, Token: influx.Token}
		},
	} {
		t.Run(name, func(t *testing.T) {
			g := start(t, func(c *app.Config) { c.Partitions = 4; change(t, c) })
			now := time.Now()
			for n := range 12 { // visits 2, 3 or 4; calls 0 to 3
				who := fmt.Sprintf("K-%d", n)
				g.customer(who)
				for k := range 2 + n%3 {
					g.record("shop_visit", who, now.Add(-time.Duration(k+1)*time.Hour))
				}
				for k := range n / 3 {
					g.record("call_logged", who, now.Add(-time.Duration(k+1)*time.Minute))
				}
			}
			made := must[*pb.CreateJourneyResponse](t)(g.journeys.CreateJourney(g.ctx, &pb.CreateJourneyRequest{
				Definition: &pb.JourneyDefinition{Form: &pb.JourneyDefinition_Yaml{Yaml: fans}}}))
			preview := must[*pb.PreviewPublishResponse](t)(g.journeys.PreviewPublish(g.ctx, &pb.PreviewPublishRequest{Name: made.Journey.Name}))
			if preview.HistoryDetail != "" || preview.Meet != 8 { // three or four visits
				t.Errorf("preview: %v", preview)
			}
			if p := must[*pb.PublishJourneyResponse](t)(g.journeys.PublishJourney(g.ctx, &pb.PublishJourneyRequest{Name: "fans"})); p.Filling {
				t.Fatalf("still filling: %s", p.FillingDetail)
			}
			if n := g.decisions("fans", "enrolled"); n != 0 {
				t.Errorf("%d customers entered although nothing happened", n)
			}
			for n := range 12 { // those with two visits meet it anew, and with two calls they pass
				g.record("shop_visit", fmt.Sprintf("K-%d", n), time.Now())
			}
			if entered, filtered := g.decisions("fans", "enrolled"), g.decisions("fans", "filtered"); entered != 2 || filtered != 2 {
				t.Errorf("%d entered and %d were filtered out, want 2 and 2", entered, filtered)
			}
		})
	}
}

// TestFillSurvivesKill kills the gateway while it publishes onto recorded
// telemetry; nothing is counted twice, nothing is missing.
func TestFillSurvivesKill(t *testing.T) {
	g := startOutside(t, "partitions: 4\n")
	now := time.Now()
	for n := range 40 {
		who := fmt.Sprintf("K-%d", n)
		g.customer(who)
		var visits []time.Time
		for k := range 60 {
			visits = append(visits, now.Add(-time.Duration(k+1)*time.Second))
		}
		g.record("shop_visit", who, visits...)
	}
	const many = `
name: many
purpose: service
trigger:
  threshold: {count: shop_visit, within: 30d, at_least: 61}
steps:
  - id: say
    send: {channels: [stream], expires_after: 1d, texts: {en: {title: Thanks}}}
`
	must[*pb.CreateJourneyResponse](t)(g.journeys.CreateJourney(g.ctx, &pb.CreateJourneyRequest{
		Definition: &pb.JourneyDefinition{Form: &pb.JourneyDefinition_Yaml{Yaml: many}}}))
	published := make(chan struct{})
	go func() {
		defer close(published)
		_, _ = g.journeys.PublishJourney(g.ctx, &pb.PublishJourneyRequest{Name: "many"}) // cut off
	}()
	eventually(t, "the filling began", func() bool {
		j, err := g.journeys.GetJourney(g.ctx, &pb.GetJourneyRequest{Name: "many"})
		return err == nil && (j.Journey.Filling || j.Journey.Version == 1)
	})
	g.end(syscall.SIGKILL)
	<-published
	g.start()
	eventually(t, "the version is live", func() bool {
		j, err := g.journeys.GetJourney(g.ctx, &pb.GetJourneyRequest{Name: "many"})
		return err == nil && j.Journey.Version == 1 && !j.Journey.Filling
	})
	must[*pb.PublishJourneyResponse](t)(g.journeys.PublishJourney(g.ctx, &pb.PublishJourneyRequest{Name: "many", Revision: 1}))
	if n := g.decisions("many", "enrolled"); n != 0 {
		t.Errorf("%d entered before their 61st visit", n)
	}
	for n := range 40 {
		g.record("shop_visit", fmt.Sprintf("K-%d", n), time.Now())
	}
	if n := g.decisions("many", "enrolled"); n != 40 {
		t.Errorf("%d of 40 entered at their 61st visit", n)
	}
}

// TestBrakes stops everything and a journey; what is held back is sent when it
// is released, and an entry cap holds over all partitions.
func TestBrakes(t *testing.T) {
	g := start(t, func(c *app.Config) { c.Partitions = 4 })
	brake := pb.NewBrakeServiceClient(g.conn)
	g.publish(`
name: capped
purpose: service
trigger: {event: shop_visit}
entry_cap: {max: 7}
steps:
  - id: say
    send: {channels: [stream], expires_after: 1d, texts: {en: {title: Hello}}}
`, `
name: called
purpose: service
trigger: {api: {}}
entry_cap: {max: 1}
steps:
  - id: rest
    wait: {for: 1h}
`)
	for n := range 20 {
		g.customer(fmt.Sprintf("K-%d", n))
	}
	must[*pb.SetBrakeResponse](t)(brake.SetBrake(g.ctx, &pb.SetBrakeRequest{On: true, Reason: "wrong texts"}))
	if b := must[*pb.GetBrakeResponse](t)(brake.GetBrake(g.ctx, &pb.GetBrakeRequest{})); !b.On || b.Reason != "wrong texts" {
		t.Errorf("brake: %v", b)
	}
	if s := must[*pb.GetStatusResponse](t)(g.status.GetStatus(g.ctx, &pb.GetStatusRequest{})); len(s.Alarms) != 1 {
		t.Errorf("alarms: %q", s.Alarms)
	}
	for n := range 20 {
		g.record("shop_visit", fmt.Sprintf("K-%d", n), time.Now())
	}
	eventually(t, "all entries are decided", func() bool {
		return g.decisions("capped", "enrolled") == 7 && g.decisions("capped", "entry_cap") == 13
	})
	if n := g.decisions("capped", "brake"); n != 7 {
		t.Errorf("%d sends were held by the brake, want 7", n)
	}
	if n := len(g.listMessages(&pb.ListMessagesRequest{})); n != 0 {
		t.Errorf("%d messages were decided although everything is stopped", n)
	}
	must[*pb.SetBrakeResponse](t)(brake.SetBrake(g.ctx, &pb.SetBrakeRequest{On: false}))
	eventually(t, "what was held back is sent", func() bool { return len(g.listMessages(&pb.ListMessagesRequest{})) == 7 })

	reasons := map[string]int{}
	for n := range 5 {
		resp := must[*pb.TriggerJourneyResponse](t)(g.journeys.TriggerJourney(g.ctx, &pb.TriggerJourneyRequest{
			Name: "called", Customer: customerRef(fmt.Sprintf("K-%d", n)), Key: fmt.Sprint("k", n)}))
		reasons[resp.Reason]++
	}
	if reasons["enrolled"] != 1 || reasons["entry_cap"] != 4 {
		t.Errorf("calls under an entry cap of 1: %v", reasons)
	}
}
