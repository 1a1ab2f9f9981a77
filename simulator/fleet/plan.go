package fleet

import (
	"fmt"
	"math"
	"slices"
	"strconv"
	"time"

	"touchpoint/gateway"
)

const day = gateway.Instant(24 * 60 * 60 * 1000)

// Fleet is a population that was drawn from a Config.
type Fleet struct {
	Config
	// Start is the instant from which the fleet lives.
	Start     gateway.Instant
	Customers []Customer
	Units     []Unit
	hours     []hours // by habit
}

// Customer is one person. All names are invented.
type Customer struct {
	ExternalID            string
	GivenName, FamilyName string
	Email                 string
	Locale                Locale
	Habit                 int
	Marketing, Service    bool
	Joins                 gateway.Instant
}

// Unit is one machine.
type Unit struct {
	Serial   string
	Customer int
	habit    int
	zone     *time.Location
	joins    gateway.Instant
	wakes    gateway.Instant // since midnight of the fleet: when it says hello
	offline  bool
	share    float64 // of the customer's brews
}

// hours holds the running sums of a habit's weights by hour.
type hours [24]float64

// The draws that are independent of each other, by what they are for.
const (
	forCustomer = iota + 1
	forBrews
	forPause
	forOffline
	forDescaling
	forReaction
	forResend
)

var (
	givenNames  = []string{"Mara", "Jonas", "Edda", "Timo", "Lene", "Oskar", "Ina", "Piet", "Svea", "Anton", "Ruth", "Nils", "Greta", "Emil", "Wanda", "Hugo"}
	familyNames = []string{"Beispiel", "Muster", "Probe", "Sample", "Vorlage", "Modell", "Specimen", "Entwurf"}
)

// New draws the population of a configuration; start is when it begins to live.
func New(c Config, start gateway.Instant) (*Fleet, error) {
	f := &Fleet{Config: c, Start: start, hours: make([]hours, len(c.Habits))}
	for i := range c.Habits {
		sum := 0.0
		for h, w := range c.Habits[i].Hours {
			sum += w
			f.hours[i][h] = sum
		}
	}
	locales, habits := cumulative(c.Locales, func(l Locale) float64 { return l.Share }), cumulative(c.Habits, func(h Habit) float64 { return h.Share })
	zones := make([]*time.Location, len(c.Locales))
	for i, l := range c.Locales {
		zone, err := time.LoadLocation(l.TimeZone)
		if err != nil {
			return nil, gateway.InvalidField(fmt.Sprintf("locales[%d].time_zone", i), "is not known on this machine")
		}
		zones[i] = zone
	}
	for i := range c.Customers {
		r := NewRand(c.Seed, forCustomer, uint64(i))
		f.customer(i, &r, locales, habits, zones)
	}
	return f, nil
}

func (f *Fleet) customer(i int, r *Rand, locales, habits []float64, zones []*time.Location) {
	loc := r.pick(locales)
	c := Customer{ExternalID: fmt.Sprintf("K-%06d", i+1), Locale: f.Locales[loc], Habit: r.pick(habits),
		GivenName: givenNames[r.N(len(givenNames))], FamilyName: familyNames[r.N(len(familyNames))],
		Email:     fmt.Sprintf("customer-%06d@example.com", i+1),
		Marketing: r.Chance(f.Marketing), Service: r.Chance(f.Service),
		Joins: f.Start + gateway.Instant(r.Float()*float64(f.JoinOver.Milliseconds()))}
	f.Customers = append(f.Customers, c)
	units := 1
	if r.Chance(f.SecondMachine) {
		units = 2
	}
	for range units {
		f.Units = append(f.Units, Unit{Serial: fmt.Sprintf("B3-%06d", len(f.Units)+1), Customer: i, habit: c.Habit,
			zone: zones[loc], joins: c.Joins, wakes: gateway.Instant(r.N(int(day))),
			offline: r.Chance(f.Offline.Share), share: 1 / float64(units)})
	}
}

func cumulative[T any](items []T, share func(T) float64) []float64 {
	out, sum := make([]float64, len(items)), 0.0
	for i := range items {
		sum += share(items[i])
		out[i] = sum
	}
	return out
}

// Kind says what a planned item is.
type Kind uint8

// The kinds of planned items.
const (
	Brew    Kind = iota + 1 // a brew is finished
	Descale                 // the machine was descaled
	Hello                   // the machine, on standby, says that it is there
)

// Planned is something that a machine does at a time.
type Planned struct {
	At   gateway.Instant
	Unit int32
	Kind Kind
	// Draw decides the rest: program, water and so on.
	Draw uint64
}

// Day plans a day of the whole fleet, n days after its start, in order of time.
func (f *Fleet) Day(n int) []Planned {
	var out []Planned
	for u := range f.Units {
		out = f.unitDay(out, u, n)
	}
	slices.SortFunc(out, func(a, b Planned) int {
		switch {
		case a.At != b.At:
			return int(a.At - b.At)
		case a.Unit != b.Unit:
			return int(a.Unit - b.Unit)
		}
		return int(a.Kind) - int(b.Kind)
	})
	return out
}

func (f *Fleet) unitDay(out []Planned, i, n int) []Planned {
	u := &f.Units[i]
	begin := f.Start + gateway.Instant(n)*day
	if u.joins >= begin+day {
		return out
	}
	r := NewRand(f.Seed, forBrews, uint64(i), uint64(n))
	if at := f.onGrid(begin + u.wakes); at >= u.joins {
		out = append(out, Planned{At: at, Unit: int32(i), Kind: Hello, Draw: r.Uint64()})
	}
	h := &f.Habits[u.habit]
	_, offset := begin.Time().In(u.zone).Zone()
	mean := h.BrewsPerDay * u.share
	if wd := begin.Time().Weekday(); wd == time.Saturday || wd == time.Sunday {
		mean *= h.Weekend
	}
	first := len(out)
	for range r.Poisson(mean) {
		at := f.onGrid(f.hourOf(&r, u.habit, begin, offset))
		if f.Grid > 0 && slices.ContainsFunc(out[first:], func(p Planned) bool { return p.At == at }) {
			continue
		}
		if at >= u.joins && !f.away(i, at) {
			out = append(out, Planned{At: at, Unit: int32(i), Kind: Brew, Draw: r.Uint64()})
		}
	}
	at, ok := f.spell(forDescaling, i, begin+day-1, h.DescalesEvery)
	if at = f.onGrid(at); ok && at >= begin && at >= u.joins && !f.away(i, at) {
		out = append(out, Planned{At: at, Unit: int32(i), Kind: Descale, Draw: r.Uint64()})
	}
	return out
}

// onGrid moves an instant to the grid, if there is one.
func (f *Fleet) onGrid(at gateway.Instant) gateway.Instant {
	if f.Grid <= 0 {
		return at
	}
	return at - (at-f.Start)%gateway.Instant(f.Grid.Milliseconds())
}

// hourOf draws a time within the 24 hours from begin by the local hour.
func (f *Fleet) hourOf(r *Rand, habit int, begin gateway.Instant, offset int) gateway.Instant {
	local := gateway.Instant(r.pick(f.hours[habit][:]))*3_600_000 + gateway.Instant(r.N(3_600_000))
	sinceMidnight := (begin + gateway.Instant(offset)*1000) % day
	return begin + (local-sinceMidnight+day)%day
}

// spell returns the last time up to at when something that happens about once
// per period began for a unit.
func (f *Fleet) spell(what uint64, unit int, at gateway.Instant, every time.Duration) (gateway.Instant, bool) {
	if every <= 0 {
		return 0, false
	}
	period := gateway.Instant(every.Milliseconds())
	phase := NewRand(f.Seed, what, uint64(unit))
	// The first period begins before the fleet does, so that not all are fresh.
	origin := f.Start - gateway.Instant(phase.Float()*float64(period))
	for k := int64(math.Floor(float64(at-origin) / float64(period))); k >= 0; k-- {
		r := NewRand(f.Seed, what, uint64(unit), uint64(k)+1)
		if begin := origin + gateway.Instant(k)*period + gateway.Instant(r.Float()*0.25*float64(period)); begin <= at {
			return begin, true
		}
	}
	return 0, false
}

// away reports whether the customer of a unit brews nothing at a time.
func (f *Fleet) away(unit int, at gateway.Instant) bool {
	u := &f.Units[unit]
	h := &f.Habits[u.habit]
	begin, ok := f.spell(forPause, u.Customer, at, h.PauseEvery)
	if !ok {
		return false
	}
	r := NewRand(f.Seed, forPause, uint64(u.Customer), uint64(begin))
	return at < begin.Add(h.PauseFor.Draw(&r))
}

// Offline reports whether a unit has no connection at a time.
func (f *Fleet) IsOffline(unit int, at gateway.Instant) bool {
	if !f.Units[unit].offline {
		return false
	}
	begin, ok := f.spell(forOffline, unit, at, f.Offline.Every)
	if !ok {
		return false
	}
	r := NewRand(f.Seed, forOffline, uint64(unit), uint64(begin))
	return at < begin.Add(f.Offline.For.Draw(&r))
}

// Resent reports whether the n-th message of a unit is published twice.
func (f *Fleet) Resent(unit int, n uint64) bool {
	if f.Duplicates == 0 {
		return false
	}
	r := NewRand(f.Seed, forResend, uint64(unit), n)
	return r.Chance(f.Duplicates)
}

// Reaction is what the customer does with a message.
type Reaction struct {
	Displayed          bool
	After              time.Duration
	Clicked, Dismissed bool
	// Answer follows the display, nil for none.
	Answer      *Answer
	AnswerAfter time.Duration
}

// React draws the reaction to a message; text is its title and body in lower case.
func (f *Fleet) React(id gateway.MessageID, text func(words []string) bool) Reaction {
	r := NewRand(f.Seed, forReaction, be(id[:8]), be(id[8:]))
	out := Reaction{Displayed: r.Chance(f.Reactions.Displayed), After: f.Reactions.After.Draw(&r)}
	x := r.Float()
	out.Clicked = x < f.Reactions.Clicked
	out.Dismissed = !out.Clicked && x < f.Reactions.Clicked+f.Reactions.Dismissed
	for i := range f.Answers {
		a := &f.Answers[i]
		if chance, after := r.Chance(a.Probability), a.After.Draw(&r); chance && text(a.Says) {
			out.Answer, out.AnswerAfter = a, after
			return out
		}
	}
	return out
}

func be(b []byte) (v uint64) {
	for _, c := range b {
		v = v<<8 | uint64(c)
	}
	return v
}

type program struct {
	name       string
	water, sec int
}

var programs = []program{{"espresso", 36, 26}, {"lungo", 90, 34}, {"americano", 140, 41}, {"cappuccino", 42, 58}, {"flat_white", 40, 52}}

// AppendData appends the JSON object with an event's data.
func (p *Planned) AppendData(b []byte) []byte {
	r := Rand{p.Draw}
	if p.Kind == Descale {
		b = append(b, `{"duration_s":`...)
		return append(strconv.AppendInt(b, int64(1200+r.N(600)), 10), '}')
	}
	pr := programs[r.N(len(programs))]
	b = append(append(b, `{"program":"`...), pr.name...)
	b = append(b, `","water_ml":`...)
	b = strconv.AppendInt(b, int64(pr.water+r.N(7)-3), 10)
	b = append(b, `,"temp_c":`...)
	tenths := 905 + r.N(40)
	b = strconv.AppendInt(b, int64(tenths/10), 10)
	b = append(b, '.')
	b = strconv.AppendInt(b, int64(tenths%10), 10)
	b = append(b, `,"duration_s":`...)
	b = strconv.AppendInt(b, int64(pr.sec+r.N(6)), 10)
	return append(b, '}')
}

// Type returns the type of the event, "" for a greeting.
func (k Kind) Type() string {
	switch k {
	case Brew:
		return "brew_finished"
	case Descale:
		return "descaling_finished"
	}
	return ""
}
