package directory_test

import (
	"context"
	"errors"
	"fmt"
	"math"
	"os"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"touchpoint/gateway"
	"touchpoint/gateway/directory"
)

var sameValues = cmp.Comparer(func(a, b gateway.Value) bool { return a == b })

func diff[T any](t testing.TB, what string, want, got T) {
	t.Helper()
	if d := cmp.Diff(want, got, sameValues); d != "" {
		t.Errorf("%s (-want +got):\n%s", what, d)
	}
}

var odd = gateway.Properties{
	{Key: "", Value: gateway.String("'; DROP TABLE message; --")},
	{Key: "a\"b", Value: gateway.Bool(true)},
	{Key: "big", Value: gateway.Int(math.MinInt64)},
	{Key: "f", Value: gateway.Float(3)},
	{Key: "g", Value: gateway.Float(-1e300)},
	{Key: "h", Value: gateway.Sealed("v1.c2VhbGVk")},
	{Key: "n", Value: gateway.Null()},
	{Key: "ü", Value: gateway.String("<\u2028&>")},
}

func TestRoundTrip(t *testing.T) {
	f := open(t)
	profile := gateway.CustomerProfile{
		Customer: anna, Locale: "de-CH", TimeZone: "Europe/Zurich", Country: "CH", Channels: []string{"product", "webhook"},
		Attributes: odd, Test: true, ChangedAt: start,
		Consents: []gateway.Consent{{Purpose: gateway.PurposeMarketing, Channel: "product", Granted: true, Source: "app", At: start}},
	}
	owned := gateway.Ownership{Device: mixer, Product: "mixer", Customer: anna, Role: "owner", From: start}
	enrollment := gateway.Enrollment{
		ID: enrollmentID(1), Journey: "welcome", Version: 3, Customer: anna, Device: mixer, Key: "k'", Step: "wait", Arm: "treated",
		EnteredAt: start, ChangedAt: start + 1, WaitsUntil: start + 9,
	}
	message := gateway.Message{
		ID: messageID(1), Enrollment: enrollment.ID, Journey: "welcome", Version: 3, Step: "hello", Visit: 2, Customer: anna,
		Device: mixer, Product: "mixer", Channel: "product", Fallback: []string{"webhook", "e,mail"}, Purpose: gateway.PurposeService,
		Template: "hi", Locale: "de", Values: odd, DecidedAt: start, NotBefore: start + 1, NotAfter: start + 2,
		ExpiresAt: start + 3, Cause: "brew-1", CauseReceivedAt: start - 1, State: gateway.MessageDecided,
	}
	decision := gateway.Decision{
		At: start, Kind: gateway.DecisionSend, Reason: gateway.ReasonSent, Journey: "welcome", Version: 3, Step: "hello",
		Customer: anna, Device: mixer, Enrollment: enrollment.ID, Message: message.ID, EventID: "brew-1", Rule: "cap", Values: odd,
	}
	route := gateway.Route{Device: mixer, Partition: 2, Customer: anna}
	f.step(gateway.Step{
		Partition: 2, Now: start, Profiles: []gateway.CustomerProfile{profile}, Ownerships: []gateway.Ownership{owned},
		Entered: []gateway.Enrollment{enrollment}, Messages: []gateway.Message{message}, Decisions: []gateway.Decision{decision},
		Routes:   []gateway.Route{route},
		Journeys: []gateway.JourneyStatus{{Journey: "welcome", Version: 3, State: gateway.JourneyPublished, At: start, Definition: []byte("name: welcome")}},
	})
	check := func() {
		t.Helper()
		diff(t, "customer", profile, must(f.Customer(f.ctx, anna))(t))
		diff(t, "ownerships", []gateway.Ownership{owned}, must(f.Ownerships(f.ctx, directory.OwnershipQuery{Customer: anna}))(t).Items)
		diff(t, "enrollments", []gateway.Enrollment{enrollment}, must(f.Enrollments(f.ctx, directory.EnrollmentQuery{Customer: anna}))(t).Items)
		diff(t, "enrollment", enrollment, must(f.Enrollment(f.ctx, enrollment.ID))(t))
		row := must(f.Message(f.ctx, message.ID))(t)
		diff(t, "message", message, row.Message)
		diff(t, "history", 1, len(row.History))
		diff(t, "decisions", []gateway.Decision{decision}, must(f.Decisions(f.ctx, directory.DecisionQuery{Customer: anna}))(t).Items)
		diff(t, "route", route, must(f.Route(f.ctx, mixer))(t))
		diff(t, "definition", "name: welcome", string(must(f.Definition(f.ctx, "welcome", 3))(t)))
	}
	check()
	f.close()
	f.reopen()
	check()
	f.close() // without its file, it is built anew
	for _, suffix := range []string{"", "-wal", "-shm"} {
		if err := os.Remove(f.o.Path + suffix); err != nil && !errors.Is(err, os.ErrNotExist) {
			t.Fatal(err)
		}
	}
	f.reopen()
	f.await(gateway.Position{Partition: 2, Seq: 100})
	check()
}

func TestNotFound(t *testing.T) {
	f := open(t)
	for name, err := range map[string]error{
		"customer":   second(f.Customer(f.ctx, anna)),
		"message":    second(f.Message(f.ctx, messageID(1))),
		"enrollment": second(f.Enrollment(f.ctx, enrollmentID(1))),
		"route":      second(f.Route(f.ctx, mixer)),
		"definition": second(f.Definition(f.ctx, "x' OR 1=1 --", 1)),
	} {
		if gateway.KindOf(err) != gateway.NotFound {
			t.Errorf("%s: %v", name, err)
		}
	}
}

func second[T any](_ T, err error) error { return err }

// A message moves through its states; counters follow, and a late receipt for a
// message that is gone changes nothing.
func TestMessageStates(t *testing.T) {
	f := open(t)
	f.step(gateway.Step{Partition: 1, Messages: []gateway.Message{
		{ID: messageID(1), Journey: "j", Version: 1, Customer: anna, Channel: "product", DecidedAt: start},
		{ID: messageID(2), Journey: "j", Version: 1, Customer: ben, Channel: "product", DecidedAt: start, Holdout: true},
	}})
	for i, state := range []gateway.MessageState{gateway.MessageHandedOver, gateway.MessageDisplayed} {
		f.step(gateway.Step{Partition: 1, Updates: []gateway.MessageUpdate{
			{Message: messageID(1), Customer: anna, Journey: "j", Channel: "webhook", State: state, At: start + gateway.Instant(i), Detail: "ok"},
			{Message: messageID(9), State: state},
		}})
	}
	row := must(f.Message(f.ctx, messageID(1)))(t)
	var states []string
	for _, u := range row.History {
		states = append(states, u.State.String()+"/"+u.Channel)
	}
	diff(t, "states", "decided/product handed_over/webhook displayed/webhook", strings.Join(states, " "))
	if row.Message.State != gateway.MessageDisplayed || row.StateAt != start+1 || row.Detail != "ok" || row.Message.Channel != "webhook" {
		t.Errorf("%+v", row)
	}
	diff(t, "counts", map[string]int64{"displayed": 1, "held_out": 1}, must(f.Counts(f.ctx, "j", 1))(t).Messages)
	diff(t, "all counts", map[string]int64{"displayed": 1, "held_out": 1}, must(f.MessageCounts(f.ctx))(t))
	for _, c := range []struct {
		q    directory.MessageQuery
		want int
	}{
		{directory.MessageQuery{States: []gateway.MessageState{gateway.MessageDisplayed, gateway.MessageFailed}}, 1},
		{directory.MessageQuery{Customer: ben}, 1},
		{directory.MessageQuery{Customer: ben, Journey: "x"}, 0},
		{directory.MessageQuery{From: start + 1}, 0},
		{directory.MessageQuery{From: start, To: start + 1}, 2},
		{directory.MessageQuery{Journey: "j", Device: mixer}, 0},
	} {
		if got := len(must(f.Messages(f.ctx, c.q))(t).Items); got != c.want {
			t.Errorf("%+v: %d messages, want %d", c.q, got, c.want)
		}
	}
}

func TestJourneyCounts(t *testing.T) {
	f := open(t)
	for i := range 10 {
		f.step(gateway.Step{Partition: i % 2, Entered: []gateway.Enrollment{
			{ID: enrollmentID(uint64(i)), Journey: "j", Version: uint32(1 + i%2), Customer: gateway.CustomerID(i + 1), Step: "a", EnteredAt: start}}})
	}
	move := func(i int, e gateway.Enrollment) {
		e.ID, e.Journey, e.Customer, e.EnteredAt = enrollmentID(uint64(i)), "j", gateway.CustomerID(i+1), start
		f.step(gateway.Step{Partition: i % 2, Entered: []gateway.Enrollment{e}})
	}
	move(0, gateway.Enrollment{Version: 1, Step: "b"})
	move(0, gateway.Enrollment{Version: 1, Step: "b", Converted: true})
	move(2, gateway.Enrollment{Version: 1, EndedAt: start + 5, EndReason: gateway.ReasonGoal, Converted: true})
	move(4, gateway.Enrollment{Version: 2, Step: "c"}) // migrated
	diff(t, "version 1", directory.JourneyCounts{
		Entered: 4, Active: 3, Converted: 2, Messages: map[string]int64{}, Steps: map[string]int64{"a": 2, "b": 1}, Ended: map[string]int64{"goal": 1},
	}, must(f.Counts(f.ctx, "j", 1))(t))
	diff(t, "all versions", directory.JourneyCounts{
		Entered: 10, Active: 9, Converted: 2, Messages: map[string]int64{}, Steps: map[string]int64{"a": 7, "b": 1, "c": 1}, Ended: map[string]int64{"goal": 1},
	}, must(f.Counts(f.ctx, "j", 0))(t))
	diff(t, "active in a", 7, len(must(f.Enrollments(f.ctx, directory.EnrollmentQuery{Journey: "j", Step: "a", Active: true}))(t).Items))
	status := func(p int, v uint32, s gateway.JourneyState, at gateway.Instant) {
		f.step(gateway.Step{Partition: p, Journeys: []gateway.JourneyStatus{{Journey: "j", Version: v, State: s, At: at}}})
	}
	for p := range partitions {
		status(p, 1, gateway.JourneyPublished, start)
	}
	status(0, 1, gateway.JourneyPaused, start+1)
	status(0, 2, gateway.JourneyPublished, start+2)
	diff(t, "journeys", []directory.JourneyRow{
		{Journey: "j", Version: 2, State: gateway.JourneyPublished, At: start + 2, Partitions: 1},
		{Journey: "j", Version: 1, State: gateway.JourneyPublished, At: start, Partitions: 3},
	}, must(f.Journeys(f.ctx))(t))
}

func TestErase(t *testing.T) {
	f := open(t)
	for i, c := range []gateway.CustomerID{anna, ben} {
		f.step(gateway.Step{
			Partition: 0, Profiles: []gateway.CustomerProfile{{Customer: c, Country: "Rare-Country-" + c.String()}},
			Ownerships: []gateway.Ownership{{Device: gateway.DeviceID(i + 1), Customer: c, From: start}},
			Routes:     []gateway.Route{{Device: gateway.DeviceID(i + 1), Partition: 0, Customer: c}},
			Entered:    []gateway.Enrollment{{ID: enrollmentID(uint64(i)), Journey: "j", Version: 1, Customer: c, Step: "a"}},
			Messages:   []gateway.Message{{ID: messageID(uint64(i)), Journey: "j", Version: 1, Customer: c, DecidedAt: start}},
			Decisions:  []gateway.Decision{{At: start, Customer: c, Kind: gateway.DecisionEntry, Reason: gateway.ReasonEnrolled}},
		})
	}
	sub := f.Subscribe(0)
	defer sub.Close()
	pos := f.step(gateway.Step{Partition: 0, Erased: []gateway.CustomerID{anna},
		Decisions: []gateway.Decision{{At: start, Customer: anna, Kind: gateway.DecisionExit, Reason: gateway.ReasonErased}},
		Updates:   []gateway.MessageUpdate{{Message: messageID(0), State: gateway.MessageWithdrawn}}})
	f.step(gateway.Step{Partition: 0, Updates: []gateway.MessageUpdate{{Message: messageID(0), State: gateway.MessageDisplayed}}})
	if _, err := f.Customer(f.ctx, anna); gateway.KindOf(err) != gateway.NotFound {
		t.Errorf("customer: %v", err)
	}
	left := func(c gateway.CustomerID) string {
		return fmt.Sprint(len(must(f.Ownerships(f.ctx, directory.OwnershipQuery{Customer: c, WithFormer: true}))(t).Items),
			len(must(f.Enrollments(f.ctx, directory.EnrollmentQuery{Customer: c}))(t).Items),
			len(must(f.Messages(f.ctx, directory.MessageQuery{Customer: c}))(t).Items),
			len(must(f.Decisions(f.ctx, directory.DecisionQuery{Customer: c}))(t).Items))
	}
	diff(t, "erased", "0 0 0 0", left(anna))
	diff(t, "the other", "1 1 1 1", left(ben))
	diff(t, "decisions about the record", 0, len(must(f.DecisionsAt(f.ctx, pos, 0, ""))(t)))
	diff(t, "route", gateway.Route{Device: 1}, must(f.Route(f.ctx, 1))(t))
	counts := must(f.Counts(f.ctx, "j", 1))(t)
	diff(t, "counts", directory.JourneyCounts{Entered: 2, Active: 1, Messages: map[string]int64{"withdrawn": 1, "decided": 1},
		Steps: map[string]int64{"a": 1}, Ended: map[string]int64{"erased": 1}}, counts)
	f.close()
	for _, suffix := range []string{"", "-wal"} { // nor is it in the files any more
		data, err := os.ReadFile(f.o.Path + suffix)
		if err != nil && !errors.Is(err, os.ErrNotExist) {
			t.Fatal(err)
		}
		if strings.Contains(string(data), "Rare-Country-"+anna.String()) {
			t.Errorf("the erased profile is still in the database%s", suffix)
		}
	}
}

func TestDecisionsAt(t *testing.T) {
	f := open(t)
	entry := func(c gateway.CustomerID, journey string, r gateway.Reason) gateway.Decision {
		return gateway.Decision{At: start, Kind: gateway.DecisionEntry, Reason: r, Customer: c, Journey: journey}
	}
	f.step(gateway.Step{Partition: 3, Applied: []gateway.Applied{{Seq: 7}}, Decisions: []gateway.Decision{entry(anna, "a", gateway.ReasonFiltered)}})
	f.step(gateway.Step{Partition: 3, Applied: []gateway.Applied{{Seq: 9}, {Seq: 12}, {Seq: 15}}, Decisions: []gateway.Decision{
		entry(anna, "a", gateway.ReasonEnrolled), entry(ben, "a", gateway.ReasonCapped), entry(anna, "b", gateway.ReasonPaused)}})
	f.step(gateway.Step{Partition: 2, Applied: []gateway.Applied{{Seq: 12}}, Decisions: []gateway.Decision{entry(anna, "a", gateway.ReasonReplayed)}})
	for _, c := range []struct {
		seq     uint64
		c       gateway.CustomerID
		journey string
		want    string
	}{
		{12, anna, "a", "enrolled"},
		{12, 0, "", "enrolled capped paused"},
		{15, ben, "", "capped"},
		{7, anna, "", "filtered"},
		{8, anna, "", ""},
		{16, anna, "", ""},
	} {
		var got []string
		for _, d := range must(f.DecisionsAt(f.ctx, gateway.Position{Partition: 3, Seq: c.seq}, c.c, c.journey))(t) {
			got = append(got, string(d.Reason))
		}
		if strings.Join(got, " ") != c.want {
			t.Errorf("%+v: got %v", c, got)
		}
	}
}

// A record that takes several steps is not decided before the last of them.
func TestAwaitHalfRecord(t *testing.T) {
	f := open(t)
	f.log.append(gateway.Step{Partition: 0, Applied: []gateway.Applied{{Seq: 4}, {Seq: 5}}, More: true})
	f.await(gateway.Position{Partition: 0, Seq: 4})
	ctx, cancel := context.WithTimeout(f.ctx, 30*time.Millisecond)
	defer cancel()
	if err := f.Await(ctx, []gateway.Position{{Partition: 0, Seq: 5}}); gateway.KindOf(err) != gateway.Unavailable {
		t.Errorf("got %v, want that it has not caught up", err)
	}
	f.log.append(gateway.Step{Partition: 0, Applied: []gateway.Applied{{Seq: 5}}})
	f.await(gateway.Position{Partition: 0, Seq: 5}, gateway.Position{Partition: 1})
	if err := f.Await(f.ctx, []gateway.Position{{Partition: partitions}}); gateway.KindOf(err) != gateway.Invalid {
		t.Errorf("an unknown partition: %v", err)
	}
}

func TestTotals(t *testing.T) {
	f := open(t)
	out := func(list ...gateway.Disposition) (o []gateway.Outcome) {
		for _, d := range list {
			o = append(o, gateway.Outcome{Disposition: d})
		}
		return o
	}
	f.step(gateway.Step{Partition: 0, Now: start + 5, Outcomes: out(gateway.Accepted, gateway.Duplicate, gateway.Held)})
	f.step(gateway.Step{Partition: 1, Now: start, Outcomes: out(gateway.Accepted, gateway.TooOld, gateway.Passed, gateway.Refused),
		Late: []gateway.LateEvent{{}}, Routes: []gateway.Route{{Device: 1, Partition: 1}}})
	f.step(gateway.Step{Partition: 1, Now: start, Outcomes: out(gateway.Accepted)})
	want := directory.Totals{Steps: 3, Accepted: 3, Duplicate: 1, TooOld: 1, Held: 1, Passed: 1, Refused: 1, Late: 1, Now: start + 5}
	diff(t, "totals", want, f.Totals())
	f.close()
	diff(t, "registered", map[int][2]uint64{0: {100, 10}, 1: {200, 20}, 2: {}, 3: {}}, f.log.followers)
	f.reopen()
	diff(t, "totals after a restart", want, f.Totals())
	f.step(gateway.Step{Partition: 0, Now: start + 6})
	want.Steps, want.Now = 4, start+6
	diff(t, "totals after another step", want, f.Totals())
}

func TestPages(t *testing.T) {
	f := open(t)
	const n = 23
	for i := range n {
		at := start + gateway.Instant(i/3) // several at the same time
		f.log.append(gateway.Step{Partition: i % partitions,
			Messages:   []gateway.Message{{ID: messageID(uint64(i)), Customer: anna, DecidedAt: at}},
			Decisions:  []gateway.Decision{{At: at, Customer: anna, Kind: gateway.DecisionEntry, EventID: fmt.Sprint(i)}},
			Entered:    []gateway.Enrollment{{ID: enrollmentID(uint64(i)), Customer: anna, Journey: "j"}},
			Ownerships: []gateway.Ownership{{Device: gateway.DeviceID(i + 1), Customer: anna, From: at}},
		})
	}
	for p := range partitions {
		f.await(gateway.Position{Partition: p, Seq: uint64((n-1-p)/partitions+1) * 100})
	}
	seen := func(name string, next func(cursor string) (ids []string, more string, err error)) {
		t.Helper()
		all := map[string]bool{}
		cursor := ""
		for pages := 0; ; pages++ {
			ids, more, err := next(cursor)
			if err != nil {
				t.Fatal(name, err)
			}
			for _, id := range ids {
				if all[id] {
					t.Errorf("%s: %s comes twice", name, id)
				}
				all[id] = true
			}
			if cursor = more; cursor == "" {
				break
			}
			if len(ids) != 5 || pages > n {
				t.Fatalf("%s: a page of %d", name, len(ids))
			}
		}
		if len(all) != n {
			t.Errorf("%s: %d of %d", name, len(all), n)
		}
	}
	seen("messages", func(cursor string) (ids []string, more string, err error) {
		page, err := f.Messages(f.ctx, directory.MessageQuery{Customer: anna, Limit: 5, Cursor: cursor})
		for i, m := range page.Items {
			ids = append(ids, m.Message.ID.String())
			if i > 0 && m.Message.DecidedAt > page.Items[i-1].Message.DecidedAt {
				t.Error("the latest is not first")
			}
		}
		return ids, page.Next, err
	})
	seen("decisions", func(cursor string) (ids []string, more string, err error) {
		page, err := f.Decisions(f.ctx, directory.DecisionQuery{Customer: anna, Limit: 5, Cursor: cursor})
		for _, d := range page.Items {
			ids = append(ids, d.EventID)
		}
		return ids, page.Next, err
	})
	seen("enrollments", func(cursor string) (ids []string, more string, err error) {
		page, err := f.Enrollments(f.ctx, directory.EnrollmentQuery{Journey: "j", Limit: 5, Cursor: cursor})
		for _, e := range page.Items {
			ids = append(ids, e.ID.String())
		}
		return ids, page.Next, err
	})
	seen("ownerships", func(cursor string) (ids []string, more string, err error) {
		page, err := f.Ownerships(f.ctx, directory.OwnershipQuery{Customer: anna, Limit: 5, Cursor: cursor})
		for _, o := range page.Items {
			ids = append(ids, o.Device.String())
		}
		return ids, page.Next, err
	})
	page := must(f.Decisions(f.ctx, directory.DecisionQuery{Customer: anna, Limit: 5}))(t)
	for _, q := range []directory.DecisionQuery{
		{Cursor: "?"}, {Cursor: "AAAA"}, {Cursor: page.Next}, {Customer: ben, Cursor: page.Next},
		{Customer: anna, Cursor: page.Next + "AAAA"}, {Limit: -1}, {From: 5, To: 5}, {From: -1},
	} {
		if _, err := f.Decisions(f.ctx, q); gateway.KindOf(err) != gateway.Invalid {
			t.Errorf("%+v: %v", q, err)
		}
	}
}

func FuzzCursor(f *testing.F) {
	x := open(f)
	x.step(gateway.Step{Decisions: []gateway.Decision{{At: start, Customer: anna}, {At: start, Customer: anna}, {At: start, Customer: anna}}})
	page := must(x.Decisions(x.ctx, directory.DecisionQuery{Limit: 1}))(f)
	f.Add(page.Next, "")
	f.Add("' OR 1=1 --", "' OR 1=1 --")
	f.Add("", "\x00")
	f.Fuzz(func(t *testing.T, cursor, text string) {
		ctx := context.Background()
		_, err := x.Decisions(ctx, directory.DecisionQuery{Cursor: cursor, Journey: text, EventID: text, Reasons: []gateway.Reason{gateway.Reason(text)}})
		if err != nil && gateway.KindOf(err) != gateway.Invalid {
			t.Errorf("decisions: %v", err)
		}
		_, err = x.Messages(ctx, directory.MessageQuery{Cursor: cursor, Journey: text})
		if err != nil && gateway.KindOf(err) != gateway.Invalid {
			t.Errorf("messages: %v", err)
		}
	})
}

func TestSubscribe(t *testing.T) {
	f := open(t)
	sub, slow := f.Subscribe(10), f.Subscribe(1)
	f.step(gateway.Step{Partition: 1, Messages: []gateway.Message{{ID: messageID(1), Customer: anna, DecidedAt: start}},
		Decisions: []gateway.Decision{{At: start, Customer: anna}}})
	f.step(gateway.Step{Partition: 1, Updates: []gateway.MessageUpdate{{Message: messageID(1), State: gateway.MessageDisplayed}, {Message: messageID(5)}}})
	first, then, last := <-sub.Changes, <-sub.Changes, <-sub.Changes
	if first.Message == nil || then.Decision == nil || last.Update == nil || last.Update.State != gateway.MessageDisplayed || last.Partition != 1 {
		t.Errorf("%+v %+v %+v", first, then, last)
	}
	if n := slow.Lost(); n != 2 {
		t.Errorf("the slow one lost %d, want 2", n)
	}
	slow.Close()
	slow.Close()
	f.close()
	if _, ok := <-sub.Changes; ok {
		t.Error("a subscription outlives the directory")
	}
}

// The log is away for a while: the directory says so, and goes on afterwards.
func TestOutage(t *testing.T) {
	f := open(t)
	f.step(gateway.Step{Partition: 1})
	f.log.setFail(gateway.Errorf(gateway.Unavailable, "the log is away"))
	for f.Health() == nil {
		if f.ctx.Err() != nil {
			t.Fatal("the outage is not seen")
		}
	}
	f.log.setFail(nil)
	f.step(gateway.Step{Partition: 1, Routes: []gateway.Route{{Device: 1, Partition: 1}}})
	for f.Health() != nil {
		if f.ctx.Err() != nil {
			t.Fatal("the end of the outage is not seen")
		}
	}
}

// However often it is stopped on the way, nothing is missing and nothing is
// counted twice.
func TestRestarts(t *testing.T) {
	f := open(t)
	const steps = 400
	for i := range steps {
		f.log.append(gateway.Step{Partition: i % partitions, Now: start, Outcomes: make([]gateway.Outcome, 3),
			Entered:   []gateway.Enrollment{{ID: enrollmentID(uint64(i % 50)), Journey: "j", Version: 1, Customer: 1, Step: fmt.Sprint("s", i%7)}},
			Decisions: []gateway.Decision{{At: start, Customer: 1, EventID: fmt.Sprint(i)}}})
		if i%57 == 56 {
			f.close()
			f.reopen()
		}
	}
	for p := range partitions {
		f.await(gateway.Position{Partition: p, Seq: steps / partitions * 100})
	}
	diff(t, "totals", directory.Totals{Steps: steps, Accepted: 3 * steps, Now: start}, f.Totals())
	counts := must(f.Counts(f.ctx, "j", 1))(t)
	diff(t, "entered", int64(50), counts.Entered)
	diff(t, "active", int64(50), counts.Active)
	diff(t, "decisions", steps, len(must(f.Decisions(f.ctx, directory.DecisionQuery{Customer: 1, Limit: 1000}))(t).Items))
}

// Without its file, the directory is built from where STEPS begin; with it, it
// never passes over steps that it lacks.
func TestTrimmed(t *testing.T) {
	f := open(t)
	for i := range 6 {
		f.step(gateway.Step{Partition: 0, Decisions: []gateway.Decision{{At: start, Customer: anna, EventID: fmt.Sprint(i)}}})
	}
	f.close()
	f.log.trimmed = 40
	f.o.Path += "-anew"
	f.reopen()
	f.await(gateway.Position{Partition: 0, Seq: 600})
	diff(t, "decisions", 2, len(must(f.Decisions(f.ctx, directory.DecisionQuery{}))(t).Items))
	f.close()
	f.log.trimmed = 80
	f.reopen()
	for f.Health() == nil {
		if f.ctx.Err() != nil {
			t.Fatal("the gap is not seen")
		}
	}
}

func TestOptions(t *testing.T) {
	for want, o := range map[string]directory.Options{
		"directory.path":       {Partitions: 1, Steps: newStepLog()},
		"directory.partitions": {Path: "x", Steps: newStepLog()},
		"directory.steps":      {Path: "x", Partitions: 1},
		"directory.linger":     {Path: "x", Partitions: 1, Steps: newStepLog(), Linger: -1},
	} {
		if _, err := directory.Open(t.Context(), o); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%s: %v", want, err)
		}
	}
}

func TestFewerPartitions(t *testing.T) {
	f := open(t)
	f.step(gateway.Step{Partition: 3})
	f.close()
	f.o.Partitions = 2
	if _, err := directory.Open(f.ctx, f.o); err == nil {
		t.Error("a database of more partitions is opened")
	}
}
