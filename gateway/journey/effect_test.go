package journey

import (
	"fmt"
	"testing"

	"touchpoint/gateway"
)

const effectJourney = `name: offer
purpose: marketing
holdout: 40%
trigger: {event: call_ended}
steps:
  - {id: rest, wait: {for: 1h}}
  - {id: say, send: {channels: [stream], texts: {en: {title: Offer}}}}
goal: {event: bought, within: 7d}
`

// armCount is what became of the customers of one arm.
type armCount struct{ enrolled, exposed, converted int }

// TestEffectFromRecords counts what became of each arm from the decisions of
// the steps alone and compares with what the test itself did: who called, who
// left before the message, who bought. Whoever would have been sent counts.
func TestEffectFromRecords(t *testing.T) {
	w := newWorld(t, Config{}, 4)
	w.clock = modelStart
	fromRecords, exposed := map[string]armCount{}, map[gateway.EnrollmentID]bool{}
	w.onStep = func(_ *gateway.Batch, s *gateway.Step) {
		for _, d := range s.Decisions {
			if d.Reason == gateway.ReasonInvalid {
				t.Fatal(d.Rule)
			}
			if d.Arm == "" {
				continue
			}
			n := fromRecords[d.Arm]
			switch {
			case d.Kind == gateway.DecisionEntry && d.Reason == gateway.ReasonEnrolled:
				n.enrolled++
			case d.Kind == gateway.DecisionSend && (d.Reason == gateway.ReasonSent || d.Reason == gateway.ReasonHoldout):
				n.exposed++
				exposed[d.Enrollment] = true
			case d.Kind == gateway.DecisionConversion && exposed[d.Enrollment]:
				n.converted++
				if got := !d.Message.IsZero(); got && d.Arm == "holdout" {
					t.Errorf("a conversion of the control arm is credited to message %s", d.Message)
				}
			}
			fromRecords[d.Arm] = n
		}
	}
	for i := range w.parts {
		w.submit(i, gateway.Input{Command: gateway.PublishJourney{Journey: "offer", Version: 1, Effective: modelStart, Definition: []byte(effectJourney)}})
	}
	send := func(c gateway.CustomerID, cmd gateway.Command) {
		w.submit(gateway.HomeOf(c, 0, 4), gateway.Input{Command: cmd})
	}
	event := func(c gateway.CustomerID, typ string) {
		w.submit(gateway.HomeOf(c, 0, 4), gateway.Input{Event: gateway.Event{Type: typ, ID: fmt.Sprint(typ, c), Customer: c,
			OccurredAt: w.clock, ReceivedAt: w.clock}})
	}
	const customers = 120
	for c := gateway.CustomerID(1); c <= customers; c++ {
		send(c, gateway.SetConsent{Customer: c, Purpose: gateway.PurposeMarketing, Granted: true, At: w.clock})
		if c%3 == 0 { // every third one lives with others
			g := gateway.GroupID(1 + c/12)
			w.submit(gateway.HomeOf(c, g, 4), gateway.Input{Command: gateway.JoinGroup{Customer: c, Group: g}})
		}
		if c%10 == 0 {
			send(c, gateway.UpsertCustomer{Customer: c, Mask: []string{"test"}, Test: true})
		}
		event(c, "call_ended")
	}
	arms := map[gateway.CustomerID]string{}
	groups := map[gateway.GroupID]string{}
	for _, p := range w.parts {
		for id, c := range p.customers {
			arms[id] = c.mark(p.journeyNamed("offer")).arm.String()
			if g := c.groupOf(); g != 0 && !c.test {
				if groups[g] != "" && groups[g] != arms[id] {
					t.Errorf("%v has two arms", g)
				}
				groups[g] = arms[id]
			}
		}
	}
	for c := gateway.CustomerID(1); c <= customers; c += 7 { // bought before the message: not exposed
		event(c, "bought")
	}
	w.advance(w.clock + 2*hour)
	for c := gateway.CustomerID(1); c <= customers; c += 2 {
		event(c, "bought")
	}
	truth := map[string]armCount{}
	for c := gateway.CustomerID(1); c <= customers; c++ {
		if c%10 == 0 {
			continue // test customers count nowhere
		}
		n := truth[arms[c]]
		n.enrolled++
		if (c-1)%7 != 0 {
			n.exposed++
			if c%2 == 1 {
				n.converted++
			}
		}
		truth[arms[c]] = n
	}
	if len(truth) != 2 || fmt.Sprint(truth) != fmt.Sprint(fromRecords) {
		t.Errorf("the records say %+v, it was %+v", fromRecords, truth)
	}
}

// TestDefaultHoldout: the effect of marketing is measured unless its author
// switches the holdout off; service has none unless he asks for one.
func TestDefaultHoldout(t *testing.T) {
	const customers = 4000
	for _, c := range []struct {
		head      string
		low, high int // customers held out
	}{
		{"purpose: marketing", customers * 8 / 100, customers * 12 / 100},
		{"purpose: marketing\nholdout: 0\nholdout_reason: required by law", 0, 0},
		{"purpose: service", 0, 0},
		{"purpose: service\nholdout: 50", customers * 47 / 100, customers * 53 / 100},
	} {
		w := newWorld(t, Config{}, 1)
		w.clock = modelStart
		w.submit(0, gateway.Input{Command: gateway.PublishJourney{Journey: "offer", Version: 1, Effective: modelStart, Definition: []byte(
			"name: offer\n" + c.head + "\ntrigger: {event: call_ended}\nsteps: [{id: rest, wait: {for: 1h}}]\n")}})
		var inputs []gateway.Input
		for id := gateway.CustomerID(1); id <= customers; id++ {
			inputs = append(inputs, gateway.Input{Command: gateway.SetConsent{Customer: id, Purpose: gateway.PurposeMarketing, Granted: true, At: w.clock}},
				gateway.Input{Event: gateway.Event{Type: "call_ended", ID: "1", Customer: id, OccurredAt: w.clock, ReceivedAt: w.clock}})
		}
		w.submit(0, inputs...)
		held := 0
		for _, cust := range w.parts[0].customers {
			for _, e := range cust.enrollments {
				if e.arm == armHoldout {
					held++
				}
			}
		}
		if held < c.low || held > c.high {
			t.Errorf("%s: %d of %d are held out, want %d to %d", c.head, held, customers, c.low, c.high)
		}
	}
}
