package gateway

// Step is the unit of commit of a partition: what one go over some input
// records changed and decided. It is one message of the STEPS log.
type Step struct {
	Partition int
	// Number counts the steps of the partition from 1; Seq is the sequence of the
	// step's message in its stream (set when read or committed).
	Number uint64
	Seq    uint64
	// Owner is the epoch of the runner that wrote it.
	Owner uint64
	// Applied lists the records of EVENTS that the step applied, in order.
	Applied []Applied
	// Outcomes says, for each input of those records in order, what became of it.
	Outcomes []Outcome
	// Now is the partition's time after the step, Observed its watermark.
	Now      Instant
	Observed Instant
	// More is set when the step stopped in the midst of its last record (many
	// timers in one instant): the next step goes on there.
	More bool
	// Changes are the state deltas in the core's own encoding.
	Changes []byte

	// Brake says that the brake of everything was put on or released.
	Brake Brake

	// Late holds events that were applied by this step but came with an earlier
	// record (they were held until their device's state arrived).
	Late []LateEvent
	// What was decided.
	Messages  []Message
	Updates   []MessageUpdate
	Decisions []Decision
	Entered   []Enrollment
	// Profiles and Ownerships feed the read model.
	Profiles   []CustomerProfile
	Ownerships []Ownership
	// Classes are customers whose segments or stage changed.
	Classes []CustomerClass
	// Filtered counts what the filters of triggers turned away.
	Filtered []FilteredCount
	// Tasks for the staff that were opened, TaskUpdates those that were closed.
	Tasks       []Task
	TaskUpdates []TaskUpdate
	// Forwards are inputs for other partitions.
	Forwards []Forward
	// Routes tell intake where a device's inputs go from now on.
	Routes []Route
	// Erased customers: every follower deletes what it holds of them.
	Erased []CustomerID
	// Definitions whose state changed on this partition.
	Journeys []JourneyStatus
	// Rules are the settings in force from before this step's records on, as the
	// core writes them down: when they changed, and once a day.
	Rules []byte
	// Memberships of groups that began or ended.
	Memberships []Membership
	// MovedIn are the unfinished messages of customers who moved to this
	// partition: delivery goes on with them for it.
	MovedIn []Message
}

// Applied is one record of EVENTS and the time at which it was applied.
type Applied struct {
	Seq    uint64
	Inputs int
	At     Instant
}

// Disposition says what became of one input.
type Disposition uint8

// The dispositions. Values are part of the record format: append only.
const (
	Accepted  Disposition = iota // applied
	Duplicate                    // known already: changed nothing
	TooOld                       // older than the duplicate window: history only
	Held                         // waits for the state of its device or customer
	Passed                       // forwarded to another partition
	Refused                      // a command that cannot be done; a decision says why
)

// Outcome is what became of one input. Customer is who it was credited to
// (the owner at OccurredAt), 0 when nobody.
type Outcome struct {
	Disposition Disposition
	Customer    CustomerID
}

// LateEvent is an event applied later than its record, with its outcome.
type LateEvent struct {
	Event     Event
	Outcome   Outcome
	AppliedAt Instant
}

// MessageUpdate moves a message to another state.
type MessageUpdate struct {
	Message  MessageID
	Customer CustomerID
	Device   DeviceID
	Journey  string
	Channel  string
	State    MessageState
	At       Instant
	Detail   string
}

// Enrollment is one customer's run through a journey, as the read model shows it.
type Enrollment struct {
	ID         EnrollmentID
	Journey    string
	Version    uint32
	Customer   CustomerID
	Device     DeviceID
	Key        string
	Step       string // where it stands; "" when it ended
	Arm        string // "treated" or "holdout", or the split's arm
	EnteredAt  Instant
	ChangedAt  Instant
	EndedAt    Instant
	EndReason  Reason
	Converted  bool
	WaitsUntil Instant
	// Recipient and Origin are set for a run that another one opened to address
	// this customer in a role; it is no entry of his.
	Recipient string
	Origin    EnrollmentID
}

// CustomerProfile is the open part of a customer for the read model.
type CustomerProfile struct {
	Customer   CustomerID
	Locale     string
	TimeZone   string
	Country    string
	Channels   []string
	Attributes Properties
	Consents   []Consent
	Test       bool
	ChangedAt  Instant
	// His own limits: quiet hours and at most CapCount messages per CapWindow
	// (milliseconds), 0 = none.
	QuietHours []QuietInterval
	CapCount   int
	CapWindow  int64
}

// Consent is one purpose × channel as it stands.
type Consent struct {
	Purpose Purpose
	Channel string // "" = every channel
	Granted bool
	Source  string
	At      Instant
}

// Ownership is the interval [From, To) in which a customer has a device;
// To is 0 while it lasts.
type Ownership struct {
	Device   DeviceID
	Product  string
	Customer CustomerID
	Role     string
	From     Instant
	To       Instant
}

// Forward is an input for another partition; its Input.From is filled by the
// reader of the step (partition, step number, index).
type Forward struct {
	To    int
	Input Input
}

// Route says which partition holds a device. Customer is its owner, 0 for none.
type Route struct {
	Device    DeviceID
	Partition int
	Customer  CustomerID
}

// JourneyStatus reports a definition on one partition.
type JourneyStatus struct {
	Journey string
	Version uint32
	State   JourneyState
	At      Instant
	// Definition is set when this step stored it.
	Definition []byte
}

// CustomerClass is what the rules say of a customer: his segments and the
// stages that he came through, oldest first; the last is the present one.
type CustomerClass struct {
	Customer CustomerID
	Segments []string
	Stages   []StageVisit
	At       Instant
}

// StageVisit is the entry into a stage.
type StageVisit struct {
	Stage string
	At    Instant
}

// FilteredCount says how many events or customers the filter of a journey's
// trigger turned away, and how many events belonged to nobody: each came to no
// decision.
type FilteredCount struct {
	Journey string
	Version uint32
	Count   uint64
	Unowned uint64
}
