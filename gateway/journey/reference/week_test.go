package reference

import (
	"fmt"
	"math/rand/v2"
	"slices"
	"strings"
	"testing"

	"github.com/goccy/go-yaml"

	"touchpoint/gateway"
	core "touchpoint/gateway/journey"
)

// A week of two products in three hands: what came in order, and what came late,
// shuffled, twice and by clocks that run wrong.

const weekSettings = `
traits:
  brews: {count: brew}
  week: {count: brew, within: 7d}
stages:
  - {name: new, when: trait.brews < 5}
  - {name: habitual, when: trait.week >= 40}
  - {name: active}
segments:
  - {name: heavy, when: trait.brews >= 60}
`

var weekJourneys = map[string]string{
	"each": `name: each
purpose: service
max_event_age: 2h
trigger: {event: brew, where: event.ml > 150}
reentry: after_exit
exit: [{event: fault}]
steps:
  - {id: say, send: {channels: [product], expires_after: 2h, texts: {en: {title: Big}}}}
  - {id: rest, wait: {for: 90m}}
`,
	"tenth": `name: tenth
purpose: service
trigger: {milestone: {event: brew, nth: 10}}
steps: [{id: say, send: {channels: [product], texts: {en: {title: Ten}}}}]
`,
	"clean": `name: clean
purpose: service
trigger: {event: clean}
steps:
  - {id: rest, wait: {until_event: fault, timeout: 4h, on_timeout: well}}
  - {id: bad, send: {channels: [product], texts: {en: {title: Bad}}}, next: end}
  - {id: well, send: {channels: [product], texts: {en: {title: Well}}}}
traits:
  ever: {count: brew}
  days3: {count: brew, within: 3d}
  water: {sum: brew.ml, within: 5d}
  mean: {mean: brew.ml, within: 7d}
  most: {max: brew.ml, within: 4d}
  first: {first: brew}
  last: {last: brew}
  lastml: {last: brew.ml}
  sizes: {distinct: brew.ml}
  median: {p50: brew.ml, within: 7d}
  slope: {slope: brew.ml, within: 7d}
`,
	"ab": `name: ab
purpose: service
max_event_age: 2h
trigger: {sequence: {events: [clean, brew], within: 3h}}
steps: [{id: say, send: {channels: [product], texts: {en: {title: AB}}}}]
`,
}

type weekWorld struct {
	t         *testing.T
	w         *core.World
	accepted  map[string]gateway.CustomerID
	decisions map[string][]gateway.Decision // entry decisions by journey and event
	messages  []gateway.Message
	events    map[string]gateway.Event
}

func newWeek(t *testing.T, partitions int) *weekWorld {
	var cfg core.Config
	if err := yaml.UnmarshalWithOptions([]byte(weekSettings), &cfg, yaml.Strict()); err != nil {
		t.Fatal(err)
	}
	ww := &weekWorld{t: t, w: core.NewWorld(cfg, partitions, false), accepted: map[string]gateway.CustomerID{},
		decisions: map[string][]gateway.Decision{}, events: map[string]gateway.Event{}}
	ww.w.OnStep(ww.step)
	ww.w.SetClock(start)
	for _, name := range []string{"each", "tenth", "clean", "ab"} {
		for i := range partitions {
			ww.submit(i, gateway.Input{Command: gateway.PublishJourney{Journey: name, Version: 1, Effective: start, Definition: []byte(weekJourneys[name])}})
		}
	}
	// Device 1 is sold on Wednesday; device 2 stays.
	for _, b := range []gateway.BindDevice{{Device: 1, Customer: 1, At: start}, {Device: 2, Customer: 2, At: start}} {
		b.Product, b.Role = "brewer", "owner"
		ww.submit(home(b.Customer, partitions), gateway.Input{Command: b})
	}
	return ww
}

func (ww *weekWorld) step(b *gateway.Batch, s *gateway.Step) {
	for i, o := range s.Outcomes {
		if b.Inputs[i].Command == nil && o.Disposition == gateway.Accepted {
			ww.accept(&b.Inputs[i].Event, o)
		}
	}
	for i := range s.Late {
		if s.Late[i].Outcome.Disposition == gateway.Accepted {
			ww.accept(&s.Late[i].Event, s.Late[i].Outcome)
		}
	}
	for _, d := range s.Decisions {
		if d.Kind == gateway.DecisionEntry && d.EventID != "" {
			key := d.Journey + " " + d.EventID
			ww.decisions[key] = append(ww.decisions[key], d)
		}
		if d.Reason == gateway.ReasonInvalid {
			ww.t.Fatal(d.Rule)
		}
	}
	ww.messages = append(ww.messages, s.Messages...)
}

func (ww *weekWorld) accept(ev *gateway.Event, o gateway.Outcome) {
	if _, twice := ww.accepted[ev.ID]; twice {
		ww.t.Errorf("event %s was accepted twice", ev.ID)
	}
	ww.accepted[ev.ID] = o.Customer
}

func (ww *weekWorld) submit(part int, in gateway.Input) {
	if err := ww.w.Submit(part, in); err != nil {
		ww.t.Fatal(err)
	}
}

func (ww *weekWorld) advance(to gateway.Instant) {
	if err := ww.w.Advance(to); err != nil {
		ww.t.Fatal(err)
	}
}

// arrival is an event and when it comes in.
type arrival struct {
	at gateway.Instant
	ev gateway.Event
}

// weekOf is a week of events in the order in which they occurred.
func weekOf(g *rand.Rand) (list []arrival) {
	at := start
	for i := 0; ; i++ {
		at += gateway.Instant(g.IntN(int(2*hour))) + 1
		if at >= start+7*day {
			return list
		}
		typ := []string{"brew", "brew", "brew", "brew", "clean", "fault"}[g.IntN(6)]
		ev := gateway.Event{ID: fmt.Sprint("e", i), Type: typ, Device: gateway.DeviceID(1 + g.IntN(2)), Product: "brewer", OccurredAt: at, ReceivedAt: at}
		if typ == "brew" {
			ev.Properties = gateway.Properties{{Key: "ml", Value: gateway.Int(int64(20 * (1 + g.IntN(10))))}}
		}
		list = append(list, arrival{at, ev})
	}
}

// disturb lets some come late, by minutes or up to two days, some twice.
func disturb(g *rand.Rand, list []arrival) (out []arrival) {
	for _, a := range list {
		switch g.IntN(5) {
		case 0:
			a.at += gateway.Instant(g.IntN(int(10 * minute)))
		case 1:
			a.at += gateway.Instant(g.IntN(int(2 * day)))
		}
		a.ev.ReceivedAt = a.at
		out = append(out, a)
		for g.IntN(4) == 0 {
			again := a
			again.at += gateway.Instant(g.IntN(int(day)))
			out = append(out, again)
		}
	}
	slices.SortStableFunc(out, func(a, b arrival) int { return int(a.at - b.at) })
	return out
}

// play lets the arrivals come in; the sale is told an hour after it happened.
func (ww *weekWorld) play(list []arrival, partitions int) {
	sale := start + 2*day + 5*hour
	sold := false
	for _, a := range list {
		if !sold && a.at >= sale+hour {
			sold = true
			ww.advance(sale + hour)
			ww.submit(home(3, partitions), gateway.Input{Command: gateway.BindDevice{Device: 1, Product: "brewer", Customer: 3, Role: "owner", At: sale}})
		}
		ww.advance(a.at)
		ww.events[a.ev.ID] = a.ev
		ww.submit(int(a.ev.OccurredAt)%partitions, gateway.Input{Event: a.ev})
	}
	ww.advance(start + 10*day)
}

// TestShuffledWeek: a week that comes shuffled, doubled and late ends with the
// same traits, history, ownership, stages and segments as the ordered one, and
// sends nothing stale; where an enrollment differs, a decision says why.
func TestShuffledWeek(t *testing.T) {
	t.Parallel()
	for seed := range uint64(60) {
		g := rand.New(rand.NewPCG(seed, 9))
		week := weekOf(g)
		partitions := []int{1, 4}[seed%2]
		plain, shaken := newWeek(t, partitions), newWeek(t, partitions)
		plain.play(week, partitions)
		shaken.play(disturb(g, week), partitions)
		compareWeeks(t, seed, plain, shaken)
		if t.Failed() {
			t.Fatalf("seed %d", seed)
		}
	}
}

func compareWeeks(t *testing.T, seed uint64, plain, shaken *weekWorld) {
	sold := start + 2*day + 5*hour
	for id, ev := range plain.events {
		a, b := plain.accepted[id], shaken.accepted[id]
		inBetween := ev.Device == 1 && ev.OccurredAt >= sold && ev.OccurredAt < sold+hour
		if a != b && !inBetween { // sold, and nobody had been told yet: the documented limit
			t.Errorf("event %s is credited to %d, in order to %d", id, b, a)
		}
	}
	if len(plain.accepted) != len(shaken.accepted) {
		t.Errorf("%d events were accepted, in order %d", len(shaken.accepted), len(plain.accepted))
	}
	told := slices.ContainsFunc(slices.Collect(func(yield func(bool) bool) {
		for id := range plain.accepted {
			if !yield(plain.accepted[id] != shaken.accepted[id]) {
				return
			}
		}
	}), func(b bool) bool { return b })
	if !told {
		for c := gateway.CustomerID(1); c <= 3; c++ {
			compareCustomer(t, c, plain.w, shaken.w)
		}
	}
	for key, list := range shaken.decisions {
		if len(list) != 1 && !strings.HasPrefix(key, "ab ") {
			t.Errorf("%d decisions about %s", len(list), key)
		}
	}
	for key, list := range plain.decisions {
		journey, id, _ := strings.Cut(key, " ")
		if journey != "each" && journey != "clean" {
			continue
		}
		if len(shaken.decisions[key]) != 1 {
			t.Errorf("%s: %s in order, and no decision when shuffled", key, list[0].Reason)
		}
		if d := shaken.decisions[key]; len(d) == 1 && d[0].Reason == gateway.ReasonEnrolled && d[0].At-plain.events[id].OccurredAt > 4*hour {
			t.Errorf("%s enrolled %s after it occurred", key, d[0].At.Sub(plain.events[id].OccurredAt))
		}
	}
	for _, m := range shaken.messages {
		if ev, ok := shaken.events[m.Cause]; ok && m.Journey == "each" && m.DecidedAt-ev.OccurredAt > 2*hour {
			t.Errorf("a stale message about %s, %s old", ev.ID, m.DecidedAt.Sub(ev.OccurredAt))
		}
	}
}

// compareCustomer compares what is known of a customer once all has come in.
func compareCustomer(t *testing.T, c gateway.CustomerID, a, b *core.World) {
	n := len(a.Partitions())
	x, okX := a.Partitions()[home(c, n)].View(c)
	y, okY := b.Partitions()[home(c, n)].View(c)
	if okX != okY || !slices.Equal(x.Devices, y.Devices) {
		t.Errorf("customer %d: known %v with %v, in order %v with %v", c, okY, y.Devices, okX, x.Devices)
	}
	for i := range x.Traits {
		p, q := x.Traits[i], y.Traits[i]
		if p.Known != q.Known || number6(p.Value.Any()) != number6(q.Value.Any()) {
			t.Errorf("customer %d: %s trait.%s is %s, in order %s", c, p.Journey, p.Name, q.Value, p.Value)
		}
	}
	if !slices.Equal(x.Segments, y.Segments) {
		t.Errorf("customer %d: segments %v, in order %v", c, y.Segments, x.Segments)
	}
	if len(x.Stages) > 0 && len(y.Stages) > 0 && x.Stages[len(x.Stages)-1].Stage != y.Stages[len(y.Stages)-1].Stage {
		t.Errorf("customer %d: stage %v, in order %v", c, y.Stages, x.Stages)
	}
	milestones := func(v core.View) (n int) {
		for _, e := range v.Enrollments {
			if e.Journey == "tenth" {
				n++
			}
		}
		return n
	}
	if milestones(x) != milestones(y) {
		t.Errorf("customer %d: reached the milestone %d times, in order %d", c, milestones(y), milestones(x))
	}
}

// TestSnapshotAnywhere: whoever goes on from a snapshot, after whatever action,
// decides what the whole run decides, and ends in the same state.
func TestSnapshotAnywhere(t *testing.T) {
	t.Parallel()
	for seed := uint64(1); seed <= 25; seed++ {
		whole := logOf(t, newScenario(seed))
		n := len(newScenario(seed).actions)
		for i := int(seed % 5); i <= n; i += 5 {
			s := newScenario(seed)
			s.actions = slices.Insert(s.actions, i, action{kind: "restart"})
			if got := logOf(t, s); !slices.Equal(got, whole) {
				t.Fatalf("seed %d: with a restart before action %d the run differs", seed, i)
			}
		}
	}
}

// TestSixteenPartitions: with the same applied times sixteen partitions decide
// what one does. Worlds of one partition may have entry caps, under which another
// partition first has to ask for a place: they are left out.
func TestSixteenPartitions(t *testing.T) {
	t.Parallel()
	compared := 0
	for seed := uint64(1); compared < 30; seed++ {
		one, many := newScenario(seed), newScenario(seed)
		if one.partitions == 1 {
			continue
		}
		compared++
		one.partitions, many.partitions = 1, 16
		one.wide = true
		if a, b := logOf(t, one), logOf(t, many); !slices.Equal(a, b) {
			t.Fatalf("seed %d: sixteen partitions decide otherwise than one", seed)
		}
	}
}

// logOf lives through a scenario and returns all that the core decided.
func logOf(t *testing.T, s *scenario) []string {
	d := newDriver(s, true)
	if err := d.run(); err != nil {
		t.Fatalf("%v\n%s", err, s.story())
	}
	if err := d.core.Check(); err != nil {
		t.Fatal(err)
	}
	return d.log
}
