package e2e

import (
	"fmt"
	"net/http"
	"net/http/httptest"
	"net/http/httputil"
	"net/url"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"touchpoint/gateway/app"
	"touchpoint/internal/testservers"
	pb "touchpoint/proto/touchpoint/v1"
)

// TestFillGoesOn stops InfluxDB in the middle of a filling, after its first page.
// When it is back, the version becomes live, and counts what happened before and
// meanwhile once.
func TestFillGoesOn(t *testing.T) {
	const customers, visits = 40, 60 // more than two pages
	influx := testservers.Influx(t)
	// Between gateway and InfluxDB stands a counter of the pages that are read.
	var filling atomic.Bool
	var pages atomic.Int64
	second, stopped := make(chan struct{}), make(chan struct{})
	proxy := httputil.NewSingleHostReverseProxy(must[*url.URL](t)(url.Parse(influx.URL)))
	transport := &http.Transport{} // of its own: a server that another test closes closes connections of the default one
	t.Cleanup(transport.CloseIdleConnections)
	proxy.Transport = transport
	proxy.ErrorHandler = func(w http.ResponseWriter, _ *http.Request, _ error) { w.WriteHeader(http.StatusBadGateway) }
	between := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if filling.Load() && strings.HasPrefix(r.URL.Path, "/api/v2/query") && pages.Add(1) == 2 {
			close(second)
			<-stopped
			panic(http.ErrAbortHandler)
		}
		proxy.ServeHTTP(w, r)
	}))
	t.Cleanup(between.Close)
	g := start(t, func(c *app.Config) {
		c.Partitions = 2
		c.History.Influx = &app.InfluxConfig{URL: between.URL, Org: influx.Org, Bucket: influx.Bucket, Token: influx.Token}
	})
	now := time.Now()
	for n := range customers {
		who := fmt.Sprintf("K-%d", n)
		g.customer(who)
		var all []time.Time
		for k := range visits {
			all = append(all, now.Add(-time.Duration(k+1)*time.Second))
		}
		g.record("shop_visit", who, all...)
	}
	eventually(t, "all visits are in InfluxDB", func() bool { return len(g.listEvents(&pb.EventFilter{})) == customers*visits })
	must[*pb.CreateJourneyResponse](t)(g.journeys.CreateJourney(g.ctx, &pb.CreateJourneyRequest{
		Definition: &pb.JourneyDefinition{Form: &pb.JourneyDefinition_Yaml{Yaml: fmt.Sprintf(manyVisits, visits+2)}}}))
	filling.Store(true)
	published := make(chan *pb.PublishJourneyResponse, 1)
	go func() {
		resp, _ := g.journeys.PublishJourney(g.ctx, &pb.PublishJourneyRequest{Name: "many"})
		published <- resp
	}()
	<-second
	influx.Stop()
	close(stopped)
	if p := <-published; p == nil || !p.Filling {
		t.Fatalf("InfluxDB is away: %v", p)
	}
	for n := range customers { // meanwhile
		g.record("shop_visit", fmt.Sprintf("K-%d", n), now)
	}
	influx.Start()
	eventually(t, "the version is live", func() bool {
		j := must[*pb.GetJourneyResponse](t)(g.journeys.GetJourney(g.ctx, &pb.GetJourneyRequest{Name: "many"}))
		return j.Journey.Version == 1 && !j.Journey.Filling
	})
	if n := g.decisions("many", "enrolled"); n != 0 {
		t.Errorf("%d entered before their %dth visit", n, visits+2)
	}
	for n := range customers {
		g.record("shop_visit", fmt.Sprintf("K-%d", n), time.Now())
	}
	if n := g.decisions("many", "enrolled"); n != customers {
		t.Errorf("%d of %d entered at their %dth visit", n, customers, visits+2)
	}
}

const manyVisits = `
name: many
purpose: service
trigger:
  threshold: {count: shop_visit, within: 30d, at_least: %d}
steps:
  - id: say
    send: {channels: [stream], expires_after: 1d, texts: {en: {title: Thanks}}}
`
