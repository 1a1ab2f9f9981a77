package vault

import (
	"context"
	"crypto/rand"
	"encoding/base64"
	"encoding/binary"
	"sync"

	"touchpoint/gateway"
)

// Seal makes plaintext unreadable for everybody but Open with the same
// subject. A customer's key is made by Customer alone, so that nothing can be
// sealed for someone unknown or erased; a device's key is made on first use.
func (v *Vault) Seal(ctx context.Context, s gateway.Subject, plaintext gateway.Personal) (string, error) {
	b, err := v.subjectKey(ctx, s)
	if err != nil && s.Kind != gateway.SubjectCustomer && gateway.KindOf(err) == gateway.NotFound {
		if err = v.createKey(ctx, s, ""); err == nil {
			b, err = v.subjectKey(ctx, s)
		}
	}
	if err != nil {
		return "", err
	}
	return base64.RawURLEncoding.EncodeToString(b.seal(nil, []byte(plaintext.Reveal()), aad("field", s))), nil
}

// Open returns what Seal was given. NotFound: the subject's key does not exist
// (any more). Invalid: not sealed here, for another subject, or changed.
func (v *Vault) Open(ctx context.Context, s gateway.Subject, sealed string) (gateway.Personal, error) {
	raw, err := base64.RawURLEncoding.DecodeString(sealed)
	if err != nil {
		return "", gateway.Errorf(gateway.Invalid, "%w", errSealed)
	}
	b, err := v.subjectKey(ctx, s)
	if err != nil {
		return "", err
	}
	plain, err := b.open(nil, raw, aad("field", s))
	if err != nil {
		return "", gateway.Errorf(gateway.Invalid, "%w", err)
	}
	return gateway.Personal(plain), nil
}

// EraseSubject purges the key of a subject from the store and from memory:
// whatever was sealed for it is unreadable from now on.
func (v *Vault) EraseSubject(ctx context.Context, s gateway.Subject) error {
	v.keys.forget(s)
	err := v.store.Purge(ctx, subjectEntry(s))
	v.keys.forget(s) // what was read while the purge was under way
	return err
}

// Forget drops the subject's key from memory; a process that learns of an
// erasure done by another one calls it.
func (v *Vault) Forget(s gateway.Subject) { v.keys.forget(s) }

func subjectEntry(s gateway.Subject) string { return "k." + s.String() }

// keyEntry is the content of a key's entry: the wrapped key, and for a
// customer his number, sealed with that key.
type keyEntry struct {
	box  box
	name []byte
}

func (v *Vault) readKey(ctx context.Context, s gateway.Subject) (keyEntry, error) {
	if s.ID == 0 {
		return keyEntry{}, gateway.Errorf(gateway.NotFound, "no subject is named")
	}
	data, _, err := v.store.Get(ctx, subjectEntry(s))
	if err != nil {
		if gateway.KindOf(err) == gateway.NotFound {
			return keyEntry{}, gateway.Errorf(gateway.NotFound, "%v is unknown or was erased", s)
		}
		return keyEntry{}, err
	}
	if len(data) < 2 || len(data) < 2+int(binary.BigEndian.Uint16(data)) {
		return keyEntry{}, gateway.Errorf(gateway.Internal, "key of %v: %w", s, errSealed)
	}
	n := 2 + int(binary.BigEndian.Uint16(data))
	key, err := v.roots.wrap.open(nil, data[2:n], aad("key", s))
	if err != nil || len(key) != keySize {
		return keyEntry{}, gateway.Errorf(gateway.Internal, "key of %v: %w", s, errSealed)
	}
	return keyEntry{box: newBox(key), name: data[n:]}, nil
}

// createKey makes the key of s unless it exists.
func (v *Vault) createKey(ctx context.Context, s gateway.Subject, name gateway.Personal) error {
	if s.ID == 0 {
		return gateway.Errorf(gateway.Invalid, "no subject is named")
	}
	key := make([]byte, keySize)
	_, _ = rand.Read(key)
	wrapped := v.roots.wrap.seal(nil, key, aad("key", s))
	data := binary.BigEndian.AppendUint16(nil, uint16(len(wrapped)))
	data = append(data, wrapped...)
	if name != "" {
		data = newBox(key).seal(data, []byte(name.Reveal()), aad("name", s))
	}
	_, err := v.store.Create(ctx, subjectEntry(s), data)
	if err != nil && gateway.KindOf(err) == gateway.Conflict {
		return nil
	}
	return err
}

// subjectKey returns the key of s, from memory where it is there.
func (v *Vault) subjectKey(ctx context.Context, s gateway.Subject) (box, error) {
	b, epoch, ok := v.keys.get(s)
	if ok {
		return b, nil
	}
	k, err := v.readKey(ctx, s)
	if err != nil {
		return box{}, err
	}
	v.keys.put(s, k.box, epoch)
	return k.box, nil
}

// keyCache keeps the keys in use: two generations, the older one dropped when
// the younger is full.
type keyCache struct {
	mu         sync.Mutex
	size       int
	young, old map[gateway.Subject]box
	epoch      uint64 // counts erasures: a key read before one is not kept
}

func newKeyCache(size int) *keyCache {
	return &keyCache{size: max(1, size/2), young: make(map[gateway.Subject]box)}
}

func (c *keyCache) get(s gateway.Subject) (b box, epoch uint64, ok bool) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if b, ok = c.young[s]; ok {
		return b, c.epoch, true
	}
	if b, ok = c.old[s]; ok {
		c.keep(s, b)
	}
	return b, c.epoch, ok
}

func (c *keyCache) put(s gateway.Subject, b box, epoch uint64) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if epoch == c.epoch {
		c.keep(s, b)
	}
}

func (c *keyCache) keep(s gateway.Subject, b box) {
	if len(c.young) >= c.size {
		c.old, c.young = c.young, make(map[gateway.Subject]box)
	}
	c.young[s] = b
}

func (c *keyCache) forget(s gateway.Subject) {
	c.mu.Lock()
	defer c.mu.Unlock()
	delete(c.young, s)
	delete(c.old, s)
	c.epoch++
}
