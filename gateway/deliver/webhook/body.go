package webhook

import (
	"context"
	"encoding/json"

	"touchpoint/gateway"
	"touchpoint/gateway/deliver"
)

// Types of the CloudEvents.
const (
	TypeMessage   = "touchpoint.message.v1"
	TypeWithdrawn = "touchpoint.message.withdrawn.v1"
)

// event is a CloudEvent 1.0 in structured mode.
type event struct {
	SpecVersion     string `json:"specversion"`
	ID              string `json:"id"`
	Source          string `json:"source"`
	Type            string `json:"type"`
	Subject         string `json:"subject,omitempty"`
	Time            string `json:"time,omitempty"`
	DataContentType string `json:"datacontenttype"`
	Data            data   `json:"data"`
}

// data is what the receiver acts upon.
type data struct {
	MessageID  string         `json:"message_id"`
	Journey    string         `json:"journey,omitempty"`
	Version    uint32         `json:"version,omitempty"`
	Step       string         `json:"step,omitempty"`
	Purpose    string         `json:"purpose,omitempty"`
	CustomerID string         `json:"customer_id,omitempty"`
	Customer   string         `json:"customer,omitempty"`
	Recipient  string         `json:"recipient,omitempty"` // the role in which he is addressed about another's run
	DeviceID   string         `json:"device_id,omitempty"`
	Product    string         `json:"product,omitempty"`
	Device     string         `json:"device,omitempty"`
	Title      string         `json:"title,omitempty"`
	Body       string         `json:"body,omitempty"`
	Actions    []action       `json:"actions,omitempty"`
	Locale     string         `json:"locale,omitempty"`
	Values     map[string]any `json:"values,omitempty"`
	Cause      string         `json:"cause,omitempty"`
	DecidedAt  string         `json:"decided_at,omitempty"`
	NotAfter   string         `json:"not_after,omitempty"`
	ExpiresAt  string         `json:"expires_at,omitempty"`
	Attempt    int            `json:"attempt,omitempty"`
}

type action struct {
	ID    string `json:"id"`
	Label string `json:"label"`
	URL   string `json:"url,omitempty"`
}

func (c *Channel) message(ctx context.Context, out *deliver.Outgoing) ([]byte, error) {
	m := out.Message
	d := data{
		MessageID: m.ID.String(), Journey: m.Journey, Version: m.Version, Step: m.Step, Purpose: string(m.Purpose),
		CustomerID: m.Customer.String(), Recipient: m.Recipient, DeviceID: m.Device.String(), Product: m.Product,
		Title: out.Content.Title, Body: out.Content.Body, Locale: out.Content.Locale, Cause: m.Cause,
		DecidedAt: stamp(m.DecidedAt), NotAfter: stamp(m.NotAfter), ExpiresAt: stamp(m.ExpiresAt), Attempt: out.Attempt,
	}
	for _, a := range out.Content.Actions {
		d.Actions = append(d.Actions, action(a))
	}
	for _, p := range m.Values {
		if p.Value.Kind() == gateway.KindSealed || p.Value.Kind() == gateway.KindNull {
			continue
		}
		if d.Values == nil {
			d.Values = map[string]any{}
		}
		d.Values[p.Key] = p.Value.Any()
	}
	if err := c.names(ctx, m, &d); err != nil {
		return nil, err
	}
	return c.event(m.ID.String(), TypeMessage, stamp(m.DecidedAt), d)
}

func (c *Channel) withdrawal(m *gateway.Message) ([]byte, error) {
	return c.event(withdrawalID(m), TypeWithdrawn, "", data{MessageID: m.ID.String(), Journey: m.Journey, CustomerID: m.Customer.String()})
}

func withdrawalID(m *gateway.Message) string { return m.ID.String() + ".withdrawn" }

func (c *Channel) event(id, typ, at string, d data) ([]byte, error) {
	return json.Marshal(event{SpecVersion: "1.0", ID: id, Source: c.opts.Source, Type: typ, Subject: d.CustomerID,
		Time: at, DataContentType: "application/json", Data: d})
}

// names adds the names that the receiver knows. A customer or device without
// one is erased or unknown: the internal id has to do.
func (c *Channel) names(ctx context.Context, m *gateway.Message, d *data) error {
	if c.opts.Names == nil {
		return nil
	}
	if m.Customer != 0 {
		name, err := c.opts.Names.CustomerName(ctx, m.Customer)
		if err != nil && gateway.KindOf(err) != gateway.NotFound {
			return err
		}
		d.Customer = name.Reveal()
	}
	if m.Device != 0 {
		product, serial, err := c.opts.Names.DeviceName(ctx, m.Device)
		if err != nil && gateway.KindOf(err) != gateway.NotFound {
			return err
		}
		if err == nil {
			d.Product, d.Device = product, serial
		}
	}
	return nil
}

func stamp(i gateway.Instant) string {
	if i.IsZero() {
		return ""
	}
	return i.String()
}
