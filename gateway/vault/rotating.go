package vault

import (
	"context"
	"crypto/rand"
	"encoding/binary"
	"strconv"
	"strings"
	"sync"
	"time"

	"touchpoint/gateway"
)

// rotation holds the keys of days that are in use.
type rotation struct {
	mu    sync.Mutex
	keep  int
	boxes map[int64]box
}

const (
	dayPrefix = "r."
	day       = int64(24 * time.Hour / time.Millisecond)
)

func dayEntry(n int64) string { return dayPrefix + strconv.FormatInt(n, 10) }

// SealRotating seals data that is kept for a few days only, such as a dead
// letter, with the key of the day of now. Keys of days long past are purged
// when a new day begins.
func (v *Vault) SealRotating(ctx context.Context, now gateway.Instant, data []byte) ([]byte, error) {
	n := int64(now) / day
	b, fresh, err := v.dayKey(ctx, n, true)
	if err != nil {
		return nil, err
	}
	if fresh {
		if err := v.ExpireRotating(ctx, now); err != nil {
			v.log.Warn("keys of past days are not dropped yet", "error", err)
		}
	}
	out := binary.BigEndian.AppendUint32(nil, uint32(n))
	return b.seal(out, data, []byte(dayEntry(n))), nil
}

// OpenRotating returns what SealRotating was given; NotFound when its day's
// key is gone.
func (v *Vault) OpenRotating(ctx context.Context, sealed []byte) ([]byte, error) {
	if len(sealed) < 4 {
		return nil, gateway.Errorf(gateway.Invalid, "%w", errSealed)
	}
	n := int64(binary.BigEndian.Uint32(sealed))
	b, _, err := v.dayKey(ctx, n, false)
	if err != nil {
		return nil, err
	}
	plain, err := b.open(nil, sealed[4:], []byte(dayEntry(n)))
	if err != nil {
		return nil, gateway.Errorf(gateway.Invalid, "%w", err)
	}
	return plain, nil
}

// ExpireRotating purges the keys whose days are over, as seen from now.
func (v *Vault) ExpireRotating(ctx context.Context, now gateway.Instant) error {
	keys, err := v.store.Keys(ctx, dayPrefix)
	if err != nil {
		return err
	}
	oldest := int64(now)/day - int64(v.days.keep)
	for _, key := range keys {
		n, err := strconv.ParseInt(strings.TrimPrefix(key, dayPrefix), 10, 64)
		if err != nil || n >= oldest {
			continue
		}
		v.days.mu.Lock()
		delete(v.days.boxes, n)
		v.days.mu.Unlock()
		if err := v.store.Purge(ctx, key); err != nil {
			return err
		}
	}
	return nil
}

// dayKey returns the key of a day; fresh says that this process had not used
// it before.
func (v *Vault) dayKey(ctx context.Context, n int64, create bool) (b box, fresh bool, err error) {
	v.days.mu.Lock()
	defer v.days.mu.Unlock()
	if b, ok := v.days.boxes[n]; ok {
		return b, false, nil
	}
	b, err = v.loadDayKey(ctx, n)
	if err != nil && create && gateway.KindOf(err) == gateway.NotFound {
		b, err = v.createDayKey(ctx, n)
	}
	if err != nil {
		return box{}, false, err
	}
	if v.days.boxes == nil {
		v.days.boxes = make(map[int64]box)
	}
	v.days.boxes[n] = b
	return b, true, nil
}

func (v *Vault) loadDayKey(ctx context.Context, n int64) (box, error) {
	entry := dayEntry(n)
	wrapped, _, err := v.store.Get(ctx, entry)
	if err != nil {
		if gateway.KindOf(err) == gateway.NotFound {
			return box{}, gateway.Errorf(gateway.NotFound, "the key of that day was dropped")
		}
		return box{}, err
	}
	key, err := v.roots.wrap.open(nil, wrapped, []byte(entry))
	if err != nil || len(key) != keySize {
		return box{}, gateway.Errorf(gateway.Internal, "vault entry %s: %w", entry, errSealed)
	}
	return newBox(key), nil
}

func (v *Vault) createDayKey(ctx context.Context, n int64) (box, error) {
	key := make([]byte, keySize)
	_, _ = rand.Read(key)
	entry := dayEntry(n)
	_, err := v.store.Create(ctx, entry, v.roots.wrap.seal(nil, key, []byte(entry)))
	if err != nil {
		if gateway.KindOf(err) == gateway.Conflict {
			return v.loadDayKey(ctx, n)
		}
		return box{}, err
	}
	return newBox(key), nil
}
