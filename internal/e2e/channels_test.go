package e2e

import (
	"context"
	"crypto/rand"
	"encoding/base64"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"slices"
	"sync"
	"testing"
	"time"

	standardwebhooks "github.com/standard-webhooks/standard-webhooks/libraries/go"
	"google.golang.org/protobuf/types/known/durationpb"

	"touchpoint/gateway/app"
	pb "touchpoint/proto/touchpoint/v1"
)

// said is a journey that says something on a channel at every event of a type.
func said(name, purpose, event, channel string) string {
	return fmt.Sprintf(`
name: %s
purpose: %s
holdout: 0
trigger:
  event: %s
reentry: concurrent_per_key
key: event.n
steps:
  - id: say
    send: {channels: [%s], expires_after: 1d, texts: {en: {title: "About {{ event.n }}", body: "A text for {{ customer.given_name }}"}}}
`, name, purpose, event, channel)
}

// receiver is a webhook endpoint that checks what it gets.
type receiver struct {
	t      *testing.T
	verify *standardwebhooks.Webhook

	mu       sync.Mutex
	refuse   bool
	accepted []map[string]any
	refused  int
}

// ServeHTTP implements http.Handler.
func (r *receiver) ServeHTTP(w http.ResponseWriter, req *http.Request) {
	body, err := io.ReadAll(req.Body)
	if err == nil {
		err = r.verify.Verify(body, req.Header)
	}
	var e struct {
		SpecVersion, ID, Type string
		Data                  map[string]any
	}
	if err != nil || json.Unmarshal(body, &e) != nil || e.SpecVersion != "1.0" || e.ID != req.Header.Get("webhook-id") {
		r.t.Errorf("webhook: %v; %s", err, body)
	}
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.refuse {
		r.refused++
		w.WriteHeader(http.StatusServiceUnavailable)
		return
	}
	r.accepted = append(r.accepted, e.Data)
}

func (r *receiver) set(refuse bool) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.refuse = refuse
}

func (r *receiver) counts() (accepted, refused int) {
	r.mu.Lock()
	defer r.mu.Unlock()
	return len(r.accepted), r.refused
}

// TestWebhook hands a signed message over, again until it is taken, and not any
// more once the consent is revoked.
func TestWebhook(t *testing.T) {
	key := make([]byte, 32)
	_, _ = rand.Read(key)
	secret := "whsec_" + base64.StdEncoding.EncodeToString(key)
	r := &receiver{t: t, verify: must[*standardwebhooks.Webhook](t)(standardwebhooks.NewWebhook(secret))}
	endpoint := httptest.NewServer(r)
	defer endpoint.Close()
	g := start(t, func(c *app.Config) {
		c.Webhooks = []app.WebhookConfig{{Name: "crm", URL: endpoint.URL, Secret: secret}}
	})
	g.customer("K-1", consented("marketing"), func(c *pb.Customer) { c.Profile = &pb.Profile{GivenName: "Ada"} })
	g.bind("SN-1", "K-1")
	g.publish(said("served", "service", "brew_finished", "crm"), said("offered", "marketing", "capsules_low", "crm"))
	m := g.power("SN-1")

	r.set(true)
	m.send(g.ctx, event{ID: "b-1", Type: "brew_finished", Data: map[string]any{"n": 1}})
	eventually(t, "an attempt", func() bool { _, refused := r.counts(); return refused > 0 })
	r.set(false)
	eventually(t, "the message", func() bool { accepted, _ := r.counts(); return accepted == 1 })
	got := r.accepted[0]
	for field, want := range map[string]string{"journey": "served", "customer": "K-1", "device": "SN-1", "product": product,
		"title": "About 1", "body": "A text for Ada", "cause": "b-1"} {
		if got[field] != want {
			t.Errorf("webhook: %s is %v, want %q", field, got[field], want)
		}
	}
	eventually(t, "a message known as handed over", func() bool {
		all := g.listMessages(&pb.ListMessagesRequest{Journey: "served"})
		return len(all) == 1 && all[0].State == pb.MessageState_MESSAGE_STATE_HANDED_OVER
	})

	r.set(true)
	_, before := r.counts()
	m.send(g.ctx, event{ID: "c-1", Type: "capsules_low", Data: map[string]any{"n": 1}})
	eventually(t, "an attempt", func() bool { _, refused := r.counts(); return refused > before })
	begun := time.Now()
	g.revoke("K-1", "marketing")
	took := time.Since(begun)
	r.set(false)
	t.Logf("the revocation was in force after %v", took)
	if took > time.Second {
		t.Error("that is too long")
	}
	m.send(g.ctx, event{ID: "c-2", Type: "capsules_low", Data: map[string]any{"n": 2}})
	eventually(t, "a message that is withdrawn", func() bool {
		all := g.listMessages(&pb.ListMessagesRequest{Journey: "offered"})
		return len(all) == 1 && slices.Contains([]pb.MessageState{pb.MessageState_MESSAGE_STATE_WITHDRAWN, pb.MessageState_MESSAGE_STATE_FAILED}, all[0].State)
	})
	// A later message of another purpose passes: what was to come had its time.
	m.send(g.ctx, event{ID: "b-2", Type: "brew_finished", Data: map[string]any{"n": 2}})
	eventually(t, "the next message", func() bool { accepted, _ := r.counts(); return accepted >= 2 })
	for _, data := range r.accepted {
		if data["journey"] == "offered" && data["title"] != nil {
			t.Errorf("handed over without consent: %v", data)
		}
	}
}

func (a *api) revoke(external, purpose string) {
	a.t.Helper()
	must[*pb.SetConsentResponse](a.t)(a.customers.SetConsent(a.ctx,
		&pb.SetConsentRequest{Customer: customerRef(external), Purpose: purpose, Granted: false, Source: "test"}))
}

// TestStream reads the stream channel as a named consumer, over lost streams and
// a restart of the gateway.
func TestStream(t *testing.T) {
	g := start(t, nil)
	g.customer("K-1", consented("marketing"), func(c *pb.Customer) { c.Profile = &pb.Profile{GivenName: "Ada"} })
	g.bind("SN-1", "K-1")
	g.publish(said("served", "service", "brew_finished", "stream"), said("offered", "marketing", "capsules_low", "stream"))
	m := g.power("SN-1")
	say := func(typ string, n int) {
		m.send(g.ctx, event{ID: fmt.Sprint(typ, n), Type: typ, Data: map[string]any{"n": n}})
	}

	one := g.subscribe()
	say("brew_finished", 1)
	d := one.next("About 1", 1)
	if d.Body != "A text for Ada" || d.CustomerExternalId != "K-1" || d.Message.GetDevice().GetSerial() != "SN-1" {
		t.Errorf("delivered %v", d)
	}
	one.ack(d)
	say("brew_finished", 2)
	one.next("About 2", 1) // not acknowledged
	one.close()
	two := g.subscribe()
	two.next("About 2", 2) // nor now
	two.close()
	g.stop()
	g.start()
	three := g.subscribe()
	three.ack(three.next("About 2", 3))
	three.close()

	// Decided with consent, not read yet, revoked: it never comes.
	say("capsules_low", 3)
	eventually(t, "a message in the stream", func() bool {
		all := g.listMessages(&pb.ListMessagesRequest{Journey: "offered"})
		return len(all) == 1 && all[0].State == pb.MessageState_MESSAGE_STATE_HANDED_OVER
	})
	g.revoke("K-1", "marketing")
	say("brew_finished", 4)
	four := g.subscribe()
	four.ack(four.next("About 4", 1))
	four.close()
}

// subscription is an open stream of the consumer "service".
type subscription struct {
	t      *testing.T
	stream pb.MessageService_SubscribeMessagesClient
	cancel context.CancelFunc
}

func (g *inside) subscribe() *subscription {
	g.t.Helper()
	ctx, cancel := context.WithCancel(g.ctx)
	s := &subscription{t: g.t, cancel: cancel, stream: must[pb.MessageService_SubscribeMessagesClient](g.t)(g.messages.SubscribeMessages(ctx))}
	s.send(&pb.SubscribeMessagesRequest{Action: &pb.SubscribeMessagesRequest_Open{
		Open: &pb.SubscribeOpen{Consumer: "service", AckWait: durationpb.New(time.Second)}}})
	return s
}

func (s *subscription) send(r *pb.SubscribeMessagesRequest) {
	s.t.Helper()
	if err := s.stream.Send(r); err != nil {
		s.t.Fatal(err)
	}
}

// next reads the next delivery that is no withdrawal and checks it.
func (s *subscription) next(title string, attempt int32) *pb.SubscribeMessagesResponse {
	s.t.Helper()
	for {
		d := must[*pb.SubscribeMessagesResponse](s.t)(s.stream.Recv())
		if d.Withdraw {
			s.ack(d)
			continue
		}
		if d.Title != title || d.Attempt < attempt {
			s.t.Fatalf("delivered %q at attempt %d, want %q at %d", d.Title, d.Attempt, title, attempt)
		}
		return d
	}
}

func (s *subscription) ack(d *pb.SubscribeMessagesResponse) {
	s.t.Helper()
	s.send(&pb.SubscribeMessagesRequest{Action: &pb.SubscribeMessagesRequest_Ack{Ack: &pb.SubscribeAck{DeliveryId: d.DeliveryId}}})
}

// close ends the stream in order, so that acknowledgements arrive.
func (s *subscription) close() {
	_ = s.stream.CloseSend()
	for {
		if _, err := s.stream.Recv(); err != nil {
			break
		}
	}
	s.cancel()
}
