package stream

import (
	"context"
	"errors"
	"regexp"
	"time"

	"github.com/nats-io/nats.go/jetstream"

	"touchpoint/gateway"
	"touchpoint/gateway/deliver/render"
)

// SubscribeOptions of one subscription to a named consumer.
type SubscribeOptions struct {
	// MaxInFlight bounds what is out unacknowledged on this subscription, 1 to
	// 1,000; 64 by default.
	MaxInFlight int
	// AckWait is the time to acknowledge, 1 s to 1 h; 30 s by default. It,
	// MaxDeliver and Journey are fixed by the first one who opens the name.
	AckWait time.Duration
	// MaxDeliver ends a message that nobody acknowledges; 0 = it comes again
	// until it expires.
	MaxDeliver int
	// Journey selects the messages of one journey; "" = all.
	Journey string
}

func (o *SubscribeOptions) validate() error {
	if o.MaxInFlight == 0 {
		o.MaxInFlight = 64
	}
	if o.AckWait == 0 {
		o.AckWait = 30 * time.Second
	}
	switch {
	case o.MaxInFlight < 1 || o.MaxInFlight > 1000:
		return gateway.InvalidField("max_in_flight", "%d is not between 1 and 1000", o.MaxInFlight)
	case o.AckWait < time.Second || o.AckWait > time.Hour:
		return gateway.InvalidField("ack_wait", "%v is not between 1s and 1h", o.AckWait)
	case o.MaxDeliver < 0:
		return gateway.InvalidField("max_deliver", "%d is negative", o.MaxDeliver)
	}
	if o.MaxDeliver == 0 {
		o.MaxDeliver = -1
	}
	return nil
}

var consumerName = regexp.MustCompile(`^[A-Za-z0-9_-]{1,64}$`)

// Subscription receives messages. One goroutine calls Next; items may be
// answered from any.
type Subscription struct {
	channel  *Channel
	consumer string
	messages jetstream.MessagesContext
	slots    chan struct{} // one for each item that is out
	ackWait  time.Duration
}

// Item is one message given out.
type Item struct {
	Message gateway.Message
	Content render.Content
	// Channel is the route that it came by.
	Channel string
	// Withdraw says that the message is taken back; Content is empty then.
	Withdraw bool
	// Attempt counts from 1; above 1 it may have been seen before.
	Attempt int

	sub       *Subscription
	msg       jetstream.Msg
	partition int
	out       *time.Timer // gives the slot back when nobody answers
}

// Subscribe opens the consumer of that name, creating it when it is new: then
// it begins with the oldest message that is kept. All that open the same name
// share its messages, and what one acknowledged never comes again.
func (c *Channel) Subscribe(ctx context.Context, name string, o SubscribeOptions) (*Subscription, error) {
	if !consumerName.MatchString(name) {
		return nil, gateway.InvalidField("consumer", "must be 1 to 64 letters, digits, '-' and '_'")
	}
	if err := o.validate(); err != nil {
		return nil, err
	}
	cons, err := c.consumer(ctx, name, o)
	if err != nil {
		return nil, err
	}
	ms, err := cons.Messages(jetstream.PullMaxMessages(min(o.MaxInFlight, 32)))
	if err != nil {
		return nil, gateway.Errorf(gateway.Unavailable, "open the consumer: %w", err)
	}
	return &Subscription{channel: c, consumer: name, messages: ms, slots: make(chan struct{}, o.MaxInFlight),
		ackWait: cons.CachedInfo().Config.AckWait}, nil
}

func (c *Channel) consumer(ctx context.Context, name string, o SubscribeOptions) (jetstream.Consumer, error) {
	cons, err := c.stream.Consumer(ctx, name)
	if err == nil {
		return cons, nil
	}
	if !errors.Is(err, jetstream.ErrConsumerNotFound) {
		return nil, gateway.Errorf(gateway.Unavailable, "open the consumer: %w", err)
	}
	cfg := jetstream.ConsumerConfig{Durable: name, AckPolicy: jetstream.AckExplicitPolicy, AckWait: o.AckWait,
		MaxDeliver: o.MaxDeliver, MaxAckPending: 10_000, DeliverPolicy: jetstream.DeliverAllPolicy}
	if o.Journey != "" {
		cfg.FilterSubject = c.opts.Name + ".messages." + token(o.Journey) + ".>"
	}
	cons, err = c.stream.CreateConsumer(ctx, cfg)
	if errors.Is(err, jetstream.ErrConsumerExists) { // another one was faster, with other settings
		cons, err = c.stream.Consumer(ctx, name)
	}
	if err != nil {
		return nil, gateway.Errorf(gateway.Unavailable, "create the consumer: %w", err)
	}
	return cons, nil
}

// DeleteConsumer forgets a name and how far it came.
func (c *Channel) DeleteConsumer(ctx context.Context, name string) error {
	err := c.stream.DeleteConsumer(ctx, name)
	if errors.Is(err, jetstream.ErrConsumerNotFound) {
		return gateway.Errorf(gateway.NotFound, "there is no consumer %q", name)
	}
	return err
}

// Next waits for the next message that may be given out. It returns ctx's error
// when that ends first, and Unavailable once the subscription is closed.
func (s *Subscription) Next(ctx context.Context) (*Item, error) {
	select {
	case s.slots <- struct{}{}:
	case <-ctx.Done():
		return nil, ctx.Err()
	}
	for {
		msg, err := s.messages.Next(jetstream.NextContext(ctx))
		if err != nil {
			<-s.slots
			if ctx.Err() != nil {
				return nil, ctx.Err()
			}
			return nil, gateway.Errorf(gateway.Unavailable, "the subscription has ended: %w", err)
		}
		if it := s.look(ctx, msg); it != nil {
			it.out = time.AfterFunc(s.ackWait, func() { <-s.slots })
			return it, nil
		}
	}
}

// look decides whether a stored message may be given out now; nil means no, and
// that the message is answered.
func (s *Subscription) look(ctx context.Context, msg jetstream.Msg) *Item {
	it, r, err := s.decode(msg)
	if err != nil {
		s.channel.opts.Logger.Error("stream: a stored message cannot be read and is left out", "consumer", s.consumer, "error", err)
		_ = msg.Term()
		return nil
	}
	if r.Withdraw {
		it.Withdraw = true
		return it
	}
	if it.partition = r.Partition; s.outdated(ctx, it) {
		return nil
	}
	plain, err := s.channel.opts.Vault.Open(ctx, owner(&it.Message), r.Sealed)
	if err == nil {
		it.Content, err = text(plain)
	}
	switch {
	case err == nil:
		return it
	case gateway.KindOf(err) == gateway.NotFound: // erased
		_ = msg.Term()
	default:
		s.channel.opts.Logger.Warn("stream: a message cannot be opened now", "message", it.Message.ID, "error", err)
		_ = msg.NakWithDelay(time.Second)
	}
	return nil
}

func (s *Subscription) decode(msg jetstream.Msg) (*Item, stored, error) {
	r, m, err := read(msg.Data())
	if err != nil {
		return nil, r, err
	}
	it := &Item{Message: m, Channel: r.Route, sub: s, msg: msg, Attempt: 1}
	if meta, err := msg.Metadata(); err == nil {
		it.Attempt = int(meta.NumDelivered)
	}
	return it, r, nil
}

// outdated leaves out what is expired, outside its window or no longer
// allowed, and records it; the partition ignores that for a message which
// another consumer has taken. For the partition the message was handed over,
// so that a missed window is no reason to decide anew.
func (s *Subscription) outdated(ctx context.Context, it *Item) bool {
	m, now := &it.Message, s.channel.opts.Clock.Now()
	if s.channel.opts.Braked() {
		_ = it.msg.NakWithDelay(time.Second) // it is being taken back
		return true
	}
	state, detail := gateway.MessageExpired, ""
	switch {
	case m.ExpiresAt != 0 && now >= m.ExpiresAt:
	case m.NotAfter != 0 && now >= m.NotAfter:
		detail = "nobody asked for it inside its window"
	case !s.channel.opts.Allowed(m.Customer, m.Purpose, it.Channel):
		state, detail = gateway.MessageWithdrawn, string(gateway.ReasonNoConsent)
	default:
		return false
	}
	if it.Attempt == 1 { // else it was given out: what became of it is not known here
		if err := it.record(ctx, state, detail); err != nil {
			_ = it.msg.NakWithDelay(time.Second)
			return true
		}
	}
	_ = it.msg.Term()
	return true
}

// Close ends the subscription. What was taken and not answered comes again
// after its time, what was not given out comes again at once.
func (s *Subscription) Close() {
	s.messages.Drain()
	for {
		msg, err := s.messages.Next()
		if err != nil {
			return
		}
		_ = msg.Nak()
	}
}

func (it *Item) record(ctx context.Context, state gateway.MessageState, detail string) error {
	m := &it.Message
	_, err := it.sub.channel.opts.Submit.Submit(ctx, it.partition, gateway.Input{Command: gateway.Receipt{
		Message: m.ID, Customer: m.Customer, Device: m.Device, Channel: it.Channel, State: state, At: it.sub.channel.opts.Clock.Now(), Detail: detail,
	}})
	return err
}

// release gives the slot back, once.
func (it *Item) release() {
	if it.out.Stop() {
		<-it.sub.slots
	}
}

// Ack says that the message is taken: it is recorded as delivered, and when Ack
// returns nil it never comes again.
func (it *Item) Ack(ctx context.Context) error {
	if !it.Withdraw {
		if err := it.record(ctx, gateway.MessageDelivered, ""); err != nil {
			return err
		}
	}
	if err := it.msg.DoubleAck(ctx); err != nil && !errors.Is(err, jetstream.ErrMsgAlreadyAckd) {
		return gateway.Errorf(gateway.OutcomeUnknown, "the acknowledgement is not confirmed: %w", err)
	}
	it.release()
	return nil
}

// Nak gives the message back; it comes again after delay, to any replica.
func (it *Item) Nak(delay time.Duration) error {
	defer it.release()
	if delay <= 0 {
		return it.msg.Nak()
	}
	return it.msg.NakWithDelay(delay)
}

// Extend starts the time to acknowledge anew.
func (it *Item) Extend() error {
	if it.out.Stop() {
		it.out.Reset(it.sub.ackWait)
	}
	return it.msg.InProgress()
}
