package stream

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"log/slog"
	"strings"
	"time"

	"github.com/nats-io/nats.go"
	"github.com/nats-io/nats.go/jetstream"

	"touchpoint/gateway"
	"touchpoint/gateway/clock"
	"touchpoint/gateway/deliver"
)

// Vault seals the rendered text with the key of its subject.
type Vault interface {
	Seal(ctx context.Context, s gateway.Subject, plaintext gateway.Personal) (string, error)
	Open(ctx context.Context, s gateway.Subject, sealed string) (gateway.Personal, error)
}

// Options of a Channel.
type Options struct {
	JetStream jetstream.JetStream
	// Name of the installation: prefix of the stream and its subjects.
	Name  string
	Vault Vault
	Clock *clock.Clock
	// Submit records what consumers say.
	Submit deliver.Submitter
	// Allowed asks delivery's consent table; nil allows everything.
	Allowed func(customer gateway.CustomerID, purpose gateway.Purpose, channel string) bool
	// Braked says that nothing is given out now; nil means never.
	Braked func() bool
	Logger *slog.Logger
	// MaxAge is how long messages stay in wall time, read or not; 7 days by
	// default. At MaxBytes (1 GiB) hand-overs wait.
	MaxAge   time.Duration
	MaxBytes int64
	Replicas int
}

// Validate fills defaults and names the first wrong key.
func (o *Options) Validate() error {
	switch {
	case o.JetStream == nil:
		return gateway.InvalidField("stream.jetstream", "is required")
	case o.Vault == nil:
		return gateway.InvalidField("stream.vault", "is required")
	case o.Clock == nil:
		return gateway.InvalidField("stream.clock", "is required")
	case o.Submit == nil:
		return gateway.InvalidField("stream.submit", "is required")
	case o.Name == "" || token(o.Name) != o.Name:
		return gateway.InvalidField("stream.name", "%q is no name: use letters, digits, '-' and '_'", o.Name)
	case o.MaxAge < 0 || o.MaxBytes < 0 || o.Replicas < 0:
		return gateway.InvalidField("stream", "a limit is negative")
	}
	if o.Logger == nil {
		o.Logger = slog.New(slog.DiscardHandler)
	}
	if o.MaxAge == 0 {
		o.MaxAge = 7 * 24 * time.Hour
	}
	if o.MaxBytes == 0 {
		o.MaxBytes = 1 << 30
	}
	if o.Replicas == 0 {
		o.Replicas = 1
	}
	if o.Braked == nil {
		o.Braked = func() bool { return false }
	}
	if o.Allowed == nil {
		o.Allowed = func(gateway.CustomerID, gateway.Purpose, string) bool { return true }
	}
	return nil
}

// Channel is the stream; it hands over and is subscribed to.
type Channel struct {
	opts   Options
	stream jetstream.Stream
}

// New opens the stream, creating it where it is missing. A cluster that has no
// leader yet is waited for until ctx ends.
func New(ctx context.Context, o Options) (*Channel, error) {
	if err := o.Validate(); err != nil {
		return nil, err
	}
	c := &Channel{opts: o}
	cfg := jetstream.StreamConfig{
		Name: o.Name + "_MESSAGES", Subjects: []string{o.Name + ".messages.>"}, Storage: jetstream.FileStorage,
		Retention: jetstream.LimitsPolicy, Discard: jetstream.DiscardNew, MaxAge: o.MaxAge, MaxBytes: o.MaxBytes,
		Replicas: o.Replicas, Description: "messages for services, one subject each",
	}
	for pause := 50 * time.Millisecond; ; pause = min(2*pause, 2*time.Second) {
		s, err := o.JetStream.CreateOrUpdateStream(ctx, cfg)
		if err == nil {
			c.stream = s
			return c, nil
		}
		if !transient(err) || ctx.Err() != nil {
			return nil, gateway.Errorf(gateway.Unavailable, "open the stream of messages: %w", err)
		}
		select {
		case <-time.After(pause):
		case <-ctx.Done():
		}
	}
}

// HandOver implements deliver.Channel.
func (c *Channel) HandOver(ctx context.Context, out *deliver.Outgoing) error {
	m := out.Message
	content, err := json.Marshal(out.Content)
	if err != nil {
		return gateway.Errorf(gateway.Invalid, "the message cannot be written as JSON")
	}
	sealed, err := c.opts.Vault.Seal(ctx, owner(m), gateway.Personal(content))
	if err != nil {
		return err
	}
	r := store(m)
	r.Partition, r.Route, r.Sealed = out.Partition, out.Channel, sealed
	err = c.put(ctx, subject(c.opts.Name, m), r)
	if err != nil {
		return fmt.Errorf("store the message for its consumers: %w", err)
	}
	return nil
}

// Withdraw implements deliver.Withdrawer: the message goes away, and consumers
// that have it are told.
func (c *Channel) Withdraw(ctx context.Context, m *gateway.Message) error {
	s := subject(c.opts.Name, m)
	if err := c.purge(ctx, s); err != nil {
		return err
	}
	r := store(&gateway.Message{ID: m.ID, Customer: m.Customer, Device: m.Device, Journey: m.Journey, Channel: m.Channel})
	r.Route, r.Withdraw = m.Channel, true
	return c.put(ctx, s, r)
}

// Erase implements deliver.Eraser.
func (c *Channel) Erase(ctx context.Context, customer gateway.CustomerID) error {
	return c.purge(ctx, c.opts.Name+".messages.*."+customer.String()+".*")
}

// put stores a message unless its subject has one already: that is the first
// hand-over of the same message.
func (c *Channel) put(ctx context.Context, subject string, r stored) error {
	data, err := json.Marshal(r)
	if err != nil {
		return gateway.Errorf(gateway.Invalid, "the message cannot be written as JSON")
	}
	_, err = c.opts.JetStream.Publish(ctx, subject, data, jetstream.WithExpectLastSequencePerSubject(0))
	var api *jetstream.APIError
	switch {
	case err == nil:
		return nil
	case errors.As(err, &api) && api.ErrorCode == jetstream.JSErrCodeStreamWrongLastSequence:
		return nil
	case errors.As(err, &api) && api.ErrorCode == codeStoreFailed:
		return gateway.Errorf(gateway.Exhausted, "the stream of messages is full: %w", err)
	case errors.As(err, &api) && api.ErrorCode == jetstream.JSErrCodeStreamMessageExceedsMaximum:
		return gateway.Errorf(gateway.Invalid, "the message is too large: %w", err)
	case errors.Is(err, nats.ErrNoResponders) || errors.Is(err, jetstream.ErrNoStreamResponse):
		return gateway.Errorf(gateway.Unavailable, "%w", err)
	}
	return gateway.Errorf(gateway.OutcomeUnknown, "%w", err)
}

// codeStoreFailed is the server's answer when a limit refuses a message.
const codeStoreFailed jetstream.ErrorCode = 10077

func (c *Channel) purge(ctx context.Context, subject string) error {
	if err := c.stream.Purge(ctx, jetstream.WithPurgeSubject(subject)); err != nil {
		return gateway.Errorf(gateway.Unavailable, "remove messages from the stream: %w", err)
	}
	return nil
}

// owner is whose key seals the text.
func owner(m *gateway.Message) gateway.Subject {
	if m.Customer != 0 {
		return gateway.CustomerSubject(m.Customer)
	}
	return gateway.DeviceSubject(m.Device)
}

// subject is the message's own: journey, customer and id can be selected.
func subject(name string, m *gateway.Message) string {
	customer := "none"
	if m.Customer != 0 {
		customer = m.Customer.String()
	}
	return name + ".messages." + token(m.Journey) + "." + customer + "." + m.ID.String()
}

// token writes a name so that it is one token of a subject.
func token(s string) string {
	if s == "" {
		return "="
	}
	var b strings.Builder
	for i := range len(s) {
		c := s[i]
		if c == '-' || c == '_' || c >= '0' && c <= '9' || c >= 'a' && c <= 'z' || c >= 'A' && c <= 'Z' {
			b.WriteByte(c)
		} else {
			fmt.Fprintf(&b, "=%02x", c)
		}
	}
	return b.String()
}

func transient(err error) bool {
	var api *jetstream.APIError
	if errors.As(err, &api) {
		return api.Code >= 500
	}
	return errors.Is(err, nats.ErrNoResponders) || errors.Is(err, jetstream.ErrNoStreamResponse) || errors.Is(err, nats.ErrTimeout)
}
