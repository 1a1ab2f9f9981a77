package e2e

import (
	"context"
	"encoding/csv"
	"fmt"
	"io"
	"net/http"
	"slices"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"

	"touchpoint/gateway/app"
	"touchpoint/internal/testservers"
)

// TestInfluxOutage stops InfluxDB under load. Devices do not notice, and nothing
// is missing or doubled in InfluxDB itself afterwards.
func TestInfluxOutage(t *testing.T) {
	influx := testservers.Influx(t)
	g := start(t, func(c *app.Config) {
		c.History.Influx = &app.InfluxConfig{URL: influx.URL, Org: influx.Org, Bucket: influx.Bucket, Token: influx.Token}
	})
	var fleet []*machine
	for n := range 10 {
		fleet = append(fleet, g.power(fmt.Sprintf("SN-%d", n)))
	}
	total := 0
	// load has every machine send events at a steady pace and returns how long
	// their acknowledgements took.
	load := func(events int) []time.Duration {
		var mu sync.Mutex
		var took []time.Duration
		var senders sync.WaitGroup
		for _, m := range fleet {
			senders.Go(func() {
				for k := range events {
					begun := time.Now()
					if !m.brew(g.ctx, total+k, "") {
						t.Errorf("%s: an event was not acknowledged", m.serial)
						return
					}
					mu.Lock()
					took = append(took, time.Since(begun))
					mu.Unlock()
					pause(g.ctx, 5*time.Millisecond)
				}
			})
		}
		senders.Wait()
		total += events
		slices.Sort(took)
		return took
	}
	figures := func(what string, took []time.Duration) (p50, p99 time.Duration) {
		p50, p99 = took[len(took)/2], took[len(took)*99/100]
		t.Logf("%-8s PUBACK p50 %v, p99 %v of %d events", what, p50, p99, len(took))
		return p50, p99
	}
	load(20) // warm
	p50, p99 := figures("before", load(150))
	influx.Stop()
	p50away, p99away := figures("without", load(150))
	influx.Start()
	figures("after", load(20))
	// Generous, since machines are busy; a wait for InfluxDB would be seconds.
	if p50away > 3*p50+100*time.Millisecond || p99away > 5*p99+time.Second {
		t.Error("acknowledgements are slower while InfluxDB is away")
	}
	want := total * len(fleet)
	ids := `from(bucket: "history") |> range(start: 0) |> filter(fn: (r) => r._measurement == "event" and r._field == "id") |> keep(columns: ["_value"])`
	eventually(t, fmt.Sprintf("%d points in InfluxDB", want), func() bool { return g.flux(influx, ids+" |> count()") >= want })
	points, distinct := g.flux(influx, ids+" |> count()"), g.flux(influx, ids+" |> unique() |> count()")
	if points != want || distinct != want {
		t.Errorf("InfluxDB has %d points of %d events, %d were acknowledged", points, distinct, want)
	}
}

// flux runs a query at InfluxDB itself and returns its one number.
func (g *inside) flux(s *testservers.InfluxServer, query string) int {
	g.t.Helper()
	rows := must[[][]string](g.t)(csv.NewReader(strings.NewReader(fluxText(g.ctx, g.t, s, query))).ReadAll())
	if len(rows) < 2 {
		return 0
	}
	value := slices.Index(rows[0], "_value")
	return must[int](g.t)(strconv.Atoi(rows[1][value]))
}

// fluxText returns the raw answer to a query.
func fluxText(ctx context.Context, t *testing.T, s *testservers.InfluxServer, query string) string {
	t.Helper()
	req := must[*http.Request](t)(http.NewRequestWithContext(ctx, http.MethodPost, s.URL+"/api/v2/query?org="+s.Org, strings.NewReader(query)))
	req.Header.Set("Authorization", "Token "+s.Token)
	req.Header.Set("Content-Type", "application/vnd.flux")
	resp := must[*http.Response](t)(http.DefaultClient.Do(req))
	defer resp.Body.Close()
	text := must[[]byte](t)(io.ReadAll(resp.Body))
	if resp.StatusCode != http.StatusOK {
		t.Fatalf("%s: %s", resp.Status, text)
	}
	return strings.TrimSpace(string(text))
}
