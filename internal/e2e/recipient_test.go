package e2e

import (
	"crypto/rand"
	"encoding/base64"
	"fmt"
	"net/http/httptest"
	"strings"
	"syscall"
	"testing"

	standardwebhooks "github.com/standard-webhooks/standard-webhooks/libraries/go"

	pb "touchpoint/proto/touchpoint/v1"
)

const tellBoth = `
name: service
purpose: service
holdout: 0
trigger: {event: service_due}
reentry: concurrent_per_key
key: event.n
steps:
  - id: dealer
    send: {recipient: dealer, channels: [crm], texts: {en: {title: "Due {{ event.n }}", body: "For {{ customer.given_name }}"}}}
  - id: owner
    send: {channels: [product], texts: {en: {title: "Your service {{ event.n }}"}}}
`

// TestDealer tells the dealer of a machine by webhook while the machine shows its
// owner a message; a kill -9 in the midst loses and doubles nothing.
func TestDealer(t *testing.T) {
	key := make([]byte, 32)
	_, _ = rand.Read(key)
	secret := "whsec_" + base64.StdEncoding.EncodeToString(key)
	r := &receiver{t: t, verify: must[*standardwebhooks.Webhook](t)(standardwebhooks.NewWebhook(secret))}
	endpoint := httptest.NewServer(r)
	defer endpoint.Close()
	g := startOutside(t, fmt.Sprintf("webhooks: [{name: crm, url: '%s', secret: '%s'}]\n", endpoint.URL, secret))
	g.customer("K-1", func(c *pb.Customer) { c.Profile = &pb.Profile{GivenName: "Ada"} })
	dealer := g.customer("D-1", func(c *pb.Customer) { c.Profile = &pb.Profile{GivenName: "Shop"} })
	g.bind("SN-1", "K-1")
	bound := must[*pb.BindDeviceResponse](t)(g.customers.BindDevice(g.ctx, &pb.BindDeviceRequest{
		Customer: customerRef("D-1"), Device: deviceRef("SN-1"), Role: pb.DeviceRole_DEVICE_ROLE_DEALER}))
	g.publish(tellBoth)
	people := must[*pb.ListDevicesResponse](t)(g.customers.ListDevices(g.ctx, &pb.ListDevicesRequest{Device: deviceRef("SN-1"), AtLeast: append(g.now(), bound.Position)}))
	if len(people.Devices) != 2 {
		t.Errorf("people of the device: %v", people.Devices)
	}
	m := powerOn(t, g.mqtt, "SN-1")

	const events = 20
	for n := range events {
		m.send(g.ctx, event{ID: fmt.Sprint("s-", n), Type: "service_due", Data: map[string]any{"n": n}})
		if n == events/2 {
			g.end(syscall.SIGKILL)
			g.start()
		}
	}
	eventually(t, "everything handed over", func() bool {
		shown, _ := m.displays()
		return len(r.byID()) == events && shown == events
	})
	told := g.listMessages(&pb.ListMessagesRequest{Customer: customerRef("D-1"), AtLeast: g.now()})
	if len(told) != events {
		t.Errorf("%d messages to the dealer, want %d", len(told), events)
	}
	for _, m := range told {
		if m.Recipient != "dealer" || m.Device.GetSerial() != "SN-1" || m.CustomerId != dealer {
			t.Errorf("told %v", m)
		}
	}
	for id, data := range r.byID() {
		if data["customer"] != "D-1" || data["recipient"] != "dealer" || data["device"] != "SN-1" || data["body"] != "For Shop" {
			t.Errorf("webhook %s: %v", id, data)
		}
	}
	got := must[*pb.GetCustomerResponse](t)(g.customers.GetCustomer(g.ctx, &pb.GetCustomerRequest{Customer: customerRef("D-1"), AtLeast: g.now()}))
	if len(got.Enrollments) == 0 || got.Enrollments[0].Recipient != "dealer" || got.Enrollments[0].OriginId == "" ||
		len(got.Decisions) == 0 || got.Decisions[0].Recipient != "dealer" {
		t.Errorf("the dealer: %v", got)
	}
	why := must[*pb.ExplainResponse](t)(g.customers.Explain(g.ctx, &pb.ExplainRequest{Customer: customerRef("D-1"), Journey: "service"}))
	if len(why.Lines) == 0 || !strings.Contains(why.Lines[0].Text, "addressed as dealer of the device") {
		t.Errorf("why the dealer was told: %v", why.Lines)
	}
}

// byID returns what was accepted by the id of the message: a repetition is known
// by it.
func (r *receiver) byID() map[string]map[string]any {
	r.mu.Lock()
	defer r.mu.Unlock()
	all := map[string]map[string]any{}
	for _, data := range r.accepted {
		all[fmt.Sprint(data["message_id"])] = data
	}
	return all
}
