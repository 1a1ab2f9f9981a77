package vault

import (
	"context"
	"crypto/rand"
	"encoding/binary"
	"encoding/json"
	"slices"

	"touchpoint/gateway"
)

// Customer returns the internal id of a customer number, a fresh random one
// when it was not seen before. Two calls at once, also from two processes,
// return the same id, and exactly one of them says created.
func (v *Vault) Customer(ctx context.Context, external gateway.Personal) (id gateway.CustomerID, created bool, err error) {
	if external == "" || len(external) > maxName {
		return 0, false, gateway.InvalidField("customer", "has %d bytes, want 1 to %d", len(external), maxName)
	}
	key := v.roots.customerKey(external)
	for {
		id, err = v.lookup(ctx, key)
		if err == nil {
			return id, false, v.ensureKey(ctx, id, external)
		}
		if gateway.KindOf(err) != gateway.NotFound {
			return 0, false, err
		}
		id = newCustomerID()
		sealed := v.roots.wrap.seal(nil, binary.BigEndian.AppendUint64(nil, uint64(id)), []byte(key))
		_, err = v.store.Create(ctx, key, sealed)
		if err == nil {
			return id, true, v.createKey(ctx, gateway.CustomerSubject(id), external)
		}
		if gateway.KindOf(err) != gateway.Conflict {
			return 0, false, err
		}
	}
}

// LookupCustomer returns the internal id of a known customer number, NotFound
// otherwise.
func (v *Vault) LookupCustomer(ctx context.Context, external gateway.Personal) (gateway.CustomerID, error) {
	id, err := v.lookup(ctx, v.roots.customerKey(external))
	if err != nil && gateway.KindOf(err) == gateway.NotFound {
		return 0, gateway.Errorf(gateway.NotFound, "no such customer")
	}
	return id, err
}

// CustomerName returns the customer number of an id; NotFound when there is
// none, or when the customer was erased.
func (v *Vault) CustomerName(ctx context.Context, id gateway.CustomerID) (gateway.Personal, error) {
	s := gateway.CustomerSubject(id)
	k, err := v.readKey(ctx, s)
	if err != nil {
		return "", err
	}
	name, err := k.box.open(nil, k.name, aad("name", s))
	if err != nil {
		return "", gateway.Errorf(gateway.Internal, "customer number of %v: %w", id, err)
	}
	return gateway.Personal(name), nil
}

func newCustomerID() gateway.CustomerID {
	var b [8]byte
	for {
		_, _ = rand.Read(b[:])
		if id := binary.BigEndian.Uint64(b[:]); id != 0 {
			return gateway.CustomerID(id)
		}
	}
}

func (v *Vault) lookup(ctx context.Context, key string) (gateway.CustomerID, error) {
	sealed, _, err := v.store.Get(ctx, key)
	if err != nil {
		return 0, err
	}
	plain, err := v.roots.wrap.open(nil, sealed, []byte(key))
	if err != nil || len(plain) != 8 {
		return 0, gateway.Errorf(gateway.Internal, "vault entry %s: %w", key, errSealed)
	}
	return gateway.CustomerID(binary.BigEndian.Uint64(plain)), nil
}

// ensureKey makes the key of a customer whose creator died between the two
// writes.
func (v *Vault) ensureKey(ctx context.Context, id gateway.CustomerID, external gateway.Personal) error {
	s := gateway.CustomerSubject(id)
	_, err := v.subjectKey(ctx, s)
	if err == nil || gateway.KindOf(err) != gateway.NotFound {
		return err
	}
	if now, err := v.lookup(ctx, v.roots.customerKey(external)); err != nil || now != id {
		return gateway.Errorf(gateway.Conflict, "the customer is being erased: try again")
	}
	return v.createKey(ctx, s, external)
}

func profileKey(id gateway.CustomerID) string { return "p." + id.String() }

// SaveProfile sets those personal fields of a customer that mask names; a
// named field that is not in fields is deleted. An empty mask means every key
// of fields.
func (v *Vault) SaveProfile(ctx context.Context, id gateway.CustomerID, fields map[string]gateway.Personal, mask []string) error {
	s := gateway.CustomerSubject(id)
	b, err := v.subjectKey(ctx, s)
	if err != nil {
		return err
	}
	key := profileKey(id)
	for {
		profile, revision, err := v.readProfile(ctx, id, b)
		if err != nil {
			return err
		}
		if !merge(profile, fields, mask) {
			return nil
		}
		plain, err := json.Marshal(profile)
		if err != nil {
			return gateway.Errorf(gateway.Internal, "profile of %v: %w", id, err)
		}
		sealed := b.seal(nil, plain, aad("profile", s))
		if revision == 0 {
			_, err = v.store.Create(ctx, key, sealed)
		} else {
			_, err = v.store.Update(ctx, key, sealed, revision)
		}
		if err == nil || gateway.KindOf(err) != gateway.Conflict {
			return err
		}
	}
}

// merge reports whether it changed anything.
func merge(profile map[string]string, fields map[string]gateway.Personal, mask []string) bool {
	if len(mask) == 0 {
		for k := range fields {
			mask = append(mask, k)
		}
		slices.Sort(mask)
	}
	changed := false
	for _, k := range mask {
		old, had := profile[k]
		value, has := fields[k]
		switch {
		case has && (!had || old != value.Reveal()):
			profile[k], changed = value.Reveal(), true
		case !has && had:
			delete(profile, k)
			changed = true
		}
	}
	return changed
}

// Profile returns the personal fields of a customer, none when he has none;
// NotFound when he is unknown or was erased.
func (v *Vault) Profile(ctx context.Context, id gateway.CustomerID) (map[string]gateway.Personal, error) {
	b, err := v.subjectKey(ctx, gateway.CustomerSubject(id))
	if err != nil {
		return nil, err
	}
	profile, _, err := v.readProfile(ctx, id, b)
	if err != nil {
		return nil, err
	}
	out := make(map[string]gateway.Personal, len(profile))
	for k, text := range profile {
		out[k] = gateway.Personal(text)
	}
	return out, nil
}

func (v *Vault) readProfile(ctx context.Context, id gateway.CustomerID, b box) (map[string]string, uint64, error) {
	profile := make(map[string]string)
	sealed, revision, err := v.store.Get(ctx, profileKey(id))
	if err != nil {
		if gateway.KindOf(err) == gateway.NotFound {
			return profile, 0, nil
		}
		return nil, 0, err
	}
	plain, err := b.open(nil, sealed, aad("profile", gateway.CustomerSubject(id)))
	if err == nil {
		err = json.Unmarshal(plain, &profile)
	}
	if err != nil { // the cause could repeat a part of the text
		return nil, 0, gateway.Errorf(gateway.Internal, "profile of %v: %w", id, errSealed)
	}
	return profile, revision, nil
}

// Erase makes a customer unreadable for good: mapping, profile and key are
// purged from the store and from memory. It may be repeated, and a call that
// failed half-way goes on where it stopped. The same customer number is a new
// customer afterwards.
func (v *Vault) Erase(ctx context.Context, id gateway.CustomerID) error {
	s := gateway.CustomerSubject(id)
	name, err := v.CustomerName(ctx, id)
	switch {
	case err == nil:
		// The key goes last: it is what leads back to the mapping.
		if err := v.eraseMapping(ctx, id, name); err != nil {
			return err
		}
	case gateway.KindOf(err) != gateway.NotFound:
		return err
	}
	if err := v.store.Purge(ctx, profileKey(id)); err != nil {
		return err
	}
	return v.EraseSubject(ctx, s)
}

func (v *Vault) eraseMapping(ctx context.Context, id gateway.CustomerID, name gateway.Personal) error {
	key := v.roots.customerKey(name)
	now, err := v.lookup(ctx, key)
	if err != nil && gateway.KindOf(err) != gateway.NotFound {
		return err
	}
	if err != nil || now != id {
		return nil // gone already, perhaps given to a new customer since
	}
	return v.store.Purge(ctx, key)
}
