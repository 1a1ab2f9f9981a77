package rpc_test

import (
	"fmt"
	"strings"
	"sync"
	"sync/atomic"
	"testing"

	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/status"

	"touchpoint/gateway"
	pb "touchpoint/proto/touchpoint/v1"
)

func TestJourneyLife(t *testing.T) {
	w := newWorld()
	conn, _ := w.serve(t, nil)
	api, ctx := pb.NewJourneyServiceClient(conn), testContext(t)
	must := func(err error) {
		t.Helper()
		if err != nil {
			t.Fatal(err)
		}
	}
	created, err := api.CreateJourney(ctx, &pb.CreateJourneyRequest{Definition: yamlText("name: welcome\nx: 1\n")})
	must(err)
	if j := created.Journey; j.DraftRevision != 1 || j.State != pb.JourneyState_JOURNEY_STATE_DRAFT || j.Purpose != "service" {
		t.Errorf("created %v", j)
	}
	first, err := api.PublishJourney(ctx, &pb.PublishJourneyRequest{Name: "welcome", Revision: 1})
	must(err)
	if first.Version != 1 || len(first.Positions) != partitions {
		t.Errorf("published %v, want version 1 on every partition", first)
	}
	again, err := api.PublishJourney(ctx, &pb.PublishJourneyRequest{Name: "welcome", Revision: 1})
	must(err)
	if again.Version != 1 || len(commands[gateway.PublishJourney](w)) != partitions {
		t.Errorf("a repeated publish made version %d and %d records", again.Version, len(commands[gateway.PublishJourney](w)))
	}
	_, err = api.PublishJourney(ctx, &pb.PublishJourneyRequest{Name: "welcome"})
	if status.Code(err) != codes.FailedPrecondition {
		t.Errorf("publish without a draft: %v", err)
	}
	_, err = api.PauseJourney(ctx, &pb.PauseJourneyRequest{Name: "welcome"})
	must(err)
	_, err = api.PauseJourney(ctx, &pb.PauseJourneyRequest{Name: "welcome"}) // a repetition
	must(err)
	_, err = api.UpdateJourney(ctx, &pb.UpdateJourneyRequest{Definition: structured(t, map[string]any{"name": "welcome", "count": 200}), Revision: 1})
	must(err)
	second, err := api.PublishJourney(ctx, &pb.PublishJourneyRequest{Name: "welcome", Running: pb.RunningPolicy_RUNNING_POLICY_MIGRATE})
	must(err)
	got, err := api.GetJourney(ctx, &pb.GetJourneyRequest{Name: "welcome", AtLeast: second.Positions})
	must(err)
	if j := got.Journey; j.State != pb.JourneyState_JOURNEY_STATE_PAUSED || j.Version != 2 || len(j.Versions) != 2 || j.Counts.Steps["remind"] != 2 {
		t.Errorf("a paused journey that is published: %v", j)
	}
	_, err = api.ResumeJourney(ctx, &pb.ResumeJourneyRequest{Name: "welcome"})
	must(err)
	states := commands[gateway.SetJourneyState](w)
	if len(states) != 3*partitions || states[len(states)-1].State != gateway.JourneyPublished {
		t.Errorf("%d changes of state: paused, paused again after publishing, resumed; each on %d partitions", len(states), partitions)
	}
	last := commands[gateway.PublishJourney](w)
	if p := last[len(last)-1]; p.Version != 2 || p.Running != "migrate" || !strings.Contains(string(p.Definition), "count: 200") {
		t.Errorf("published %+v: %s", p, p.Definition)
	}
	old, err := api.GetJourney(ctx, &pb.GetJourneyRequest{Name: "welcome", Version: 1})
	must(err)
	if old.Journey.Definition.GetYaml() != "name: welcome\nx: 1\n" {
		t.Errorf("version 1 is %q", old.Journey.Definition.GetYaml())
	}
	list, err := api.ListJourneys(ctx, &pb.ListJourneysRequest{})
	must(err)
	if len(list.Journeys) != 1 || list.Journeys[0].Definition != nil {
		t.Errorf("list %v", list)
	}
}

// TestPublishGoesOnWhereItStopped refuses one partition, as a crash would, and
// publishes again: by the caller, and by the next process.
func TestPublishGoesOnWhereItStopped(t *testing.T) {
	for _, by := range []string{"caller", "next process"} {
		t.Run(by, func(t *testing.T) {
			w := newWorld()
			conn, server := w.serve(t, nil)
			api, ctx := pb.NewJourneyServiceClient(conn), testContext(t)
			if _, err := api.CreateJourney(ctx, &pb.CreateJourneyRequest{Definition: yamlText("name: welcome\n")}); err != nil {
				t.Fatal(err)
			}
			w.refuse = func(gateway.Input) error { return gateway.Errorf(gateway.Unavailable, "the log is away") }
			if _, err := api.PublishJourney(ctx, &pb.PublishJourneyRequest{Name: "welcome"}); status.Code(err) != codes.Unavailable {
				t.Fatalf("publish without a log: %v", err)
			}
			w.mu.Lock()
			w.refuse = nil
			w.mu.Unlock()
			if by == "caller" {
				resp, err := api.PublishJourney(ctx, &pb.PublishJourneyRequest{Name: "welcome"})
				if err != nil || resp.Version != 1 {
					t.Fatal(resp, err)
				}
			} else if err := server.Recover(ctx); err != nil {
				t.Fatal(err)
			}
			published := commands[gateway.PublishJourney](w)
			if len(published) != partitions {
				t.Errorf("%d partitions have it, want %d", len(published), partitions)
			}
			for _, p := range published {
				if p.Version != 1 || p.Effective != published[0].Effective {
					t.Errorf("published %+v", p)
				}
			}
			if err := server.Recover(ctx); err != nil || len(commands[gateway.PublishJourney](w)) != partitions {
				t.Errorf("recovered twice: %v", err)
			}
		})
	}
}

func TestBrokenDraftIsKept(t *testing.T) {
	w := newWorld()
	conn, _ := w.serve(t, nil)
	api, ctx := pb.NewJourneyServiceClient(conn), testContext(t)
	text := "name: welcome\nsteps:\n- id: pause\n  wait: soon\n"
	created, err := api.CreateJourney(ctx, &pb.CreateJourneyRequest{Definition: yamlText(text)})
	if err != nil {
		t.Fatal(err)
	}
	if v := created.Violations; len(v) != 1 || v[0].Line != 4 || v[0].Step != "pause" || v[0].Field != "steps[0].wait" {
		t.Errorf("violations %v", v)
	}
	checked, err := api.ValidateJourney(ctx, &pb.ValidateJourneyRequest{Definition: yamlText(text)})
	if err != nil || checked.Valid || checked.Name != "welcome" {
		t.Errorf("validated %v, %v", checked, err)
	}
}

func TestTrigger(t *testing.T) {
	w := newWorld()
	conn, _ := w.serve(t, nil)
	api, ctx := pb.NewJourneyServiceClient(conn), testContext(t)
	if _, err := pb.NewCustomerServiceClient(conn).UpsertCustomer(ctx, &pb.UpsertCustomerRequest{Customer: &pb.Customer{ExternalId: "K-1"}}); err != nil {
		t.Fatal(err)
	}
	if _, err := api.CreateJourney(ctx, &pb.CreateJourneyRequest{Definition: yamlText("name: welcome\n")}); err != nil {
		t.Fatal(err)
	}
	req := &pb.TriggerJourneyRequest{Name: "welcome", Customer: customerRef("K-1"), Key: "order-77"}
	first, err := api.TriggerJourney(ctx, req)
	if err != nil {
		t.Fatal(err)
	}
	second, err := api.TriggerJourney(ctx, req)
	if err != nil {
		t.Fatal(err)
	}
	if first.Reason != "enrolled" || second.Reason != "replayed" || first.EnrollmentId == "" || first.EnrollmentId != second.EnrollmentId {
		t.Errorf("first %v, second %v", first, second)
	}
	if len(w.awaited) != 2 {
		t.Errorf("awaited %v: the answer must come after the step", w.awaited)
	}
}

// Of calls with the same key at the same time exactly one is told that it
// enrolled the customer.
func TestTriggerAtTheSameTime(t *testing.T) {
	w := newWorld()
	conn, _ := w.serve(t, nil)
	api, ctx := pb.NewJourneyServiceClient(conn), testContext(t)
	if _, err := pb.NewCustomerServiceClient(conn).UpsertCustomer(ctx, &pb.UpsertCustomerRequest{Customer: &pb.Customer{ExternalId: "K-1"}}); err != nil {
		t.Fatal(err)
	}
	if _, err := api.CreateJourney(ctx, &pb.CreateJourneyRequest{Definition: yamlText("name: welcome\n")}); err != nil {
		t.Fatal(err)
	}
	const keys, calls = 20, 8
	var enrolled [keys]atomic.Int32
	var wg sync.WaitGroup
	for i := range keys * calls {
		wg.Go(func() {
			r, err := api.TriggerJourney(ctx, &pb.TriggerJourneyRequest{Name: "welcome", Customer: customerRef("K-1"), Key: fmt.Sprint("order-", i%keys)})
			if err != nil {
				t.Error(err)
			} else if r.Reason == "enrolled" {
				enrolled[i%keys].Add(1)
			}
		})
	}
	wg.Wait()
	for i := range enrolled {
		if n := enrolled[i].Load(); n != 1 {
			t.Errorf("key %d: %d calls were told that they enrolled", i, n)
		}
	}
}

// A draft is published once, however many ask for it at the same time; the
// others hear that there is nothing left to publish.
func TestPublishAtTheSameTime(t *testing.T) {
	w := newWorld()
	conn, _ := w.serve(t, nil)
	api, ctx := pb.NewJourneyServiceClient(conn), testContext(t)
	if _, err := api.CreateJourney(ctx, &pb.CreateJourneyRequest{Definition: yamlText("name: welcome\n")}); err != nil {
		t.Fatal(err)
	}
	var done atomic.Int32
	var wg sync.WaitGroup
	for range 8 {
		wg.Go(func() {
			switch r, err := api.PublishJourney(ctx, &pb.PublishJourneyRequest{Name: "welcome"}); {
			case err == nil && r.Version == 1:
				done.Add(1)
			case !strings.Contains(err.Error(), "has no draft that differs from version 1"):
				t.Error(err)
			}
		})
	}
	wg.Wait()
	if n := done.Load(); n != 1 || len(commands[gateway.PublishJourney](w)) != partitions {
		t.Errorf("%d calls published %d times", n, len(commands[gateway.PublishJourney](w)))
	}
}
