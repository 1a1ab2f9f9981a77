package vault

import "context"

// A trickle of new devices leaves records of a few mappings each. They are
// merged at the next start when there are many of them and most are small.
const (
	mergeAbove  = 64
	mergedBatch = 8192
)

// mergeRecords rewrites the device records when they are many and small. Two
// processes doing so at once write some mappings twice, which is harmless. The
// caller holds devices.loading.
func (v *Vault) mergeRecords(ctx context.Context) error {
	d := v.devices
	total := len(d.table.entries)
	if len(d.seen) <= mergeAbove || len(d.seen) <= 2*(total/mergedBatch+1) {
		return nil
	}
	old := d.seen
	fresh := make(map[string]struct{})
	for from := 0; from < total; from += mergedBatch {
		var record []byte
		for i := from; i < min(from+mergedBatch, total); i++ {
			e := &d.table.entries[i]
			record = appendMapping(record, deviceOf(e), d.table.products[e.product], d.table.serial(e))
		}
		key := newRecordKey()
		if _, err := v.store.Create(ctx, key, v.roots.devices.seal(nil, record, []byte(key))); err != nil {
			return err
		}
		fresh[key] = struct{}{}
	}
	d.seen = fresh
	for key := range old {
		if err := v.store.Purge(ctx, key); err != nil {
			return err
		}
	}
	return nil
}
