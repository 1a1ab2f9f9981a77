package journey

import (
	"testing"

	"touchpoint/gateway"
)

// Changes takes what a step recorded apart and applies it, change by change:
// look sees each before it is applied.
func Changes(p *Partition, s *gateway.Step, look func(change []byte)) bool {
	if len(s.Changes) == 0 {
		return true
	}
	d := decoder{b: s.Changes[1:]}
	for len(d.b) > 0 {
		from := d.b
		q := decoder{b: from}
		if q.nextChange(p) == nil {
			return false
		}
		look(from[:len(from)-len(q.b)])
		if !d.change(p) {
			return false
		}
	}
	return true
}

// Reads reports whether a change can be decoded.
func Reads(p *Partition, change []byte) bool {
	d := decoder{b: change}
	return d.nextChange(p) != nil
}

// RecordedInZoo lists the kinds of changes that TestDamagedChanges looks at.
func RecordedInZoo(t testing.TB) (ops []byte) {
	p, records := zoo(t)
	ahead := NewPartition(p.cfg)
	for _, record := range records {
		for d := (decoder{b: record, texts: ahead.texts}); d.change(ahead); {
			ops = append(ops, d.op)
		}
	}
	return ops
}
