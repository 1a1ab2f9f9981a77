package reference

import (
	"flag"
	"runtime"
	"slices"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	core "touchpoint/gateway/journey"
)

var races = flag.String("races", "", "all: four racers at every combination of instants")

// raceJourney has every state that a race can hit: a message on its way, a wait
// for an event with a timeout, an exit, a goal, a task.
func raceJourney() *journeyDef {
	return &journeyDef{name: "j0", version: 1, purpose: "marketing", holdout: 0, obeys: true, counts: true, reentry: "after_exit",
		trigger: triggerDef{kind: "event", event: "a"},
		exits:   []listener{{event: "c", where: &cond{root: "event", key: "x", op: "==", val: int64(1)}}, {where: &cond{root: "customer", key: "vip", op: "==", val: int64(1)}}},
		goal:    &goalDef{listener{event: "c", where: &cond{root: "event", key: "x", op: "==", val: int64(2)}}, 3 * hour},
		steps: []stepDef{
			{id: "s0", kind: "send", channels: []string{"product", "webhook"}, fallback: 40 * minute, expires: 2 * hour},
			{id: "s1", kind: "wait_event", until: listener{event: "b"}, length: hour, onTimeout: "s3"},
			{id: "s2", kind: "send", channels: []string{"webhook"}, next: "end"},
			{id: "s3", kind: "send", channels: []string{"product"}},
			{id: "s4", kind: "wait_for", length: 30 * minute},
		}}
}

// racers are what runs into each other.
func racers() []action {
	return []action{
		{kind: "event", event: "b", id: "b", device: 1},
		{kind: "event", event: "c", id: "exit", device: 1, props: map[string]any{"x": int64(1)}},
		{kind: "receipt", text: "displayed"},
		{kind: "receipt", text: "failed"},
		{kind: "journey", text: "paused"},
		{kind: "journey", text: "published"},
		{kind: "publish"},
		{kind: "bind", device: 1, customer: 2}, // a resale
		{kind: "event", event: "a", id: "again", device: 1},
		{kind: "event", event: "c", id: "goal", device: 1, props: map[string]any{"x": int64(2)}},
		{kind: "consent", customer: 1, text: "marketing"}, // revoked
		{kind: "receipt", text: "missed_window"},
		{kind: "receipt", text: "handed_over"},
		{kind: "event", event: caseOpened, id: "case", customer: 1},
		{kind: "erase", customer: 1},
	}
}

// TestRaces tries every order of up to four of what can run into each other:
// events, receipts, the end of waits, a pause, a resume, a new version, a move
// of the device, a revoked consent, a complaint and an erasure, each at the same
// instant as the one before, in between, or exactly when a timer is due. Both
// cores decide the same.
func TestRaces(t *testing.T) {
	t.Parallel()
	all := racers()
	var list [][]int // chosen racers
	var extend func(chosen []int)
	extend = func(chosen []int) {
		if len(chosen) > 0 {
			list = append(list, chosen)
		}
		for i := range all {
			if len(chosen) < 4 && !slices.Contains(chosen, i) {
				extend(append(chosen[:len(chosen):len(chosen)], i))
			}
		}
	}
	extend(nil)
	var next, tried atomic.Int64
	var wait sync.WaitGroup
	began := time.Now()
	for range runtime.GOMAXPROCS(0) {
		wait.Go(func() {
			like := core.NewWorld(coreConfig(raceConfig), 1, false)
			def, second := raceJourneys()
			for !t.Failed() {
				i := int(next.Add(1)) - 1
				if i >= len(list) {
					return
				}
				for k, variant := range variants(len(list[i]), i) {
					tried.Add(1)
					race(t, &scenario{like: like, defs: []*journeyDef{def}, later: []*journeyDef{second}}, all, list[i], variant, i+k)
				}
			}
		})
	}
	wait.Wait()
	t.Logf("%d races of %d orders in %s", tried.Load(), len(list), time.Since(began).Round(time.Second))
}

// variants says of each of n whether it comes at the instant of the one before
// (0), ten minutes later (1) or when a timer is due (2). Every order of up to
// two is tried at every combination; one of three at those of an instant and of
// timers, and all apart; one of four with all at one instant after a while or at
// that of a timer, by turns, and at one more combination, another one each time.
func variants(n, number int) (out [][]int) {
	digits := func(v int) (list []int) {
		for range n {
			list = append(list, v%3)
			v /= 3
		}
		return list
	}
	combinations := []int{1, 3, 9, 27, 81}[n]
	if n < 3 || *races == "all" {
		for v := range combinations {
			out = append(out, digits(v))
		}
		return out
	}
	if n == 3 {
		for v := range 8 {
			out = append(out, []int{v & 1 * 2, v >> 1 & 1 * 2, v >> 2 * 2})
		}
		return append(out, []int{1, 1, 1})
	}
	return [][]int{{1 + number%2, 0, 0, 0}, digits(number * 7 % combinations)}
}

// raceConfig has a cap, so that sends compete.
var raceConfig = config{zone: "UTC", dedup: 8 * day, maxAge: 4 * hour, order: []string{"product", "webhook"}, expires: day,
	caps: []capDef{{name: "two", max: 2, per: 6 * hour}}, suspend: 2 * hour}

// raceJourneys are the two versions, written once.
func raceJourneys() (def, second *journeyDef) {
	def = raceJourney()
	later := *def
	later.version = 2
	later.steps = append([]stepDef(nil), def.steps...)
	later.steps[1].length = 20 * minute
	def.text, later.text = def.yaml(), later.yaml()
	return def, &later
}

func race(t *testing.T, s *scenario, all []action, chosen, variant []int, number int) {
	s.seed, s.partitions, s.cfg = 1, 1+number%2, raceConfig
	s.running = []string{[]string{"migrate", "pin", "restart"}[number%3]}
	s.actions = []action{
		{kind: "bind", device: 1, customer: 1, gap: hour},
		{kind: "consent", customer: 1, text: "marketing", flag: true},
		{kind: "consent", customer: 2, text: "marketing", flag: true},
		{kind: "event", event: "a", id: "first", device: 1, gap: minute},
	}
	for k, i := range chosen {
		a := all[i]
		switch variant[k] {
		case 1:
			a.gap = 10 * minute
		case 2:
			a.edge = 2
		}
		s.actions = append(s.actions, a)
	}
	if err := live(s); err != nil {
		t.Errorf("%v\n%s", err, s.story())
	}
}
