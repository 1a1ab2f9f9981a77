package mqtt

import (
	"context"
	"crypto/tls"
	"fmt"
	"log/slog"
	"net"
	"sync"
	"sync/atomic"
	"time"

	mochi "github.com/mochi-mqtt/server/v2"
	"github.com/mochi-mqtt/server/v2/listeners"

	"touchpoint/gateway"
	"touchpoint/gateway/clock"
)

// BrokerOptions configure the embedded broker. Listen, Handler, IsUplink and
// Clock are required.
type BrokerOptions struct {
	Listen string // address
	TLS    *tls.Config
	// Users who may connect; none: everybody may.
	Users   []User
	Handler Handler
	// IsUplink tells topics that devices send up on from all others.
	IsUplink func(topic string) bool
	// IsDownlink, if set, tells topics on which only the gateway may publish:
	// a client that forges a message to a device is cut off.
	IsDownlink func(topic string) bool
	Clock      *clock.Clock
	// Grace is how long after the start intake does not count as complete, so
	// that devices have the time to come back.
	Grace time.Duration
	// MaxPacketBytes, MaxClients, MaxSession and MaxQueued bound packets,
	// connections, how long a session is kept for a client that is away, and
	// what is queued for one client.
	MaxPacketBytes int
	MaxClients     int
	MaxSession     time.Duration
	MaxQueued      int
	// ClientInflight bounds the unacknowledged messages of one client; beyond
	// it the broker does not read on.
	ClientInflight int
	// AckDelay is how long an acknowledgement waits for others, so that they
	// share a packet of the network; 0 = 1 ms, negative = not at all.
	AckDelay time.Duration
	Logger   *slog.Logger // nil discards
}

// Validate fills defaults and names the first key that is wrong.
func (o *BrokerOptions) Validate() error {
	setDefault(&o.MaxPacketBytes, 512<<10)
	setDefault(&o.MaxClients, 100_000)
	setDefault(&o.MaxSession, 7*24*time.Hour)
	setDefault(&o.MaxQueued, 1024)
	setDefault(&o.ClientInflight, 4096)
	setDefault(&o.AckDelay, time.Millisecond)
	if o.Logger == nil {
		o.Logger = slog.New(slog.DiscardHandler)
	}
	switch {
	case o.Listen == "":
		return gateway.InvalidField("mqtt.listen", "is missing: use an address such as 127.0.0.1:1883")
	case o.Handler == nil || o.IsUplink == nil || o.Clock == nil:
		return gateway.InvalidField("mqtt", "handler, uplink topics and clock are required")
	case o.MaxPacketBytes < 1024 || o.MaxPacketBytes > 64<<20:
		return gateway.InvalidField("mqtt.max_packet_bytes", "is %d: must be from 1 KiB to 64 MiB", o.MaxPacketBytes)
	case o.MaxClients < 1:
		return gateway.InvalidField("mqtt.max_clients", "is %d: must be positive", o.MaxClients)
	case o.MaxSession < time.Second || o.MaxSession > 365*24*time.Hour:
		return gateway.InvalidField("mqtt.max_session", "is %v: must be from 1s to 365 days", o.MaxSession)
	case o.MaxQueued < 1 || o.MaxQueued > 65535:
		return gateway.InvalidField("mqtt.max_queued", "is %d: must be from 1 to 65535", o.MaxQueued)
	case o.ClientInflight < 1 || o.ClientInflight > 65535:
		return gateway.InvalidField("mqtt.client_inflight", "is %d: must be from 1 to 65535", o.ClientInflight)
	case o.Grace < 0:
		return gateway.InvalidField("mqtt.grace", "must not be negative")
	}
	return validateUsers(o.Users)
}

func setDefault[T comparable](v *T, d T) {
	var zero T
	if *v == zero {
		*v = d
	}
}

// Broker is the embedded broker.
type Broker struct {
	o       BrokerOptions
	server  *mochi.Server
	address net.Addr
	users   map[string]*user
	started gateway.Instant
	count   brokerCounters

	mu     sync.Mutex
	orders map[*ackOrder]struct{}
	closed atomic.Bool
}

// StartBroker starts a broker that listens at once.
func StartBroker(o BrokerOptions) (*Broker, error) {
	if err := o.Validate(); err != nil {
		return nil, err
	}
	caps := mochi.NewDefaultServerCapabilities()
	caps.MaximumClients = int64(o.MaxClients)
	caps.MaximumPacketSize = uint32(o.MaxPacketBytes)
	caps.MaximumSessionExpiryInterval = uint32(o.MaxSession / time.Second)
	caps.MaximumInflight = uint16(o.MaxQueued)
	caps.MaximumClientWritesPending = int32(o.MaxQueued)
	caps.ReceiveMaximum = uint16(min(o.ClientInflight, 65535))
	b := &Broker{o: o, users: usersByName(o.Users), started: o.Clock.Now(), orders: make(map[*ackOrder]struct{})}
	b.server = mochi.New(&mochi.Options{
		Capabilities: caps, InlineClient: true,
		ClientNetReadBufferSize: 8 << 10, ClientNetWriteBufferSize: 4 << 10,
		SysTopicResendInterval: int64((24 * time.Hour) / time.Second), // its numbers are ours to show
		Logger:                 quiet(o.Logger),
	})
	if err := b.server.AddHook(&hook{b: b}, nil); err != nil {
		return nil, gateway.Errorf(gateway.Internal, "embedded broker: %w", err)
	}
	l, err := net.Listen("tcp", o.Listen)
	if err != nil {
		return nil, gateway.Errorf(gateway.Unavailable, "mqtt.listen: %w", err)
	}
	b.address = l.Addr()
	if err := b.server.AddListener(listeners.NewNet("devices", &listener{Listener: l, b: b})); err != nil {
		_ = l.Close()
		return nil, gateway.Errorf(gateway.Internal, "embedded broker: %w", err)
	}
	if err := b.server.Serve(); err != nil {
		_ = l.Close()
		return nil, gateway.Errorf(gateway.Internal, "embedded broker: %w", err)
	}
	return b, nil
}

// Addr returns the address that the broker listens on.
func (b *Broker) Addr() net.Addr { return b.address }

// Guarantee says in a line what an acknowledgement of this broker means.
func (b *Broker) Guarantee() string {
	return "embedded broker: PUBACK means that the event is in the log on disk; sessions and queued messages live in memory"
}

// Observed returns the time up to which intake is complete: now, less a moment
// for what is being taken over, and nothing in the grace after the start.
func (b *Broker) Observed() gateway.Instant {
	now := b.o.Clock.Now()
	if now < b.started.Add(b.o.Grace) || b.closed.Load() {
		return 0
	}
	switch {
	case b.o.Clock.LockStep():
		return now
	case b.o.Clock.Virtual():
		return now.Add(-pacedTakeover)
	}
	return now.Add(-takeover)
}

// takeover is more than it takes from reading a publish to its place in a batch.
const takeover = 100 * time.Millisecond

// pacedTakeover is the same for a clock that is moved at a pace: whoever moves it
// lets the gateway fall behind no further.
const pacedTakeover = time.Minute

// Flush returns at once: what a device got a PUBACK for is stored already.
func (b *Broker) Flush(context.Context) error { return nil }

// Publish sends a message down to the sessions that subscribe to its topic.
// The error is of kind NotFound when there is none.
func (b *Broker) Publish(ctx context.Context, topic string, payload []byte, qos byte) error {
	if err := ctx.Err(); err != nil {
		return gateway.Errorf(gateway.Unavailable, "the message was not sent: %w", err)
	}
	if b.closed.Load() {
		return gateway.Errorf(gateway.Unavailable, "the broker is stopping")
	}
	subs := b.server.Topics.Subscribers(topic)
	if len(subs.Subscriptions) == 0 && len(subs.Shared) == 0 && len(subs.InlineSubscriptions) == 0 {
		return gateway.Errorf(gateway.NotFound, "no session subscribes to the topic of the message")
	}
	if err := b.server.Publish(topic, payload, false, qos); err != nil {
		return gateway.Errorf(gateway.Unavailable, "the embedded broker took no message: %w", err)
	}
	b.count.down.Add(1)
	return nil
}

// fewTopics is how many subscriptions the connection of a single device has at
// most; one that carries a fleet says nothing about each of its devices.
const fewTopics = 8

// Connected says whether a device of its own connection subscribes to exactly
// this topic right now.
func (b *Broker) Connected(topic string) bool {
	for id, sub := range b.server.Topics.Subscribers(topic).Subscriptions {
		c, ok := b.server.Clients.Get(id)
		if ok && !c.Closed() && sub.Filter == topic && c.State.Subscriptions.Len() <= fewTopics {
			return true
		}
	}
	return false
}

// Close ends all connections. What is not acknowledged by then the devices
// send again.
func (b *Broker) Close() error {
	if b.closed.Swap(true) {
		return nil
	}
	b.mu.Lock()
	for o := range b.orders {
		o.end()
	}
	b.mu.Unlock()
	if err := b.server.Close(); err != nil {
		return fmt.Errorf("embedded broker: %w", err)
	}
	return nil
}

// listener wraps what it accepts.
type listener struct {
	net.Listener
	b *Broker
}

// Accept returns the next connection, wrapped; a TLS handshake happens when it
// is first read.
func (l *listener) Accept() (net.Conn, error) {
	raw, err := l.Listener.Accept()
	if err != nil {
		return nil, err
	}
	if l.b.o.TLS != nil {
		raw = tls.Server(raw, l.b.o.TLS)
	}
	c := &conn{Conn: raw, delay: max(0, l.b.o.AckDelay)}
	c.order = newAckOrder(c, l.b.o.ClientInflight, l.b.server)
	l.b.mu.Lock()
	defer l.b.mu.Unlock()
	l.b.orders[c.order] = struct{}{}
	return c, nil
}

func (b *Broker) forget(o *ackOrder) {
	o.end()
	b.mu.Lock()
	defer b.mu.Unlock()
	delete(b.orders, o)
}
