package deliver

import (
	"context"
	"log/slog"
	"time"

	"touchpoint/gateway"
	"touchpoint/gateway/clock"
	"touchpoint/gateway/deliver/render"
)

// Submitter appends an input to EVENTS and returns when it is durable. When it
// also has SubmitMany, records that collect meanwhile go together.
type Submitter interface {
	Submit(ctx context.Context, partition int, in gateway.Input) (gateway.Position, error)
}

// Renderer makes the text of a message; render.Renderer is one. Errors of kind
// Invalid, NotFound, Conflict and PermissionDenied are final.
type Renderer interface {
	Render(ctx context.Context, m *gateway.Message) (render.Content, error)
}

// Channel takes messages over. HandOver returns nil when the channel has the
// message for good. The kind of an error says what follows: Invalid, NotFound,
// Conflict, PermissionDenied and Unauthenticated are final for this channel,
// every other one is tried again (see Later); ErrAbsent waits for the device.
type Channel interface {
	HandOver(ctx context.Context, out *Outgoing) error
}

// Withdrawer is a Channel that can take back what it has handed over. Of m only
// ID, Customer, Device, Journey and Channel are sure to be set. ErrAbsent asks
// for a repetition when the device is there.
type Withdrawer interface {
	Withdraw(ctx context.Context, m *gateway.Message) error
}

// Eraser is a Channel that stores messages and can delete those of a customer.
type Eraser interface {
	Erase(ctx context.Context, customer gateway.CustomerID) error
}

// PresenceChannel is a Channel to devices that come and go: it keeps a message
// with delivery until it is displayed, and says when a device is there.
type PresenceChannel interface {
	Channel
	Attach(Presence)
}

// Presence is what a PresenceChannel reports to; Delivery implements it.
type Presence interface {
	// Present says that an absent device is there: what waits for it goes out.
	Present(device gateway.DeviceID)
	// Hello says that a device starts anew: all that it did not show goes out
	// again. shown are the messages that it remembers to have shown.
	Hello(device gateway.DeviceID, shown []gateway.MessageID)
}

// Route is a channel under the name that messages call it by.
type Route struct {
	Name    string
	Channel Channel
	// Workers bounds the hand-overs at the same time; 32 by default.
	Workers int
	// Rate bounds the hand-overs per second of the gateway's clock, Burst those
	// at once; 0 = no bound.
	Rate  float64
	Burst int
	// GiveUpOnUnknown ends a message whose hand-over may or may not have
	// happened (e-mail), instead of handing it over again with the same id. The
	// attempt is then recorded before it begins.
	GiveUpOnUnknown bool
}

// Options of a Delivery.
type Options struct {
	Clock    *clock.Clock
	Submit   Submitter
	Renderer Renderer
	Routes   []Route
	Logger   *slog.Logger

	// Backoff is the pause before the first retry, doubled up to MaxBackoff.
	// Defaults: 1 s, 5 min.
	Backoff    time.Duration
	MaxBackoff time.Duration
	// MaxAge ends a message that carries no expiry; 3 days by default.
	MaxAge time.Duration
	// HandOverTimeout bounds one attempt in wall time; 30 s by default.
	HandOverTimeout time.Duration
	// ReceiptGrace is how long after its expiry a message that a device has may
	// still be reported as displayed before it counts as expired; 1 min by default.
	ReceiptGrace time.Duration
}

// Validate fills defaults and names the first wrong key.
func (o *Options) Validate() error {
	switch {
	case o.Clock == nil:
		return gateway.InvalidField("deliver.clock", "is required")
	case o.Submit == nil:
		return gateway.InvalidField("deliver.submit", "is required")
	case o.Renderer == nil:
		return gateway.InvalidField("deliver.renderer", "is required")
	}
	if o.Logger == nil {
		o.Logger = slog.New(slog.DiscardHandler)
	}
	seen := map[string]bool{}
	for i := range o.Routes {
		r := &o.Routes[i]
		switch {
		case r.Name == "":
			return gateway.InvalidField("deliver.routes", "a channel has no name")
		case seen[r.Name]:
			return gateway.InvalidField("deliver.routes", "the channel %q is there twice", r.Name)
		case r.Channel == nil:
			return gateway.InvalidField("deliver.routes", "the channel %q is nil", r.Name)
		case r.Workers < 0 || r.Rate < 0 || r.Burst < 0:
			return gateway.InvalidField("deliver.routes", "the channel %q has a negative limit", r.Name)
		}
		seen[r.Name] = true
		if r.Workers == 0 {
			r.Workers = 32
		}
		if r.Burst == 0 {
			r.Burst = max(1, int(r.Rate))
		}
	}
	for _, d := range []struct {
		key   string
		value *time.Duration
		def   time.Duration
	}{
		{"backoff", &o.Backoff, time.Second}, {"max_backoff", &o.MaxBackoff, 5 * time.Minute},
		{"max_age", &o.MaxAge, 72 * time.Hour}, {"hand_over_timeout", &o.HandOverTimeout, 30 * time.Second},
		{"receipt_grace", &o.ReceiptGrace, time.Minute},
	} {
		if *d.value < 0 {
			return gateway.InvalidField("deliver."+d.key, "%v is negative", *d.value)
		}
		if *d.value == 0 {
			*d.value = d.def
		}
	}
	return nil
}
