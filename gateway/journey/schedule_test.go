package journey

import (
	"fmt"
	"testing"
	"time"

	"pgregory.net/rapid"

	"touchpoint/gateway"
)

var scheduleZones = []string{"UTC", "Europe/Berlin", "America/New_York", "America/St_Johns", "Australia/Lord_Howe", "Pacific/Apia",
	"Asia/Kathmandu", "Africa/Casablanca", "Pacific/Chatham", "America/Sao_Paulo", "Asia/Gaza", "Antarctica/Troll", "Atlantic/Azores"}

func scheduleYAML(rule, start string) string {
	return fmt.Sprintf(`name: plan
purpose: service
trigger:
  schedule: {rrule: "%s", start: "%s"}
steps:
  - {id: done, end: {}}
`, rule, start)
}

// TestScheduleZones: over years of any zone, every occurrence is met exactly
// once, in order, when the local clock shows it or has just skipped it.
func TestScheduleZones(t *testing.T) {
	rapid.Check(t, func(rt *rapid.T) {
		zone := rapid.SampledFrom(scheduleZones).Draw(rt, "zone")
		loc, err := time.LoadLocation(zone)
		if err != nil {
			rt.Fatal(err)
		}
		year := rapid.IntRange(2005, 2030).Draw(rt, "year")
		start := time.Date(year, 1, 1, rapid.IntRange(0, 23).Draw(rt, "hour"), rapid.SampledFrom([]int{0, 15, 30, 59}).Draw(rt, "minute"), 0, 0, time.UTC)
		rule := rapid.SampledFrom([]string{"FREQ=DAILY", "FREQ=WEEKLY;BYDAY=SU,SA", "FREQ=DAILY;INTERVAL=3", "FREQ=MONTHLY;BYDAY=-1SU", "FREQ=HOURLY"}).Draw(rt, "rule")
		def, err := Compile([]byte(scheduleYAML(rule, start.Format("2006-01-02 15:04"))), Env{})
		if err != nil {
			rt.Fatal(err)
		}
		times := &occurrences{rule: def.trigger.schedule.rule}
		w, ok := times.from(gateway.InstantOf(start.AddDate(0, 0, -2)), loc)
		before := gateway.Instant(0)
		for range 500 {
			if !ok {
				rt.Fatal("the rule ends")
			}
			at := w.instant(loc)
			shown := wallOf(at, loc)
			if shown != w && !(shown > w && wallOf(at-1000, loc) < w) {
				rt.Fatalf("%v in %s is %v, when the clock shows %v", w, zone, at, shown)
			}
			for _, earlier := range []gateway.Instant{at - 3600_000, at - 1800_000} { // of a repeated time the first one counts
				if wallOf(earlier, loc) == w {
					rt.Fatalf("%v in %s was shown before %v", w, zone, at)
				}
			}
			if at < before {
				rt.Fatalf("%v in %s lies before the one before it", w, zone)
			}
			if again, ok := times.from(at, loc); !ok || again != w && again.instant(loc) != at {
				rt.Fatalf("from %v: %v, want %v", at, again, w)
			}
			before = at
			w, ok = times.following(w)
		}
	})
}

// TestScheduleModel: whatever the steps of the clock, moves between zones and
// restarts, no occurrence is decided twice, and without moves each is, once.
func TestScheduleModel(t *testing.T) {
	rapid.Check(t, func(rt *rapid.T) {
		w := newWorld(t, Config{}, 1)
		w.clock = modelStart
		seen := map[string]int{}
		w.onStep = func(_ *gateway.Batch, s *gateway.Step) {
			for _, d := range s.Decisions {
				if d.Kind == gateway.DecisionEntry {
					seen[d.Values.Get("scheduled").AsString()]++
				}
			}
		}
		start := modelStart.Time().Format("2006-01-02") + " 08:00"
		w.submit(0, gateway.Input{Command: gateway.PublishJourney{Journey: "plan", Version: 1, Effective: modelStart, Definition: []byte(scheduleYAML("FREQ=DAILY", start))}})
		zone := func(name string) {
			w.submit(0, gateway.Input{Command: gateway.UpsertCustomer{Customer: 1, Mask: []string{"time_zone"}, TimeZone: name}})
		}
		zone("Europe/Berlin")
		moved := false
		for range rapid.IntRange(1, 20).Draw(rt, "things") {
			switch rapid.IntRange(0, 5).Draw(rt, "what") {
			case 0:
				moved = true
				zone(rapid.SampledFrom(scheduleZones).Draw(rt, "zone"))
			case 1:
				w.restart()
			default:
				w.advance(w.clock + gateway.Instant(rapid.IntRange(0, 60).Draw(rt, "hours"))*hour)
			}
		}
		for name, n := range seen {
			if n > 1 {
				rt.Fatalf("%s was decided %d times", name, n)
			}
		}
		if !moved {
			loc, _ := time.LoadLocation("Europe/Berlin")
			want := 0
			for day := civilOf(modelStart, loc); ; day = day.plus(1) {
				at := day.at(8*60, loc)
				if at > w.clock {
					break
				}
				if at >= modelStart {
					want++
				}
			}
			if len(seen) != want {
				rt.Fatalf("%d occurrences were decided, want %d: %v", len(seen), want, seen)
			}
		}
		w.check()
	})
}
