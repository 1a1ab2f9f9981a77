package vault

import (
	"bytes"
	"context"
	"encoding/base64"
	"fmt"
	"maps"
	"sync"
	"testing"

	"touchpoint/gateway"
)

func TestCustomerRace(t *testing.T) {
	ctx := context.Background()
	st := newMemoryStore()
	vaults := []*Vault{open(t, st), open(t, st)}
	var mu sync.Mutex
	ids, created := map[gateway.CustomerID]int{}, 0
	var wg sync.WaitGroup
	for i := range 20 {
		wg.Go(func() {
			id, fresh, err := vaults[i%2].Customer(ctx, "K-1001")
			mu.Lock()
			defer mu.Unlock()
			if err != nil {
				t.Error(err)
			}
			ids[id]++
			if fresh {
				created++
			}
		})
	}
	wg.Wait()
	if len(ids) != 1 || created != 1 {
		t.Fatalf("ids %v, created %d times", ids, created)
	}
	for id := range ids {
		if name, err := vaults[1].CustomerName(ctx, id); err != nil || name != "K-1001" {
			t.Fatalf("%q, %v", name.Reveal(), err)
		}
		if got, err := vaults[0].LookupCustomer(ctx, "K-1001"); err != nil || got != id {
			t.Fatalf("%v, %v", got, err)
		}
	}
	_, err := vaults[0].LookupCustomer(ctx, "K-1002")
	wantKind(t, err, gateway.NotFound)
}

func TestCustomerWhoseCreatorDied(t *testing.T) {
	ctx := context.Background()
	st := newMemoryStore()
	v := open(t, st)
	id, _, err := v.Customer(ctx, "K-1001")
	if err != nil {
		t.Fatal(err)
	}
	s := gateway.CustomerSubject(id)
	_ = st.Purge(ctx, subjectEntry(s)) // as if the second write never came
	v.Forget(s)
	again, created, err := v.Customer(ctx, "K-1001")
	if err != nil || created || again != id {
		t.Fatalf("%v %v %v", again, created, err)
	}
	if _, err := v.Seal(ctx, s, "x"); err != nil {
		t.Fatal(err)
	}
}

func TestProfileMask(t *testing.T) {
	ctx := context.Background()
	v := open(t, newMemoryStore())
	id, _, err := v.Customer(ctx, "K-1001")
	if err != nil {
		t.Fatal(err)
	}
	type fields = map[string]gateway.Personal
	for _, c := range []struct {
		fields fields
		mask   []string
		want   fields
	}{
		{nil, nil, fields{}},
		{fields{"name": "Ada Muster", "email": "ada@example.com"}, nil, fields{"name": "Ada Muster", "email": "ada@example.com"}},
		{fields{"name": "Ada Beispiel", "email": "no"}, []string{"name"}, fields{"name": "Ada Beispiel", "email": "ada@example.com"}},
		{fields{"phone": "+49 30 1"}, []string{"phone", "email"}, fields{"name": "Ada Beispiel", "phone": "+49 30 1"}},
	} {
		if err := v.SaveProfile(ctx, id, c.fields, c.mask); err != nil {
			t.Fatal(err)
		}
		got, err := v.Profile(ctx, id)
		if err != nil || !maps.Equal(got, c.want) {
			t.Errorf("mask %v: %d fields, %v", c.mask, len(got), err)
		}
	}
	_, err = v.Profile(ctx, 4711)
	wantKind(t, err, gateway.NotFound)
}

func TestProfileWritersAtOnce(t *testing.T) {
	ctx := context.Background()
	v := open(t, newMemoryStore())
	id, _, err := v.Customer(ctx, "K-1001")
	if err != nil {
		t.Fatal(err)
	}
	var wg sync.WaitGroup
	for i := range 8 {
		wg.Go(func() {
			if err := v.SaveProfile(ctx, id, map[string]gateway.Personal{fmt.Sprint("f", i): "x"}, nil); err != nil {
				t.Error(err)
			}
		})
	}
	wg.Wait()
	if got, err := v.Profile(ctx, id); err != nil || len(got) != 8 {
		t.Fatalf("%d fields, %v", len(got), err)
	}
}

func TestErase(t *testing.T) {
	ctx := context.Background()
	st := newMemoryStore()
	v := open(t, st)
	id, _, err := v.Customer(ctx, "K-1001")
	if err != nil {
		t.Fatal(err)
	}
	s := gateway.CustomerSubject(id)
	if err := v.SaveProfile(ctx, id, map[string]gateway.Personal{"email": "ada@example.com"}, nil); err != nil {
		t.Fatal(err)
	}
	sealed, err := v.Seal(ctx, s, "Musterweg 1")
	if err != nil {
		t.Fatal(err)
	}
	for range 2 { // erasing twice is harmless
		if err := v.Erase(ctx, id); err != nil {
			t.Fatal(err)
		}
	}
	_, err = v.Open(ctx, s, sealed)
	wantKind(t, err, gateway.NotFound)
	_, err = v.Seal(ctx, s, "again")
	wantKind(t, err, gateway.NotFound)
	_, err = v.Profile(ctx, id)
	wantKind(t, err, gateway.NotFound)
	_, err = v.CustomerName(ctx, id)
	wantKind(t, err, gateway.NotFound)
	if keys, _ := st.Keys(ctx, ""); len(keys) != 1 {
		t.Errorf("left behind: %v", keys)
	}
	again, created, err := v.Customer(ctx, "K-1001")
	if err != nil || !created || again == id {
		t.Fatalf("%v %v %v", again, created, err)
	}
	if err := v.Erase(ctx, id); err != nil { // the old id does not touch the new customer
		t.Fatal(err)
	}
	if _, err := v.Profile(ctx, again); err != nil {
		t.Fatal(err)
	}
}

func TestEraseGoesOnAfterAFailure(t *testing.T) {
	ctx := context.Background()
	st := newMemoryStore()
	v := open(t, st)
	id, _, err := v.Customer(ctx, "K-1001")
	if err != nil {
		t.Fatal(err)
	}
	for left := 0; ; left++ {
		n := left
		failing := &failAfter{memoryStore: st, left: &n}
		w, err := Open(ctx, Options{Store: failing, MasterKey: testMaster})
		if err != nil {
			t.Fatal(err)
		}
		err = w.Erase(ctx, id)
		w.Close()
		if err == nil {
			break
		}
	}
	if keys, _ := st.Keys(ctx, ""); len(keys) != 1 {
		t.Errorf("left behind: %v", keys)
	}
}

type failAfter struct {
	*memoryStore
	left *int
}

func (f *failAfter) Purge(ctx context.Context, key string) error {
	if *f.left == 0 {
		return gateway.Errorf(gateway.Unavailable, "away")
	}
	*f.left--
	return f.memoryStore.Purge(ctx, key)
}

func TestErasureBeatsAReaderInFlight(t *testing.T) {
	c := newKeyCache(10)
	s := gateway.CustomerSubject(1)
	_, epoch, _ := c.get(s)
	c.forget(s) // erased while the reader held the key's bytes
	c.put(s, box{}, epoch)
	if _, _, ok := c.get(s); ok {
		t.Error("an erased key is in memory again")
	}
}

func TestKeyCacheIsBounded(t *testing.T) {
	c := newKeyCache(10)
	for i := range 1000 {
		c.put(gateway.CustomerSubject(gateway.CustomerID(i)), box{}, 0)
		c.get(gateway.CustomerSubject(7))
	}
	if n := len(c.young) + len(c.old); n > 10 {
		t.Errorf("%d keys in memory", n)
	}
	if _, _, ok := c.get(gateway.CustomerSubject(7)); !ok {
		t.Error("the key in use was dropped")
	}
}

func TestSealIsBoundToItsSubject(t *testing.T) {
	ctx := context.Background()
	st := newMemoryStore()
	v := open(t, st)
	a, _, _ := v.Customer(ctx, "K-1")
	b, _, _ := v.Customer(ctx, "K-2")
	sa, sb := gateway.CustomerSubject(a), gateway.CustomerSubject(b)
	sealed, err := v.Seal(ctx, sa, "ada@example.com")
	if err != nil {
		t.Fatal(err)
	}
	if got, err := v.Open(ctx, sa, sealed); err != nil || got != "ada@example.com" {
		t.Fatal(err)
	}
	_, err = v.Open(ctx, sb, sealed)
	wantKind(t, err, gateway.Invalid)

	// Even with the other subject's key in place, the name in the seal tells.
	swapped, _, _ := st.Get(ctx, subjectEntry(sa))
	st.mu.Lock()
	st.put(subjectEntry(sb), swapped)
	st.mu.Unlock()
	v.Forget(sb)
	if _, err := v.Open(ctx, sb, sealed); err == nil {
		t.Error("a key moved to another subject opens")
	}
	if _, err := v.CustomerName(ctx, b); err == nil {
		t.Error("a customer number moved to another subject opens")
	}

	raw, _ := base64.RawURLEncoding.DecodeString(sealed)
	for i := range raw {
		bad := bytes.Clone(raw)
		bad[i] ^= 1
		_, err := v.Open(ctx, sa, base64.RawURLEncoding.EncodeToString(bad))
		wantKind(t, err, gateway.Invalid)
	}
	for _, bad := range []string{"", "AQ", "no base64 !", sealed[:20]} {
		_, err := v.Open(ctx, sa, bad)
		wantKind(t, err, gateway.Invalid)
	}
}

func TestSealForADevice(t *testing.T) {
	ctx := context.Background()
	v := open(t, newMemoryStore())
	s := gateway.DeviceSubject(77)
	sealed, err := v.Seal(ctx, s, "52.5,13.4")
	if err != nil {
		t.Fatal(err)
	}
	if got, err := v.Open(ctx, s, sealed); err != nil || got != "52.5,13.4" {
		t.Fatalf("%v", err)
	}
	if err := v.EraseSubject(ctx, s); err != nil {
		t.Fatal(err)
	}
	if _, err = v.Seal(ctx, s, "0,0"); err != nil { // a new key
		t.Fatal(err)
	}
	_, err = v.Open(ctx, s, sealed)
	wantKind(t, err, gateway.Invalid)
}

func TestRotatingKeys(t *testing.T) {
	ctx := context.Background()
	st := newMemoryStore()
	v := open(t, st)
	v.days.keep = 3
	now := gateway.Instant(20_000 * day)
	letter, err := v.SealRotating(ctx, now, []byte("raw payload"))
	if err != nil {
		t.Fatal(err)
	}
	for i := range int64(4) { // day 0 to 3: still readable, also after a restart
		if _, err := v.SealRotating(ctx, now+gateway.Instant(i*day), []byte("x")); err != nil {
			t.Fatal(err)
		}
		if got, err := open(t, st).OpenRotating(ctx, letter); err != nil || string(got) != "raw payload" {
			t.Fatalf("day %d: %q, %v", i, got, err)
		}
	}
	if _, err := v.SealRotating(ctx, now+gateway.Instant(4*day), []byte("x")); err != nil {
		t.Fatal(err)
	}
	_, err = v.OpenRotating(ctx, letter)
	wantKind(t, err, gateway.NotFound)
	if keys, _ := st.Keys(ctx, dayPrefix); len(keys) != 4 {
		t.Errorf("keys of days: %v", keys)
	}
	_, err = v.OpenRotating(ctx, []byte("x"))
	wantKind(t, err, gateway.Invalid)
}

func TestNothingReadableInTheStore(t *testing.T) {
	ctx := context.Background()
	st := newMemoryStore()
	v := open(t, st)
	id, _, _ := v.Customer(ctx, "K-774411")
	_ = v.SaveProfile(ctx, id, map[string]gateway.Personal{"email": "ada@example.com"}, nil)
	_, _ = v.Device(ctx, "cm-100", "WVWZZZ1JZXW000001")
	if err := v.Sync(ctx); err != nil {
		t.Fatal(err)
	}
	all := st.dump()
	for _, planted := range []string{"K-774411", "ada@example.com", "email", "WVWZZZ1JZXW000001"} {
		if bytes.Contains(all, []byte(planted)) {
			t.Errorf("%q is readable in the store", planted)
		}
	}
}

func BenchmarkSeal(b *testing.B) {
	ctx := context.Background()
	v := open(b, newMemoryStore())
	id, _, _ := v.Customer(ctx, "K-1")
	b.ReportAllocs()
	for b.Loop() {
		_, _ = v.Seal(ctx, gateway.CustomerSubject(id), "52.520008,13.404954")
	}
}
