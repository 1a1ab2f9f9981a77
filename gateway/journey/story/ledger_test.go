package story

import (
	"bytes"
	"crypto/sha256"
	"flag"
	"fmt"
	"hash"
	"io"
	"os"
	"path/filepath"
	"reflect"
	"slices"
	"strings"
	"testing"

	"touchpoint/gateway"
)

// A story shows what a marketer asks for. Its ledger is everything else that it
// made happen, in full: each record with all its fields, how the state changed,
// and, after every command, what is known and explained of everybody. Nobody
// wants to read that every time, so testdata/ledgers.sum keeps only its sums. To
// see what became different, write the ledgers here and at the commit before with
//
//	go test ./gateway/journey/story -run TestStories -ledgers DIR
//
// and compare the two directories.
var ledgers = flag.String("ledgers", "", "write the ledgers of the stories to this directory")

const sumsFile = "../testdata/ledgers.sum"

// ledger sums up one story.
type ledger struct {
	records, state, known hash.Hash
	file                  io.Writer
	line                  bytes.Buffer
}

func newLedger(t *testing.T, name string) *ledger {
	l := &ledger{records: sha256.New(), state: sha256.New(), known: sha256.New(), file: io.Discard}
	if *ledgers != "" {
		f, err := os.Create(filepath.Join(*ledgers, name+".txt"))
		if err != nil {
			t.Fatal(err)
		}
		t.Cleanup(func() { f.Close() })
		l.file = f
	}
	return l
}

// step takes a record. The core's own encodings of changes and rules count as
// state.
func (l *ledger) step(_ *gateway.Batch, s *gateway.Step) {
	l.state.Write(s.Changes)
	open := *s
	open.Changes, open.Rules = nil, nil
	l.write(l.records, "step", open)
}

// command takes what the partitions say of everybody.
func (l *ledger) command(s *Session) {
	fmt.Fprintln(l.file, "--")
	for i, p := range s.w.Partitions() {
		for id := uint64(1); id <= uint64(len(s.names)); id++ {
			c, d := gateway.CustomerID(id), gateway.DeviceID(id)
			if v, ok := p.View(c); ok {
				l.write(l.known, "view", i, c, v, p.Budget(c), p.Mixed(c))
			}
			if p.Holds(d) {
				l.write(l.known, "people", i, d, p.People(d))
			}
			for _, name := range p.JourneyNames() {
				if x := p.Explain(c, name); x.Known {
					l.write(l.known, "explained", i, c, name, x)
				}
			}
		}
		for _, name := range p.JourneyNames() {
			l.write(l.known, "limits", i, name, p.ExplainLimits(name))
		}
		pure, absence := p.NextTimers()
		l.write(l.known, "next", i, pure, absence, p.Fillings())
		snapshot := p.AppendSnapshot(nil)
		l.state.Write(snapshot)
		fmt.Fprintf(l.file, "state %d %x\n", i, sha256.Sum256(snapshot))
	}
}

func (l *ledger) write(sum hash.Hash, what string, values ...any) {
	l.line.Reset()
	l.line.WriteString(what)
	for _, v := range values {
		l.line.WriteByte(' ')
		dump(&l.line, reflect.ValueOf(v))
	}
	l.line.WriteByte('\n')
	sum.Write(l.line.Bytes())
	l.file.Write(l.line.Bytes())
}

func (l *ledger) sum() string {
	return fmt.Sprintf("records %x state %x known %x", l.records.Sum(nil)[:6], l.state.Sum(nil)[:6], l.known.Sum(nil)[:6])
}

// dump writes a value with all its fields that are not zero.
func dump(w *bytes.Buffer, v reflect.Value) {
	if v.CanInterface() {
		switch x := v.Interface().(type) {
		case gateway.Value:
			if f, ok := x.AsFloat(); ok && x.Kind() == gateway.KindFloat { // machines differ in the last digit
				fmt.Fprintf(w, "%.9g", f)
				return
			}
			fmt.Fprintf(w, "%d(%s)", x.Kind(), x)
			return
		case []byte:
			fmt.Fprintf(w, "%q", x)
			return
		}
	}
	switch v.Kind() {
	case reflect.Struct:
		w.WriteByte('{')
		for i := range v.NumField() {
			if f := v.Field(i); !f.IsZero() {
				w.WriteString(v.Type().Field(i).Name + ":")
				dump(w, f)
				w.WriteByte(' ')
			}
		}
		w.WriteByte('}')
	case reflect.Slice, reflect.Array:
		w.WriteByte('[')
		for i := range v.Len() {
			dump(w, v.Index(i))
			w.WriteByte(' ')
		}
		w.WriteByte(']')
	case reflect.Map:
		var lines []string
		for k, x := range v.Seq2() {
			var line bytes.Buffer
			dump(&line, k)
			line.WriteByte(':')
			dump(&line, x)
			lines = append(lines, line.String())
		}
		slices.Sort(lines)
		fmt.Fprintf(w, "%q", lines)
	case reflect.Pointer, reflect.Interface:
		if v.IsNil() {
			w.WriteString("nil")
			return
		}
		dump(w, v.Elem())
	case reflect.String:
		fmt.Fprintf(w, "%q", v.String())
	case reflect.Bool:
		fmt.Fprint(w, v.Bool())
	case reflect.Float32, reflect.Float64:
		fmt.Fprint(w, v.Float())
	default:
		if v.CanInt() {
			fmt.Fprint(w, v.Int())
			return
		}
		fmt.Fprint(w, v.Uint())
	}
}

// sums are the sums of the stories' ledgers by name.
type sums struct {
	byName map[string]string
	had    string
}

func readSums(t *testing.T) *sums {
	text, err := os.ReadFile(sumsFile)
	if err != nil && !*update {
		t.Fatal(err)
	}
	s := &sums{byName: map[string]string{}, had: string(text)}
	for line := range strings.Lines(string(text)) {
		name, sum, _ := strings.Cut(strings.TrimSpace(line), " ")
		s.byName[name] = sum
	}
	return s
}

func (s *sums) check(t *testing.T, name, sum string) {
	if *update {
		s.byName[name] = sum
		return
	}
	if s.byName[name] != sum {
		t.Errorf("the ledger is not what it was:\n  %s\nbefore:\n  %s\ngo test ./gateway/journey/story -run TestStories -ledgers DIR shows it, -update accepts it", sum, s.byName[name])
	}
}

// write keeps the sums of the stories that there are.
func (s *sums) write(t *testing.T) {
	var out strings.Builder
	for _, name := range slices.Sorted(func(yield func(string) bool) {
		for name := range s.byName {
			if _, err := os.Stat("../testdata/" + name + ".txtar"); err == nil && !yield(name) {
				return
			}
		}
	}) {
		out.WriteString(name + " " + s.byName[name] + "\n")
	}
	switch {
	case out.String() == s.had:
	case !*update:
		t.Errorf("%s names stories that there are not", sumsFile)
	default:
		if err := os.WriteFile(sumsFile, []byte(out.String()), 0o644); err != nil {
			t.Fatal(err)
		}
	}
}
