package reference

import (
	"flag"
	"slices"
	"testing"
)

var races = flag.String("races", "", "all: with three racers more")

// raceJourney has every state that a race can hit: a message on its way, a wait
// for an event with a timeout, an exit, a goal.
func raceJourney() *journeyDef {
	return &journeyDef{name: "j0", version: 1, purpose: "marketing", holdout: 0, obeys: true, counts: true, reentry: "after_exit",
		trigger: triggerDef{kind: "event", event: "a"},
		exits:   []listener{{event: "c", where: &cond{root: "event", key: "x", op: "==", val: int64(1)}}, {where: &cond{root: "customer", key: "vip", op: "==", val: int64(1)}}},
		goal:    &goalDef{listener{event: "c", where: &cond{root: "event", key: "x", op: "==", val: int64(2)}}, 3 * hour},
		steps: []stepDef{
			{id: "s0", kind: "send", channels: []string{"product", "webhook"}, expires: 2 * hour},
			{id: "s1", kind: "wait_event", until: listener{event: "b"}, length: hour, onTimeout: "s3"},
			{id: "s2", kind: "send", channels: []string{"webhook"}, next: "end"},
			{id: "s3", kind: "send", channels: []string{"product"}},
			{id: "s4", kind: "wait_for", length: 30 * minute},
		}}
}

// racers are what runs into each other; with -races all, the last three, too.
func racers() []action {
	list := []action{
		{kind: "event", event: "b", id: "b", device: 1},
		{kind: "event", event: "c", id: "exit", device: 1, props: map[string]any{"x": int64(1)}},
		{kind: "receipt", text: "displayed"},
		{kind: "receipt", text: "failed"},
		{kind: "journey", text: "paused"},
		{kind: "journey", text: "published"},
		{kind: "publish"},
		{kind: "bind", device: 1, customer: 2},
		{kind: "event", event: "a", id: "again", device: 1},
		{kind: "event", event: "c", id: "goal", device: 1, props: map[string]any{"x": int64(2)}},
		{kind: "consent", customer: 1, text: "marketing"},
	}
	if *races != "all" {
		return list[:8]
	}
	return list
}

// TestRaces tries every order of up to four of what can run into each other:
// events, receipts, the end of waits, a pause, a resume, a new version, a move
// of the device and a revoked consent, each at the same instant as the one
// before, in between, and exactly when a timer is due. Both cores decide the same.
func TestRaces(t *testing.T) {
	t.Parallel()
	all := racers()
	tried := 0
	var extend func(chosen []int)
	extend = func(chosen []int) {
		if len(chosen) > 0 {
			for _, variant := range variants(len(chosen)) {
				tried++
				race(t, all, chosen, variant, tried)
			}
		}
		if len(chosen) == 4 || t.Failed() {
			return
		}
		for i := range all {
			if !slices.Contains(chosen, i) {
				extend(append(chosen[:len(chosen):len(chosen)], i))
			}
		}
	}
	extend(nil)
	t.Logf("%d races", tried)
}

// variants says of each of n whether it comes at the instant of the one before
// (0), ten minutes later (1) or when a timer is due (2): every combination of up
// to two; of more, the last ones run into each other at one instant, or all do,
// after a while or when a timer is due, or each comes when one is due.
func variants(n int) (out [][]int) {
	switch n {
	case 1:
		return [][]int{{0}, {1}, {2}}
	case 2:
		for i := range 9 {
			out = append(out, []int{i / 3, i % 3})
		}
		return out
	}
	full := [][]int{{2, 0, 0, 0}, {1, 2, 0, 0}, {2, 2, 2, 2}}
	if n == 3 {
		full = append(full, [][]int{{1, 0, 0}, {1, 1, 1}, {1, 2, 2}, {2, 0, 2}, {1, 0, 2}}...)
	}
	for _, v := range full {
		out = append(out, v[:n])
	}
	return out
}

// raceConfig has a cap, so that sends compete.
var raceConfig = config{zone: "UTC", dedup: 8 * day, maxAge: 4 * hour, order: []string{"product", "webhook"}, expires: day,
	caps: []capDef{{name: "two", max: 2, per: 6 * hour}}}

func race(t *testing.T, all []action, chosen, variant []int, number int) {
	def := raceJourney()
	second := *def
	second.version = 2
	second.steps = append([]stepDef(nil), def.steps...)
	second.steps[1].length = 20 * minute
	s := &scenario{seed: 1, partitions: 1 + number%2, cfg: raceConfig, defs: []*journeyDef{def}, later: []*journeyDef{&second},
		running: []string{[]string{"migrate", "pin", "restart"}[number%3]}}
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
