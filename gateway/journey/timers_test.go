package journey

import (
	"fmt"
	"slices"
	"testing"

	"pgregory.net/rapid"

	"touchpoint/gateway"
)

// alarm is a timer that notes when it fires, and perhaps is set again.
type alarm struct {
	due     gateway.Instant
	absence bool
	id      uint64
	q       queued
	fired   *[]string
	again   []gateway.Instant
}

func (a *alarm) timer() (gateway.Instant, bool, uint64) { return a.due, a.absence, a.id }
func (a *alarm) queue() *queued                         { return &a.q }
func (a *alarm) fire(p *Partition) {
	*a.fired = append(*a.fired, fmt.Sprintf("%d at %d", a.id, p.now))
	a.due = 0
	if len(a.again) > 0 {
		a.due, a.again = a.again[0], a.again[1:]
	}
	p.schedule(a)
}

// TestTimersModel: timers fire in the order of (due, id), however often they were
// set anew: those of pure time before the bound, absences before the watermark,
// each at its own time, and at most so many per step.
func TestTimersModel(t *testing.T) {
	rapid.Check(t, func(rt *rapid.T) {
		instant := func(name string) gateway.Instant { return gateway.Instant(rapid.IntRange(1, 12).Draw(rt, name)) }
		limit := rapid.IntRange(1, 30).Draw(rt, "limit")
		p := NewPartition(Config{TimersPerStep: limit})
		var fired, want []string
		var alarms []*alarm
		for i := range rapid.IntRange(0, 9).Draw(rt, "alarms") {
			a := &alarm{due: instant("due"), absence: rapid.Bool().Draw(rt, "absence"), id: uint64(10 - i), fired: &fired}
			p.schedule(a)
			for range rapid.IntRange(0, 2).Draw(rt, "moves") { // off, later or earlier, or of the other kind
				a.due, a.absence = gateway.Instant(rapid.IntRange(0, 12).Draw(rt, "moved")), rapid.Bool().Draw(rt, "kind")
				p.schedule(a)
			}
			if rapid.Bool().Draw(rt, "again") {
				a.again = []gateway.Instant{a.due + instant("next")}
			}
			alarms = append(alarms, a)
		}
		for range rapid.IntRange(1, 4).Draw(rt, "steps") {
			bound, now := instant("bound"), p.now
			p.observed, p.fired = instant("observed"), 0
			mind := make([]alarm, len(alarms))
			for i, a := range alarms {
				mind[i] = *a
			}
			pure, absence := gateway.Instant(0), gateway.Instant(0)
			for _, a := range mind {
				if a.absence {
					absence = sooner(absence, a.due)
				} else {
					pure = sooner(pure, a.due)
				}
			}
			if gotPure, gotAbsence := p.NextTimers(); gotPure != pure || gotAbsence != absence {
				rt.Fatalf("next timers %d and %d, want %d and %d", gotPure, gotAbsence, pure, absence)
			}
			n, all := 0, true
			for {
				ready := slices.DeleteFunc(slices.Clone(slices.Collect(func(yield func(*alarm) bool) {
					for i := range mind {
						if !yield(&mind[i]) {
							return
						}
					}
				})), func(a *alarm) bool {
					return a.due == 0 || a.absence && a.due >= p.observed || !a.absence && a.due >= bound
				})
				if len(ready) == 0 {
					break
				}
				if n == limit {
					all = false
					break
				}
				first := slices.MinFunc(ready, func(a, b *alarm) int {
					if a.due != b.due {
						return int(a.due - b.due)
					}
					return int(a.id) - int(b.id)
				})
				now = max(now, first.due)
				want = append(want, fmt.Sprintf("%d at %d", first.id, now))
				first.due = 0
				if len(first.again) > 0 {
					first.due, first.again = first.again[0], first.again[1:]
				}
				n++
			}
			if got := p.fireTimers(bound); got != all {
				rt.Fatalf("done %v, want %v", got, all)
			}
			if !slices.Equal(fired, want) {
				rt.Fatalf("fired %v\nwant  %v", fired, want)
			}
		}
	})
}

// TestOccurrencesFarAndBack: a schedule that was asked for the far future answers
// for the past again, and one that ends says so.
func TestOccurrencesFarAndBack(t *testing.T) {
	def, err := Compile([]byte("name: a\npurpose: service\ntrigger: {schedule: {rrule: FREQ=HOURLY, start: \"2026-01-01 00:00\"}}\nsteps: [{id: e, end: {}}]\n"), Env{})
	if err != nil {
		t.Fatal(err)
	}
	const begin, step = wall(1_767_225_600), wall(3600)
	o := &occurrences{rule: def.trigger.schedule.rule}
	for _, hours := range []wall{0, 3, 10, 9000, 20_000, 19_999, 15_905, 15_904, 15_903, 4, 0, 30_000, 29_000, 100} {
		if got, ok := o.following(begin + hours*step); !ok || got != begin+(hours+1)*step {
			t.Errorf("behind hour %d comes %v, %v", hours, got, ok)
		}
		if got, ok := o.following(begin + hours*step - 1); !ok || got != begin+hours*step {
			t.Errorf("just before hour %d comes %v, %v", hours, got, ok)
		}
		at := (begin + hours*step).instant(loadZone("UTC"))
		if got, ok := o.from(at, loadZone("UTC")); !ok || got != begin+hours*step {
			t.Errorf("from hour %d on comes %v, %v", hours, got, ok)
		}
		if got := o.latest(begin, at, loadZone("UTC")); got != max(begin, begin+(hours-1)*step) {
			t.Errorf("the latest before hour %d is %v", hours, got)
		}
	}
	if got, ok := o.following(begin - 9*step); !ok || got != begin {
		t.Errorf("the first one is %v, %v", got, ok)
	}
	if def, err = Compile([]byte("name: a\npurpose: service\ntrigger: {schedule: {rrule: FREQ=DAILY;COUNT=2, start: \"2026-01-01 00:00\"}}\nsteps: [{id: e, end: {}}]\n"), Env{}); err != nil {
		t.Fatal(err)
	}
	o = &occurrences{rule: def.trigger.schedule.rule}
	if got, ok := o.following(begin); !ok || got != begin+24*step {
		t.Errorf("the last one is %v, %v", got, ok)
	}
	if got, ok := o.following(begin + 24*step); ok {
		t.Errorf("behind the last one comes %v", got)
	}
	if got, ok := o.from((begin + 25*step).instant(loadZone("UTC")), loadZone("UTC")); ok {
		t.Errorf("from then on comes %v", got)
	}
}
