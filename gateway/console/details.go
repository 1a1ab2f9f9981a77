package console

import (
	"context"

	"touchpoint/gateway"
	"touchpoint/gateway/effect"
)

// Details reads what the pages of one journey and of one customer show.
type Details interface {
	// Journey reads one journey closely; of kind NotFound when there is none.
	Journey(ctx context.Context, name string) (JourneyDetail, error)
	// Graph draws the version that is live, as SVG. StyleHash is the style in it
	// as a source of a Content-Security-Policy.
	Graph(ctx context.Context, name string) ([]byte, error)
	StyleHash() string

	// Find looks for a customer by the internal id or the number.
	Find(ctx context.Context, text string) (gateway.CustomerID, error)
	Customer(ctx context.Context, c gateway.CustomerID) (Customer, error)
	Explain(ctx context.Context, c gateway.CustomerID, journey string) (gateway.Explanation, error)

	// Tasks returns the open tasks of the staff, the latest opened first, in a
	// language; more says that there are others.
	Tasks(ctx context.Context, lang string, n int) (list []Task, more bool, err error)
}

// JourneyDetail is a journey with what became of it.
type JourneyDetail struct {
	Journey
	Versions []Version // the latest first
	Reasons  []ReasonCount
	Effects  []Effect
}

// Version is one published version.
type Version struct {
	Number uint32
	State  gateway.JourneyState
	At     gateway.Instant
}

// Effect compares the arms of the holdout (Split is empty) or of a split step.
type Effect struct {
	Split string
	effect.Report
}

// Customer is what the page of a customer shows: internal ids and open data.
type Customer struct {
	gateway.CustomerProfile
	Devices     []gateway.Ownership
	Stages      []gateway.StageVisit // oldest first
	Segments    []string
	Group       gateway.GroupID
	Members     []Member
	Budget      []Budget
	Mixed       []string // journeys in which members of the group are in different arms
	Enrollments []gateway.Enrollment
	Decisions   []gateway.Decision // the latest first
	Tasks       []Task
	Journeys    []string // that can be asked about
}

// Member is one member of a household or account.
type Member struct {
	Customer gateway.CustomerID
	Role     string
	Since    gateway.Instant
}

// Budget is how much of a cap is used.
type Budget struct {
	Rule      string // "" is the customer's own
	Used, Max int
	Shared    bool   // with the group
	Window    string // "7d" or "calendar week"
}

// Task is an open task with its text.
type Task struct {
	gateway.Task
	Title, Body string
	Overdue     bool
}
