package device

import (
	"context"
	"errors"
	"log/slog"
	"time"

	"touchpoint/devices"
	"touchpoint/gateway"
	"touchpoint/gateway/clock"
	"touchpoint/gateway/deliver"
)

// Publisher sends to a topic; it returns when the broker has acknowledged. It
// may return deliver.ErrAbsent when it knows that nobody is there to receive.
type Publisher interface {
	Publish(ctx context.Context, topic string, payload []byte, qos byte) error
}

// Names finds the external name of a device.
type Names interface {
	DeviceName(ctx context.Context, d gateway.DeviceID) (product, serial string, err error)
}

// Options of a Channel.
type Options struct {
	Publisher Publisher
	Names     Names
	Clock     *clock.Clock
	Logger    *slog.Logger
	// Connected, if set, says whether a device holds a connection that receives
	// on its topic right now; only an embedded broker can know.
	Connected func(topic string) bool
	// TTL is how long a sign of life makes a device present; 10 min by default.
	TTL time.Duration
}

// Validate fills defaults and names the first wrong key.
func (o *Options) Validate() error {
	switch {
	case o.Publisher == nil:
		return gateway.InvalidField("device.publisher", "is required")
	case o.Names == nil:
		return gateway.InvalidField("device.names", "is required")
	case o.Clock == nil:
		return gateway.InvalidField("device.clock", "is required")
	case o.TTL < 0:
		return gateway.InvalidField("device.ttl", "%v is negative", o.TTL)
	case o.TTL == 0:
		o.TTL = 10 * time.Minute
	}
	if o.Logger == nil {
		o.Logger = slog.New(slog.DiscardHandler)
	}
	return nil
}

// Channel is a deliver.PresenceChannel over MQTT.
type Channel struct {
	opts     Options
	presence *presence
	to       deliver.Presence
}

// New makes the channel.
func New(o Options) (*Channel, error) {
	if err := o.Validate(); err != nil {
		return nil, err
	}
	return &Channel{opts: o, presence: newPresence(o.TTL), to: nobody{}}, nil
}

// nobody is reported to until delivery is attached.
type nobody struct{}

// Present implements deliver.Presence.
func (nobody) Present(gateway.DeviceID) {}

// Hello implements deliver.Presence.
func (nobody) Hello(gateway.DeviceID, []gateway.MessageID) {}

// Attach implements deliver.PresenceChannel; call it before devices report.
func (c *Channel) Attach(p deliver.Presence) { c.to = p }

// Uplink notes that a device sent something.
func (c *Channel) Uplink(d gateway.DeviceID) {
	if c.presence.seen(d, c.opts.Clock.Now()) {
		c.to.Present(d)
	}
}

// Hello notes that a device started anew and which messages it remembers to
// have shown. Everything that it has not shown is handed over again.
func (c *Channel) Hello(d gateway.DeviceID, shown []gateway.MessageID) {
	c.presence.seen(d, c.opts.Clock.Now())
	c.to.Hello(d, shown)
}

// Present says whether a device was heard of lately.
func (c *Channel) Present(d gateway.DeviceID) bool { return c.presence.has(d, c.opts.Clock.Now()) }

// HandOver implements deliver.Channel.
func (c *Channel) HandOver(ctx context.Context, out *deliver.Outgoing) error {
	m := out.Message
	if m.Device == 0 {
		return gateway.Errorf(gateway.Invalid, "the message belongs to no device")
	}
	if !c.Present(m.Device) && !c.connected(ctx, m.Device) {
		return deliver.ErrAbsent
	}
	down := devices.Downlink{
		ID: m.ID, Title: out.Content.Title, Body: out.Content.Body, Locale: out.Content.Locale,
		Cause: m.Cause, DecidedAt: m.DecidedAt, ExpiresAt: m.ExpiresAt, Now: out.Now,
	}
	for _, a := range out.Content.Actions {
		down.Actions = append(down.Actions, devices.Action{ID: a.ID, Label: a.Label, URL: a.URL})
	}
	return c.send(ctx, m.Device, &down)
}

// connected asks the broker about a device that was silent for long.
func (c *Channel) connected(ctx context.Context, d gateway.DeviceID) bool {
	if c.opts.Connected == nil {
		return false
	}
	product, serial, err := c.opts.Names.DeviceName(ctx, d)
	return err == nil && c.opts.Connected(devices.MessagesTopic(product, serial))
}

// Withdraw implements deliver.Withdrawer. The order goes out at once, since the
// broker may hold the message for a device that is away; ErrAbsent then asks for
// a repetition when it is back.
func (c *Channel) Withdraw(ctx context.Context, m *gateway.Message) error {
	if m.Device == 0 {
		return nil
	}
	if err := c.send(ctx, m.Device, &devices.Downlink{ID: m.ID, Withdraw: true}); err != nil {
		return err
	}
	if !c.Present(m.Device) {
		return deliver.ErrAbsent
	}
	return nil
}

func (c *Channel) send(ctx context.Context, d gateway.DeviceID, down *devices.Downlink) error {
	product, serial, err := c.opts.Names.DeviceName(ctx, d)
	if err != nil {
		return err
	}
	payload, err := down.Encode()
	if err != nil {
		return gateway.Errorf(gateway.Invalid, "the message cannot be written as JSON")
	}
	err = c.opts.Publisher.Publish(ctx, devices.MessagesTopic(product, serial), payload, 1)
	if errors.Is(err, deliver.ErrAbsent) {
		c.presence.forget(d) // its next sign of life counts as coming back
	}
	return err
}
