package consoletest

import (
	"context"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/chromedp/chromedp"
	mqtt "github.com/eclipse/paho.mqtt.golang"
	"google.golang.org/grpc"
	"google.golang.org/grpc/credentials/insecure"
	"google.golang.org/grpc/metadata"

	"touchpoint/gateway/app"
	pb "touchpoint/proto/touchpoint/v1"
)

const token = "only-for-this-test-0123456789"

// running is a gateway with every part embedded, on free ports.
type running struct {
	t *testing.T
	app.Addrs
	conn *grpc.ClientConn
	ctx  context.Context
}

func start(t *testing.T, change func(*app.Config)) *running {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), 90*time.Second)
	t.Cleanup(cancel)
	cfg := app.Default()
	cfg.Name, cfg.Data = "coffee", filepath.Join(t.TempDir(), "data")
	cfg.MQTT.Listen, cfg.GRPC.Listen, cfg.HTTP.Listen = "127.0.0.1:0", "127.0.0.1:0", "127.0.0.1:0"
	if change != nil {
		change(&cfg)
	}
	g, err := app.New(ctx, cfg, nil)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		stopping, cancel := context.WithTimeout(context.Background(), 15*time.Second)
		defer cancel()
		if err := g.Close(stopping); err != nil {
			t.Errorf("the gateway did not stop well: %v", err)
		}
	})
	conn, err := grpc.NewClient("passthrough:///"+g.Addrs().GRPC, grpc.WithTransportCredentials(insecure.NewCredentials()))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { conn.Close() })
	return &running{t, g.Addrs(), conn, metadata.AppendToOutgoingContext(ctx, "authorization", "Bearer "+token)}
}

func must[T any](t *testing.T) func(T, error) T {
	return func(v T, err error) T {
		t.Helper()
		if err != nil {
			t.Fatal(err)
		}
		return v
	}
}

// publish puts the example journeys in force.
func (r *running) publish(names ...string) {
	r.t.Helper()
	journeys := pb.NewJourneyServiceClient(r.conn)
	for _, name := range names {
		text := must[[]byte](r.t)(os.ReadFile(filepath.Join("..", "..", "deploy", "journeys", name+".yaml")))
		form := &pb.JourneyDefinition{Form: &pb.JourneyDefinition_Yaml{Yaml: string(text)}}
		must[*pb.CreateJourneyResponse](r.t)(journeys.CreateJourney(r.ctx, &pb.CreateJourneyRequest{Definition: form}))
		must[*pb.PublishJourneyResponse](r.t)(journeys.PublishJourney(r.ctx, &pb.PublishJourneyRequest{Name: name}))
	}
}

// bind gives machine n to a customer of its own.
func (r *running) bind(n int) {
	r.t.Helper()
	customers, who := pb.NewCustomerServiceClient(r.conn), fmt.Sprintf("K-%05d", n)
	must[*pb.UpsertCustomerResponse](r.t)(customers.UpsertCustomer(r.ctx,
		&pb.UpsertCustomerRequest{Customer: &pb.Customer{ExternalId: who, Locale: "en"}}))
	must[*pb.BindDeviceResponse](r.t)(customers.BindDevice(r.ctx, &pb.BindDeviceRequest{
		Customer: &pb.CustomerRef{ExternalId: who}, Device: &pb.DeviceRef{Product: "coffee-1", Serial: serial(n)}}))
}

func serial(n int) string { return fmt.Sprintf("SN-%05d", n) }

// machines is one connection that speaks for several machines. It answers that
// each message was displayed.
type machines struct {
	t      *testing.T
	ctx    context.Context
	client mqtt.Client
}

func (r *running) machines() *machines {
	r.t.Helper()
	o := mqtt.NewClientOptions().AddBroker("tcp://" + r.MQTT).SetClientID("machines").SetOrderMatters(false)
	m := &machines{r.t, r.ctx, mqtt.NewClient(o)}
	m.wait(m.client.Connect())
	r.t.Cleanup(func() { m.client.Disconnect(100) })
	m.wait(m.client.Subscribe("touchpoint/v1/+/+/messages", 1, func(c mqtt.Client, msg mqtt.Message) {
		_, rest, _ := strings.Cut(string(msg.Payload()), `"id":"`)
		id, _, _ := strings.Cut(rest, `"`)
		c.Publish(msg.Topic()+"/"+id+"/receipts", 1, false, `{"state":"displayed"}`)
	}))
	return m
}

func (m *machines) wait(tok mqtt.Token) {
	m.t.Helper()
	select {
	case <-tok.Done():
	case <-m.ctx.Done():
		m.t.Fatal("the broker did not answer in time")
	}
	if tok.Error() != nil {
		m.t.Fatal(tok.Error())
	}
}

func (m *machines) hello(n int) {
	m.wait(m.client.Publish("touchpoint/v1/coffee-1/"+serial(n)+"/messages/hello", 1, false, `{}`))
}

func (m *machines) send(n int, payload string) {
	m.wait(m.client.Publish("touchpoint/v1/coffee-1/"+serial(n)+"/events", 1, false, payload))
}

// see waits until the page satisfies a JavaScript condition, also over
// navigations.
func see(what, condition string) chromedp.Action[chromedp.Void] {
	return chromedp.Func(func(ctx context.Context, t *chromedp.Target) error {
		ctx, cancel := context.WithTimeout(ctx, 20*time.Second)
		defer cancel()
		for {
			ok, err := chromedp.Evaluate[bool](condition)(ctx, t)
			if ok && err == nil {
				return nil
			}
			select {
			case <-ctx.Done():
				return fmt.Errorf("%s: did not come: %w, last error %v", what, ctx.Err(), err)
			case <-time.After(50 * time.Millisecond):
			}
		}
	})
}

func panelHas(panel, text string) string {
	return fmt.Sprintf(`document.querySelector('[data-panel=%q]').textContent.includes(%q)`, panel, text)
}

func TestAMessageAppearsWhileOneLooks(t *testing.T) {
	r := start(t, nil)
	r.publish("welcome", "descaling", "we-miss-you")
	for n := range 12 {
		r.bind(n)
	}
	// One customer wants no messages.
	must[*pb.SetConsentResponse](t)(pb.NewCustomerServiceClient(r.conn).SetConsent(r.ctx,
		&pb.SetConsentRequest{Customer: &pb.CustomerRef{ExternalId: "K-00007"}, Purpose: "service", Source: "letter"}))
	devices := r.machines()
	b := open(t, r.ctx)
	b.run(
		chromedp.EmulateViewport(1440, 1000),
		chromedp.Navigate("http://"+r.HTTP+"/"),
		see("the stream opens", `document.getElementById('link').textContent === 'live'`),
		see("the journey is shown", panelHas("journeys", "welcome")),
		see("no message yet", panelHas("live", "No message yet")),
	)
	first := evaluate[float64](b, `performance.timeOrigin`)
	for n := range 12 {
		devices.hello(n)
		devices.send(n, `{"type":"brew_finished","data":{"water_ml":40}}`)
	}
	devices.send(3, `{"type":"brew_finished","data":{"water_ml":40}}`)
	devices.send(4, `{"type":"descaling_finished"}`)
	devices.send(5, `{"no type":1}`)
	b.run(
		see("the event", panelHas("live", "brew finished")),
		see("the message", panelHas("live", "displayed")),
		see("the number", `[...document.querySelectorAll('.tile')].some(t => t.textContent.includes('Displayed') && t.querySelector('b').textContent === '11')`),
		see("the funnel", panelHas("journeys", "displayed 11")),
		see("the dead letter", `!`+panelHas("letters", "none waiting")),
		see("the reason", panelHas("reasons", "objected to such messages")),
		see("the lanes are full", `document.querySelectorAll('.lane li').length > 20`),
	)
	if first != evaluate[float64](b, `performance.timeOrigin`) {
		t.Error("the page was loaded again")
	}
	b.pause()
	b.shoot("light", 1440, "light", 1)
	b.shoot("dark", 1440, "dark", 1)
	b.shoot("phone", 390, "light", 2)
	b.shoot("tablet", 820, "dark", 1)
	b.noErrors()
}

func TestTheLoginLetsIn(t *testing.T) {
	r := start(t, func(c *app.Config) {
		c.Partitions = 2
		c.Auth.Tokens = []app.TokenConfig{
			{Name: "marketing", Token: token, Roles: []string{"reader"}},
			{Name: "machines", Token: "a-token-that-may-not-read", Roles: []string{"device-service"}},
		}
	})
	b := open(t, r.ctx)
	b.run(
		chromedp.EmulateViewport(900, 700),
		chromedp.Navigate("http://"+r.HTTP+"/"),
		see("the form", `location.pathname === '/login'`),
		chromedp.SendKeys(chromedp.CSS("#token"), "a-token-that-may-not-read\n"),
		see("the refusal", `document.querySelector('#wrong') !== null`),
	)
	b.ignore("401") // the refusal itself
	b.shoot("login", 900, "light", 1)
	b.run(
		chromedp.SendKeys(chromedp.CSS("#token"), token+"\n"),
		see("the page", `location.pathname === '/' && document.getElementById('link')?.textContent === 'live'`),
		see("its name", `document.querySelector('h1').textContent === 'coffee'`),
		chromedp.Click(chromedp.CSS("form[action='/logout'] button")),
		see("the form again", `location.pathname === '/login'`),
	)
	b.noErrors()
}

func TestThePageNeedsNoScript(t *testing.T) {
	r := start(t, func(c *app.Config) { c.Partitions = 2 })
	r.publish("welcome")
	r.bind(1)
	b := open(t, r.ctx)
	b.run(
		command("Emulation.setScriptExecutionDisabled", map[string]bool{"value": true}),
		chromedp.Navigate("http://"+r.HTTP+"/"),
	)
	text := b.text()
	for _, want := range []string{"welcome", "Greets a customer", "No message yet", "none waiting", "nothing waits", "embedded"} {
		if !strings.Contains(text, want) {
			t.Errorf("the page lacks %q:\n%s", want, text)
		}
	}
	b.noErrors()
}
