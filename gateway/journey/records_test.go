package journey

import (
	"bytes"
	"fmt"
	"os"
	"runtime"
	"slices"
	"strings"
	"testing"
)

// damaged yields what may become of data: cut off, a byte replaced, left out or
// doubled. Of long data only every stride-th byte is touched.
func damaged(data []byte, stride int, try func([]byte)) {
	for n := 0; n < len(data); n += stride {
		try(slices.Clone(data[:n]))
		b := data[n]
		for k, by := range []byte{0, b + 1, b - 1, b ^ 0x80, 0x7f, 0xff} {
			if by != b && (k == 0 || by != 0) {
				wrong := slices.Clone(data)
				wrong[n] = by
				try(wrong)
			}
		}
		try(slices.Delete(slices.Clone(data), n, n+1))
		try(slices.Insert(slices.Clone(data), n, b))
	}
}

// kindOfRecord is what is damaged, and what came of that.
type kindOfRecord struct {
	name    string
	samples [][]byte
	// read reads a record into a scratch state and returns what is written of it
	// then; ok is false when it is refused, or has bytes left over.
	read func(data []byte) (again []byte, ok bool)
	// sound looks at the scratch state, and begins another one.
	sound func() []string

	slow bool // a text is compiled each time

	tried, refused, other int
}

// try tries all damages of a sample.
func (k *kindOfRecord) try(t *testing.T, sample []byte) {
	accepted := func(data []byte) []byte {
		again, ok := k.read(data)
		if !ok {
			return nil
		}
		return append(again[:len(again):len(again)], 0) // never nil
	}
	if again := accepted(sample); len(again) == 0 || !bytes.Equal(again[:len(again)-1], sample) {
		t.Errorf("%s does not read as itself: %q is\n%q", k.name, sample, again)
		return
	}
	stride := 1 + len(sample)/150 // of the longest: the others come by all their bytes
	if k.slow {
		stride = 1 + len(sample)/40
	}
	var before, after runtime.MemStats
	runtime.ReadMemStats(&before)
	tried := k.tried
	damaged(sample, stride, func(data []byte) {
		k.tried++
		again := accepted(data)
		if again == nil {
			k.refused++
			return
		}
		again = again[:len(again)-1]
		if bytes.Equal(again, data) {
			return
		}
		k.other++ // a number was written longer than it is, or in another order
		if final := accepted(again); len(final) == 0 || !bytes.Equal(final[:len(final)-1], again) {
			t.Errorf("%s: %q is read as\n%q, which is read as\n%q", k.name, data, again, final)
		}
	})
	runtime.ReadMemStats(&after)
	if per := int(after.TotalAlloc-before.TotalAlloc) / (k.tried - tried + 1); per > 200_000+100*len(sample) {
		t.Errorf("%s: a broken record of %d bytes takes %d bytes of memory", k.name, len(sample), per)
	}
	if k.sound != nil {
		for _, fault := range k.sound() {
			t.Errorf("%s: after broken records of %.40q: %s", k.name, sample, fault)
		}
	}
}

// scratch is a copy of a state, to be spoilt.
func scratch(snapshot []byte, cfg Config, texts *texts) *Partition {
	q := NewPartition(cfg)
	q.texts = texts
	if err := q.Restore(snapshot); err != nil {
		panic(err)
	}
	return q
}

// kindsOfChanges are the changes of the zoo, a few of each kind: those that
// differ in length.
func kindsOfChanges(t *testing.T, p *Partition, records [][]byte) (kinds []*kindOfRecord) {
	snapshot := p.AppendSnapshot(nil)
	by, ahead := map[byte]*kindOfRecord{}, NewPartition(p.cfg)
	for _, record := range records {
		for d := (decoder{b: record, texts: ahead.texts}); len(d.b) > 0; {
			from := d.b
			c := d.nextChange(ahead)
			if c == nil {
				t.Fatalf("%q is refused", from)
			}
			c.apply(ahead)
			k := by[d.op]
			if k == nil {
				var q *Partition
				k = &kindOfRecord{name: "change " + strings.TrimSuffix(strings.TrimPrefix(fmt.Sprintf("%T", c), "journey."), "Change")}
				k.read = func(data []byte) ([]byte, bool) {
					if q == nil {
						q = scratch(snapshot, p.cfg, p.texts)
					}
					return readChange(q, data)
				}
				k.sound = func() (faults []string) {
					if q != nil {
						faults, q = Unsound(q, false), nil
					}
					return faults
				}
				by[d.op], k.slow = k, most(d.op) == 1
				kinds = append(kinds, k)
			}
			sample := bytes.Clone(from[:len(from)-len(d.b)])
			alike := func(o []byte) bool { return len(o) == len(sample) }
			if len(k.samples) < most(d.op) && !slices.ContainsFunc(k.samples, alike) {
				if _, ok := k.read(sample); ok { // in the state at the end, too
					k.samples = append(k.samples, sample)
				}
				k.sound()
			}
		}
	}
	return kinds
}

// most is how many samples of a kind are broken: texts take long to compile.
func most(op byte) int {
	if op == opPublish || op == opClassRules {
		return 1
	}
	return 4
}

// readChange reads a change, applies it and writes it down again.
func readChange(q *Partition, data []byte) ([]byte, bool) {
	if len(data) == 0 {
		return nil, false
	}
	now, observed := q.now, q.observed
	d := decoder{b: data, texts: q.texts}
	c := d.nextChange(q)
	if c == nil || len(d.b) > 0 || d.op != data[0] {
		return nil, false
	}
	var e encoder
	c.encode(&e)
	if moved, is := c.(timeChange); is {
		e.byte(opTime)
		e.at(moved.now - now)
		e.at(moved.observed - observed)
	}
	c.apply(q)
	return e.b, true
}

// TestDamagedChanges: whatever becomes of the record of a change, it is refused,
// or applied and the state is one that can be; testdata/records.txt says how many
// are refused.
func TestDamagedChanges(t *testing.T) {
	p, records := zoo(t)
	var kinds []*kindOfRecord
	kinds = append(kinds, kindsOfChanges(t, p, records)...)
	compareRecords(t, "change", kinds)
}

// compareRecords breaks all samples and compares what came of it with the file.
func compareRecords(t *testing.T, what string, kinds []*kindOfRecord) {
	const file = "testdata/records.txt"
	text, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	var head, others, got []string
	want := map[string]string{}
	for line := range strings.Lines(string(text)) {
		switch {
		case strings.HasPrefix(line, "#"):
			head = append(head, line)
		case strings.HasPrefix(line, what):
			want[strings.TrimSpace(line[:30])] = line
		default:
			others = append(others, line)
		}
	}
	for _, k := range kinds {
		for _, sample := range k.samples {
			k.try(t, sample)
		}
		line := fmt.Sprintf("%-30s%8d%8d%8d\n", k.name, k.tried, k.refused, k.other)
		got = append(got, line)
		if want[k.name] != line && !*update {
			t.Errorf("%s:%8d tried,%8d refused,%8d read as something else; -update accepts that\nbefore: %s", k.name, k.tried, k.refused, k.other, want[k.name])
		}
		delete(want, k.name)
	}
	if *update {
		others = append(others, got...)
		slices.Sort(others)
		if err := os.WriteFile(file, []byte(strings.Join(append(head, others...), "")), 0o644); err != nil {
			t.Fatal(err)
		}
	} else if len(want) > 0 {
		t.Errorf("%d kinds of records are no more; -update leaves them out", len(want))
	}
}
