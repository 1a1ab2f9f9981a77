package e2e

import (
	"os"
	"path/filepath"
	"strings"
	"testing"

	"touchpoint/gateway/app"
	pb "touchpoint/proto/touchpoint/v1"
)

// TestDeadLetters sends what cannot be taken in: it is acknowledged, since it
// would come again and again otherwise, kept with its reason, and taken in later
// where the reason is gone.
func TestDeadLetters(t *testing.T) {
	profiles := filepath.Join(t.TempDir(), "products.yaml")
	write := func(text string) {
		if err := os.WriteFile(profiles, []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	write("strict: true\nproducts:\n  kettle-9: {}\n")
	g := start(t, func(c *app.Config) { c.Products = profiles })
	m := g.power("SN-1")
	events := "touchpoint/v1/" + product + "/SN-1/events"
	good := event{ID: "brew-1", Type: "brew_finished", Data: map[string]any{"water_ml": 38}}
	if !m.send(g.ctx, good) || !m.publish(g.ctx, events, []byte(`{"id":"brew-2","type":`)) {
		t.Fatal("poison was not acknowledged")
	}
	list := func() []*pb.DeadLetter {
		return must[*pb.ListDeadLettersResponse](t)(g.letters.ListDeadLetters(g.ctx, &pb.ListDeadLettersRequest{WithPayload: true})).DeadLetters
	}
	// The greeting of the unknown product was refused, too.
	letters := map[string]*pb.DeadLetter{}
	for _, d := range list() {
		for _, id := range []string{"brew-1", "brew-2"} {
			if strings.Contains(string(d.Payload), id) {
				letters[id] = d
			}
		}
	}
	for _, id := range []string{"brew-1", "brew-2"} {
		if d := letters[id]; d == nil || !strings.Contains(d.Error, `"coffee-1" is not registered`) || d.PayloadBytes == 0 {
			t.Fatalf("dead letter of %s: %v", id, d)
		}
	}
	replay := func() *pb.ReplayDeadLettersResponse {
		return must[*pb.ReplayDeadLettersResponse](t)(g.letters.ReplayDeadLetters(g.ctx, &pb.ReplayDeadLettersRequest{
			Ids: []string{letters["brew-1"].Id, letters["brew-2"].Id}}))
	}
	if r := replay(); r.Replayed != 0 || len(r.Failures) != 2 {
		t.Errorf("a replay with the old profiles: %v", r)
	}
	g.stop()
	write("strict: true\nproducts:\n  coffee-1:\n    events:\n      brew_finished: {water_ml: int}\n")
	g.start()
	r := replay()
	if r.Replayed != 1 || len(r.Failures) != 1 || r.Failures[0].Id != letters["brew-2"].Id || !strings.Contains(r.Failures[0].Error, "JSON") {
		t.Errorf("a replay with the profile added: %v", r)
	}
	eventually(t, "the replayed event", func() bool {
		all := g.listEvents(&pb.EventFilter{})
		return len(all) == 1 && all[0].Id == "brew-1" && all[0].Properties["water_ml"].GetInt() == 38
	})
	for _, d := range list() {
		if d.Id == letters["brew-1"].Id {
			t.Error("what was taken in is listed still")
		}
	}
}
