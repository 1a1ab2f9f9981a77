package vault

import (
	"context"
	"errors"
	"fmt"
	"runtime"
	"sync"
	"testing"
	"time"

	"touchpoint/gateway"
)

func TestDeviceIsTheSameEverywhere(t *testing.T) {
	ctx := context.Background()
	st := newMemoryStore()
	a, b := open(t, st), open(t, st)
	var wg sync.WaitGroup
	ids := make([][2]gateway.DeviceID, 500)
	for n, v := range []*Vault{a, b} {
		for i := range ids {
			wg.Go(func() {
				id, err := v.Device(ctx, "cm-100", fmt.Sprintf("SN%05d", i))
				if err != nil {
					t.Error(err)
				}
				ids[i][n] = id
			})
		}
	}
	wg.Wait()
	distinct := map[gateway.DeviceID]bool{}
	for i, pair := range ids {
		if pair[0] != pair[1] || pair[0] == 0 {
			t.Fatalf("device %d is %v and %v", i, pair[0], pair[1])
		}
		distinct[pair[0]] = true
	}
	if len(distinct) != len(ids) {
		t.Fatalf("%d ids for %d devices", len(distinct), len(ids))
	}
	other, err := a.Device(ctx, "cm-200", "SN00001")
	if err != nil || other == ids[1][0] {
		t.Fatalf("the same serial of another product is the same device (%v)", err)
	}
}

func TestDeviceNameAfterRestart(t *testing.T) {
	ctx := context.Background()
	st := newMemoryStore()
	a := open(t, st)
	id, err := a.Device(ctx, "cm-100", "SN1")
	if err != nil {
		t.Fatal(err)
	}
	if err := a.Sync(ctx); err != nil {
		t.Fatal(err)
	}
	for name, v := range map[string]*Vault{"same": a, "restarted": open(t, st)} {
		product, serial, err := v.DeviceName(ctx, id)
		if err != nil || product != "cm-100" || serial != "SN1" {
			t.Errorf("%s: %q %q %v", name, product, serial, err)
		}
		if got, err := v.LookupDevice(ctx, "cm-100", "SN1"); err != nil || got != id {
			t.Errorf("%s: looked up %v, %v", name, got, err)
		}
	}
	_, _, err = a.DeviceName(ctx, 12345)
	wantKind(t, err, gateway.NotFound)
	_, err = a.LookupDevice(ctx, "cm-100", "SN2")
	wantKind(t, err, gateway.NotFound)
}

func TestDeviceOfAnotherProcessIsFound(t *testing.T) {
	ctx := context.Background()
	st := newMemoryStore()
	a, b := open(t, st), open(t, st)
	id, err := a.Device(ctx, "cm-100", "SN1")
	if err = errors.Join(err, a.Sync(ctx)); err != nil {
		t.Fatal(err)
	}
	if _, serial, err := b.DeviceName(ctx, id); err != nil || serial != "SN1" {
		t.Fatalf("%q, %v", serial, err)
	}
}

func TestManyFirstSeenDevicesShareWrites(t *testing.T) {
	ctx := context.Background()
	st := newMemoryStore()
	st.fsync = time.Millisecond
	v := open(t, st)
	start, before := time.Now(), st.writes
	for i := range 2000 { // one caller, one after the other
		if _, err := v.Device(ctx, "cm-100", fmt.Sprintf("SN%05d", i)); err != nil {
			t.Fatal(err)
		}
	}
	if err := v.Sync(ctx); err != nil {
		t.Fatal(err)
	}
	if n := st.writes - before; n > 50 {
		t.Errorf("%d writes for 2,000 devices", n)
	}
	t.Logf("2,000 first-seen devices: %v, %d writes", time.Since(start), st.writes-before)
}

func TestDeviceStoreAway(t *testing.T) {
	ctx := context.Background()
	st := newMemoryStore()
	v := open(t, st)
	st.mu.Lock()
	st.fail = gateway.Errorf(gateway.Unavailable, "away")
	st.mu.Unlock()
	id, err := v.Device(ctx, "cm-100", "SN1")
	if err != nil {
		t.Fatalf("the hot path waits for the store: %v", err)
	}
	short, cancel := context.WithTimeout(ctx, 30*time.Millisecond)
	defer cancel()
	wantKind(t, v.Sync(short), gateway.Unavailable)
	st.mu.Lock()
	st.fail = nil
	st.mu.Unlock()
	if err := v.Sync(ctx); err != nil {
		t.Fatal(err)
	}
	if _, serial, err := open(t, st).DeviceName(ctx, id); err != nil || serial != "SN1" {
		t.Fatalf("%q, %v", serial, err)
	}
}

func TestCloseStoresWhatIsPending(t *testing.T) {
	ctx := context.Background()
	st := newMemoryStore()
	v, err := Open(ctx, Options{Store: st, MasterKey: testMaster, Linger: time.Hour})
	if err != nil {
		t.Fatal(err)
	}
	id, err := v.Device(ctx, "cm-100", "SN1")
	if err != nil {
		t.Fatal(err)
	}
	v.Close()
	if _, _, err := open(t, st).DeviceName(ctx, id); err != nil {
		t.Fatal(err)
	}
}

func TestSmallRecordsAreMerged(t *testing.T) {
	ctx := context.Background()
	st := newMemoryStore()
	v := open(t, st)
	var ids []gateway.DeviceID
	for i := range mergeAbove + 10 {
		id, err := v.Device(ctx, "cm-100", fmt.Sprintf("SN%d", i))
		if err = errors.Join(err, v.Sync(ctx)); err != nil {
			t.Fatal(err)
		}
		ids = append(ids, id)
	}
	open(t, st)
	keys, _ := st.Keys(ctx, devicePrefix)
	if len(keys) != 1 {
		t.Fatalf("%d records after a restart", len(keys))
	}
	last := open(t, st)
	for i, id := range ids {
		if _, serial, err := last.DeviceName(ctx, id); err != nil || serial != fmt.Sprintf("SN%d", i) {
			t.Fatalf("%v: %q, %v", id, serial, err)
		}
	}
}

func TestDeviceNamesAreBounded(t *testing.T) {
	ctx := context.Background()
	v := open(t, newMemoryStore())
	for _, c := range [][2]string{{"", "SN1"}, {"cm", ""}, {"cm", string(make([]byte, maxName+1))}} {
		_, err := v.Device(ctx, c[0], c[1])
		wantKind(t, err, gateway.Invalid)
	}
}

func TestDeviceHotPathDoesNotAllocate(t *testing.T) {
	ctx := context.Background()
	v := open(t, newMemoryStore())
	if _, err := v.Device(ctx, "cm-100", "SN1"); err != nil {
		t.Fatal(err)
	}
	if n := testing.AllocsPerRun(100, func() { _, _ = v.Device(ctx, "cm-100", "SN1") }); n != 0 {
		t.Errorf("%v allocations", n)
	}
}

func BenchmarkDeviceHit(b *testing.B) {
	for _, devices := range []int{2_000, 1_000_000} {
		b.Run(fmt.Sprint("devices=", devices), func(b *testing.B) {
			ctx := context.Background()
			v := open(b, newMemoryStore())
			serials := make([]string, devices)
			for i := range serials {
				serials[i] = fmt.Sprintf("SN%012d", i)
			}
			before := heap()
			for _, serial := range serials {
				if _, err := v.Device(ctx, "cm-100", serial); err != nil {
					if err = errors.Join(v.Sync(ctx), second(v.Device(ctx, "cm-100", serial))); err != nil {
						b.Fatal(err)
					}
				}
			}
			_ = v.Sync(ctx)
			v.store.(*memoryStore).values = nil // what counts is the vault's own
			size := float64(heap()-before) / float64(devices)
			b.ReportAllocs()
			i := 0
			for b.Loop() {
				_, _ = v.Device(ctx, "cm-100", serials[i%len(serials)])
				i += 7919
			}
			b.ReportMetric(size, "B/device")
		})
	}
}

func second(_ gateway.DeviceID, err error) error { return err }

func heap() uint64 {
	runtime.GC()
	var m runtime.MemStats
	runtime.ReadMemStats(&m)
	return m.HeapAlloc
}

func BenchmarkDeviceFirstSeen(b *testing.B) {
	ctx := context.Background()
	v := open(b, newMemoryStore())
	b.ReportAllocs()
	i := 0
	for b.Loop() {
		if _, err := v.Device(ctx, "cm-100", fmt.Sprintf("SN%08d", i)); err != nil {
			if err = v.Sync(ctx); err != nil {
				b.Fatal(err)
			}
		}
		i++
	}
}
