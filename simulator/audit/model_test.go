package audit

import (
	"context"
	"fmt"
	"testing"

	"touchpoint/gateway"
	pb "touchpoint/proto/touchpoint/v1"
	"touchpoint/simulator/ledger"
)

const oneDay = 24 * hour

// told is a message that a test's gateway decided.
type told struct {
	id, journey, step string
	at                gateway.Instant
}

// modelWorld has one customer who brews at times, descales at others, and is
// told messages.
func modelWorld(brews, descalings []gateway.Instant, messages []told) *world {
	w := &world{book: &ledger.Book{From: start, To: start + 60*oneDay}}
	w.book.Customers = []ledger.Customer{{N: 0, ID: "c_0", Marketing: true, Service: true}}
	w.book.Devices = []ledger.Device{{N: 0, Product: "barista-3", Serial: "B3-0", ID: "d_0"}}
	add := func(typ string, times []gateway.Instant) {
		for _, at := range times {
			w.event(fmt.Sprintf("%s-%d", typ, len(w.points)), 0, at)
			w.book.Events[len(w.book.Events)-1].Type = typ
			p := w.points[len(w.points)-1]
			p.OccurredAt, p.AppliedAt = stamp(at), stamp(at)
		}
	}
	add("brew_finished", brews)
	add("descaling_finished", descalings)
	for _, m := range messages {
		last := w.steps[len(w.steps)-1]
		last.Messages = append(last.Messages, &pb.StepMessage{MessageId: m.id, Journey: m.journey, DecidedAt: stamp(m.at), ExpiresAt: stamp(w.book.To + oneDay)})
		w.messages = append(w.messages, &pb.Message{Id: m.id, Step: m.step, CustomerId: "c_0", Device: &pb.DeviceRef{Id: "d_0"}})
	}
	return w
}

// every returns n times, a gap apart.
func every(gap gateway.Instant, n int) (out []gateway.Instant) {
	for i := range n {
		out = append(out, start+gateway.Instant(i)*gap)
	}
	return out
}

func TestModel(t *testing.T) {
	welcome := told{"m_w", "welcome", "hello", start}
	often := every(2*hour, 400) // 200 in 16 days, up to day 33
	seldom := every(oneDay, 60) // to the end
	once := []gateway.Instant{start}
	missed := told{"m_m", "we-miss-you", "miss", start + 14*oneDay + 8*hour}
	missedLater := told{"m_l", "we-miss-you", "miss", start + 48*oneDay}
	for name, c := range map[string]struct {
		brews, descalings []gateway.Instant
		messages          []told
		kind              Kind // "" = clean
		id                string
	}{
		"welcome, once":               {seldom, nil, []told{welcome}, "", ""},
		"no welcome":                  {seldom, nil, nil, ModelMissing, "c_0"},
		"two welcomes":                {seldom, nil, []told{welcome, {"m_2", "welcome", "hello", start}}, ModelExtra, "c_0"},
		"asked to descale":            {often, nil, []told{welcome, {"m_d", "descaling", "ask", start + 17*oneDay}, missedLater}, "", ""},
		"not asked":                   {often, nil, []told{welcome, missedLater}, ModelMissing, "c_0"},
		"asked too early":             {often, nil, []told{welcome, {"m_d", "descaling", "ask", start + 10*oneDay}, missedLater}, ModelExtra, "m_d"},
		"asked although done":         {often, []gateway.Instant{start + 5*oneDay}, []told{welcome, {"m_d", "descaling", "ask", start + 17*oneDay}, missedLater}, ModelExtra, "m_d"},
		"done, so not asked":          {often, []gateway.Instant{start + 5*oneDay}, []told{welcome, missedLater}, "", ""},
		"missed":                      {once, nil, []told{welcome, missed}, "", ""},
		"not missed":                  {once, nil, []told{welcome}, ModelMissing, "c_0"},
		"missed although he was here": {seldom, nil, []told{welcome, missed}, ModelExtra, "m_m"},
	} {
		t.Run(name, func(t *testing.T) {
			w := modelWorld(c.brews, c.descalings, c.messages)
			r, err := Run(context.Background(), w.book, w, Options{Model: true})
			if err != nil {
				t.Fatal(err)
			}
			if c.kind == "" && !r.Clean() || c.kind != "" && (!r.has(c.kind, c.id) || len(r.Findings) != 1) {
				t.Errorf("found %v, want %q of %q", r.Findings, c.kind, c.id)
			}
		})
	}
}
