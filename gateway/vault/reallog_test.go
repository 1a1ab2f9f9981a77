package vault

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"testing"
	"time"

	"touchpoint/gateway"
	"touchpoint/gateway/eventlog"
)

var _ Store = (*eventlog.Bucket)(nil)

func openLog(t testing.TB, dir string) *eventlog.Log {
	t.Helper()
	l, err := eventlog.Open(context.Background(), eventlog.Options{Dir: dir, Partitions: 1})
	if err != nil {
		t.Fatal(err)
	}
	return l
}

func openOn(t testing.TB, l *eventlog.Log) *Vault {
	t.Helper()
	bucket, err := l.Bucket(context.Background(), "vault")
	if err != nil {
		t.Fatal(err)
	}
	return open(t, bucket)
}

// TestPlantedValuesAreInNoFile searches every file of the data directory for
// what was entered; and after the erasure for the sealed bytes, too.
func TestPlantedValuesAreInNoFile(t *testing.T) {
	ctx := context.Background()
	dir := t.TempDir()
	l := openLog(t, dir)
	v := openOn(t, l)
	planted := []string{"K-774411-planted", "planted.person@example.com", "Planted Person", "WVWZZZPLANTEDVIN", "52.5200081,13.4049541", "planted payload"}
	id, _, err := v.Customer(ctx, gateway.Personal(planted[0]))
	if err != nil {
		t.Fatal(err)
	}
	s := gateway.CustomerSubject(id)
	for i := range 3 { // several revisions of the profile
		if err := v.SaveProfile(ctx, id, map[string]gateway.Personal{
			"email": gateway.Personal(planted[1]), "name": gateway.Personal(planted[2]), "note": gateway.Personal(fmt.Sprint("note ", i)),
		}, nil); err != nil {
			t.Fatal(err)
		}
	}
	field, err := v.Seal(ctx, s, gateway.Personal(planted[4]))
	if err != nil {
		t.Fatal(err)
	}
	letter, err := v.SealRotating(ctx, gateway.Instant(20_000*day), []byte(planted[5]))
	if err != nil {
		t.Fatal(err)
	}
	if bytes.Contains(letter, []byte(planted[5])) || bytes.Contains([]byte(field), []byte(planted[4])) {
		t.Error("a sealed value is readable")
	}
	_, err = v.Device(ctx, "car", planted[3])
	if err = errors.Join(err, v.Sync(ctx)); err != nil {
		t.Fatal(err)
	}
	key, _, err := v.store.Get(ctx, subjectEntry(s))
	if err != nil {
		t.Fatal(err)
	}
	profile, _, err := v.store.Get(ctx, profileKey(id))
	if err != nil {
		t.Fatal(err)
	}
	customers, _, err := v.store.Get(ctx, v.roots.customerKey(gateway.Personal(planted[0])))
	if err != nil {
		t.Fatal(err)
	}
	stored := [][]byte{key, profile, customers}
	for _, b := range stored {
		if len(filesWith(t, dir, b)) == 0 {
			t.Fatal("the search does not find what is certainly stored")
		}
	}
	for _, p := range planted {
		if found := filesWith(t, dir, []byte(p)); len(found) > 0 {
			t.Errorf("%q is readable in %v", p, found)
		}
	}
	if err := v.Erase(ctx, id); err != nil {
		t.Fatal(err)
	}
	for i, b := range stored {
		if found := filesWith(t, dir, b); len(found) > 0 {
			t.Errorf("entry %d of the erased customer is still in %v", i, found)
		}
	}
	v.Close()
	if err := l.Close(ctx); err != nil {
		t.Fatal(err)
	}
	for i, b := range stored {
		if found := filesWith(t, dir, b); len(found) > 0 {
			t.Errorf("entry %d of the erased customer is in %v after a stop", i, found)
		}
	}
	// And nothing comes back with a restart.
	l = openLog(t, dir)
	defer func() { _ = l.Close(ctx) }()
	v = openOn(t, l)
	_, err = v.Open(ctx, s, field)
	wantKind(t, err, gateway.NotFound)
	_, err = v.LookupCustomer(ctx, gateway.Personal(planted[0]))
	wantKind(t, err, gateway.NotFound)
	if got, err := v.OpenRotating(ctx, letter); err != nil || string(got) != planted[5] {
		t.Errorf("%v", err)
	}
	if _, err := v.LookupDevice(ctx, "car", planted[3]); err != nil {
		t.Error(err)
	}
}

// filesWith returns the files that hold the bytes. Tables of the log are not
// compressed: the test makes sure that it finds what is stored.
func filesWith(t *testing.T, dir string, what []byte) (found []string) {
	t.Helper()
	err := filepath.WalkDir(dir, func(path string, d fs.DirEntry, err error) error {
		if err != nil || !d.Type().IsRegular() {
			return err
		}
		data, err := os.ReadFile(path)
		if err != nil {
			return err
		}
		if bytes.Contains(data, what) {
			found = append(found, filepath.Base(path))
		}
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
	return found
}

func TestOnTheRealBucket(t *testing.T) {
	ctx := context.Background()
	dir := t.TempDir()
	l := openLog(t, dir)
	v := openOn(t, l)
	begin := time.Now()
	var ids []gateway.DeviceID
	for i := range 2000 {
		id, err := v.Device(ctx, "cm-100", fmt.Sprintf("SN%05d", i))
		if err != nil {
			t.Fatal(err)
		}
		ids = append(ids, id)
	}
	known := time.Since(begin)
	if err := v.Sync(ctx); err != nil {
		t.Fatal(err)
	}
	t.Logf("2,000 first-seen devices: ids after %v, stored after %v", known, time.Since(begin))
	begin = time.Now()
	for i := range 100 {
		if _, created, err := v.Customer(ctx, gateway.Personal(fmt.Sprint("K-", i))); err != nil || !created {
			t.Fatal(created, err)
		}
	}
	t.Logf("a new customer: %v", time.Since(begin)/100)
	id, err := v.LookupCustomer(ctx, "K-7")
	if err != nil {
		t.Fatal(err)
	}
	if err := v.SaveProfile(ctx, id, map[string]gateway.Personal{"name": "Ada Muster"}, nil); err != nil {
		t.Fatal(err)
	}
	begin = time.Now()
	if err := v.Erase(ctx, id); err != nil {
		t.Fatal(err)
	}
	t.Logf("an erasure: %v", time.Since(begin))
	if again, created, err := v.Customer(ctx, "K-7"); err != nil || !created || again == id {
		t.Errorf("%v %v %v", again, created, err)
	}
	v.Close()
	_ = l.Close(ctx)
	l = openLog(t, dir)
	defer func() { _ = l.Close(ctx) }()
	begin = time.Now()
	v = openOn(t, l)
	t.Logf("open with 2,000 devices: %v", time.Since(begin))
	for i, id := range ids {
		if _, serial, err := v.DeviceName(ctx, id); err != nil || serial != fmt.Sprintf("SN%05d", i) {
			t.Fatalf("%q %v", serial, err)
		}
	}
}
