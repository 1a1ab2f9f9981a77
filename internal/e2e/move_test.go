package e2e

import (
	"context"
	"fmt"
	"math/rand/v2"
	"testing"
	"time"

	"touchpoint/gateway"
	"touchpoint/gateway/app"
	pb "touchpoint/proto/touchpoint/v1"
)

const everyTen = `
name: every-ten
purpose: service
trigger:
  threshold: {count: brew_finished, every: 10, within: 30d}
reentry: concurrent_per_key
key: event.n
steps:
  - id: tell
    send: {channels: [product], expires_after: 2d, texts: {en: {title: Ten more}}}
`

// TestMoveUnderLoad has a device change hands, and partitions, again and again
// while it publishes without a pause.
func TestMoveUnderLoad(t *testing.T) {
	const moves = 40
	g := start(t, func(c *app.Config) { c.Partitions = 8 })
	g.publish(everyTen)
	owners := g.apart(3)
	m := g.power("SN-1")

	brewing, stop := context.WithCancel(g.ctx)
	sent := make(chan int)
	go func() {
		k := 0
		for brewing.Err() == nil {
			k++
			if !m.send(g.ctx, event{ID: fmt.Sprint("brew-", k), Type: "brew_finished",
				TS: time.Now().UTC().Format("2006-01-02T15:04:05.000Z07:00"), Data: map[string]any{"n": k}}) {
				break
			}
		}
		sent <- k
	}()
	for n := range moves {
		if n%4 == 3 {
			must[*pb.UnbindDeviceResponse](t)(g.customers.UnbindDevice(g.ctx, &pb.UnbindDeviceRequest{Device: deviceRef("SN-1")}))
		} else {
			g.bind("SN-1", owners[n%3].external)
		}
		pause(g.ctx, time.Duration(rand.IntN(60))*time.Millisecond)
	}
	stop()
	total := <-sent
	eventually(t, "all events", func() bool { return len(g.listEvents(&pb.EventFilter{})) >= total })

	// Who had it when, and therefore whose each event is. A move needs a moment
	// to reach the partition that holds the device: until then its events are the
	// former owner's still.
	const moment = 500 * time.Millisecond
	at := g.now()
	intervals := must[*pb.ListDevicesResponse](t)(g.customers.ListDevices(g.ctx,
		&pb.ListDevicesRequest{Device: deviceRef("SN-1"), WithFormer: true, PageSize: 1000, AtLeast: at})).Devices
	owner := func(when time.Time) string {
		for _, d := range intervals {
			if !when.Before(d.From.AsTime()) && (d.To == nil || when.Before(d.To.AsTime())) {
				return d.CustomerId
			}
		}
		return ""
	}
	seen, credited, underway := map[string]int{}, map[string]int{}, 0
	for _, e := range g.listEvents(&pb.EventFilter{}) {
		seen[e.Id]++
		credited[e.CustomerId]++
		when := e.OccurredAt.AsTime()
		if e.CustomerId == owner(when) {
			continue
		}
		underway++
		before := func() bool {
			for d := time.Duration(0); d <= moment; d += time.Millisecond {
				if owner(when.Add(-d)) == e.CustomerId {
					return true
				}
			}
			return false
		}
		if !before() {
			t.Errorf("%s at %v is credited to %q, the device was with %q", e.Id, when, e.CustomerId, owner(when))
		}
	}
	for k := 1; k <= total; k++ {
		if n := seen[fmt.Sprint("brew-", k)]; n != 1 {
			t.Errorf("brew-%d is stored %d times", k, n)
		}
	}
	if len(seen) != total {
		t.Errorf("%d events are stored, %d were sent", len(seen), total)
	}
	for _, o := range owners {
		entries := g.entered(o.id, "every-ten", at)
		if want := credited[o.id] / 10; entries != want {
			t.Errorf("%s: %d events led to %d entries, want %d", o.external, credited[o.id], entries, want)
		}
	}
	t.Logf("%d events over %d moves, %d ownerships, %d events while a move was under way; by owner %v",
		total, moves, len(intervals), underway, credited)
}

type owner struct{ external, id string }

// apart makes customers on different partitions.
func (g *inside) apart(n int) (all []owner) {
	taken := map[int]bool{}
	for k := 0; len(all) < n; k++ {
		o := owner{external: fmt.Sprint("K-", k)}
		o.id = g.customer(o.external)
		id := must[gateway.CustomerID](g.t)(gateway.ParseCustomerID(o.id))
		if p := gateway.CustomerSubject(id).Partition(g.cfg.Partitions); !taken[p] {
			taken[p] = true
			all = append(all, o)
		}
	}
	return all
}

// entered counts how often a customer entered a journey.
func (g *inside) entered(customer, journey string, at []*pb.Position) (n int) {
	g.t.Helper()
	req := &pb.ListDecisionsRequest{Customer: &pb.CustomerRef{Id: customer}, Journey: journey, AtLeast: at, PageSize: 1000,
		Kinds: []pb.DecisionKind{pb.DecisionKind_DECISION_KIND_ENTRY}, Reasons: []string{"enrolled"}}
	for {
		resp := must[*pb.ListDecisionsResponse](g.t)(g.customers.ListDecisions(g.ctx, req))
		n += len(resp.Decisions)
		if req.PageToken = resp.NextPageToken; req.PageToken == "" {
			return n
		}
	}
}
