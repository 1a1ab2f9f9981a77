package vault

import (
	"context"
	"crypto/hmac"
	"crypto/sha256"
	"encoding/binary"

	"touchpoint/gateway"
)

// groupKey is the bucket key of a household's or account's number.
func (r roots) groupKey(external gateway.Personal) string {
	h := hmac.New(sha256.New, r.index)
	h.Write([]byte("group\x00" + external.Reveal()))
	return "g." + keyText.EncodeToString(h.Sum(nil)[:20])
}

// Group returns the internal id of a household or account, a fresh random one
// when its number was not seen before; see Customer.
func (v *Vault) Group(ctx context.Context, external gateway.Personal) (id gateway.GroupID, created bool, err error) {
	if external == "" || len(external) > maxName {
		return 0, false, gateway.InvalidField("group", "has %d bytes, want 1 to %d", len(external), maxName)
	}
	key := v.roots.groupKey(external)
	for {
		found, err := v.lookup(ctx, key)
		if err == nil {
			// Its key is missing when its creator died between the two writes.
			s := gateway.GroupSubject(gateway.GroupID(found))
			return gateway.GroupID(found), false, v.createKey(ctx, s, external)
		}
		if gateway.KindOf(err) != gateway.NotFound {
			return 0, false, err
		}
		id = gateway.GroupID(newCustomerID())
		sealed := v.roots.wrap.seal(nil, binary.BigEndian.AppendUint64(nil, uint64(id)), []byte(key))
		_, err = v.store.Create(ctx, key, sealed)
		if err == nil {
			return id, true, v.createKey(ctx, gateway.GroupSubject(id), external)
		}
		if gateway.KindOf(err) != gateway.Conflict {
			return 0, false, err
		}
	}
}

// LookupGroup returns the internal id of a known group, NotFound otherwise.
func (v *Vault) LookupGroup(ctx context.Context, external gateway.Personal) (gateway.GroupID, error) {
	id, err := v.lookup(ctx, v.roots.groupKey(external))
	if err != nil && gateway.KindOf(err) == gateway.NotFound {
		return 0, gateway.Errorf(gateway.NotFound, "no such group")
	}
	return gateway.GroupID(id), err
}

// GroupName returns the number of a group; NotFound when there is none, or when
// the last member was erased.
func (v *Vault) GroupName(ctx context.Context, id gateway.GroupID) (gateway.Personal, error) {
	s := gateway.GroupSubject(id)
	k, err := v.readKey(ctx, s)
	if err != nil {
		return "", err
	}
	name, err := k.box.open(nil, k.name, aad("name", s))
	if err != nil {
		return "", gateway.Errorf(gateway.Internal, "number of %v: %w", id, err)
	}
	return gateway.Personal(name), nil
}

// EraseGroup forgets the number of a group; see Erase.
func (v *Vault) EraseGroup(ctx context.Context, id gateway.GroupID) error {
	name, err := v.GroupName(ctx, id)
	switch {
	case err == nil:
		key := v.roots.groupKey(name)
		now, err := v.lookup(ctx, key)
		if err != nil && gateway.KindOf(err) != gateway.NotFound {
			return err
		}
		if err == nil && gateway.GroupID(now) == id {
			if err := v.store.Purge(ctx, key); err != nil {
				return err
			}
		}
	case gateway.KindOf(err) != gateway.NotFound:
		return err
	}
	return v.EraseSubject(ctx, gateway.GroupSubject(id))
}
