package journey_test

import (
	"os"
	"path/filepath"
	"slices"
	"testing"

	"touchpoint/gateway"
	"touchpoint/gateway/journey"
	"touchpoint/gateway/journey/story"
)

// TestBrokenChanges takes every kind of change that the stories record: one that
// was cut off is an error, and one with a wrong byte is an error or is applied,
// but never a panic. TestDamagedChanges looks at what comes of each kind.
func TestBrokenChanges(t *testing.T) {
	files, err := filepath.Glob("testdata/*.txtar")
	if err != nil || len(files) == 0 {
		t.Fatal("no stories found", err)
	}
	seen := map[byte]int{} // changes of a kind that were looked at
	for _, file := range files {
		text, err := os.ReadFile(file)
		if err != nil {
			t.Fatal(err)
		}
		f, err := story.Parse(filepath.Base(file), text)
		if err != nil {
			t.Fatal(err)
		}
		cfg, err := f.Config()
		if err != nil {
			t.Fatal(err)
		}
		parts := map[int]*journey.Partition{}
		_, err = f.Run(story.Options{
			Open: func(name string) ([]byte, error) {
				return os.ReadFile(filepath.Join("../../deploy/journeys", name))
			},
			OnStep: func(_ *gateway.Batch, s *gateway.Step) {
				p := parts[s.Partition]
				if p == nil {
					c := cfg
					c.Partition, c.Partitions = s.Partition, 64
					p = journey.NewPartition(c)
					parts[s.Partition] = p
				}
				ok := journey.Changes(p, s, func(change []byte) {
					if n := seen[change[0]]; n < 3 || n%300 == 0 {
						cutOff(t, p, change)
						if n < 3 {
							wrongByte(t, p, change, n < 1)
						}
					}
					seen[change[0]]++
				})
				if !ok {
					t.Fatalf("%s: a change does not read back", file)
				}
			},
		})
		if err != nil {
			t.Fatal(err)
		}
	}
	for _, op := range journey.RecordedInZoo(t) {
		delete(seen, op)
	}
	if len(seen) > 0 {
		t.Errorf("changes of kinds that TestDamagedChanges does not look at: %v", seen)
	}
}

// cutOff reads what is left of a change that was cut off.
func cutOff(t *testing.T, p *journey.Partition, change []byte) {
	t.Helper()
	for n := 1; n < len(change); n++ {
		if n > 100 && n < len(change)-100 {
			n = len(change) - 100 // the text of a definition
		}
		if journey.Reads(p, slices.Clip(change[:n])) {
			t.Fatalf("change %d, cut off behind byte %d of %d, is read: %q", change[0], n, len(change), change)
		}
	}
}

// wrongByte reads a change in which a byte is wrong, and when apply is set,
// applies it to a copy of the state.
func wrongByte(t *testing.T, p *journey.Partition, change []byte, apply bool) {
	t.Helper()
	var snapshot []byte
	for i := 1; i < len(change); i++ {
		if i > 100 && i < len(change)-100 {
			i = len(change) - 100
		}
		for _, b := range []byte{0, 0x7f, 0xff, change[i] + 1} {
			wrong := slices.Clone(change)
			wrong[i] = b
			if !journey.Reads(p, wrong) || !apply {
				continue
			}
			if snapshot == nil {
				snapshot = p.AppendSnapshot(nil)
			}
			q := journey.NewPartition(journey.Config{Partitions: 64})
			if err := q.Restore(snapshot); err != nil {
				t.Fatal(err)
			}
			if q.Replay(&gateway.Step{Changes: slices.Concat(snapshot[:1], wrong)}) == nil {
				q.AppendSnapshot(nil)
			}
		}
	}
}
