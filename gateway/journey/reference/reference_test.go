package reference

import (
	"flag"
	"fmt"
	"slices"
	"testing"
)

var (
	seeds = flag.Uint64("seeds", 10_000, "how many random worlds TestReference lives through")
	from  = flag.Uint64("from", 1, "the first seed; with -seeds 1 a failure is replayed")
)

// TestReference lives through random worlds twice, in the core and in the
// reference: the same decisions, messages and traits. A failing world is cut
// down to what the failure needs, and told.
func TestReference(t *testing.T) {
	const workers = 4
	var c coverage
	t.Cleanup(func() {
		if !t.Failed() {
			c.report(t, *seeds)
		}
	})
	for worker := range uint64(workers) {
		t.Run(fmt.Sprint(worker), func(t *testing.T) {
			t.Parallel()
			for seed := *from + worker; seed < *from+*seeds; seed += workers {
				s := newScenario(seed)
				s.seen = seen{}
				err := live(s)
				c.add(s.seen)
				if err != nil {
					s, err = shrink(s, err)
					t.Fatalf("%v\n%s\nreplay: go test ./gateway/journey/reference -run TestReference -from %d -seeds 1", err, s.story(), seed)
				}
			}
		})
	}
}

// live runs one scenario; one in ten is also checked against its own replay and
// snapshot.
func live(s *scenario) (err error) {
	defer func() {
		if r := recover(); r != nil {
			err = fmt.Errorf("panic: %v", r)
		}
	}()
	d := newDriver(s, s.seed%10 == 0)
	if err := d.run(); err != nil {
		return err
	}
	if s.seed%10 == 0 {
		return d.core.Check()
	}
	return nil
}

// shrink leaves out actions and journeys as long as the failure stays.
func shrink(s *scenario, failure error) (*scenario, error) {
	for changed := true; changed; {
		changed = false
		for i := len(s.actions) - 1; i >= 0; i-- {
			smaller := *s
			smaller.actions = slices.Delete(slices.Clone(s.actions), i, i+1)
			if err := live(&smaller); err != nil {
				s, failure, changed = &smaller, err, true
			}
		}
	}
	return s, failure
}

// FuzzReference lives through worlds without end; the seed is all there is.
func FuzzReference(f *testing.F) {
	for seed := range uint64(10) {
		f.Add(seed)
	}
	f.Fuzz(func(t *testing.T, seed uint64) {
		if err := live(newScenario(seed)); err != nil {
			s, err := shrink(newScenario(seed), err)
			t.Fatalf("%v\n%s", err, s.story())
		}
	})
}
