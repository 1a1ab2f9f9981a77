package eventlog

import (
	"math"
	"sort"
	"sync"
)

// How much of a partition's newest records is kept in memory.
const (
	tailRecords = 256
	tailBytes   = 512 << 10
)

// tail keeps the newest records of a subject that this process appended. With
// the embedded server nobody else appends, so that a reader at the end takes
// them from here; one that is further behind, or comes after an append whose
// outcome is unknown, asks the server. That saves a delivery by the server for
// each record and reader.
type tail struct {
	mu     sync.Mutex
	base   uint64 // every record after this sequence is in list
	list   []delivery
	bytes  int
	change chan struct{} // closed and replaced at each change
}

func newTail(base uint64) *tail { return &tail{base: base, change: make(chan struct{})} }

// anyPrev is for subjects whose appends come one after the other, each when
// the one before has its answer.
const anyPrev = math.MaxUint64

// push adds a record that is durable and follows the one with sequence prev.
func (t *tail) push(seq, prev uint64, payload []byte) {
	if t == nil {
		return
	}
	t.mu.Lock()
	defer t.mu.Unlock()
	switch last := t.last(); {
	case t.base == math.MaxUint64:
		t.base = seq // what came before it is not known for certain
	case seq <= last:
		return // found, not appended
	case prev != anyPrev && prev != last:
		t.base, t.list, t.bytes = seq, nil, 0 // the one between is not here yet
	default:
		t.list = append(t.list, delivery{seq, append([]byte(nil), payload...)})
		t.bytes += len(payload)
		for len(t.list) > tailRecords || t.bytes > tailBytes {
			t.base = t.list[0].seq
			t.bytes -= len(t.list[0].data)
			t.list[0].data = nil
			t.list = t.list[1:]
		}
	}
	t.changed()
}

// lose says that a record may have been appended whose sequence is not known.
func (t *tail) lose() {
	if t == nil {
		return
	}
	t.mu.Lock()
	defer t.mu.Unlock()
	t.base, t.list, t.bytes = math.MaxUint64, nil, 0
	t.changed()
}

func (t *tail) last() uint64 {
	if n := len(t.list); n > 0 {
		return t.list[n-1].seq
	}
	return t.base
}

func (t *tail) changed() {
	close(t.change)
	t.change = make(chan struct{})
}

// after returns the record that follows pos. covered is false when the server
// has to be asked; otherwise, without a record, change says when to look again.
func (t *tail) after(pos uint64) (d delivery, covered bool, change <-chan struct{}) {
	t.mu.Lock()
	defer t.mu.Unlock()
	if pos < t.base {
		return delivery{}, false, nil
	}
	n := len(t.list)
	if n == 0 || t.list[n-1].seq <= pos {
		return delivery{}, true, t.change
	}
	i := sort.Search(n, func(i int) bool { return t.list[i].seq > pos })
	return t.list[i], true, nil
}
