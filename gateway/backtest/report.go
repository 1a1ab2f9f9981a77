package backtest

import (
	"time"

	"touchpoint/gateway"
)

// Report is what a backtest found.
type Report struct {
	Journey string
	// Version is the version that ran, 0 for a draft.
	Version uint32
	// Draft says that a draft was run; else the journey as it was published.
	Draft bool
	// From and To bound what is reported; everything before From was run, too.
	From, To gateway.Instant
	// Exact says that nothing was missing; else Notes say what.
	Exact bool
	Notes []Note
	Totals
	// Steps count the decisions of the journey, in the order of its steps; the
	// decisions about entries come first, with Step "".
	Steps []Count
	Days  []Day
	// Others are the journeys that decided otherwise because of the draft.
	Others  []Other
	Samples []Sample
	Work    Work
}

// Totals of the journey in the range.
type Totals struct {
	// Customers is how many were enrolled, at least once.
	Customers   int64
	Entered     int64
	Messages    int64 // decided to be sent
	HeldOut     int64 // decided for the control arm: not sent
	Capped      int64
	Conversions int64
	Channels    []Channel
}

// Channel counts messages.
type Channel struct {
	Channel  string
	Messages int64
}

// Count is how often a step decided with a reason.
type Count struct {
	Step   string
	Kind   gateway.DecisionKind
	Reason gateway.Reason
	// Rule is the one that decided, when it was always the same.
	Rule  string
	Count int64
	// Example is a customer of whom it was decided, 0 when there was none.
	Example gateway.CustomerID
}

// Day is one day in the time zone of the project.
type Day struct {
	Date                                    string
	Entered, Messages, HeldOut, Conversions int64
	Capped                                  int64
}

// Other is a journey beside the draft.
type Other struct {
	Journey string
	// Recorded is how many messages it decided; Lost are those of them that it
	// would not have decided, Gained those that it would have in addition.
	Recorded, Lost, Gained int64
	// Capped is how many more of its decisions would have been "capped".
	Capped int64
}

// Sample is what happened to one customer, chosen by chance.
type Sample struct {
	Customer gateway.CustomerID
	// External is his id in the systems of the brand, for who may see it.
	External string
	Lines    []Line
}

// Line is one decision about a customer.
type Line struct {
	At      gateway.Instant
	Kind    gateway.DecisionKind
	Step    string
	Reason  gateway.Reason
	Rule    string
	Message gateway.MessageID
}

// Work is what the backtest took.
type Work struct {
	Records, Inputs int64
	Partitions      int
	First, Last     gateway.Instant // of the records
	Took            time.Duration
}

// Progress is how far a backtest is.
type Progress struct {
	// At is the recorded time that it has reached, Share of the way to its end.
	At      gateway.Instant
	Share   float64
	Records int64
	Inputs  int64
}
