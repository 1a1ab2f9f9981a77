package crashtest

import (
	"context"
	"fmt"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	pb "touchpoint/proto/touchpoint/v1"
)

// Journeys that want to say something whenever a product did its work, and at
// every call.
const greedy = `
name: greedy-%[1]s
purpose: service
trigger: {event: %[2]s}
reentry: concurrent_per_key
key: event.%[3]s
steps:
  - id: tell
    send: {channels: [product], expires_after: 2d, texts: {en: {title: Again}}}
`

const asked = `
name: asked
purpose: service
trigger: {api: {}}
steps:
  - id: tell
    send: {channels: [product], expires_after: 2d, texts: {en: {title: You asked}}}
`

// TestCapUnderPressure has one household with four products send their events,
// each in its own form, and services trigger journeys at once, while devices
// change hands and members join from other partitions, with one kill in between.
// At the products no more messages arrive than the household's budget.
func TestCapUnderPressure(t *testing.T) {
	const budget = 5
	ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
	defer cancel()
	broker := freeAddr(t)
	g := newGateway(t, fmt.Sprintf("partitions: 8\nrules: {caps: [{name: household, max: %d, per: 30d}]}\nmqtt: {listen: '%s'}\nproducts: %s\n",
		budget, broker, writeProfiles(t)))
	g.start("")
	if !g.ready(ctx) {
		t.Fatal("the gateway does not come up")
	}
	h := newHousehold(g)
	journeys := map[string]string{"asked": asked}
	for _, k := range kinds {
		journeys["greedy-"+k.product] = fmt.Sprintf(greedy, k.product, k.event, k.key)
	}
	h.publish(ctx, journeys)
	for n := range 2 { // two of the four live together already
		h.join(ctx, n)
	}
	var all []*machine
	for n, k := range kinds {
		all = append(all, newMachineOf(k, broker, n))
		go all[n].run(ctx)
		h.bind(ctx, all[n], n%2)
	}
	pressing, stop := context.WithCancel(ctx)
	var work sync.WaitGroup
	var brews, calls atomic.Int64
	for n, m := range all {
		work.Go(func() {
			for k := 1; pressing.Err() == nil && m.brew(ctx, k); k++ {
				brews.Add(1)
			}
		})
		work.Go(func() {
			for k := 0; pressing.Err() == nil; k++ {
				h.trigger(pressing, n%2, fmt.Sprint(n, "-", k))
				calls.Add(1)
			}
		})
	}
	h.waitFor(ctx, &brews, 60)
	h.join(ctx, 2)
	for n, m := range all { // to members on the partition and to the one who came
		h.bind(ctx, m, (n+1)%3)
	}
	g.kill()
	g.start("")
	if !g.ready(ctx) {
		t.Fatal("no restart")
	}
	h.join(ctx, 3)
	for n, m := range all {
		h.bind(ctx, m, (n+2)%4)
	}
	h.waitFor(ctx, &brews, 100)
	stop()
	work.Wait()
	total := func() (sum int) {
		for _, m := range all {
			sum += m.displays()
		}
		return sum
	}
	for patience := time.Now().Add(settle); total() < budget && time.Now().Before(patience); {
		pause(ctx, 20*time.Millisecond)
	}
	pause(ctx, 300*time.Millisecond) // one too many would come now
	if got := total(); got != budget {
		t.Errorf("%d messages were displayed, the household's budget is %d", got, budget)
	}
	h.everyoneSpoke(ctx)
	t.Logf("%d events, %d calls, %d messages displayed", brews.Load(), calls.Load(), total())
}

// household is one group of customers seen through the API.
type household struct {
	g         *gatewayProcess
	customers pb.CustomerServiceClient
	groups    pb.GroupServiceClient
	journeys  pb.JourneyServiceClient
}

func newHousehold(g *gatewayProcess) *household {
	return &household{g, pb.NewCustomerServiceClient(g.conn), pb.NewGroupServiceClient(g.conn), pb.NewJourneyServiceClient(g.conn)}
}

// until repeats a call until it succeeds: the gateway may be away.
func (h *household) until(ctx context.Context, what string, call func() error) {
	h.g.t.Helper()
	for {
		err := call()
		if err == nil {
			return
		}
		if ctx.Err() != nil {
			h.g.t.Fatalf("%s: %v", what, err)
		}
		pause(ctx, 20*time.Millisecond)
	}
}

func (h *household) publish(ctx context.Context, journeys map[string]string) {
	for name, text := range journeys {
		h.until(ctx, "create "+name, func() error {
			_, err := h.journeys.CreateJourney(ctx, &pb.CreateJourneyRequest{Definition: &pb.JourneyDefinition{Form: &pb.JourneyDefinition_Yaml{Yaml: text}}})
			return err
		})
		h.until(ctx, "publish "+name, func() error {
			_, err := h.journeys.PublishJourney(ctx, &pb.PublishJourneyRequest{Name: name})
			return err
		})
	}
}

func member(n int) *pb.CustomerRef { return &pb.CustomerRef{ExternalId: fmt.Sprint("K-", n)} }

// join returns when the customer is seen in the household.
func (h *household) join(ctx context.Context, n int) {
	h.g.t.Helper()
	h.until(ctx, "join", func() error {
		_, err := h.groups.JoinGroup(ctx, &pb.JoinGroupRequest{Customer: member(n), Group: &pb.GroupRef{ExternalId: "H-1"}})
		return err
	})
	h.until(ctx, "be a member", func() error {
		_, err := h.groups.GetGroup(ctx, &pb.GetGroupRequest{Customer: member(n)})
		return err
	})
}

func (h *household) bind(ctx context.Context, m *machine, n int) {
	h.g.t.Helper()
	h.until(ctx, "bind", func() error {
		_, err := h.customers.BindDevice(ctx, &pb.BindDeviceRequest{Customer: member(n), Device: &pb.DeviceRef{Product: m.kind.product, Serial: m.serial}})
		return err
	})
}

// everyoneSpoke checks that the pressure came from all four: what they sent was
// understood, and each journey of theirs wanted to send.
func (h *household) everyoneSpoke(ctx context.Context) {
	h.g.t.Helper()
	dead, err := pb.NewDeadLetterServiceClient(h.g.conn).ListDeadLetters(ctx, &pb.ListDeadLettersRequest{})
	if err != nil || len(dead.DeadLetters) > 0 {
		h.g.t.Errorf("not understood: %v, %v", dead.GetDeadLetters(), err)
	}
	for _, k := range kinds {
		wanted, err := h.customers.ListDecisions(ctx, &pb.ListDecisionsRequest{Journey: "greedy-" + k.product,
			Kinds: []pb.DecisionKind{pb.DecisionKind_DECISION_KIND_SEND}, PageSize: 1000})
		if err != nil || len(wanted.Decisions) == 0 {
			h.g.t.Errorf("the %s wanted to say nothing: %v", k.product, err)
		}
	}
}

func (h *household) trigger(ctx context.Context, n int, key string) {
	short, cancel := context.WithTimeout(ctx, time.Second)
	defer cancel()
	_, _ = h.journeys.TriggerJourney(short, &pb.TriggerJourneyRequest{Name: "asked", Customer: member(n), Key: key})
}

func (h *household) waitFor(ctx context.Context, n *atomic.Int64, more int64) {
	for goal := n.Load() + more; n.Load() < goal && ctx.Err() == nil; {
		pause(ctx, 5*time.Millisecond)
	}
}
