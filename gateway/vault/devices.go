package vault

import (
	"context"
	"crypto/rand"
	"encoding/binary"
	"sync"
	"time"

	"github.com/cenkalti/backoff/v5"

	"touchpoint/gateway"
)

// devices is the mapping (product, serial) ↔ id: all of it in memory, written
// behind in batches.
type devices struct {
	mu      sync.RWMutex
	table   *table
	pending []gateway.DeviceID // entered here, not stored yet
	// entered and stored count mappings; changed is closed and replaced when
	// stored moves.
	entered, stored uint64
	changed         chan struct{}

	wake  chan struct{} // something is pending
	hurry chan struct{} // someone waits for it

	loading sync.Mutex // one refresh at a time; guards the rest
	seen    map[string]struct{}
	last    time.Time
}

func newDevices() *devices {
	return &devices{
		table: newTable(), changed: make(chan struct{}), seen: make(map[string]struct{}),
		wake: make(chan struct{}, 1), hurry: make(chan struct{}, 1),
	}
}

// Device returns the id of a device, the same one in every process and for
// good. It never waits for the store: the mapping back to the serial of a
// first-seen device is written behind it; see Sync.
func (v *Vault) Device(_ context.Context, product, serial string) (gateway.DeviceID, error) {
	d := v.devices
	d.mu.RLock()
	id := d.table.find(product, serial)
	d.mu.RUnlock()
	if id != 0 {
		return id, nil
	}
	return v.enter(product, serial)
}

func (v *Vault) enter(product, serial string) (gateway.DeviceID, error) {
	if err := checkName("product", product); err != nil {
		return 0, err
	}
	if err := checkName("serial", serial); err != nil {
		return 0, err
	}
	id := v.roots.deviceID(product, serial)
	d := v.devices
	d.mu.Lock()
	defer d.mu.Unlock()
	if known := d.table.find(product, serial); known != 0 {
		return known, nil
	}
	if len(d.pending) >= maxPending {
		return 0, gateway.Errorf(gateway.Unavailable, "the vault's store takes no device mappings at present")
	}
	if _, _, taken := d.table.name(id); taken { // 64 bits: about 1 in 10^7 with a million devices
		return 0, gateway.Errorf(gateway.Internal, "device id %v is taken by another device", id)
	}
	if !d.table.add(id, product, serial) {
		return 0, gateway.Errorf(gateway.Exhausted, "the table of devices is full")
	}
	d.pending = append(d.pending, id)
	d.entered++
	signal(d.wake)
	return id, nil
}

func checkName(field, s string) error {
	if s == "" || len(s) > maxName {
		return gateway.InvalidField(field, "has %d bytes, want 1 to %d", len(s), maxName)
	}
	return nil
}

// LookupDevice returns the id of a device that is known, NotFound otherwise.
func (v *Vault) LookupDevice(ctx context.Context, product, serial string) (gateway.DeviceID, error) {
	d := v.devices
	for try := 0; ; try++ {
		d.mu.RLock()
		id := d.table.find(product, serial)
		d.mu.RUnlock()
		if id != 0 {
			return id, nil
		}
		if fresh, err := v.refresh(ctx, try); err != nil || !fresh {
			return 0, orNotFound(err, "no such device was seen or bound")
		}
	}
}

// DeviceName returns product and serial of a device.
func (v *Vault) DeviceName(ctx context.Context, id gateway.DeviceID) (product, serial string, err error) {
	d := v.devices
	for try := 0; ; try++ {
		d.mu.RLock()
		p, s, ok := d.table.name(id)
		serial := string(s)
		d.mu.RUnlock()
		if ok {
			return p, serial, nil
		}
		if fresh, err := v.refresh(ctx, try); err != nil || !fresh {
			return "", "", orNotFound(err, "no device with this id was seen or bound")
		}
	}
}

func orNotFound(err error, text string) error {
	if err != nil {
		return err
	}
	return gateway.Errorf(gateway.NotFound, "%s", text)
}

// Sync waits until every mapping entered so far is stored. With nothing
// pending it costs a lock.
func (v *Vault) Sync(ctx context.Context) error {
	d := v.devices
	d.mu.RLock()
	want, stored := d.entered, d.stored
	changed := d.changed
	d.mu.RUnlock()
	for stored < want {
		signal(d.hurry)
		select {
		case <-changed:
		case <-ctx.Done():
			return &gateway.Error{Kind: gateway.Unavailable, Text: "device mappings are not stored yet", Err: ctx.Err()}
		case <-v.done:
			return gateway.Errorf(gateway.Unavailable, "the vault is closed")
		}
		d.mu.RLock()
		stored, changed = d.stored, d.changed
		d.mu.RUnlock()
	}
	return nil
}

func signal(c chan struct{}) {
	select {
	case c <- struct{}{}:
	default:
	}
}

// refreshEvery bounds how often an unknown device makes us look at what other
// processes have stored.
const refreshEvery = time.Second

// refresh loads records that other processes have stored since; it reports
// whether another look is worth it.
func (v *Vault) refresh(ctx context.Context, try int) (bool, error) {
	d := v.devices
	d.loading.Lock()
	defer d.loading.Unlock()
	if try > 0 || time.Since(d.last) < refreshEvery {
		return false, nil
	}
	n, err := v.loadDevices(ctx)
	d.last = time.Now()
	return n > 0, err
}

// loadDevices reads the records that were not read yet and returns how many.
// The caller holds d.loading.
func (v *Vault) loadDevices(ctx context.Context) (int, error) {
	d := v.devices
	keys, err := v.store.Keys(ctx, devicePrefix)
	if err != nil {
		return 0, err
	}
	n := 0
	for _, key := range keys {
		if _, ok := d.seen[key]; ok {
			continue
		}
		sealed, _, err := v.store.Get(ctx, key)
		if gateway.KindOf(err) == gateway.NotFound {
			continue // merged into another one meanwhile
		}
		if err != nil {
			return n, err
		}
		if err := v.enterRecord(key, sealed); err != nil {
			return n, err
		}
		d.seen[key] = struct{}{}
		n++
	}
	return n, nil
}

func (v *Vault) enterRecord(key string, sealed []byte) error {
	plain, err := v.roots.devices.open(nil, sealed, []byte(key))
	if err != nil {
		return gateway.Errorf(gateway.Internal, "vault record %s: %w", key, err)
	}
	d := v.devices
	d.mu.Lock()
	defer d.mu.Unlock()
	for len(plain) > 0 {
		id, product, serial, rest, ok := cutMapping(plain)
		if !ok {
			return gateway.Errorf(gateway.Internal, "vault record %s is cut short", key)
		}
		plain = rest
		if d.table.find(product, serial) == 0 && !d.table.add(id, product, serial) {
			return gateway.Errorf(gateway.Exhausted, "the table of devices is full")
		}
	}
	return nil
}

const devicePrefix = "d."

func appendMapping(dst []byte, id gateway.DeviceID, product string, serial []byte) []byte {
	dst = binary.BigEndian.AppendUint64(dst, uint64(id))
	dst = binary.AppendUvarint(dst, uint64(len(product)))
	dst = append(dst, product...)
	dst = binary.AppendUvarint(dst, uint64(len(serial)))
	return append(dst, serial...)
}

func cutMapping(b []byte) (id gateway.DeviceID, product, serial string, rest []byte, ok bool) {
	if len(b) < 8 {
		return 0, "", "", nil, false
	}
	id, b = gateway.DeviceID(binary.BigEndian.Uint64(b)), b[8:]
	if product, b, ok = cutText(b); !ok {
		return 0, "", "", nil, false
	}
	serial, b, ok = cutText(b)
	return id, product, serial, b, ok
}

func cutText(b []byte) (string, []byte, bool) {
	n, w := binary.Uvarint(b)
	if w <= 0 || n > maxName || uint64(len(b)-w) < n {
		return "", nil, false
	}
	b = b[w:]
	return string(b[:n]), b[n:], true
}

// writeDevices stores what is pending until the vault closes.
func (v *Vault) writeDevices(ctx context.Context) {
	d := v.devices
	linger := time.NewTimer(0)
	<-linger.C
	for {
		select {
		case <-d.wake:
		case <-ctx.Done():
			v.flushDevices(ctx)
			return
		}
		linger.Reset(v.linger)
		select {
		case <-linger.C:
		case <-d.hurry:
		case <-ctx.Done():
		}
		v.flushDevices(ctx)
	}
}

// flushDevices writes batches until nothing is pending. When ctx has ended it
// tries each batch once, within a bounded time.
func (v *Vault) flushDevices(ctx context.Context) {
	for {
		record, n := v.takePending()
		if n == 0 {
			return
		}
		if err := v.writeRecord(ctx, record); err != nil {
			v.log.Error("device mappings not stored: they are derived anew when the devices report", "devices", n, "error", err)
			return
		}
		d := v.devices
		d.mu.Lock()
		d.pending = d.pending[n:]
		if len(d.pending) == 0 {
			d.pending = nil
		}
		d.stored += uint64(n)
		close(d.changed)
		d.changed = make(chan struct{})
		d.mu.Unlock()
	}
}

func (v *Vault) takePending() (record []byte, n int) {
	d := v.devices
	d.mu.RLock()
	defer d.mu.RUnlock()
	n = min(len(d.pending), batchSize)
	for _, id := range d.pending[:n] {
		product, serial, _ := d.table.name(id)
		record = appendMapping(record, id, product, serial)
	}
	return record, n
}

// lastWrite bounds the final write of a vault that closes.
const lastWrite = 5 * time.Second

func (v *Vault) writeRecord(ctx context.Context, plain []byte) error {
	key := newRecordKey()
	sealed := v.roots.devices.seal(nil, plain, []byte(key))
	if ctx.Err() != nil {
		last, cancel := context.WithTimeout(context.WithoutCancel(ctx), lastWrite)
		defer cancel()
		_, err := v.store.Create(last, key, sealed)
		return err
	}
	warned := false
	_, err := backoff.Retry(ctx, func() (uint64, error) {
		// A random key is ours: "exists" means that an earlier try got through.
		rev, err := v.store.Create(ctx, key, sealed)
		if err != nil && gateway.KindOf(err) == gateway.Conflict {
			return rev, nil
		}
		if err != nil && !warned {
			warned = true
			v.log.Warn("device mappings are not stored, retrying", "error", err)
		}
		return rev, err
	}, backoff.WithBackOff(newBackOff()), backoff.WithMaxElapsedTime(0))
	return err
}

func newBackOff() backoff.BackOff {
	b := backoff.NewExponentialBackOff()
	b.InitialInterval, b.MaxInterval = 20*time.Millisecond, 5*time.Second
	return b
}

func newRecordKey() string {
	var b [15]byte
	_, _ = rand.Read(b[:])
	return devicePrefix + keyText.EncodeToString(b[:])
}
