package e2e

import (
	"cmp"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"google.golang.org/protobuf/types/known/timestamppb"

	"touchpoint/gateway"
	"touchpoint/gateway/app"
	"touchpoint/gateway/backtest"
	"touchpoint/gateway/journey"
	"touchpoint/gateway/journey/story"
	"touchpoint/internal/testservers"

	pb "touchpoint/proto/touchpoint/v1"
	"touchpoint/simulator"
	"touchpoint/simulator/fleet"
)

// Two marketing journeys share a budget; the second one has waits, a goal and a
// branch, so that its course hangs on receipts and later events.
const tenth = `
name: tenth
purpose: marketing
trigger:
  threshold: {count: brew_finished, every: 10, within: 30d}
reentry: {after_exit_and_gap: 1h}
goal: {event: brew_finished, within: 2d}
steps:
  - id: tip
    send: {channels: [product], expires_after: 6h, texts: {en: {title: A tip}}}
  - id: look
    wait: {for: 5h}
  - id: again
    send: {channels: [product], expires_after: 1d, texts: {en: {title: Another}}}
`

const hello = `
name: hello
purpose: marketing
trigger: {event: brew_finished}
max_event_age: 10d
reentry: {after_exit_and_gap: 1d}
steps:
  - id: say
    send: {channels: [product], expires_after: 12h, texts: {en: {title: Hello}}}
`

const silent = `
name: silent
purpose: service
trigger: {absence: {event: brew_finished, for: 2d}}
reentry: {after_exit_and_gap: 1d}
steps:
  - id: miss
    send: {channels: [product], expires_after: 2d, texts: {en: {title: All well}}}
`

// TestBacktestReproduces lets a fleet live for three weeks, with machines that are
// sold on, a consent that is revoked and a version that replaces another; then it
// runs the core over the recorded history. The ledger must be the same to the
// letter, over all of it and from its middle, on both stores.
func TestBacktestReproduces(t *testing.T) {
	for _, store := range []string{"embedded", "InfluxDB"} {
		t.Run(store, func(t *testing.T) {
			t.Parallel()
			g := start(t, func(c *app.Config) {
				lockstep(time.Date(2026, 3, 2, 0, 0, 0, 0, time.UTC))(c)
				c.Rules.Caps = []journey.CapRule{{Name: "daily", Max: 2, Per: 24 * 3600_000}}
				c.Partitions = 4
				if store == "InfluxDB" {
					influx := testservers.Influx(t)
					c.History.Influx = &app.InfluxConfig{URL: influx.URL, Org: influx.Org, Bucket: influx.Bucket, Token: influx.Token}
				}
			})
			g.live()
			g.compareWithBacktest()
		})
	}
}

func (g *inside) live() {
	t := g.t
	t.Helper()
	config := fleet.Default()
	config.Customers = 60
	sim, err := simulator.New(g.ctx, simulator.Options{Fleet: config, API: g.conn, Days: 21, Step: 6 * time.Hour,
		MQTT: simulator.ConnOptions{Broker: "tcp://" + g.app.Addrs().MQTT}, Journeys: [][]byte{[]byte(hello), []byte(tenth), []byte(silent)}})
	if err != nil {
		t.Fatal(err)
	}
	done := make(chan error, 1)
	go func() { done <- sim.Run(g.ctx) }()
	day := func(n int) bool {
		return sim.Progress().Now.Time().After(time.Date(2026, 3, 2+n, 0, 0, 0, 0, time.UTC))
	}
	eventually(t, "twelve days", func() bool { return day(12) })
	g.sellMachines()
	revoked := must[*pb.ListMessagesResponse](t)(g.messages.ListMessages(g.ctx, &pb.ListMessagesRequest{PageSize: 1})).Messages[0].CustomerId
	must[*pb.SetConsentResponse](t)(g.customers.SetConsent(g.ctx, &pb.SetConsentRequest{Customer: &pb.CustomerRef{Id: revoked},
		Purpose: "marketing", Source: "test"}))
	must[*pb.UpdateJourneyResponse](t)(g.journeys.UpdateJourney(g.ctx, &pb.UpdateJourneyRequest{Definition: &pb.JourneyDefinition{
		Form: &pb.JourneyDefinition_Yaml{Yaml: strings.Replace(tenth, "for: 5h", "for: 3h", 1)}}}))
	must[*pb.PublishJourneyResponse](t)(g.journeys.PublishJourney(g.ctx, &pb.PublishJourneyRequest{Name: "tenth"}))
	if err := <-done; err != nil {
		t.Fatal(err)
	}
}

// sellMachines gives six machines to customers of other partitions.
func (g *inside) sellMachines() {
	list := must[*pb.ListDevicesResponse](g.t)(g.customers.ListDevices(g.ctx, &pb.ListDevicesRequest{PageSize: 1000})).Devices
	if len(list) < 20 {
		g.t.Fatalf("%d machines", len(list))
	}
	for n := range 6 {
		must[*pb.BindDeviceResponse](g.t)(g.customers.BindDevice(g.ctx, &pb.BindDeviceRequest{
			Device: &pb.DeviceRef{Id: list[n].Device.Id}, Customer: &pb.CustomerRef{Id: list[n+7].CustomerId}}))
	}
}

// compareWithBacktest runs the recorded history and compares its ledger with the
// one that the gateway's API tells.
func (g *inside) compareWithBacktest() {
	t := g.t
	t.Helper()
	at := g.now()
	want, lines := g.ledger(at)
	for what, least := range map[string]int{"capped": 5, "sent": 60, "no_consent": 1, "conversion": 5, "goal": 5} {
		if n := strings.Count(want, " "+what+" "); n < least {
			t.Errorf("only %d decisions are %s: this shows nothing", n, what)
		}
	}
	if n := len(must[*pb.ListDevicesResponse](t)(g.customers.ListDevices(g.ctx, &pb.ListDevicesRequest{PageSize: 1000, WithFormer: true})).Devices); n < 66 {
		t.Errorf("%d ownerships of 60 customers: no machine was sold", n)
	}
	path := g.recording(at)
	var got []string
	messages := map[gateway.MessageID]*gateway.Message{}
	o := backtest.Options{Journey: "tenth", Samples: 2, Step: func(s *gateway.Step) {
		for i := range s.Decisions {
			if d := &s.Decisions[i]; d.Kind != gateway.DecisionJourney {
				got = append(got, decisionLine(d))
			}
		}
		for _, m := range s.Messages {
			messages[m.ID] = &m
		}
		for _, u := range s.Updates {
			messages[u.Message].State = u.State
		}
	}}
	if _, err := backtest.Run(g.ctx, backtest.OpenFile(path), o); err != nil {
		t.Fatal(err)
	}
	for _, m := range messages {
		got = append(got, fmt.Sprintf("%v message %v %s %s v%d %s %v %v %s %v %v", m.DecidedAt, m.ID, m.Journey, m.Step, m.Version, m.Channel,
			m.Customer, m.Device, m.Locale, m.Holdout, m.State))
	}
	slices.Sort(got)
	if text := strings.Join(got, "\n"); text != want {
		t.Fatalf("the backtest over %d lines decides otherwise:\n%s", lines, clipText(story.Diff("ledger", []byte(want), []byte(text))))
	}
	t.Logf("%d lines of the ledger are equal", lines)
	for _, from := range []gateway.Instant{0, gateway.InstantOf(time.Date(2026, 3, 14, 12, 0, 0, 0, time.UTC))} {
		g.compareReport(want, from, at)
	}
}

// compareReport has the gateway itself run the backtest from a time on: it counts
// what the ledger has from then on.
func (g *inside) compareReport(ledger string, from gateway.Instant, at []*pb.Position) {
	t := g.t
	t.Helper()
	req := &pb.BacktestRequest{Journey: "tenth", AtLeast: at, Samples: 2}
	if from != 0 {
		req.From = timestamppb.New(from.Time())
	}
	r := g.backtest(req)
	if !r.Exact || r.Draft || r.Version != 2 || len(r.Samples) == 0 {
		t.Errorf("from %v: %v", from, r)
	}
	want := map[string]int64{}
	for line := range strings.SplitSeq(ledger, "\n") {
		f := strings.Fields(line)
		if f[0] >= from.String() && f[1] == "decision" && f[3] == "tenth" {
			want[f[2]+" "+f[5]]++
		}
	}
	got := map[string]int64{}
	for _, c := range r.Steps {
		got[c.Kind+" "+c.Reason] += c.Count
	}
	for key, n := range want {
		if got[key] != n {
			t.Errorf("from %v: %d × %s, the ledger has %d", from, got[key], key, n)
		}
	}
}

func (g *inside) backtest(req *pb.BacktestRequest) *pb.BacktestReport {
	g.t.Helper()
	stream, err := pb.NewBacktestServiceClient(g.conn).Backtest(g.ctx, req)
	if err != nil {
		g.t.Fatal(err)
	}
	for {
		part, err := stream.Recv()
		if err != nil {
			g.t.Fatal(err)
		}
		if r := part.GetReport(); r != nil {
			return r
		}
	}
}

// recording exports the history to a file.
func (g *inside) recording(at []*pb.Position) string {
	g.t.Helper()
	path := filepath.Join(g.t.TempDir(), "recording")
	f, err := os.Create(path)
	if err != nil {
		g.t.Fatal(err)
	}
	defer f.Close()
	stream, err := pb.NewBacktestServiceClient(g.conn).ExportRecording(g.ctx, &pb.ExportRecordingRequest{AtLeast: at})
	for err == nil {
		var part *pb.ExportRecordingResponse
		if part, err = stream.Recv(); err == nil {
			_, err = f.Write(part.Data)
		}
	}
	if !errors.Is(err, io.EOF) {
		g.t.Fatal(err)
	}
	return path
}

func decisionLine(d *gateway.Decision) string {
	message := ""
	if !d.Message.IsZero() {
		message = d.Message.String()
	}
	return fmt.Sprintf("%v decision %s %s %s %s %v %v v%d %s %s %q", d.At, d.Kind, d.Journey, cmp.Or(d.Step, "-"), d.Reason, d.Customer, d.Device,
		d.Version, message, d.EventID, d.Rule)
}

// ledger lists what the API tells of decisions and messages, a line each.
func (g *inside) ledger(at []*pb.Position) (text string, n int) {
	g.t.Helper()
	var lines []string
	req := &pb.ListDecisionsRequest{PageSize: 1000, AtLeast: at}
	for {
		resp := must[*pb.ListDecisionsResponse](g.t)(g.customers.ListDecisions(g.ctx, req))
		for _, d := range resp.Decisions {
			if line := g.listedDecision(d); line != "" {
				lines = append(lines, line)
			}
		}
		if req.PageToken = resp.NextPageToken; req.PageToken == "" {
			break
		}
	}
	for _, m := range g.listMessages(&pb.ListMessagesRequest{AtLeast: at}) {
		lines = append(lines, fmt.Sprintf("%v message %s %s %s v%d %s %s %s %s %v %s", instantOf(m.DecidedAt), m.Id, m.Journey, m.Step, m.Version, m.Channel,
			m.CustomerId, m.Device.GetId(), m.Locale, m.Holdout, strings.ToLower(strings.TrimPrefix(m.State.String(), "MESSAGE_STATE_"))))
	}
	slices.Sort(lines)
	return strings.Join(lines, "\n"), len(lines)
}

// listedDecision is decisionLine of what the API shows.
func (g *inside) listedDecision(d *pb.Decision) string {
	if d.Kind == pb.DecisionKind_DECISION_KIND_JOURNEY {
		return ""
	}
	customer, _ := gateway.ParseCustomerID(d.CustomerId)
	device, _ := gateway.ParseDeviceID(d.Device.GetId())
	kind := strings.ToLower(strings.TrimPrefix(d.Kind.String(), "DECISION_KIND_"))
	return fmt.Sprintf("%v decision %s %s %s %s %v %v v%d %s %s %q", instantOf(d.At), kind, d.Journey, cmp.Or(d.Step, "-"), d.Reason, customer, device,
		d.Version, d.MessageId, d.EventId, d.Rule)
}

func instantOf(t *timestamppb.Timestamp) gateway.Instant { return gateway.InstantOf(t.AsTime()) }

func clipText(s string) string { return s[:min(len(s), 4000)] }
