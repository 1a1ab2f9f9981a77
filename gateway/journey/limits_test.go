package journey

import (
	"fmt"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"touchpoint/gateway"
)

// limitWorld is two partitions, one of which keeps the accounts of a journey.
type limitWorld struct {
	*world
	keeper, other int
	decided       map[gateway.CustomerID]gateway.Reason // about entries, the latest
	sent          []gateway.Command                     // forwarded since the last look
}

func newLimitWorld(t *testing.T, name string) *limitWorld {
	l := &limitWorld{world: newWorld(t, Config{}, 2), decided: map[gateway.CustomerID]gateway.Reason{}}
	l.clock = modelStart
	l.keeper = l.parts[0].coordinator(&journey{name: name})
	l.other = 1 - l.keeper
	l.onStep = func(_ *gateway.Batch, s *gateway.Step) {
		for _, d := range s.Decisions {
			if d.Kind == gateway.DecisionEntry {
				l.decided[d.Customer] = d.Reason
			}
		}
		for _, f := range s.Forwards {
			l.sent = append(l.sent, f.Input.Command)
		}
	}
	return l
}

// told returns what was forwarded since the last look.
func (l *limitWorld) told() []gateway.Command {
	list := l.sent
	l.sent = nil
	return list
}

// at returns the i-th customer who lives on a partition.
func (l *limitWorld) at(part, i int) gateway.CustomerID {
	for c := gateway.CustomerID(1); ; c++ {
		if gateway.HomeOf(c, 0, 2) == part {
			if i--; i < 0 {
				return c
			}
		}
	}
}

func (l *limitWorld) command(part int, c gateway.Command) { l.submit(part, gateway.Input{Command: c}) }

func (l *limitWorld) brew(part int, c gateway.CustomerID) {
	l.submit(part, gateway.Input{Event: gateway.Event{ID: fmt.Sprint(c, l.clock), Type: "brew", Customer: c, OccurredAt: l.clock, ReceivedAt: l.clock}})
}

const fansEntry = `name: fans
purpose: service
trigger: {milestone: {event: brew, nth: 1}}
steps: [{id: rest, wait: {for: 1h}}]
`

// existingWorld has customers who met the entry of a journey before its second
// version lets in one a day from a minute on; what is forwarded waits.
func existingWorld(t *testing.T) *limitWorld {
	l := newLimitWorld(t, "fans")
	publish := func(version uint32, at gateway.Instant, existing string) {
		for i := range l.parts {
			l.command(i, gateway.PublishJourney{Journey: "fans", Version: version, Effective: at, Existing: existing, Definition: []byte(fansEntry)})
		}
	}
	publish(1, l.clock, "ignore")
	for i := range l.parts {
		l.command(i, gateway.SetJourneyState{Journey: "fans", State: gateway.JourneyArchived})
		for k := range 3 {
			l.brew(i, l.at(i, k))
		}
	}
	publish(2, l.clock+60_000, "enroll 1 per day")
	l.ok(l.HoldForwards(true))
	return l
}

// TestUnitsOnTheWay: while a unit is out with another partition, the one that
// keeps the accounts looks again every minute whether it came back.
func TestUnitsOnTheWay(t *testing.T) {
	l := existingWorld(t)
	keeper := l.parts[l.keeper]
	l.command(l.keeper, gateway.RequestGrant{Journey: "fans", Version: 2, Limit: gateway.LimitExisting, Partition: l.other, Want: 5})
	if d := cmp.Diff([]gateway.Command{gateway.Grant{Journey: "fans", Limit: gateway.LimitExisting, Units: 1, At: modelStart}}, l.told()); d != "" {
		t.Error(d)
	}
	due := func() gateway.Instant { return keeper.journeys[0].scan.due - l.clock }
	for range 3 {
		l.advance(l.clock + 60_000)
		if due() != 60_000 || len(l.decided) > 0 {
			t.Fatalf("it looks again in %d ms; %v", due(), l.decided)
		}
	}
	l.command(l.keeper, gateway.RequestGrant{Journey: "fans", Limit: gateway.LimitExisting, Partition: l.other, Returned: 1})
	l.advance(l.clock + 60_000)
	if len(l.decided) != 1 {
		t.Errorf("the unit came back, but %v", l.decided)
	}
	if tomorrow := calendarStart(l.clock, keeper.projectZone(), "day") + dayMillis; l.clock+due() != tomorrow {
		t.Errorf("the day is used up, and it looks again in %d ms", due())
	}
	l.check()
}

// TestAnswersForAScan: a scan goes on with the units that come, at the time that
// the answer says, or looks again after a minute.
func TestAnswersForAScan(t *testing.T) {
	for name, tt := range map[string]struct {
		grant gateway.Grant
		due   gateway.Instant // after the answer
		units int
	}{
		"a unit":            {gateway.Grant{Units: 1}, 0, 1},
		"nothing":           {gateway.Grant{}, 60_000, 0},
		"nothing until now": {gateway.Grant{Next: modelStart + 60_000}, 0, 0},
		"nothing up to":     {gateway.Grant{Next: modelStart + 60_007}, 7, 0},
		"late":              {gateway.Grant{Next: modelStart}, 0, 0},
	} {
		l := existingWorld(t)
		l.advance(l.clock + 60_000)
		j := l.parts[l.other].journeys[0]
		if j.scan.due != 0 || len(l.decided) != 1 { // of the keeper's partition
			t.Fatalf("the scan goes on at %s; %v", j.scan.due, l.decided)
		}
		tt.grant.Journey, tt.grant.Limit = "fans", gateway.LimitExisting
		var s gateway.Step // as it is forwarded, without what is due then
		p := l.parts[l.other]
		p.Apply(&gateway.Batch{Partition: l.other, Seq: 100, RecordTime: l.clock, Observed: l.clock, Inputs: []gateway.Input{{Command: tt.grant}}}, &s)
		if j.scan.due != l.clock+tt.due || j.limits.units != tt.units {
			t.Errorf("%s: the scan goes on at %s, %d units", name, j.scan.due, j.limits.units)
		}
	}
}

// TestUnitsOfNoScan: what comes when no scan needs it goes back, with what was used
// and not told yet.
func TestUnitsOfNoScan(t *testing.T) {
	l := existingWorld(t)
	l.advance(l.clock + 60_000)
	l.command(l.other, gateway.SetJourneyState{Journey: "fans", State: gateway.JourneyArchived})
	l.told()
	l.command(l.other, gateway.Grant{Journey: "fans", Limit: gateway.LimitExisting, Units: 2})
	l.advance(l.clock)
	want := []gateway.Command{gateway.RequestGrant{Journey: "fans", Version: 2, Limit: gateway.LimitExisting, Partition: l.other, Returned: 2}}
	if d := cmp.Diff(want, l.told()); d != "" {
		t.Error(d)
	}
	l.command(l.other, gateway.Grant{Journey: "fans", Limit: gateway.LimitExisting, Units: 1})
	want[0] = gateway.RequestGrant{Journey: "fans", Version: 2, Limit: gateway.LimitExisting, Partition: l.other, Returned: 1}
	if d := cmp.Diff(want, l.told()); d != "" {
		t.Error(d)
	}
	l.command(l.other, gateway.Grant{Journey: "fans", Limit: gateway.LimitExisting})
	if list := l.told(); len(list) > 0 {
		t.Errorf("nothing came, and %+v is told", list)
	}
	if len(l.decided) != 1 {
		t.Errorf("decided %v", l.decided)
	}
	l.check()
}

// TestGrants: what the keeper of the accounts answers to another partition.
func TestGrants(t *testing.T) {
	l := newLimitWorld(t, "ping")
	const capped = "name: ping\npurpose: service\ntrigger: {event: brew}\nentry_cap: {max: 3, per: 1h}\nsteps: [{id: s, wait: {for: 1d}}]\n"
	l.command(l.keeper, gateway.PublishJourney{Journey: "ping", Version: 1, Effective: l.clock, Definition: []byte(capped)})
	l.command(l.keeper, gateway.PublishJourney{Journey: "ping", Version: 2, Effective: l.clock + dayMillis, Definition: []byte(strings.Replace(capped, "max: 3", "max: 2", 1))})
	l.ok(l.HoldForwards(true))
	ask := func(c gateway.RequestGrant) {
		c.Journey, c.Limit, c.Partition = "ping", gateway.LimitEntry, l.other
		l.command(l.keeper, c)
	}
	start := l.clock
	for i, tt := range []struct {
		after gateway.Instant
		ask   gateway.RequestGrant
		units int // -1 for no answer
		next  gateway.Instant
		shown string
	}{
		{0, gateway.RequestGrant{Version: 1, Want: 2}, 2, 0, "0 used, 2 out"},
		{0, gateway.RequestGrant{Version: 1, Want: 2}, 1, 0, "0 used, 3 out, full"},
		{0, gateway.RequestGrant{Version: 1, Want: 1}, 0, 0, "0 used, 3 out, full"},
		{60_000, gateway.RequestGrant{Used: 2, UsedAt: start + 30_000, Returned: 1}, -1, 0, "2 used"},
		{60_000, gateway.RequestGrant{Version: 1, Want: 1}, 1, 0, "2 used, 1 out, full"},
		{60_000, gateway.RequestGrant{Used: 1, UsedAt: start + 60_000, Version: 1, Want: 1}, 0, start + 30_000 + 3600_000, "3 used, full until 3630000"},
		{3600_000 + 29_999, gateway.RequestGrant{Version: 1, Want: 1}, 0, start + 30_000 + 3600_000, "3 used, full until 3630000"},
		{3600_000 + 30_000, gateway.RequestGrant{Version: 1, Want: 3}, 2, 0, "1 used, 2 out, full"},
		{3600_000 + 30_000, gateway.RequestGrant{Version: 1, Want: 1, Used: 2, UsedAt: start + 3600_000}, 0, start + 60_000 + 3600_000, "3 used, full until 3660000"},
		{3600_000 + 30_000, gateway.RequestGrant{Version: 7, Want: 1}, 0, 0, "3 used, full until 3660000"}, // it does not know this one yet
		{3600_000 + 30_000, gateway.RequestGrant{}, -1, 0, "3 used, full until 3660000"},
		{3600_000 + 60_000, gateway.RequestGrant{Version: 2, Want: 1}, 0, start + 3600_000 + 3600_000, "2 used"}, // a later one lets in two
	} {
		l.clock = start + tt.after
		l.told()
		ask(tt.ask)
		var want []gateway.Command
		if tt.units >= 0 {
			want = []gateway.Command{gateway.Grant{Journey: "ping", Limit: gateway.LimitEntry, Units: tt.units, Next: tt.next, At: l.clock}}
		}
		if d := cmp.Diff(want, l.told()); d != "" {
			t.Errorf("ask %d: %s", i, d)
		}
		shown := ""
		for _, c := range l.parts[l.keeper].ExplainLimits("ping") {
			shown = c.Values.Get("used").String() + " used"
			if c.Values.Has("outstanding") {
				shown += ", " + c.Values.Get("outstanding").String() + " out"
			}
			if c.Reason != "" {
				shown += ", full"
			}
			if c.Until != 0 {
				shown += fmt.Sprint(" until ", int64(c.Until-start))
			}
		}
		if shown != tt.shown {
			t.Errorf("ask %d: explained as %q, not %q", i, shown, tt.shown)
		}
		l.check()
	}
}

// TestWaitsWhereNothingIsActive: an entry that waits comes, with its customer, to a
// partition on which the version is not active yet: it asks for its place when that
// is so.
func TestWaitsWhereNothingIsActive(t *testing.T) {
	l := newLimitWorld(t, "ping")
	const capped = "name: ping\npurpose: service\ntrigger: {event: brew}\nentry_cap: {max: 1}\nsteps: [{id: s, wait: {for: 1d}}]\n"
	for i := range l.parts {
		at := l.clock
		if i == l.keeper {
			at += 10 * 60_000
		}
		l.command(i, gateway.PublishJourney{Journey: "ping", Version: 1, Effective: at, Definition: []byte(capped)})
	}
	mover, group := l.at(l.other, 0), gateway.GroupID(1)
	for gateway.HomeOf(mover, group, 2) != l.keeper {
		group++
	}
	l.ok(l.HoldForwards(true))
	l.brew(l.other, mover)
	l.command(l.keeper, gateway.JoinGroup{Customer: mover, Group: group})
	var from []int // whose inputs arrive first: what calls the customer overtakes the request
	for _, f := range l.waiting {
		from = append(from, f.in.From.Partition)
	}
	if len(from) != 2 || from[1] != l.keeper {
		t.Fatalf("on the way: %+v", l.waiting)
	}
	l.OnPick(func(n int) int { return n - 1 })
	l.ok(l.HoldForwards(false))
	if l.decided[mover] != gateway.ReasonWaiting || len(l.parts[l.keeper].journeys[0].limits.waiting) != 1 {
		t.Fatalf("he is not here, or does not wait: %v", l.decided)
	}
	l.advance(l.clock + 9*60_000)
	l.restart()
	if l.decided[mover] != gateway.ReasonWaiting {
		t.Fatalf("decided before the version is active: %v", l.decided)
	}
	l.advance(l.clock + 60_000)
	if l.decided[mover] != gateway.ReasonEnrolled {
		t.Errorf("he waits for ever: %v", l.decided)
	}
	l.check()
}

// TestRampPlace: the ramp lets in whose place is below its share, and what is
// explained says the same.
func TestRampPlace(t *testing.T) {
	const id = 7
	place := rampPlace(&version{def: &Definition{Name: "ping"}}, &customer{id: id, profile: noProfile})
	for _, tt := range []struct {
		start, then int
		now, later  bool
	}{{place, place, false, false}, {place + 1, place + 1, true, true}, {place, place + 1, false, true}, {0, 10_000, false, true}} {
		var s gateway.Step
		p := NewPartition(Config{})
		p.Apply(&gateway.Batch{Seq: 1, RecordTime: modelStart, Observed: modelStart, Inputs: []gateway.Input{{Command: gateway.PublishJourney{
			Journey: "ping", Version: 1, Effective: modelStart, Definition: []byte(fmt.Sprintf(`name: ping
purpose: service
trigger: {event: brew}
ramp: {start: %d.%02d%%, then: [{after: 1h, share: %d.%02d%%}]}
steps: [{id: s, wait: {for: 1h}}]
`, tt.start/100, tt.start%100, tt.then/100, tt.then%100))}}}}, &s)
		if p.journeys == nil {
			t.Fatal(s.Decisions)
		}
		for _, at := range []struct {
			now  gateway.Instant
			want bool
		}{{modelStart, tt.now}, {modelStart + 3600_000 - 1, tt.now}, {modelStart + 3600_000, tt.later}} {
			p.Apply(&gateway.Batch{Seq: 1, RecordTime: at.now, Observed: at.now}, new(gateway.Step))
			reason, _ := p.rampCheck(p.journeys[0].active, &customer{id: id, profile: noProfile})
			if (reason == "") != at.want {
				t.Errorf("%+v after %d ms: %q", tt, at.now-modelStart, reason)
			}
			for _, c := range p.Explain(id, "ping").Checks {
				until := gateway.Instant(0)
				if tt.later && !at.want {
					until = modelStart + 3600_000
				}
				if c.Name == gateway.CheckRamp && (c.Reason != reason || c.Until != until || c.Since != modelStart) {
					t.Errorf("%+v after %d ms: explained as %+v", tt, at.now-modelStart, c)
				}
			}
		}
	}
}
