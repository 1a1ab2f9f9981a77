package crashtest

import (
	"context"
	"fmt"
	"math/rand/v2"
	"os"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"touchpoint/internal/testservers"
	pb "touchpoint/proto/touchpoint/v1"
)

const everyTen = `
name: every-ten
purpose: service
trigger:
  threshold: {count: brew_finished, every: 10, within: 30d, per: device}
reentry: concurrent_per_key
key: device
steps:
  - id: tell
    send:
      channels: [product]
      expires_after: 2d
      texts: {en: {title: Ten more, body: Ten more coffees.}}
`

const welcome = `
name: welcome
purpose: service
trigger:
  milestone: {event: brew_finished, nth: 1}
steps:
  - id: greet
    send:
      channels: [product]
      expires_after: 2d
      texts: {en: {title: Welcome, body: Enjoy the first one.}}
`

// failpoints are the named places, each with after how many hits to die.
var failpoints = []string{
	"ingest.appended:40", "engine.before_commit:30", "engine.committed:50", "deliver.handed_over:5", "snapshot.chunks:3",
	"ingest.appended:300", "engine.before_commit:200", "engine.committed:1", "deliver.handed_over:20", "snapshot.chunks:9",
}

func TestCrashEmbeddedBroker(t *testing.T) {
	g := newGateway(t, "")
	crash(t, g, g.mqtt, failpoints, 6)
}

func TestCrashMosquitto(t *testing.T) {
	broker := testservers.Mosquitto(t, testservers.MosquittoOptions{MaxInflight: 200})
	g := newGateway(t, fmt.Sprintf("mqtt: {brokers: ['%s'], window: 200}\n", broker.URL))
	crash(t, g, broker.Addr, failpoints[:5], 4)
}

// crash puts a fleet's load on a gateway, kills it at every failpoint and at
// random moments, and then counts.
func crash(t *testing.T, g *gatewayProcess, broker string, points []string, random int) {
	const machines = 24
	limit := 4 * time.Minute
	long, _ := time.ParseDuration(os.Getenv("TOUCHPOINT_CHAOS"))
	if long > 0 {
		limit, random = long+4*time.Minute, int(long/(2*time.Second))
	}
	ctx, cancel := context.WithTimeout(t.Context(), limit)
	defer cancel()
	g.start("")
	if !g.ready(ctx) {
		t.Fatal("the gateway does not come up")
	}
	g.prepare(ctx, machines)
	load := startLoad(ctx, broker, machines)
	kills := 0
	for _, fp := range points {
		g.kill()
		kills++
		g.start(fp)
		if !g.died(ctx, fp) {
			t.Fatalf("failpoint %s was not hit", fp)
		}
		kills++
		g.start("")
		if !g.ready(ctx) {
			t.Fatalf("no restart after %s", fp)
		}
		t.Logf("died at %s and came back; %d events acknowledged", fp, load.acked.Load())
		load.waitFor(ctx, 50)
	}
	for range random {
		load.waitFor(ctx, int64(20+rand.IntN(400)))
		g.kill()
		kills++
		g.start("")
		g.ready(ctx)
	}
	load.finish()
	t.Logf("%d kills, %d events acknowledged", kills, load.acked.Load())
	g.count(ctx, load)
}

// settle is how long the last records may take to become visible.
const settle = 15 * time.Second

// prepare makes the customers, binds their machines and publishes the journeys.
func (g *gatewayProcess) prepare(ctx context.Context, machines int) {
	customers, journeys := pb.NewCustomerServiceClient(g.conn), pb.NewJourneyServiceClient(g.conn)
	must := func(_ any, err error) {
		g.t.Helper()
		if err != nil {
			g.t.Fatal(err)
		}
	}
	for n := range machines {
		who := fmt.Sprintf("K-%d", n)
		must(customers.UpsertCustomer(ctx, &pb.UpsertCustomerRequest{Customer: &pb.Customer{ExternalId: who, Locale: "en"}}))
		must(customers.BindDevice(ctx, &pb.BindDeviceRequest{Customer: &pb.CustomerRef{ExternalId: who},
			Device: &pb.DeviceRef{Product: product, Serial: newMachine("", n).serial}}))
	}
	for name, text := range map[string]string{"every-ten": everyTen, "welcome": welcome} {
		must(journeys.CreateJourney(ctx, &pb.CreateJourneyRequest{Definition: &pb.JourneyDefinition{Form: &pb.JourneyDefinition_Yaml{Yaml: text}}}))
		must(journeys.PublishJourney(ctx, &pb.PublishJourneyRequest{Name: name}))
	}
}

// load is a fleet that brews without a pause.
type load struct {
	machines []*machine
	brews    []int // acknowledged, by machine
	acked    atomic.Int64
	stop     context.CancelFunc
	senders  sync.WaitGroup
}

func startLoad(ctx context.Context, broker string, machines int) *load {
	l := &load{brews: make([]int, machines)}
	brewing, stop := context.WithCancel(ctx)
	l.stop = stop
	for n := range machines {
		m := newMachine(broker, n)
		l.machines = append(l.machines, m)
		go m.run(ctx)
		l.senders.Go(func() {
			for k := 1; brewing.Err() == nil; k++ {
				if !m.brew(ctx, k) { // what was begun is sent to its end
					return
				}
				l.brews[n] = k
				l.acked.Add(1)
				pause(brewing, 2*time.Millisecond)
			}
		})
	}
	return l
}

// waitFor waits until n more events are acknowledged.
func (l *load) waitFor(ctx context.Context, n int64) {
	for goal := l.acked.Load() + n; l.acked.Load() < goal && ctx.Err() == nil; {
		pause(ctx, 5*time.Millisecond)
	}
}

func (l *load) finish() {
	l.stop()
	l.senders.Wait()
}

// count compares what the gateway and the machines have with the model.
func (g *gatewayProcess) count(ctx context.Context, l *load) {
	for n, m := range l.machines {
		brews := l.brews[n]
		want := 1 + brews/10
		patience, cancel := context.WithTimeout(ctx, settle)
		defer cancel()
		for m.displays() < want && patience.Err() == nil {
			pause(ctx, 20*time.Millisecond)
		}
		if got := m.displays(); got != want {
			g.t.Errorf("%s: %d messages displayed, %d brews call for %d", m.serial, got, brews, want)
		}
	}
	for n, m := range l.machines {
		g.countEvents(ctx, m, l.brews[n])
		g.countMessages(ctx, m, 1+l.brews[n]/10)
	}
}

// countEvents reads the time series of a machine: each event once, sums exact.
func (g *gatewayProcess) countEvents(ctx context.Context, m *machine, brews int) {
	events := pb.NewEventServiceClient(g.conn)
	filter := &pb.EventFilter{Device: &pb.DeviceRef{Product: product, Serial: m.serial}, Types: []string{"brew_finished"}}
	seen := map[string]int{}
	sum := int64(0)
	read := func() error {
		clear(seen)
		sum = 0
		for token := ""; ; {
			resp, err := events.ListEvents(ctx, &pb.ListEventsRequest{Filter: filter, PageSize: 1000, PageToken: token})
			if err != nil {
				return err
			}
			for _, e := range resp.Events {
				seen[e.Id]++
				sum += e.Properties["water_ml"].GetInt()
			}
			if token = resp.NextPageToken; token == "" {
				return nil
			}
		}
	}
	patience, cancel := context.WithTimeout(ctx, settle)
	defer cancel()
	for {
		if err := read(); err != nil {
			g.t.Fatal(err)
		}
		if len(seen) >= brews || patience.Err() != nil {
			break
		}
		pause(ctx, 50*time.Millisecond) // the history follows
	}
	model := int64(0)
	for k := 1; k <= brews; k++ {
		model += int64(water(k))
		if n := seen[fmt.Sprintf("%s-%d", m.serial, k)]; n != 1 {
			g.t.Errorf("%s: event %d is stored %d times", m.serial, k, n)
		}
	}
	if len(seen) != brews || sum != model {
		g.t.Fatalf("%s: %d events with a sum of %d are stored, the model has %d with %d", m.serial, len(seen), sum, brews, model)
	}
}

// countMessages reads the messages of a machine: as many as the model says, all
// displayed.
func (g *gatewayProcess) countMessages(ctx context.Context, m *machine, want int) {
	patience, cancel := context.WithTimeout(ctx, settle)
	defer cancel()
	messages := pb.NewMessageServiceClient(g.conn)
	for {
		displayed, total := 0, 0
		for token := ""; ; {
			resp, err := messages.ListMessages(ctx, &pb.ListMessagesRequest{
				Device: &pb.DeviceRef{Product: product, Serial: m.serial}, PageSize: 1000, PageToken: token})
			if err != nil {
				g.t.Fatal(err)
			}
			for _, msg := range resp.Messages {
				total++
				if msg.State == pb.MessageState_MESSAGE_STATE_DISPLAYED {
					displayed++
				}
			}
			if token = resp.NextPageToken; token == "" {
				break
			}
		}
		if displayed == want && total == want {
			return
		}
		if patience.Err() != nil || total > want {
			g.t.Errorf("%s: %d messages decided, %d of them displayed; the model has %d", m.serial, total, displayed, want)
			return
		}
		pause(ctx, 50*time.Millisecond)
	}
}
