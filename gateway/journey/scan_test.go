package journey

import (
	"fmt"
	"strings"
	"testing"

	"touchpoint/gateway"
)

// manyBrew lets customers brew so often each.
func (w *world) manyBrew(customers, times int) {
	for c := range customers {
		for i := range times {
			w.submit(0, gateway.Input{Event: gateway.Event{Type: "brew", Customer: gateway.CustomerID(c + 1), ID: fmt.Sprint(times, i), OccurredAt: w.clock, ReceivedAt: w.clock}})
		}
	}
}

// TestScansOfMany: a new version looks at all customers, however many portions
// that takes: who is inside is taken over, who meets the entry already enters,
// each once, also when the day's pace ends in between and some are gone by then.
func TestScansOfMany(t *testing.T) {
	const customers, pace = 1300, 900
	w := newWorld(t, Config{TimersPerStep: 1}, 1)
	w.clock = modelStart
	entered := map[gateway.CustomerID]int{}
	w.onStep = func(_ *gateway.Batch, s *gateway.Step) {
		for _, d := range s.Decisions {
			if d.Reason == gateway.ReasonEnrolled {
				entered[d.Customer]++
			}
		}
	}
	text := func(nth int, existing, steps string) []byte {
		return []byte(fmt.Sprintf("name: many\npurpose: service\ntrigger: {milestone: {event: brew, nth: %d}}\n%ssteps: [%s]\n", nth, existing, steps))
	}
	publish := func(version uint32, text []byte, running string) {
		w.submit(0, gateway.Input{Command: gateway.PublishJourney{Journey: "many", Version: version, Effective: w.clock, Definition: text, Running: running}})
		w.advance(w.clock + 60_000)
	}
	publish(1, text(3, "", "{id: rest, wait: {for: 30d}}"), "")
	w.manyBrew(customers, 2)
	publish(2, text(2, fmt.Sprintf("existing: enroll %d per day\n", pace), "{id: rest, wait: {for: 30d}}"), "pin")
	if len(entered) != pace {
		t.Fatalf("%d entered on the first day, not %d", len(entered), pace)
	}
	w.submit(0, gateway.Input{Command: gateway.EraseCustomer{Customer: customers - 1}}, gateway.Input{Command: gateway.EraseCustomer{Customer: customers}})
	w.advance(w.clock + dayMillis)
	publish(3, text(2, "", "{id: first, set: {x: 1}}, {id: rest, wait: {for: 40d}}"), "migrate")
	moved := 0
	for id, c := range w.parts[0].customers {
		if entered[id] != 1 {
			t.Fatalf("%d entered %d times", id, entered[id])
		}
		if e := c.enrollments[0]; e.v.number == 3 && e.due == e.enteredAt+40*dayMillis {
			moved++
		}
	}
	if len(entered) != customers-2 || moved != customers-2 {
		t.Errorf("%d of %d entered, %d were taken over", len(entered), customers-2, moved)
	}
	w.check()
}

// TestManySteps: of the first 64 steps it is known which are completed: of either version: those do
// not run again in a new version, later ones do.
func TestManySteps(t *testing.T) {
	w := newWorld(t, Config{}, 1)
	w.clock = modelStart
	steps := func(version int, order ...int) []byte {
		var list []string
		for _, i := range order {
			list = append(list, fmt.Sprintf("{id: s%d, set: {a%d: %d}}", i, i, version))
		}
		return []byte("name: long\npurpose: service\ntrigger: {api: {}}\nsteps: [" + strings.Join(list, ", ") + "]\n")
	}
	rest := func(text []byte) []byte {
		return []byte(strings.Replace(string(text), "{id: s65, set: {a65: 1}}", "{id: s65, wait: {for: 1h}}", 1))
	}
	var order, moved []int
	for i := range 66 {
		order = append(order, i)
	}
	moved = append([]int{65, 64, 63, 0, 66}, order[1:63]...)
	publish := func(version uint32, text []byte) {
		w.submit(0, gateway.Input{Command: gateway.PublishJourney{Journey: "long", Version: version, Effective: w.clock, Definition: text, Running: "migrate"}})
		w.advance(w.clock + 60_000)
	}
	publish(1, rest(steps(1, order...)))
	w.submit(0, gateway.Input{Command: gateway.TriggerJourney{Journey: "long", Customer: 1}})
	publish(2, []byte(strings.Replace(string(steps(2, moved...)), "{id: s65, set: {a65: 2}}", "{id: s65, wait: {for: 1h}}", 1)))
	w.advance(w.clock + dayMillis)
	attributes := w.parts[0].customers[1].attributes
	for i, want := range map[int]int64{0: 1, 1: 1, 59: 1, 60: 2, 63: 1, 64: 2, 66: 2} {
		if got := attributes.Get(fmt.Sprint("a", i)).AsInt(); got != want {
			t.Errorf("step s%d ran last in version %d, not %d", i, got, want)
		}
	}
	w.check()
}

// TestTasksAreBounded: beyond 100 open tasks the oldest one is withdrawn.
func TestTasksAreBounded(t *testing.T) {
	w := newWorld(t, Config{}, 1)
	w.clock = modelStart
	var opened []gateway.TaskID
	var closed []gateway.TaskUpdate
	w.onStep = func(_ *gateway.Batch, s *gateway.Step) {
		for _, task := range s.Tasks {
			opened = append(opened, task.ID)
		}
		closed = append(closed, s.TaskUpdates...)
	}
	w.submit(0, gateway.Input{Command: gateway.PublishJourney{Journey: "call", Version: 1, Effective: w.clock, Definition: []byte(
		"name: call\npurpose: service\ntrigger: {api: {}}\nreentry: after_exit\nsteps: [{id: c, task: {assignee: support, texts: {en: {title: Call}}}}]\n")}})
	for i := range 102 {
		w.submit(0, gateway.Input{Command: gateway.TriggerJourney{Journey: "call", Customer: 1}})
		if want := max(i-99, 0); len(closed) != want {
			t.Fatalf("%d of %d tasks are withdrawn, not %d", len(closed), i+1, want)
		}
	}
	for i, u := range closed {
		if u.Task != opened[i] || u.State != gateway.TaskWithdrawn || u.Outcome != "too many open tasks" {
			t.Errorf("withdrawn: %+v", u)
		}
	}
	w.check()
}

// TestFilteredAreCounted: what the filter of a trigger turns away leaves no
// decision; a step says how often that was.
func TestFilteredAreCounted(t *testing.T) {
	w := newWorld(t, Config{}, 1)
	w.clock = modelStart
	filtered, decisions := map[string]uint64{}, 0
	w.submit(0, gateway.Input{Command: gateway.PublishJourney{Journey: "big", Version: 1, Effective: w.clock, Definition: []byte(modelJourneys["big"])}})
	w.onStep = func(_ *gateway.Batch, s *gateway.Step) {
		for _, f := range s.Filtered {
			filtered[f.Journey] += f.Count
		}
		decisions += len(s.Decisions)
	}
	for i := range 5 {
		w.submit(0, gateway.Input{Event: gateway.Event{Type: "brew", Customer: 1, ID: fmt.Sprint(i), OccurredAt: w.clock, ReceivedAt: w.clock,
			Properties: gateway.Properties{{Key: "ml", Value: gateway.Int(100)}}}})
	}
	if filtered["big"] != 5 || decisions != 0 {
		t.Errorf("filtered %v, %d decisions", filtered, decisions)
	}
}
