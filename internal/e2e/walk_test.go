package e2e

import (
	"os/exec"
	"strings"
	"testing"
	"time"

	"touchpoint/gateway/app"
)

// TestWalkRecording exports what a gateway recorded and walks a customer through
// it with the command line, without the gateway.
func TestWalkRecording(t *testing.T) {
	origin := time.Date(2026, 3, 2, 8, 0, 0, 0, time.UTC)
	g := start(t, func(c *app.Config) { lockstep(origin)(c); c.Partitions = 4 })
	g.publish(script)
	id := g.customer("K-1")
	g.bind("SN-1", "K-1")
	m := g.power("SN-1")
	for k, at := range []time.Time{origin, origin.Add(10 * time.Minute), origin.Add(3 * time.Hour)} {
		g.advance(at)
		m.brew(g.ctx, k+1, at.Format(time.RFC3339))
	}
	at := g.now()
	file := g.recording(at)
	g.stop()

	walk := func(args ...string) string {
		t.Helper()
		line := append([]string{"journey", "walk", "second", "--recording", file, "--customer", id, "--partitions", "4"}, args...)
		out, err := exec.Command(must[string](t)(build()), line...).CombinedOutput()
		if err != nil {
			t.Fatalf("%v: %s", err, out)
		}
		return string(out)
	}
	all := walk()
	for _, want := range []string{"2026-03-02 08:10:00  entry", "2026-03-02 08:40:00  send say"} {
		if !strings.Contains(all, want) {
			t.Errorf("%q is missing:\n%s", want, all)
		}
	}
	if strings.Contains(all, "not exact") {
		t.Errorf("a complete recording is called not exact:\n%s", all)
	}
	before := walk("--until", "2026-03-02T08:20:00Z", "--lang", "de")
	if !strings.Contains(before, "08:10:00  entry") || strings.Contains(before, "send say") {
		t.Errorf("until 08:20:\n%s", before)
	}
	if out, err := exec.Command(must[string](t)(build()), "journey", "walk", "second", "--recording", file, "--customer", "K-1").CombinedOutput(); err == nil ||
		!strings.Contains(string(out), "write the internal id") {
		t.Errorf("a number of a customer: %v %s", err, out)
	}
}
