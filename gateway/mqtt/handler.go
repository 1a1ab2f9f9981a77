package mqtt

import (
	"log/slog"
)

// Handler takes what devices send. It calls ack once, from any goroutine: with
// true when the message is durable, with false when it must come again. It may
// block while too much is in flight; the payload must not be kept afterwards.
type Handler interface {
	Uplink(topic string, payload []byte, ack func(ok bool))
}

// Secret is a text that prints as "[secret]".
type Secret string

// String returns "[secret]".
func (Secret) String() string { return "[secret]" }

// GoString returns "[secret]".
func (Secret) GoString() string { return "[secret]" }

// LogValue implements slog.LogValuer.
func (Secret) LogValue() slog.Value { return slog.StringValue("[secret]") }

// MarshalText writes "[secret]".
func (Secret) MarshalText() ([]byte, error) { return []byte("[secret]"), nil }
