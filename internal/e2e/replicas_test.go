package e2e

import (
	"encoding/base64"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"

	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/status"

	"touchpoint/internal/testservers"
	pb "touchpoint/proto/touchpoint/v1"
)

// TestReplicasPublishAtOnce has two gateways of one installation publish the same
// journey at the same moment, again and again: there is one version each time, in
// force on every partition, and a customer is answered once.
func TestReplicasPublishAtOnce(t *testing.T) {
	const rounds = 6
	nats := testservers.NATS(t, testservers.NATSOptions{SyncAlways: true})
	key := filepath.Join(t.TempDir(), "master.key")
	if err := os.WriteFile(key, []byte(base64.StdEncoding.EncodeToString([]byte(strings.Repeat("k", 32)))+"\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	extra := fmt.Sprintf("partitions: 4\nlog: {nats: ['%s']}\nvault: {master_key_file: '%s'}\n", nats.URL, key)
	a := startOutside(t, extra)
	b := startOutside(t, extra)
	definition := func(round int) *pb.JourneyDefinition {
		return &pb.JourneyDefinition{Form: &pb.JourneyDefinition_Yaml{Yaml: fmt.Sprintf(numbered, round)}}
	}
	for round := 1; round <= rounds; round++ {
		if round == 1 {
			must[*pb.CreateJourneyResponse](t)(a.journeys.CreateJourney(a.ctx, &pb.CreateJourneyRequest{Definition: definition(round)}))
		} else {
			must[*pb.UpdateJourneyResponse](t)(a.journeys.UpdateJourney(a.ctx, &pb.UpdateJourneyRequest{Definition: definition(round)}))
		}
		var both sync.WaitGroup
		errs := make([]error, 2)
		for i, g := range []*outside{a, b} {
			both.Go(func() {
				_, errs[i] = g.journeys.PublishJourney(g.ctx, &pb.PublishJourneyRequest{Name: "said"})
			})
		}
		both.Wait()
		if errs[0] != nil && errs[1] != nil {
			t.Fatalf("round %d: nobody could publish: %v; %v", round, errs[0], errs[1])
		}
		for _, err := range errs {
			if code := status.Code(err); err != nil && code != codes.FailedPrecondition && code != codes.Aborted {
				t.Errorf("round %d: %v", round, err)
			}
		}
		for _, g := range []*outside{a, b} {
			j := must[*pb.GetJourneyResponse](t)(g.journeys.GetJourney(g.ctx, &pb.GetJourneyRequest{Name: "said"})).Journey
			if int(j.Version) != round || j.State != pb.JourneyState_JOURNEY_STATE_PUBLISHED {
				t.Errorf("round %d: version %d, %v", round, j.Version, j.State)
			}
		}
	}
	for n := range 8 { // over all partitions
		a.customer(fmt.Sprint("K-", n))
		must[*pb.TriggerJourneyResponse](t)(b.journeys.TriggerJourney(b.ctx, &pb.TriggerJourneyRequest{
			Name: "said", Customer: customerRef(fmt.Sprint("K-", n)), Key: "once"}))
	}
	all := a.listMessages(&pb.ListMessagesRequest{AtLeast: a.now()})
	if len(all) != 8 {
		t.Errorf("%d messages for 8 customers", len(all))
	}
	for _, m := range all {
		if m.Version != rounds {
			t.Errorf("a message of version %d", m.Version)
		}
	}
}

const numbered = `
name: said
purpose: service
trigger: {api: {}}
steps:
  - id: say
    send: {channels: [stream], expires_after: 1d, texts: {en: {title: "Number %d"}}}
`
