package vault

import (
	"testing"

	"touchpoint/gateway"
)

func TestGroups(t *testing.T) {
	v, ctx := open(t, newMemoryStore()), t.Context()
	id, created, err := v.Group(ctx, "H-7")
	if err != nil || !created || id == 0 {
		t.Fatal(id, created, err)
	}
	again, created, err := v.Group(ctx, "H-7")
	if again != id || created || err != nil {
		t.Error(again, created, err)
	}
	if c, _, err := v.Customer(ctx, "H-7"); err != nil || uint64(c) == uint64(id) {
		t.Error("a customer of the same number is somebody else:", c, err)
	}
	if found, err := v.LookupGroup(ctx, "H-7"); found != id || err != nil {
		t.Error(found, err)
	}
	if name, err := v.GroupName(ctx, id); name.Reveal() != "H-7" || err != nil {
		t.Error(err)
	}
	for range 2 {
		if err := v.EraseGroup(ctx, id); err != nil {
			t.Fatal(err)
		}
	}
	if _, err := v.GroupName(ctx, id); gateway.KindOf(err) != gateway.NotFound {
		t.Error(err)
	}
	if _, err := v.LookupGroup(ctx, "H-7"); gateway.KindOf(err) != gateway.NotFound {
		t.Error(err)
	}
	if fresh, created, err := v.Group(ctx, "H-7"); fresh == id || !created || err != nil {
		t.Error("the same number is another group afterwards:", fresh, created, err)
	}
	if _, _, err := v.Group(ctx, ""); gateway.KindOf(err) != gateway.Invalid {
		t.Error(err)
	}
}
