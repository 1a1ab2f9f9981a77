package e2e

import (
	"cmp"
	"flag"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"testing"
	"time"

	"touchpoint/gateway"
	"touchpoint/gateway/app"
	"touchpoint/gateway/journey"
	pb "touchpoint/proto/touchpoint/v1"
	"touchpoint/simulator"
	"touchpoint/simulator/fleet"
	"touchpoint/simulator/ledger"
)

var (
	realCustomers = flag.Int("real.customers", 30, "customers of TestVirtualTimeIsRealTime")
	realDays      = flag.Int("real.days", 1, "days of TestVirtualTimeIsRealTime")
	realPace      = flag.Int("real.pace", 14_400, "virtual seconds in a second of TestVirtualTimeIsRealTime")
	realExamples  = flag.Bool("real.examples", false, "TestVirtualTimeIsRealTime with the example journeys, as a year is lived: give -real.step 2h")
	realStep      = flag.Duration("real.step", time.Minute, "step in lock-step of TestVirtualTimeIsRealTime")
)

// Journeys in which minutes matter, except for those around a boundary: brews
// are multiples of 40 minutes, and no sum of the times below is one within ten
// minutes. So nobody is decided upon otherwise because a message came some
// minutes later.
var minuteJourneys = []string{`
name: welcome
purpose: service
trigger: {milestone: {event: brew_finished, nth: 1}}
steps:
  - id: hello
    send: {channels: [product], expires_after: 2d, texts: {en: {title: Hello}}}
`, `
name: thirsty
purpose: marketing
trigger: {threshold: {count: brew_finished, at_least: 3, within: 190m}}
reentry: {after_exit_and_gap: 2h}
steps:
  - id: moment
    wait: {for: 30m}
  - id: arm
    split:
      - {arm: warm, percent: 50, go: warm}
      - {arm: cold, percent: 50, go: cold}
  - id: warm
    send: {channels: [product], expires_after: 1d, texts: {en: {title: Warm}}}
    next: end
  - id: cold
    send: {channels: [product], expires_after: 1d, texts: {en: {title: Cold}}}
`, `
name: silence
purpose: marketing
trigger: {absence: {event: brew_finished, for: 310m}}
reentry: {after_exit_and_gap: 1h}
exit: [{event: brew_finished}]
steps:
  - id: patience
    wait: {for: 80m}
  - id: say
    send: {channels: [product], expires_after: 1d, texts: {en: {title: Silence}}}
`, `
name: again
purpose: service
trigger: {event: brew_finished}
reentry: {after_exit_and_gap: 220m}
steps:
  - id: next
    wait: {until_event: brew_finished, timeout: 70m, on_timeout: late}
  - id: soon
    send: {channels: [product], expires_after: 1d, texts: {en: {title: Soon}}}
    next: end
  - id: late
    send: {channels: [product], expires_after: 1d, texts: {en: {title: Late}}}
`}

// minuteRules hold messages over noon, by the clock of Berlin.
func minuteRules() journey.Config {
	return journey.Config{
		Zone:       "Europe/Berlin",
		Caps:       []journey.CapRule{{Name: "two", Max: 2, Per: journey.Duration(500 * time.Minute / time.Millisecond)}},
		QuietHours: []journey.QuietHours{{From: 13*60 + 10, To: 14*60 + 50, OnHit: "hold"}},
		Holdout:    map[gateway.Purpose]float64{gateway.PurposeMarketing: 20},
	}
}

// minuteFleet brews round the clock.
func minuteFleet(t *testing.T) fleet.Config {
	t.Helper()
	c := fleet.Default()
	c.Product, c.Customers, c.JoinOver, c.Seed = product, *realCustomers, 0, 11
	c.Reactions = fleet.Reactions{Displayed: 1, Clicked: 0.3, Dismissed: 0.4}
	c.Answers, c.Duplicates, c.SecondMachine, c.Offline.Share, c.Grid = nil, 0.05, 0, 0, 40*time.Minute
	c.Locales = []fleet.Locale{{Locale: "de-DE", TimeZone: "Europe/Berlin", Country: "DE", Share: 1}}
	for i := range c.Habits {
		c.Habits[i].BrewsPerDay = 7
		c.Habits[i].PauseEvery = 0
		for h := range c.Habits[i].Hours {
			c.Habits[i].Hours[h] = 1
		}
	}
	return c
}

// TestVirtualTimeIsRealTime lets the same fleet live the same days twice against
// real gateways with real broker, log and delivery, on copies of one data
// directory: in lock-step, a minute at a time, and as real time goes, where the
// clock moves all the time, machines publish at their own instants and nothing
// waits for anything.
// Who is decided upon, in which journey and step, with which reason, arm and
// message, and what is displayed, is the same; when, to the minutes that the two
// ways of living differ by.
func TestVirtualTimeIsRealTime(t *testing.T) {
	origin := time.Date(2026, 3, 2, 0, 0, 0, 0, time.UTC)
	config := minuteFleet(t)
	rules := func(mode string) func(*app.Config) {
		return func(c *app.Config) {
			c.Clock, c.Rules = app.ClockConfig{Mode: mode, Origin: origin}, minuteRules()
		}
	}
	registered := register(t, rules("lockstep"), config, origin)
	virtual := live(t, registered, rules("lockstep"), config)
	real := live(t, registered, rules("paced"), config)
	tolerance := *realStep + 2*time.Minute
	n := compare(t, "decision", virtual.decisions, real.decisions, tolerance)
	if *realExamples { // a machine that is silent when a long step is over is reached with its next sign of life
		tolerance = 24 * time.Hour
	}
	m := compare(t, "display", virtual.displays, real.displays, tolerance)
	if !*realExamples && n < 3**realCustomers || m < *realCustomers/2 {
		t.Errorf("too little happened: %d decisions, %d displays", n, m)
	}
	t.Logf("%d customers, %d days: %d decisions and %d displays are the same in lock-step (%v) and at the pace of real time (%v, waited %d times)",
		*realCustomers, *realDays, n, m, virtual.took.Round(10*time.Millisecond), real.took.Round(10*time.Millisecond), real.waited)
}

// register makes the fleet known to a gateway and returns the directory that
// it left: whoever goes on from copies of it gives the same ids.
func register(t *testing.T, change func(*app.Config), config fleet.Config, origin time.Time) string {
	t.Helper()
	g := start(t, change)
	people, err := fleet.New(config, gateway.InstantOf(origin))
	if err != nil {
		t.Fatal(err)
	}
	for _, c := range people.Customers {
		g.customer(c.ExternalID)
	}
	for _, u := range people.Units {
		g.bind(u.Serial, people.Customers[u.Customer].ExternalID)
	}
	g.stop()
	return g.cfg.Data
}

// lived is what came of some days.
type lived struct {
	decisions, displays map[string][]time.Time
	waited              int64
	took                time.Duration
}

// live goes on from a copy of a directory.
func live(t *testing.T, from string, change func(*app.Config), config fleet.Config) lived {
	t.Helper()
	dir := filepath.Join(t.TempDir(), "data")
	copyPrivate(t, dir, from)
	g := start(t, func(c *app.Config) { change(c); c.Data = dir })
	g.ctx = t.Context() // -real.days may take longer than a test
	path := filepath.Join(t.TempDir(), "ledger")
	book := must[*ledger.Writer](t)(ledger.Create(path))
	journeys := realJourneys(t)
	sim := must[*simulator.Run](t)(simulator.New(g.ctx, simulator.Options{Fleet: config, API: g.conn, Ledger: book, Journeys: journeys,
		MQTT: simulator.ConnOptions{Broker: "tcp://" + g.app.Addrs().MQTT}, Days: *realDays, Step: *realStep, Pace: *realPace}))
	began := time.Now()
	if err := sim.Run(g.ctx); err != nil {
		t.Fatal(err)
	}
	out := lived{map[string][]time.Time{}, map[string][]time.Time{}, sim.Progress().Waited, time.Since(began)}
	if err := book.Close(); err != nil {
		t.Fatal(err)
	}
	steps := map[string]string{}
	for _, d := range g.allDecisions() {
		// An id of what was triggered by silence holds its millisecond.
		key := fmt.Sprint(d.Kind, " ", d.Reason, " ", d.Journey, " ", d.Step, " ", d.CustomerId, " ", d.Device.GetSerial(), " ",
			d.EventId, " ", d.Arm, " ", d.Split, " ", d.Rule)
		out.decisions[key] = append(out.decisions[key], d.At.AsTime())
		steps[d.MessageId] = d.Journey + " " + d.Step
	}
	for _, s := range must[*ledger.Book](t)(ledger.Read(path)).Displays {
		key := fmt.Sprint("machine ", s.Device, " ", steps[s.Message])
		out.displays[key] = append(out.displays[key], s.At.Time())
	}
	g.stop()
	return out
}

func realJourneys(t *testing.T) (all [][]byte) {
	if *realExamples {
		for _, name := range must[[]string](t)(filepath.Glob("../../deploy/journeys/*.yaml")) {
			all = append(all, must[[]byte](t)(os.ReadFile(name)))
		}
		return all
	}
	for _, text := range minuteJourneys {
		all = append(all, []byte(text))
	}
	return all
}

// allDecisions reads every decision.
func (a *api) allDecisions() (all []*pb.Decision) {
	a.t.Helper()
	req := &pb.ListDecisionsRequest{PageSize: 1000, AtLeast: a.now()}
	for {
		resp := must[*pb.ListDecisionsResponse](a.t)(a.customers.ListDecisions(a.ctx, req))
		all = append(all, resp.Decisions...)
		if req.PageToken = resp.NextPageToken; req.PageToken == "" {
			return all
		}
	}
}

// compare reports what only one of them has, and what differs by more than the
// tolerance in time; it returns how much there is.
func compare(t *testing.T, what string, virtual, real map[string][]time.Time, tolerance time.Duration) (n int) {
	t.Helper()
	off := time.Duration(0)
	for key, times := range virtual {
		n += len(times)
		others := real[key]
		if len(others) != len(times) {
			t.Errorf("%s in lock-step %d times, in real time %d times: %s %v %v", what, len(times), len(others), key, times, others)
			continue
		}
		slices.SortFunc(times, time.Time.Compare)
		slices.SortFunc(others, time.Time.Compare)
		for i := range times {
			d := others[i].Sub(times[i]).Abs()
			off = max(off, d)
			if d > tolerance {
				t.Errorf("%s at %v in lock-step, at %v in real time: %s", what, times[i], others[i], key)
			}
		}
	}
	for key, times := range real {
		if virtual[key] == nil {
			t.Errorf("%s in real time only: %s %v", what, key, times)
		}
	}
	t.Logf("%ss differ by at most %v", what, off)
	return n
}

// copyPrivate copies a directory that only its owner may read.
func copyPrivate(t *testing.T, to, from string) {
	t.Helper()
	if err := os.CopyFS(to, os.DirFS(from)); err != nil {
		t.Fatal(err)
	}
	err := filepath.WalkDir(to, func(path string, d os.DirEntry, err error) error {
		mode := os.FileMode(0o600)
		if d.IsDir() {
			mode = 0o700
		}
		return cmp.Or(err, os.Chmod(path, mode))
	})
	if err != nil {
		t.Fatal(err)
	}
}
