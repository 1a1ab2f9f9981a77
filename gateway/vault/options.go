package vault

import (
	"context"
	"log/slog"
	"time"

	"touchpoint/gateway"
)

// Store is the bucket that the vault lives in. Kinds of error: NotFound from
// Get, Conflict from Create (the key exists) and Update (another revision).
// Purge erases every revision from the disk, not only from the index.
type Store interface {
	Get(ctx context.Context, key string) (value []byte, revision uint64, err error)
	Create(ctx context.Context, key string, value []byte) (revision uint64, err error)
	Update(ctx context.Context, key string, value []byte, revision uint64) (uint64, error)
	Purge(ctx context.Context, key string) error
	Keys(ctx context.Context, prefix string) ([]string, error)
}

// Options configure a vault.
type Options struct {
	// Store is required.
	Store Store
	// MasterKey wraps the root key: 32 bytes, see LoadMasterKey.
	MasterKey []byte
	// CachedKeys bounds the opened subject keys in memory (about 200 bytes each).
	CachedKeys int
	// RotatingDays is how many days a rotating key lives after its own day.
	RotatingDays int
	// Linger is how long a first-seen device waits for others before its mapping
	// is written; Sync does not wait for it.
	Linger time.Duration
	// Logger gets no personal value; nil discards.
	Logger *slog.Logger
}

// The bounds of what a device may be called, and of a batch.
const (
	maxName    = 512     // bytes of a product name or a serial
	maxPending = 1 << 16 // mappings that wait for the store
	batchSize  = 1024    // mappings per record
)

// Validate fills defaults and names the first key that is wrong.
func (o *Options) Validate() error {
	if o.Store == nil {
		return gateway.InvalidField("vault.store", "is missing")
	}
	if len(o.MasterKey) != keySize {
		return gateway.InvalidField("vault.master_key", "has %d bytes, want %d", len(o.MasterKey), keySize)
	}
	if o.CachedKeys < 0 {
		return gateway.InvalidField("vault.cached_keys", "is %d, want 1 or more", o.CachedKeys)
	}
	if o.RotatingDays < 0 {
		return gateway.InvalidField("vault.rotating_days", "is %d, want 1 or more", o.RotatingDays)
	}
	if o.Linger < 0 {
		return gateway.InvalidField("vault.linger", "is %v, want 0 or more", o.Linger)
	}
	if o.CachedKeys == 0 {
		o.CachedKeys = 50_000
	}
	if o.RotatingDays == 0 {
		o.RotatingDays = 14
	}
	if o.Linger == 0 {
		o.Linger = 20 * time.Millisecond
	}
	if o.Logger == nil {
		o.Logger = slog.New(slog.DiscardHandler)
	}
	return nil
}
