package mqtt

import (
	"context"
	"errors"
	"log/slog"

	mochi "github.com/mochi-mqtt/server/v2"
	"github.com/mochi-mqtt/server/v2/packets"
)

// hook is where the gateway reaches into the broker.
type hook struct {
	mochi.HookBase
	b *Broker
}

// ID names the hook in the broker's logs.
func (*hook) ID() string { return "touchpoint" }

// Provides lists what the hook answers.
func (*hook) Provides(f byte) bool {
	switch f {
	case mochi.OnConnectAuthenticate, mochi.OnACLCheck, mochi.OnPublish, mochi.OnWill,
		mochi.OnDisconnect, mochi.OnPublishDropped:
		return true
	}
	return false
}

// OnConnectAuthenticate checks user and password.
func (h *hook) OnConnectAuthenticate(cl *mochi.Client, pk packets.Packet) bool {
	if h.b.authenticate(pk.Connect.Username, pk.Connect.Password) {
		return true
	}
	h.b.count.refused.Add(1)
	return false
}

// OnACLCheck checks topics and filters.
func (h *hook) OnACLCheck(cl *mochi.Client, topic string, write bool) bool {
	return h.b.allowed(string(cl.Properties.Username), cl.ID, topic, write)
}

// OnPublish takes a message on an uplink topic over. The broker does nothing
// more with it: its acknowledgement follows when it is durable.
func (h *hook) OnPublish(cl *mochi.Client, pk packets.Packet) (packets.Packet, error) {
	if cl.Net.Inline || !h.b.o.IsUplink(pk.TopicName) {
		return pk, nil
	}
	c, ok := cl.Net.Conn.(*conn)
	if !ok {
		return pk, errors.New("a client without our connection") // never: every listener wraps
	}
	if pk.FixedHeader.Qos == 0 {
		h.b.count.qos0.Add(1)
		h.b.o.Handler.Uplink(pk.TopicName, pk.Payload, func(bool) {})
		return pk, packets.ErrRejectPacket
	}
	h.b.count.received.Add(1)
	n := c.order.open(cl, &pk)
	h.b.o.Handler.Uplink(pk.TopicName, pk.Payload, func(ok bool) {
		if ok {
			h.b.count.acked.Add(1)
			c.order.done(n)
			return
		}
		h.b.count.failed.Add(1)
		c.order.end()
		go cl.Stop(errNotStored) // it comes again, and sends again
	})
	return pk, packets.ErrRejectPacket
}

var errNotStored = errors.New("a message could not be stored")

// OnWill takes over a last will on an uplink topic, which the broker publishes
// without asking OnPublish, and checks the rights, for which it asks nobody.
func (h *hook) OnWill(cl *mochi.Client, will mochi.Will) (mochi.Will, error) {
	allowed := h.b.allowed(string(cl.Properties.Username), cl.ID, will.TopicName, true)
	if allowed && !h.b.o.IsUplink(will.TopicName) {
		return will, nil
	}
	if allowed {
		h.b.count.qos0.Add(1)
		h.b.o.Handler.Uplink(will.TopicName, will.Payload, func(bool) {})
	}
	will.TopicName, will.Payload, will.Retain, will.Qos = willTopic, nil, false, 0
	return will, nil
}

// willTopic is where a will that was taken over goes: nobody can subscribe to it.
const willTopic = "$touchpoint/will"

// OnDisconnect ends the acknowledgements of a client.
func (h *hook) OnDisconnect(cl *mochi.Client, _ error, _ bool) {
	if c, ok := cl.Net.Conn.(*conn); ok {
		h.b.forget(c.order)
	}
}

// OnPublishDropped counts messages for clients that do not read.
func (h *hook) OnPublishDropped(*mochi.Client, packets.Packet) { h.b.count.dropped.Add(1) }

// quiet returns a logger for the broker's library: it logs every disconnect as
// a warning, and whole packets with payloads, passwords and client ids in them.
func quiet(l *slog.Logger) *slog.Logger { return slog.New(quietHandler{l.Handler()}) }

type quietHandler struct{ next slog.Handler }

// Enabled implements slog.Handler.
func (q quietHandler) Enabled(ctx context.Context, level slog.Level) bool {
	return q.next.Enabled(ctx, demote(level))
}

// Handle implements slog.Handler.
func (q quietHandler) Handle(ctx context.Context, r slog.Record) error {
	clean := slog.NewRecord(r.Time, demote(r.Level), "broker: "+r.Message, r.PC)
	r.Attrs(func(a slog.Attr) bool {
		if speaks(a.Key) {
			clean.AddAttrs(a)
		}
		return true
	})
	return q.next.Handle(ctx, clean)
}

// WithAttrs implements slog.Handler.
func (q quietHandler) WithAttrs(attrs []slog.Attr) slog.Handler {
	kept := make([]slog.Attr, 0, len(attrs))
	for _, a := range attrs {
		if speaks(a.Key) {
			kept = append(kept, a)
		}
	}
	return quietHandler{q.next.WithAttrs(kept)}
}

// WithGroup implements slog.Handler.
func (q quietHandler) WithGroup(name string) slog.Handler {
	return quietHandler{q.next.WithGroup(name)}
}

func demote(level slog.Level) slog.Level {
	if level >= slog.LevelError {
		return level
	}
	return slog.LevelDebug
}

// speaks lists the attributes that hold nothing of a device.
func speaks(key string) bool {
	switch key {
	case "error", "listener", "id", "protocol", "address", "version", "hook", "keepalive", "recommended", "len":
		return true
	}
	return false
}
