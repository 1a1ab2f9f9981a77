package journey

import (
	"fmt"
	"testing"

	"pgregory.net/rapid"

	"touchpoint/gateway"
)

// capWorld lets customers of several partitions ask for the places of one entry
// cap, and counts by hand.
type capWorld struct {
	*world
	rt      *rapid.T
	a       allowance
	entered []gateway.Instant // when places were taken
	calm    bool              // nothing is held back on its way: every answer is here at once
	paused  bool
	events  int
	last    gateway.Decision // about an entry, the latest of whom it was told
}

const capCustomers = 8 // the last one is a test customer

func newCapWorld(t *testing.T, rt *rapid.T) *capWorld {
	c := &capWorld{rt: rt, calm: true, a: allowance{max: rapid.IntRange(1, 4).Draw(rt, "max")}}
	rule := fmt.Sprintf("max: %d", c.a.max)
	switch rapid.IntRange(0, 2).Draw(rt, "window") {
	case 1:
		c.a.per = Duration(rapid.SampledFrom([]int{10, 60, 1440}).Draw(rt, "minutes") * 60_000)
		rule += ", per: " + c.a.per.String()
	case 2:
		c.a.calendar = rapid.SampledFrom([]string{"day", "week"}).Draw(rt, "calendar")
		rule += ", calendar: " + c.a.calendar
	}
	c.world = newWorld(t, Config{}, rapid.SampledFrom([]int{1, 2, 4, 5}).Draw(rt, "partitions"))
	c.clock = modelStart
	c.onStep = c.step
	c.pick = func(n int) int { return rapid.IntRange(0, n-1).Draw(rt, "first") }
	text := `name: ping
purpose: service
trigger: {event: brew}
reentry: concurrent_per_key
key: event.n
entry_cap: {` + rule + `}
steps: [{id: rest, wait: {for: 1h}}]
`
	c.everywhere(gateway.PublishJourney{Journey: "ping", Version: 1, Effective: modelStart, Definition: []byte(text)})
	c.submit(c.home(capCustomers), gateway.Input{Command: gateway.UpsertCustomer{Customer: capCustomers, Mask: []string{"test"}, Test: true}})
	return c
}

func (c *capWorld) home(id gateway.CustomerID) int {
	return gateway.CustomerSubject(id).Partition(len(c.parts))
}

func (c *capWorld) everywhere(cmd gateway.Command) {
	for i := range c.parts {
		c.submit(i, gateway.Input{Command: cmd})
	}
}

func (c *capWorld) event(id gateway.CustomerID) {
	if id != capCustomers && c.calm && !c.paused {
		defer c.foretold(id, c.explain(id), c.taken(c.clock))
	}
	c.events++
	c.submit(c.home(id), gateway.Input{Event: gateway.Event{ID: fmt.Sprint("e", c.events), Type: "brew", Customer: id,
		OccurredAt: c.clock, ReceivedAt: c.clock, Properties: gateway.Properties{{Key: "n", Value: gateway.Int(int64(c.events))}}}})
}

func (c *capWorld) explain(id gateway.CustomerID) gateway.Explanation {
	x := c.parts[c.home(id)].Explain(id, "ping")
	if x.Unsettled {
		x.Settle(c.parts[x.Coordinator].ExplainLimits("ping"))
	}
	return x
}

// foretold compares what was explained, when so many places were taken, with what
// then is decided.
func (c *capWorld) foretold(id gateway.CustomerID, x gateway.Explanation, taken int) {
	if p := c.parts[c.home(id)]; p.gone(id) {
		return
	}
	if d := c.last; d.Customer != id || d.Reason != x.Verdict {
		c.rt.Fatalf("customer %d: explained as %s, decided %s (of %d)", id, x.Verdict, d.Reason, d.Customer)
	}
	for _, k := range x.Checks {
		if k.Name != gateway.CheckEntryCap {
			continue
		}
		until := ""
		if k.Until != 0 {
			until = k.Until.String()
		}
		if k.Reason == gateway.ReasonEntryCap && c.last.Values.Get("free_at").AsString() != until {
			c.rt.Fatalf("explained as free from %q on, decided %s", until, c.last.Values)
		}
		used, told := k.Values.Get("used"), k.Values.Has("used")
		if (k.Reason == gateway.ReasonEntryCap) != (taken >= c.a.max) || told && int(used.AsInt()) != taken {
			c.rt.Fatalf("%s used, %d are taken of %d: %+v", used, taken, c.a.max, k)
		}
		return
	}
	c.rt.Fatal("nothing is explained about the cap")
}

// taken counts the places that are taken at an instant.
func (c *capWorld) taken(now gateway.Instant) (n int) {
	week := func(t gateway.Instant) gateway.Instant { return (t/dayMillis + 3) / 7 } // 1970-01-01 was a Thursday
	for _, at := range c.entered {
		switch {
		case c.a.per > 0 && at <= now-gateway.Instant(c.a.per):
		case c.a.calendar == "day" && at/dayMillis != now/dayMillis:
		case c.a.calendar == "week" && week(at) != week(now):
		default:
			n++
		}
	}
	return n
}

func (c *capWorld) step(_ *gateway.Batch, s *gateway.Step) {
	for _, d := range s.Decisions {
		if d.Kind != gateway.DecisionEntry || d.Customer == capCustomers {
			if d.Reason == gateway.ReasonEntryCap || d.Reason == gateway.ReasonWaiting {
				c.rt.Fatalf("a test customer: %s", d.Reason)
			}
			continue
		}
		c.last = d
		switch d.Reason {
		case gateway.ReasonEnrolled:
			if n := c.taken(d.At); n >= c.a.max {
				c.rt.Fatalf("%d places are taken already, %s", n, c.a.String())
			}
			c.entered = append(c.entered, d.At)
		case gateway.ReasonEntryCap:
			if n := c.taken(d.At); c.calm && n < c.a.max {
				c.rt.Fatalf("refused at %s although only %d places are taken, %s", d.At, n, c.a.String())
			}
			c.freeAt(d)
		case gateway.ReasonExhausted:
			if c.calm {
				c.rt.Fatalf("exhausted at %s", d.At)
			}
		}
	}
}

// freeAt compares when a refused customer is told that there is room.
func (c *capWorld) freeAt(d gateway.Decision) {
	v := d.Values.Get("free_at")
	if !c.calm || v.Kind() == gateway.KindNull {
		if c.calm && (c.a.per > 0 || c.a.calendar != "") {
			c.rt.Fatalf("refused at %s without a word when there is room", d.At)
		}
		return
	}
	at := d.At
	for c.taken(at) >= c.a.max {
		at += 60_000 - at%60_000 // the model moves by whole minutes
	}
	if v.AsString() != at.String() {
		c.rt.Fatalf("refused at %s until %s, but there is room at %s", d.At, v.AsString(), at)
	}
}

func (c *capWorld) hold(hold bool) {
	if hold {
		c.calm = false
	}
	c.ok(c.HoldForwards(hold))
	if !hold {
		c.calm = true
	}
}

// resume lets go on who waited; several ask at once then.
func (c *capWorld) resume() {
	calm := c.calm
	c.calm, c.paused = false, false
	c.everywhere(gateway.SetJourneyState{Journey: "ping", State: gateway.JourneyPublished})
	c.calm = calm
}

func (c *capWorld) play(what int) {
	id := gateway.CustomerID(rapid.IntRange(1, capCustomers).Draw(c.rt, "customer"))
	switch what {
	case 0:
		c.hold(true)
	case 1, 2:
		c.hold(false)
	case 3:
		c.advance(c.clock + 60_000*gateway.Instant(rapid.IntRange(1, 30).Draw(c.rt, "minutes")))
	case 4:
		c.advance(c.clock + 3600_000*gateway.Instant(rapid.IntRange(1, 40).Draw(c.rt, "hours")))
	case 5:
		c.paused = true
		c.everywhere(gateway.SetJourneyState{Journey: "ping", State: gateway.JourneyPaused})
	case 6:
		c.resume()
	case 7:
		c.restart()
	case 8:
		c.submit(c.home(3), gateway.Input{Command: gateway.EraseCustomer{Customer: 3}})
	default:
		c.event(id)
	}
}

// TestEntryCapModel: whatever the partitions do at once, however late their
// answers come, and through pauses, restarts and an erasure, an entry cap is never
// exceeded, and no place of it is lost.
func TestEntryCapModel(t *testing.T) {
	rapid.Check(t, func(rt *rapid.T) {
		c := newCapWorld(t, rt)
		for _, what := range rapid.SliceOfN(rapid.IntRange(0, 24), 10, 60).Draw(rt, "what") {
			c.play(what)
		}
		c.hold(false)
		c.resume()
		c.advance(c.clock + 10*60_000)
		c.check()
		for _, p := range c.parts {
			j := p.journeyNamed("ping")
			l := j.limits
			if l == nil {
				continue
			}
			if len(l.waiting) > 0 || l.asked > 0 || l.ledgers[gateway.LimitEntry].outstanding() > 0 {
				rt.Fatalf("partition %d: %d wait, %v were asked for, %v are granted", p.cfg.Partition, len(l.waiting), l.asked, l.ledgers)
			}
			if n := l.ledgers[gateway.LimitEntry].usedAfter(c.a.after(p)); p.coordinates(j) && n != c.taken(p.now) {
				rt.Fatalf("%d places are taken, not %d", c.taken(p.now), n)
			}
		}
		for range 3 { // with room for who is refused once, and for who is not
			for id := range gateway.CustomerID(capCustomers - 1) {
				c.event(id + 1)
			}
			c.advance(c.clock + 3*3600_000)
		}
	})
}
