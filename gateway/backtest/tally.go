package backtest

import (
	"cmp"
	"slices"
	"time"

	"touchpoint/gateway"
)

// tally counts what a journey decided in the range.
type tally struct {
	o        *Options
	journey  string
	zone     *time.Location
	totals   Totals
	entered  map[gateway.CustomerID]struct{}
	channels map[string]int64
	counts   map[countKey]*Count
	days     map[int64]*Day
	samples  samples
	version  uint32
}

type countKey struct {
	step   string
	kind   gateway.DecisionKind
	reason gateway.Reason
}

func newTally(o *Options, zone *time.Location) *tally {
	return &tally{o: o, journey: o.Journey, zone: zone, entered: map[gateway.CustomerID]struct{}{}, channels: map[string]int64{},
		counts: map[countKey]*Count{}, days: map[int64]*Day{}, samples: samples{most: o.Samples}}
}

func (o *Options) covers(at gateway.Instant) bool { return at >= o.From && (o.To == 0 || at < o.To) }

func (t *tally) step(s *gateway.Step) {
	for i := range s.Decisions {
		if d := &s.Decisions[i]; d.Journey == t.journey && t.o.covers(d.At) {
			t.decision(d)
		}
	}
	for i := range s.Messages {
		if m := &s.Messages[i]; m.Journey == t.journey && t.o.covers(m.DecidedAt) {
			t.message(m)
		}
	}
}

func (t *tally) message(m *gateway.Message) {
	day := t.day(m.DecidedAt)
	if m.Holdout {
		t.totals.HeldOut++
		day.HeldOut++
		return
	}
	t.totals.Messages++
	day.Messages++
	t.channels[m.Channel]++
}

func (t *tally) decision(d *gateway.Decision) {
	if d.Kind == gateway.DecisionJourney {
		return // one for each partition: of no interest here
	}
	key := countKey{d.Step, d.Kind, d.Reason}
	c := t.counts[key]
	if c == nil {
		c = &Count{Step: d.Step, Kind: d.Kind, Reason: d.Reason, Rule: d.Rule, Example: d.Customer}
		t.counts[key] = c
	}
	if c.Count++; c.Rule != d.Rule {
		c.Rule = ""
	}
	t.version = max(t.version, d.Version)
	day := t.day(d.At)
	switch {
	case d.Kind == gateway.DecisionEntry && d.Reason == gateway.ReasonEnrolled:
		t.entered[d.Customer] = struct{}{}
		t.totals.Entered++
		day.Entered++
	case d.Reason == gateway.ReasonCapped:
		t.totals.Capped++
		day.Capped++
	case d.Kind == gateway.DecisionConversion:
		t.totals.Conversions++
		day.Conversions++
	}
	t.samples.add(d)
}

func (t *tally) day(at gateway.Instant) *Day {
	local := at.Time().In(t.zone)
	y, m, d := local.Date()
	key := int64(y)*10000 + int64(m)*100 + int64(d)
	day := t.days[key]
	if day == nil {
		day = &Day{Date: local.Format(time.DateOnly)}
		t.days[key] = day
	}
	return day
}

// report fills in what was counted; steps is the order of the steps.
func (t *tally) report(r *Report, steps []string) {
	r.Totals = t.totals
	r.Customers = int64(len(t.entered))
	for name, n := range t.channels {
		r.Channels = append(r.Channels, Channel{name, n})
	}
	slices.SortFunc(r.Channels, func(a, b Channel) int {
		return cmp.Or(cmp.Compare(b.Messages, a.Messages), cmp.Compare(a.Channel, b.Channel))
	})
	for _, c := range t.counts {
		r.Steps = append(r.Steps, *c)
	}
	place := func(step string) int {
		if step == "" {
			return -1
		}
		if i := slices.Index(steps, step); i >= 0 {
			return i
		}
		return len(steps) // of an earlier version
	}
	slices.SortFunc(r.Steps, func(a, b Count) int {
		return cmp.Or(cmp.Compare(place(a.Step), place(b.Step)), cmp.Compare(a.Step, b.Step), cmp.Compare(a.Kind, b.Kind),
			cmp.Compare(b.Count, a.Count), cmp.Compare(a.Reason, b.Reason))
	})
	for _, d := range t.days {
		r.Days = append(r.Days, *d)
	}
	slices.SortFunc(r.Days, func(a, b Day) int { return cmp.Compare(a.Date, b.Date) })
	r.Days = withQuietDays(r.Days)
	r.Samples = t.samples.list()
	r.Version = t.version
}

// withQuietDays adds the days between the first and the last on which nothing
// was decided.
func withQuietDays(days []Day) (all []Day) {
	for i, d := range days {
		for i > 0 {
			before, err := time.Parse(time.DateOnly, all[len(all)-1].Date)
			next := before.AddDate(0, 0, 1).Format(time.DateOnly)
			if err != nil || next >= d.Date {
				break
			}
			all = append(all, Day{Date: next})
		}
		all = append(all, d)
	}
	return all
}

// samples follows a few customers who entered: those whose ids hash to the least,
// so that a choice by chance is the same in every run.
type samples struct {
	most    int
	chosen  map[gateway.CustomerID]*Sample
	largest gateway.CustomerID
}

// linesPerSample bounds what is kept of one customer.
const linesPerSample = 200

func (s *samples) add(d *gateway.Decision) {
	if s.most <= 0 || d.Customer == 0 {
		return
	}
	c := s.chosen[d.Customer]
	if c == nil {
		if d.Kind != gateway.DecisionEntry || d.Reason != gateway.ReasonEnrolled || !s.choose(d.Customer) {
			return
		}
		c = s.chosen[d.Customer]
	}
	if len(c.Lines) < linesPerSample {
		c.Lines = append(c.Lines, Line{d.At, d.Kind, d.Step, d.Reason, d.Rule, d.Message})
	}
}

func (s *samples) choose(c gateway.CustomerID) bool {
	if s.chosen == nil {
		s.chosen = map[gateway.CustomerID]*Sample{}
	}
	if len(s.chosen) >= s.most {
		if chance(c) > chance(s.largest) {
			return false
		}
		delete(s.chosen, s.largest)
	}
	s.chosen[c] = &Sample{Customer: c}
	s.largest = c
	for other := range s.chosen {
		if chance(other) > chance(s.largest) {
			s.largest = other
		}
	}
	return true
}

// chance orders customers without regard to who they are.
func chance(c gateway.CustomerID) uint64 {
	x := uint64(c) * 0x9e3779b97f4a7c15
	x ^= x >> 31
	return x * 0xbf58476d1ce4e5b9
}

func (s *samples) list() []Sample {
	out := make([]Sample, 0, len(s.chosen))
	for _, c := range s.chosen {
		out = append(out, *c)
	}
	slices.SortFunc(out, func(a, b Sample) int {
		return cmp.Compare(a.Lines[0].At, b.Lines[0].At)*2 + cmp.Compare(a.Customer, b.Customer)
	})
	return out
}
