package journey

import (
	"testing"

	"touchpoint/gateway"
)

// TestMessageWithoutRun: a message whose run is not there any more is decided
// anew for nobody, and goes to no other channel.
func TestMessageWithoutRun(t *testing.T) {
	for to, want := range map[gateway.MessageState]gateway.MessageState{
		gateway.MessageMissedWindow: gateway.MessageWithdrawn, gateway.MessageFailed: gateway.MessageFailed} {
		w := NewWorld(Config{}, 1, false)
		w.SetClock(modelStart)
		submit(t, w, gateway.Input{Command: gateway.PublishJourney{Journey: "ping", Version: 1, Effective: modelStart, Definition: []byte(
			"name: ping\npurpose: service\ntrigger: {event: brew}\nsteps: [{id: say, send: {channels: [stream, webhook], texts: {en: {title: Hello}}}}]\n")}})
		submit(t, w, gateway.Input{Event: gateway.Event{ID: "a", Type: "brew", Customer: 1, OccurredAt: modelStart, ReceivedAt: modelStart}})
		p := w.Partitions()[0]
		c := p.customers[1]
		forgetChange{1, c.enrollments[0].id}.apply(p)
		var updates []gateway.MessageUpdate
		w.OnStep(func(_ *gateway.Batch, s *gateway.Step) {
			if len(s.Messages) > 0 || len(s.Decisions) > 0 {
				t.Errorf("%v: something is decided", to)
			}
			updates = append(updates, s.Updates...)
		})
		submit(t, w, gateway.Input{Command: gateway.Receipt{Message: c.messages[0].id, Customer: 1, State: to}})
		if m := c.messages[0]; m.state != want || !m.finished() || len(updates) == 0 || updates[len(updates)-1].State != want {
			t.Errorf("%v: the message is %v, finished: %v, told: %v", to, m.state, m.finished(), updates)
		}
	}
}
