package vault

import (
	"bytes"
	"context"
	"sort"
	"strings"
	"sync"
	"testing"
	"time"

	"touchpoint/gateway"
)

// memoryStore is a bucket in memory. It can be made to fail, and each write
// can be made to take as long as a disk.
type memoryStore struct {
	mu       sync.Mutex
	values   map[string][]byte
	revision map[string]uint64
	next     uint64
	writes   int
	fail     error
	fsync    time.Duration
	disk     sync.Mutex
}

func newMemoryStore() *memoryStore {
	return &memoryStore{values: map[string][]byte{}, revision: map[string]uint64{}}
}

func (m *memoryStore) write() error {
	if m.fsync > 0 { // one at a time, as on one disk
		m.disk.Lock()
		<-time.After(m.fsync)
		m.disk.Unlock()
	}
	m.mu.Lock()
	m.writes++
	return m.fail
}

func (m *memoryStore) put(key string, value []byte) uint64 {
	m.next++
	m.values[key], m.revision[key] = bytes.Clone(value), m.next
	return m.next
}

func (m *memoryStore) Get(_ context.Context, key string) ([]byte, uint64, error) {
	m.mu.Lock()
	defer m.mu.Unlock()
	v, ok := m.values[key]
	if !ok {
		return nil, 0, gateway.Errorf(gateway.NotFound, "%s", key)
	}
	return v, m.revision[key], nil
}

func (m *memoryStore) Create(_ context.Context, key string, value []byte) (uint64, error) {
	err := m.write()
	defer m.mu.Unlock()
	if err != nil {
		return 0, err
	}
	if _, ok := m.values[key]; ok {
		return 0, gateway.Errorf(gateway.Conflict, "%s exists", key)
	}
	return m.put(key, value), nil
}

func (m *memoryStore) Update(_ context.Context, key string, value []byte, revision uint64) (uint64, error) {
	err := m.write()
	defer m.mu.Unlock()
	if err != nil {
		return 0, err
	}
	if m.revision[key] != revision {
		return 0, gateway.Errorf(gateway.Conflict, "%s changed", key)
	}
	return m.put(key, value), nil
}

func (m *memoryStore) Purge(_ context.Context, key string) error {
	err := m.write()
	defer m.mu.Unlock()
	if err != nil {
		return err
	}
	delete(m.values, key)
	delete(m.revision, key)
	return nil
}

func (m *memoryStore) Keys(_ context.Context, prefix string) ([]string, error) {
	m.mu.Lock()
	defer m.mu.Unlock()
	var keys []string
	for k := range m.values {
		if strings.HasPrefix(k, prefix) {
			keys = append(keys, k)
		}
	}
	sort.Strings(keys)
	return keys, nil
}

// dump returns all that is stored, for a search.
func (m *memoryStore) dump() []byte {
	m.mu.Lock()
	defer m.mu.Unlock()
	var b bytes.Buffer
	for k, v := range m.values {
		b.WriteString(k)
		b.Write(v)
	}
	return b.Bytes()
}

var testMaster = bytes.Repeat([]byte{7}, keySize)

func open(t testing.TB, st Store) *Vault {
	t.Helper()
	v, err := Open(context.Background(), Options{Store: st, MasterKey: testMaster, Linger: time.Millisecond})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(v.Close)
	return v
}

func wantKind(t testing.TB, err error, kind gateway.ErrorKind) {
	t.Helper()
	if err == nil || gateway.KindOf(err) != kind {
		t.Fatalf("error %v, want one of kind %v", err, kind)
	}
}
