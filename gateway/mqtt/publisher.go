package mqtt

import (
	"context"
	"sync"
	"time"

	"github.com/cenkalti/backoff/v5"
	paho "github.com/eclipse/paho.mqtt.golang"

	"touchpoint/gateway"
)

// publisher sends messages down over a connection of its own. Each connection
// is a new client without a memory: paho would send again after a reconnect
// what delivery has given up meanwhile.
type publisher struct {
	s *Sessions

	mu     sync.Mutex
	client paho.Client
	lost   chan struct{} // closed when client's connection is gone
}

func newPublisher(s *Sessions) *publisher { return &publisher{s: s} }

// run keeps a connection until ctx ends.
func (p *publisher) run(ctx context.Context) {
	pauses := backoff.NewExponentialBackOff()
	pauses.MaxInterval = p.s.o.ReconnectMax
	for ctx.Err() == nil {
		client, lost := p.open()
		token := client.Connect()
		if token.WaitTimeout(2*p.s.o.ConnectTimeout) && token.Error() == nil {
			pauses.Reset()
			p.set(client, lost)
			select {
			case <-lost:
			case <-ctx.Done():
			}
			p.set(nil, nil)
		}
		client.Disconnect(100)
		select {
		case <-time.After(pauses.NextBackOff()):
		case <-ctx.Done():
		}
	}
}

func (p *publisher) open() (paho.Client, chan struct{}) {
	lost := make(chan struct{})
	o := p.s.o.clientOptions(p.s.o.ClientID + "-down-" + p.s.nonce[:4])
	o.SetCleanSession(true)
	o.SetAutoReconnect(false)
	o.SetCustomOpenConnectionFn(p.s.o.dial(nil))
	o.SetConnectionLostHandler(func(paho.Client, error) { close(lost) })
	return paho.NewClient(o), lost
}

func (p *publisher) set(c paho.Client, lost chan struct{}) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.client, p.lost = c, lost
}

func (p *publisher) up() bool {
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.client != nil
}

func (p *publisher) publish(ctx context.Context, topic string, payload []byte, qos byte) error {
	p.mu.Lock()
	client, lost := p.client, p.lost
	p.mu.Unlock()
	if client == nil {
		return gateway.Errorf(gateway.Unavailable, "the broker is not connected")
	}
	token := client.Publish(topic, qos, false, payload)
	timeout := time.NewTimer(p.s.o.PublishTimeout)
	defer timeout.Stop()
	select {
	case <-token.Done():
		if err := token.Error(); err != nil {
			return gateway.Errorf(gateway.OutcomeUnknown, "the message may not have reached the broker: %w", err)
		}
		p.s.count.down.Add(1)
		return nil
	case <-lost:
		return gateway.Errorf(gateway.OutcomeUnknown, "the connection was lost before the broker acknowledged the message")
	case <-timeout.C:
		return gateway.Errorf(gateway.OutcomeUnknown, "the broker did not acknowledge the message within %v", p.s.o.PublishTimeout)
	case <-ctx.Done():
		return gateway.Errorf(gateway.OutcomeUnknown, "the broker did not acknowledge the message in time: %w", ctx.Err())
	}
}
