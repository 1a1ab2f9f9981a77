package fleet

import (
	_ "embed"
	"time"
)

// Config is a fleet as its file describes it, checked.
type Config struct {
	Seed      uint64
	Product   string
	Customers int
	// SecondMachine is the share of customers who have two machines.
	SecondMachine float64
	// JoinOver is the time over which the customers get their machines.
	JoinOver time.Duration
	// Connections is how many connections the machines share, 0 = one each.
	Connections int
	Locales     []Locale
	// Marketing and Service are the shares of customers who consent to marketing
	// and who do not object to service messages.
	Marketing, Service float64
	Habits             []Habit
	Offline            Offline
	// Duplicates is the share of messages that are published twice, as devices
	// do whose acknowledgement got lost.
	Duplicates float64
	Reactions  Reactions
	Answers    []Answer
	// Grid, when set, moves what machines do to multiples of it since the start,
	// at most one brew each: so that nothing hangs on minutes, and two runs that
	// differ by small delays can be compared.
	Grid time.Duration
}

// Locale is a group of customers who speak and live alike.
type Locale struct {
	Locale, TimeZone, Country string
	Share                     float64
}

// Habit is a class of customers who use their machines alike.
type Habit struct {
	Name        string
	Share       float64
	BrewsPerDay float64
	// Weekend multiplies the brews of Saturdays and Sundays.
	Weekend float64
	// Hours weighs the local hours of the day.
	Hours [24]float64
	// PauseEvery is about how often the customers are away, PauseFor how long;
	// 0 = never.
	PauseEvery time.Duration
	PauseFor   Range
	// DescalesEvery is about how often they descale without being asked; 0 = never.
	DescalesEvery time.Duration
}

// Offline describes machines with a bad connection: they keep what happens and
// upload it later.
type Offline struct {
	Share float64
	Every time.Duration
	For   Range
}

// Reactions describes what customers do with a message.
type Reactions struct {
	Displayed float64 // is noticed at all, else it expires unseen
	After     Range   // until it is noticed
	Clicked   float64 // of those displayed
	Dismissed float64
}

// Answer is something that customers do after a displayed message that says
// one of some words.
type Answer struct {
	Says        []string // in lower case
	Event       string
	Probability float64
	After       Range
}

// Range is a time from From to To.
type Range struct{ From, To time.Duration }

// Draw returns a time of the range.
func (g Range) Draw(r *Rand) time.Duration {
	if g.To <= g.From {
		return g.From
	}
	return g.From + time.Duration(r.Float()*float64(g.To-g.From)).Truncate(time.Millisecond)
}

//go:embed default.yaml
var defaultFile []byte

// DefaultFile returns the text of the default fleet, to start an own one from.
func DefaultFile() []byte { return defaultFile }

// Default returns the fleet of the demo.
func Default() Config {
	c, err := Parse(defaultFile)
	if err != nil {
		panic(err) // the file is part of the program and tested
	}
	return c
}
