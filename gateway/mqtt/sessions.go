package mqtt

import (
	"context"
	"crypto/rand"
	"crypto/tls"
	"encoding/hex"
	"errors"
	"fmt"
	"log/slog"
	"net/url"
	"strings"
	"sync"
	"time"

	"touchpoint/gateway"
	"touchpoint/gateway/clock"
)

// SessionsOptions configure connections to an external broker. Brokers,
// ClientID, Filters, Handler and Clock are required.
type SessionsOptions struct {
	// Brokers are the URLs of one broker or of the nodes of one cluster, tried
	// in order: tcp, ssl (mqtt, mqtts), ws, wss.
	Brokers  []string
	Username string
	Password Secret
	TLS      *tls.Config
	// ClientID names the sessions; it must stay the same over restarts and be
	// different for each replica, since the broker keeps the backlog under it.
	ClientID string
	// Group shares the subscriptions among all connections and replicas of the
	// group ($share). Needed for more than one connection.
	Group       string
	Connections int // 0 = 4 with a group, else 1
	// Window is how many messages the broker sends unacknowledged.
	Window  int // 0 = 20
	Filters []string
	// IsUplink, if set, drops what an old subscription of the session brings.
	IsUplink func(topic string) bool
	Handler  Handler
	Clock    *clock.Clock
	// Grace is how long after each connect the watermark stands still.
	Grace time.Duration
	// MarkerEvery is how often a session proves that its backlog is drained.
	MarkerEvery time.Duration
	// ReconnectMax bounds the pause between two attempts to connect.
	ReconnectMax   time.Duration
	ConnectTimeout time.Duration
	PublishTimeout time.Duration // of a message down, until it is acknowledged
	KeepAlive      time.Duration
	// QueueSize is how many messages a connection may have waiting here; it must
	// hold the broker's window.
	QueueSize int
	// WriteDelay is how long packets wait for others; 0 = 1 ms, negative = not.
	WriteDelay time.Duration
	Logger     *slog.Logger // nil discards
}

// Validate fills defaults and names the first key that is wrong.
func (o *SessionsOptions) Validate() error {
	setDefault(&o.Window, 20)
	if o.Connections == 0 {
		o.Connections = 1
		if o.Group != "" {
			o.Connections = 4
		}
	}
	setDefault(&o.MarkerEvery, time.Second)
	setDefault(&o.ReconnectMax, 15*time.Second)
	setDefault(&o.ConnectTimeout, 10*time.Second)
	setDefault(&o.PublishTimeout, 10*time.Second)
	setDefault(&o.KeepAlive, 30*time.Second)
	setDefault(&o.QueueSize, max(4096, o.Window))
	setDefault(&o.WriteDelay, time.Millisecond)
	if o.Logger == nil {
		o.Logger = slog.New(slog.DiscardHandler)
	}
	switch {
	case len(o.Brokers) == 0:
		return gateway.InvalidField("mqtt.brokers", "is empty")
	case o.ClientID == "" || len(o.ClientID) > 100 || strings.ContainsAny(o.ClientID, "/+#$ "):
		return gateway.InvalidField("mqtt.client_id", "must be a name of 1 to 100 characters without / + # $ and space")
	case len(o.Filters) == 0 || o.Handler == nil || o.Clock == nil:
		return gateway.InvalidField("mqtt", "filters, handler and clock are required")
	case strings.ContainsAny(o.Group, "/+# "):
		return gateway.InvalidField("mqtt.share_group", "%q: / + # and space are not allowed", o.Group)
	case o.Connections < 1 || o.Connections > 64:
		return gateway.InvalidField("mqtt.connections", "is %d: must be from 1 to 64", o.Connections)
	case o.Connections > 1 && o.Group == "":
		return gateway.InvalidField("mqtt.connections", "%d connections need mqtt.share_group, else each event would come %d times", o.Connections, o.Connections)
	case o.Window < 1 || o.Window > 65535:
		return gateway.InvalidField("mqtt.window", "is %d: must be from 1 to 65535", o.Window)
	case o.Grace < 0:
		return gateway.InvalidField("mqtt.grace", "must not be negative")
	case o.QueueSize < o.Window:
		return gateway.InvalidField("mqtt.queue_size", "is %d: must hold the window of %d", o.QueueSize, o.Window)
	}
	for n, b := range o.Brokers {
		if _, err := parseBroker(b); err != nil {
			return gateway.InvalidField(fmt.Sprintf("mqtt.brokers[%d]", n), "%v", err)
		}
	}
	return nil
}

func parseBroker(text string) (*url.URL, error) {
	u, err := url.Parse(text)
	if err != nil || u.Host == "" {
		return nil, errors.New("is no URL of the form tcp://host:port") // the text may hold a password
	}
	switch u.Scheme {
	case "tcp", "mqtt", "ssl", "tls", "mqtts", "ws", "wss":
		return u, nil
	}
	return nil, fmt.Errorf("scheme %q: allowed are tcp, ssl, mqtt, mqtts, ws and wss", u.Scheme)
}

// Sessions are the connections to an external broker: some that take events
// in, and one that sends messages down.
type Sessions struct {
	o        SessionsOptions
	nonce    string // tells our markers from those of an earlier process
	sessions []*session
	down     *publisher
	count    sessionCounters
	cancel   context.CancelFunc
	wg       sync.WaitGroup
}

// Connect starts the connections; they are made, and made again, in the
// background. Ready says whether they are up.
func Connect(o SessionsOptions) (*Sessions, error) {
	if err := o.Validate(); err != nil {
		return nil, err
	}
	var nonce [8]byte
	_, _ = rand.Read(nonce[:]) // never fails
	s := &Sessions{o: o, nonce: hex.EncodeToString(nonce[:])}
	ctx, cancel := context.WithCancel(context.Background())
	s.cancel = cancel
	for n := range o.Connections {
		one := newSession(s, n)
		s.sessions = append(s.sessions, one)
		s.wg.Go(func() { one.work(ctx) })
		s.wg.Go(func() { one.acknowledge(ctx) })
		s.wg.Go(func() { one.mark(ctx) })
		one.connect()
	}
	s.down = newPublisher(s)
	s.wg.Go(func() { s.down.run(ctx) })
	return s, nil
}

// Guarantee says in a line what is promised, and what limits the speed.
func (s *Sessions) Guarantee() string {
	u, _ := parseBroker(s.o.Brokers[0])
	return fmt.Sprintf("external broker %s://%s: at least once through persistent sessions; %d connections with a window of %d messages each: "+
		"at 5 ms per append about %d events/s", u.Scheme, u.Host, s.o.Connections, s.o.Window, s.o.Connections*s.o.Window*200)
}

// Observed returns the time up to which the intake of all connections is known
// to be complete: when the latest marker that came back was sent. It stands
// still while a connection is down or its backlog is not drained, and for the
// grace after it was made.
func (s *Sessions) Observed() gateway.Instant {
	least := s.sessions[0].observed()
	for _, one := range s.sessions[1:] {
		least = min(least, one.observed())
	}
	return least
}

// Flush waits until everything that the broker had for us when Flush was
// called is handed over. An error of kind Unavailable says that a connection is
// lost, so that there is no telling.
func (s *Sessions) Flush(ctx context.Context) error {
	for _, one := range s.sessions {
		if err := one.flush(ctx); err != nil {
			return err
		}
	}
	return nil
}

// Ready returns nil when every connection is up and subscribed as it must be,
// else why not.
func (s *Sessions) Ready() error {
	for n, one := range s.sessions {
		if why := one.trouble(); why != "" {
			return gateway.Errorf(gateway.Unavailable, "mqtt connection %d: %s", n, why)
		}
	}
	if !s.down.up() {
		return gateway.Errorf(gateway.Unavailable, "mqtt connection for messages: not connected")
	}
	return nil
}

// Publish sends a message down and returns when the broker has acknowledged it
// (QoS 1). An error of kind OutcomeUnknown means that it may have gone out.
func (s *Sessions) Publish(ctx context.Context, topic string, payload []byte, qos byte) error {
	return s.down.publish(ctx, topic, payload, qos)
}

// Close disconnects. The broker keeps what is not acknowledged.
func (s *Sessions) Close() error {
	for _, one := range s.sessions {
		one.disconnect()
	}
	s.cancel()
	s.wg.Wait()
	return nil
}
