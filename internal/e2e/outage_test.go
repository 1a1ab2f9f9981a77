package e2e

import (
	"fmt"
	"slices"
	"sync"
	"testing"
	"time"

	"touchpoint/gateway/app"
	"touchpoint/internal/testservers"
	pb "touchpoint/proto/touchpoint/v1"
)

const missing = `
name: missing
purpose: service
trigger:
  absence: {event: brew_finished, for: 25h}
steps:
  - id: say
    send: {channels: [product], expires_after: 3d, texts: {en: {title: We miss you}}}
`

const patient = `
name: patient
purpose: service
trigger:
  event: descaling_started
steps:
  - id: done
    wait: {until_event: descaling_finished, timeout: 2h, on_timeout: remind}
  - id: thank
    send: {channels: [product], expires_after: 3d, texts: {en: {title: Thanks}}}
    next: end
  - id: remind
    send: {channels: [product], expires_after: 3d, texts: {en: {title: Still descaling}}}
`

// TestBrokerOutage stops the broker for six virtual hours. The devices keep what
// they could not send; nothing may be concluded from their silence before they
// have sent it.
func TestBrokerOutage(t *testing.T) {
	broker := testservers.Mosquitto(t, testservers.MosquittoOptions{})
	day := time.Date(2026, 3, 2, 0, 0, 0, 0, time.UTC)
	at := func(days, hour, minute int) time.Time {
		return day.Add(time.Duration(24*days+hour)*time.Hour + time.Duration(minute)*time.Minute)
	}
	g := start(t, func(c *app.Config) {
		lockstep(at(0, 7, 0))(c)
		c.MQTT.Listen, c.MQTT.Brokers = "", []string{broker.URL}
	})
	g.ready()
	g.publish(missing, patient)
	fleet := map[string]*machine{}
	for _, name := range []string{"daily-1", "daily-2", "silent", "early", "finishes", "abandons"} {
		g.customer("K-" + name)
		g.bind(name, "K-"+name)
		fleet[name] = powerOn(t, broker.Addr, name)
	}
	send := func(name, typ string, when time.Time) {
		e := event{ID: fmt.Sprintf("%s-%s-%d", name, typ, when.Unix()), Type: typ, TS: when.Format(time.RFC3339)}
		if !fleet[name].send(g.ctx, e) {
			t.Errorf("%s of %s was not acknowledged", typ, name)
		}
	}
	g.advance(at(0, 7, 30))
	send("early", "brew_finished", at(0, 7, 30)) // and never again: due long before the outage is over
	g.advance(at(0, 8, 0))
	for _, name := range []string{"daily-1", "daily-2", "silent"} {
		send(name, "brew_finished", at(0, 8, 0))
	}
	g.advance(at(1, 6, 0))
	send("finishes", "descaling_started", at(1, 6, 0))
	send("abandons", "descaling_started", at(1, 6, 0))
	g.advance(at(1, 6, 30))
	g.advance(at(1, 6, 31)) // the last hour that was observed

	broker.Stop()
	g.unready()
	var backlog sync.WaitGroup
	keep := func(name, typ string, when time.Time) { backlog.Go(func() { send(name, typ, when) }) }
	for when := at(1, 7, 0); !when.After(at(1, 12, 30)); when = when.Add(30 * time.Minute) {
		g.advance(when)
		switch when {
		case at(1, 7, 0): // more than max_event_age ago when it gets in
			keep("daily-1", "brew_finished", when)
		case at(1, 7, 30):
			keep("finishes", "descaling_finished", when)
		case at(1, 8, 30):
			keep("daily-2", "brew_finished", when)
		}
		if now := g.observed(); now.After(at(1, 6, 31)) {
			t.Fatalf("the watermark moved to %v while the broker was away", now)
		}
	}
	if sent := g.sent(); len(sent) > 0 {
		t.Fatalf("decided without knowing: %q", sent)
	}

	broker.Start()
	g.ready()
	backlog.Wait()
	g.advance(at(1, 12, 30)) // for what the devices sent now
	g.advance(at(1, 12, 40)) // past the grace
	g.advance(at(1, 12, 41))
	want := []string{"K-abandons patient/remind", "K-early missing/say", "K-finishes patient/thank", "K-silent missing/say"}
	g.awaitSent(len(want))
	if got := g.sent(); !slices.Equal(got, want) {
		t.Errorf("after the outage:\n got %q\nwant %q", got, want)
	}
	// A day later the two others are silent, too, and not a minute earlier.
	g.advance(at(2, 7, 59))
	g.advance(at(2, 8, 0))
	if got := g.sent(); !slices.Equal(got, want) {
		t.Errorf("just before a silence ends:\n got %q\nwant %q", got, want)
	}
	for when := at(2, 8, 1); !when.After(at(2, 10, 0)); when = when.Add(10 * time.Minute) {
		g.advance(when)
	}
	want = append(want, "K-daily-1 missing/say", "K-daily-2 missing/say")
	slices.Sort(want)
	g.awaitSent(len(want))
	if got := g.sent(); !slices.Equal(got, want) {
		t.Errorf("a day later:\n got %q\nwant %q", got, want)
	}
}

// awaitSent waits until so many messages are visible.
func (g *inside) awaitSent(n int) {
	g.t.Helper()
	eventually(g.t, fmt.Sprintf("%d messages", n), func() bool { return len(g.sent()) >= n })
}

// ready waits until the gateway says that all of it works.
func (g *inside) ready() {
	g.t.Helper()
	eventually(g.t, "ready", func() bool { return len(g.app.NotReady()) == 0 })
}

func (g *inside) unready() {
	g.t.Helper()
	eventually(g.t, "a loss that is noticed", func() bool { return len(g.app.NotReady()) > 0 })
}

// observed returns the greatest watermark of the partitions.
func (g *inside) observed() (greatest time.Time) {
	g.t.Helper()
	for _, p := range must[*pb.GetStatusResponse](g.t)(g.status.GetStatus(g.ctx, &pb.GetStatusRequest{})).Partitions {
		if at := p.GetObserved().AsTime(); at.After(greatest) {
			greatest = at
		}
	}
	return greatest
}

// sent returns who was sent what.
func (g *inside) sent() (all []string) {
	g.t.Helper()
	names := map[string]string{}
	for _, msg := range g.listMessages(&pb.ListMessagesRequest{AtLeast: g.now()}) {
		if names[msg.CustomerId] == "" {
			resp := must[*pb.GetCustomerResponse](g.t)(g.customers.GetCustomer(g.ctx,
				&pb.GetCustomerRequest{Customer: &pb.CustomerRef{Id: msg.CustomerId}, WithProfile: true}))
			names[msg.CustomerId] = resp.Customer.ExternalId
		}
		all = append(all, names[msg.CustomerId]+" "+msg.Journey+"/"+msg.Step)
	}
	slices.Sort(all)
	return all
}
