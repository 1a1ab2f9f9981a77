package vault

import (
	"context"
	"log/slog"
	"time"
)

// Vault maps ids and seals personal values. It is safe for concurrent use, and
// several processes may use one store.
type Vault struct {
	store   Store
	log     *slog.Logger
	linger  time.Duration
	roots   roots
	keys    *keyCache
	devices *devices
	days    rotation

	cancel context.CancelFunc
	done   chan struct{}
}

// Open opens the vault in o.Store, or makes one there when it is empty. A
// wrong master key is refused.
func Open(ctx context.Context, o Options) (*Vault, error) {
	if err := o.Validate(); err != nil {
		return nil, err
	}
	r, err := openRoots(ctx, o.Store, o.MasterKey)
	if err != nil {
		return nil, err
	}
	v := &Vault{
		store: o.Store, log: o.Logger, linger: o.Linger, roots: r,
		keys: newKeyCache(o.CachedKeys), devices: newDevices(),
		done: make(chan struct{}),
	}
	v.days.keep = o.RotatingDays
	v.devices.loading.Lock()
	_, err = v.loadDevices(ctx)
	if err == nil {
		err = v.mergeRecords(ctx)
	}
	v.devices.loading.Unlock()
	if err != nil {
		return nil, err
	}
	background, cancel := context.WithCancel(context.Background())
	v.cancel = cancel
	go func() {
		defer close(v.done)
		v.writeDevices(background)
	}()
	return v, nil
}

// Close stores what is pending and stops.
func (v *Vault) Close() {
	v.cancel()
	<-v.done
}
