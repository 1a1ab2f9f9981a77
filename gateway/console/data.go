package console

import (
	"time"

	"touchpoint/gateway"
)

// Partition is how far one partition is.
type Partition struct {
	Number int
	// Last is the last record of its log, Applied the last one decided upon.
	Last, Applied uint64
	Live          bool
}

// Totals count inputs since the log began.
type Totals struct {
	Accepted, Duplicate, TooOld, Refused int64
}

// Journey is a journey as the page shows it.
type Journey struct {
	Name        string
	Description string
	Purpose     gateway.Purpose
	Version     uint32
	State       gateway.JourneyState
	HasGoal     bool
	// PausedBy says why it paused itself, "" when it did not; Filling that a version
	// waits until its counters are filled, DryRun that one of its draft runs.
	PausedBy string
	Filling  bool
	DryRun   bool
	// Steps are those of the version, in their order.
	Steps []Step

	Entered, Active, Converted int64
	Inside                     map[string]int64 // by step
	Messages                   map[string]int64 // by state
	Ended                      map[string]int64 // by reason
}

// Step is one step of a journey; Kind is "send", "wait" and so on.
type Step struct{ ID, Kind string }

// ReasonCount says how often a decision had a reason.
type ReasonCount struct {
	Kind    gateway.DecisionKind
	Reason  gateway.Reason
	Journey string
	N       int64
}

// Event is an accepted event.
type Event struct {
	Type     string
	Device   gateway.DeviceID
	Customer gateway.CustomerID
	At       gateway.Instant
	// Key tells events of the list apart.
	Key string
}

// DeadLetter is something that could not be taken in. Its payload is sealed
// and never shown here.
type DeadLetter struct {
	At     gateway.Instant
	Device gateway.DeviceID // 0 when it is not known
	Topic  string           // without the device's name
	Reason string
}

// Change is one thing that became visible; exactly one field is set.
type Change struct {
	Message  *gateway.Message
	Update   *gateway.MessageUpdate
	Decision *gateway.Decision
	Erased   gateway.CustomerID
	// Lost says that changes may be missing, because they did not fit or the
	// watch has just begun: what is shown is to be read anew.
	Lost bool
}

// lookTimeout bounds each look at the gateway's parts.
const lookTimeout = 3 * time.Second
