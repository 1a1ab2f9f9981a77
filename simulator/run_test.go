package simulator

import (
	"context"
	"errors"
	"fmt"
	"path/filepath"
	"sync"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"google.golang.org/grpc"

	"touchpoint/gateway"
	"touchpoint/internal/testservers"
	"touchpoint/simulator/fleet"
	"touchpoint/simulator/ledger"
)

func small(connections int) fleet.Config {
	c := fleet.Default()
	c.Customers, c.JoinOver, c.Connections = 40, 24*time.Hour, connections
	c.Duplicates, c.Offline.Share = 0.1, 0.3
	return c
}

// live runs a fleet for some days against a stand-in and returns its ledger.
func live(t *testing.T, g *standIn, broker string, config fleet.Config, days int) *ledger.Book {
	t.Helper()
	path := filepath.Join(t.TempDir(), "ledger")
	book, err := ledger.Create(path)
	if err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithTimeout(context.Background(), 60*time.Second)
	defer cancel()
	run, err := New(ctx, Options{Fleet: config, API: g.conn, MQTT: ConnOptions{Broker: broker}, Ledger: book, Days: days, Journeys: [][]byte{nil}})
	if err != nil {
		t.Fatal(err)
	}
	if err := run.Run(ctx); err != nil {
		t.Fatal(err)
	}
	if err := book.Close(); err != nil {
		t.Fatal(err)
	}
	out, err := ledger.Read(path)
	if err != nil {
		t.Fatal(err)
	}
	return out
}

// check compares a ledger with what the stand-in took.
func check(t *testing.T, g *standIn, book *ledger.Book) {
	t.Helper()
	g.mu.Lock()
	defer g.mu.Unlock()
	if g.early > 0 {
		t.Errorf("%d events came before their machine was bound", g.early)
	}
	sent := make(map[string]bool)
	repeated := 0
	for _, e := range book.Events {
		sent[e.ID] = true
		repeated += e.Copies - 1
		if g.events[e.ID] < e.Copies || e.AckedAt == 0 {
			t.Fatalf("event %s: published %d times, taken %d times, acknowledged at %d", e.ID, e.Copies, g.events[e.ID], e.AckedAt)
		}
	}
	for id := range g.events {
		if !sent[id] {
			t.Errorf("%s was taken, but not sent", id)
		}
	}
	shown := make(map[string]int)
	for _, d := range book.Displays {
		if shown[d.Message]++; shown[d.Message] > 1 {
			t.Errorf("%s was displayed twice", d.Message)
		}
	}
	if len(book.Events) < 200 || repeated == 0 || len(shown) < len(g.greeted)/2 {
		t.Errorf("%d events, %d repeated, %d displays of %d: too few to show anything", len(book.Events), repeated, len(shown), len(g.greeted))
	}
	if len(book.Stale) < len(g.greeted) {
		t.Errorf("%d messages were dropped as stale, want one of each of %d machines", len(book.Stale), len(g.greeted))
	}
	for _, rc := range book.Receipts {
		if !rc.Acked {
			t.Errorf("the receipt %s of %s was not acknowledged", rc.State, rc.Message)
		}
	}
	if g.receipts["displayed"] < len(shown) || g.receipts["expired"] == 0 {
		t.Errorf("receipts %v for %d displays", g.receipts, len(shown))
	}
}

func TestRunOverMosquitto(t *testing.T) {
	for _, connections := range []int{3, 0} {
		t.Run(fmt.Sprintf("connections %d", connections), func(t *testing.T) {
			broker := testservers.Mosquitto(t, testservers.MosquittoOptions{MaxInflight: 200, Extra: []string{"set_tcp_nodelay true"}})
			g := newStandIn(t, broker.URL)
			check(t, g, live(t, g, broker.URL, small(connections), 4))
		})
	}
}

// A broker that dies under the fleet loses nothing that was acknowledged, and
// what was not is sent again.
func TestBrokerRestarts(t *testing.T) {
	broker := testservers.Mosquitto(t, testservers.MosquittoOptions{MaxInflight: 200, Extra: []string{"set_tcp_nodelay true", "autosave_interval 1", "autosave_on_changes true"}})
	g := newStandIn(t, broker.URL)
	var once sync.Once
	g.onTime = func(now gateway.Instant) {
		if now > noon.Add(36*time.Hour) {
			once.Do(func() {
				broker.Stop()
				broker.Start()
			})
		}
	}
	check(t, g, live(t, g, broker.URL, small(3), 3))
}

// The same seed gives the same events, whatever the connections.
func TestSameSeedSameEvents(t *testing.T) {
	broker := testservers.Mosquitto(t, testservers.MosquittoOptions{Extra: []string{"set_tcp_nodelay true"}})
	events := func(connections int) map[string]gateway.Instant {
		g := newStandIn(t, broker.URL)
		defer g.mqtt.Disconnect(100)
		out := make(map[string]gateway.Instant)
		for _, e := range live(t, g, broker.URL, small(connections), 2).Events {
			out[e.ID+" "+e.Type] = e.At
		}
		return out
	}
	if diff := cmp.Diff(events(2), events(5)); diff != "" {
		t.Error(diff)
	}
}

func TestOptions(t *testing.T) {
	for name, c := range map[string]struct {
		change func(*Options)
		want   string
	}{
		"no API":       {func(o *Options) { o.API = nil }, "api"},
		"broker":       {func(o *Options) { o.MQTT.Broker = "127.0.0.1:1883" }, "broker"},
		"scheme":       {func(o *Options) { o.MQTT.Broker = "http://127.0.0.1" }, "broker"},
		"step":         {func(o *Options) { o.Step = 7 * time.Hour }, "step"},
		"days":         {func(o *Options) { o.Days = -1 }, "days"},
		"rate":         {func(o *Options) { o.Rate = -1 }, "rate"},
		"no customers": {func(o *Options) { o.Fleet.Customers = 0 }, "fleet.customers"},
	} {
		t.Run(name, func(t *testing.T) {
			o := Options{Fleet: small(1), API: &grpc.ClientConn{}, MQTT: ConnOptions{Broker: "tcp://127.0.0.1:1883"}}
			c.change(&o)
			var e *gateway.Error
			if err := o.Validate(); !errors.As(err, &e) || len(e.Violations) == 0 || e.Violations[0].Field != c.want {
				t.Errorf("got %v, want a violation of %s", err, c.want)
			}
		})
	}
}
