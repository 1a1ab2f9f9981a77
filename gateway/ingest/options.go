package ingest

import (
	"context"
	"log/slog"
	"time"

	"touchpoint/devices"
	"touchpoint/gateway"
	"touchpoint/gateway/clock"
)

// Log is the log of events. AppendEvents returns when the batch is durable. An
// error of kind OutcomeUnknown or Unavailable is answered with the same batch
// again, which the log recognises; Exhausted means that the log takes no device
// events at present, Invalid that this batch can never be stored.
type Log interface {
	AppendEvents(ctx context.Context, b *gateway.Batch) (seq uint64, err error)
}

// Vault gives internal ids and seals.
type Vault interface {
	Device(ctx context.Context, product, serial string) (gateway.DeviceID, error)
	// Sync waits until every id given so far can be traced back for good.
	Sync(ctx context.Context) error
	Seal(ctx context.Context, s gateway.Subject, plaintext gateway.Personal) (string, error)
	// SealRotating seals with the key of a day that is dropped soon.
	SealRotating(ctx context.Context, now gateway.Instant, data []byte) ([]byte, error)
}

// DeadLetters keeps what cannot be taken; the call returns when it is durable.
type DeadLetters interface {
	AppendDeadLetter(ctx context.Context, l *DeadLetter) error
}

// Presence hears of devices that are there. Its calls are on the road of every
// message: they must not block.
type Presence interface {
	// Seen is called for each message of a device.
	Seen(d gateway.DeviceID, product, serial string)
	// Hello is called when a device greets; shown are messages that it has
	// displayed and still remembers.
	Hello(d gateway.DeviceID, product, serial string, shown []gateway.MessageID)
}

// Options configure an Ingest. Log, Vault, DeadLetters, Clock and Partitions
// are required.
type Options struct {
	Log         Log
	Vault       Vault
	DeadLetters DeadLetters
	Clock       *clock.Clock
	Partitions  int
	// Registry of products; nil takes every product as it comes.
	Registry *devices.Registry
	Limits   devices.Limits
	// Watermark tells up to when intake is complete, the minimum over its
	// sources; nil: it never is, and nothing is ever found absent.
	Watermark func() gateway.Instant
	Presence  Presence // may be nil
	// Linger is how long a lone input waits for others; 0 = 5 ms, negative =
	// not at all. With a virtual clock nothing waits.
	Linger time.Duration
	// BatchInputs and BatchBytes bound one record of the log.
	BatchInputs int
	BatchBytes  int
	// MaxBytes bounds what devices have in flight here; beyond it Uplink blocks.
	MaxBytes int64
	// DeadLetterBytes is how much of a payload a dead letter keeps.
	DeadLetterBytes int
	// RetryMax bounds the pause between two tries of an append.
	RetryMax time.Duration
	Logger   *slog.Logger // nil discards
}

// Validate fills defaults and names the first key that is wrong.
func (o *Options) Validate() error {
	switch {
	case o.Log == nil:
		return gateway.InvalidField("ingest.log", "is missing")
	case o.Vault == nil:
		return gateway.InvalidField("ingest.vault", "is missing")
	case o.DeadLetters == nil:
		return gateway.InvalidField("ingest.dead_letters", "is missing")
	case o.Clock == nil:
		return gateway.InvalidField("ingest.clock", "is missing")
	case o.Partitions < 1 || o.Partitions > 4096:
		return gateway.InvalidField("ingest.partitions", "is %d: must be from 1 to 4096", o.Partitions)
	}
	o.fillDefaults()
	switch {
	case o.Linger > 5*time.Millisecond:
		return gateway.InvalidField("ingest.linger", "is %v: at most 5ms, a lone input must not wait longer", o.Linger)
	case o.BatchInputs < 1 || o.BatchInputs > 4096:
		return gateway.InvalidField("ingest.batch_inputs", "is %d: must be from 1 to 4096", o.BatchInputs)
	case o.BatchBytes < 4<<10 || o.BatchBytes > 4<<20:
		return gateway.InvalidField("ingest.batch_bytes", "is %d: must be from 4 KiB to 4 MiB", o.BatchBytes)
	case o.MaxBytes < int64(o.Limits.PayloadBytes):
		return gateway.InvalidField("ingest.max_bytes", "is %d: must hold one message of %d bytes", o.MaxBytes, o.Limits.PayloadBytes)
	case o.DeadLetterBytes < 64 || o.DeadLetterBytes > 1<<20:
		return gateway.InvalidField("ingest.dead_letter_bytes", "is %d: must be from 64 to 1 MiB", o.DeadLetterBytes)
	}
	return o.Limits.Validate()
}

func (o *Options) fillDefaults() {
	if o.Registry == nil {
		o.Registry = devices.OpenRegistry()
	}
	if o.Limits == (devices.Limits{}) {
		o.Limits = devices.DefaultLimits()
	}
	if o.Watermark == nil {
		o.Watermark = func() gateway.Instant { return 0 }
	}
	if o.Linger == 0 {
		o.Linger = 5 * time.Millisecond
	}
	if o.Clock.Virtual() {
		o.Linger = -1
	}
	setDefault(&o.BatchInputs, 256)
	setDefault(&o.BatchBytes, 256<<10)
	setDefault(&o.MaxBytes, 64<<20)
	setDefault(&o.DeadLetterBytes, 64<<10)
	setDefault(&o.RetryMax, time.Second)
	if o.Logger == nil {
		o.Logger = slog.New(slog.DiscardHandler)
	}
}

func setDefault[T comparable](v *T, d T) {
	var zero T
	if *v == zero {
		*v = d
	}
}
