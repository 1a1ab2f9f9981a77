package gateway

// Command is an input that is no device event. The concrete types below are
// the closed list.
type Command interface{ command() }

// Tick says that time has passed; the runner appends it when a timer is due
// and nothing else arrives.
type Tick struct{}

// UpsertCustomer sets what the core may know of a customer. Only the fields
// named in Mask change: "locale", "time_zone", "country", "channels",
// "attributes" (merged key by key, null deletes), "test", "cap", "quiet_hours".
// Names and addresses are not here: the vault holds them.
type UpsertCustomer struct {
	Customer   CustomerID
	Mask       []string
	Locale     string
	TimeZone   string
	Country    string
	Channels   []string // in the customer's order of preference
	Reachable  []string // channels for which the vault holds an address
	Attributes Properties
	Test       bool
	// CapCount per CapWindow is the customer's own frequency cap; 0 = none.
	CapCount  int
	CapWindow int64 // milliseconds
	// QuietHours are his own ("quiet_hours" in the mask).
	QuietHours []QuietInterval
}

// QuietInterval is a local interval [From, To), in minutes of the day, in which
// a customer wants no message; it may cross midnight.
type QuietInterval struct {
	From, To int
	// Days has bit 0 for Sunday … 6 for Saturday on which it starts; 0 = all.
	Days uint8
	// Channels restricts it; empty = all.
	Channels []string
}

// SetConsent grants or revokes a purpose on a channel ("" = every channel).
type SetConsent struct {
	Customer CustomerID
	Purpose  Purpose
	Channel  string
	Granted  bool
	Source   string
	At       Instant
}

// BindDevice gives a device to a customer from At on. It is recorded in the
// customer's partition, which then asks for the device's state; a role beside
// the owner's is recorded where the device is.
type BindDevice struct {
	Device   DeviceID
	Product  string
	Customer CustomerID
	Role     string // "owner", "user", "payer", "dealer" or "staff"
	At       Instant
	// TimeZone is where the device stands, "" = not known or as before.
	TimeZone string
	// Holds is set by the partition that has the device: nobody had it at that
	// time, so that a user holds it.
	Holds bool
	// Holder is the partition that held the device when the command was
	// written, a hint: it forwards if the device has moved on.
	Holder int
}

// UnbindDevice ends the ownership at At; the device's state goes home.
// It is sent to the partition that holds the device and forwarded if it moved.
type UnbindDevice struct {
	Device   DeviceID
	Customer CustomerID // 0 = whoever owns it; else also one with another role
	At       Instant
}

// ReleaseDevice asks the holder of a device for its state; sent by the
// partition To, which expects it. Forwarded along the marks of earlier moves.
type ReleaseDevice struct {
	Device DeviceID
	To     int
	At     Instant
}

// AdmitDevice carries a device's state to the partition that expects it.
// State is the core's own encoding.
type AdmitDevice struct {
	Device DeviceID
	State  []byte
}

// CustomerEvent carries an accepted event to the partition of the customer who
// owned the device when it occurred, when he is not the present owner.
type CustomerEvent struct {
	Customer CustomerID
	Event    Event
}

// EraseCustomer removes everything about a customer; see Step.Erased.
type EraseCustomer struct{ Customer CustomerID }

// PublishJourney activates a definition on every partition at Effective.
// Definition is the author's text in YAML, already validated.
type PublishJourney struct {
	Journey    string
	Version    uint32
	Effective  Instant
	Definition []byte
	// Existing says what happens to customers who meet the entry already:
	// "ignore" or "enroll"; Running what happens to enrollments of the version
	// before: "pin", "migrate" or "restart".
	Existing string
	Running  string
	// Fill: counters that are new wait for history before the version is active.
	Fill bool
}

// SetJourneyState pauses, resumes or archives a journey at Effective.
type SetJourneyState struct {
	Journey   string
	State     JourneyState
	Effective Instant
	// Withdraw takes back what a paused journey decided and nobody saw yet.
	Withdraw bool
	// Reason and Rule are set when a brake of the journey's own did it.
	Reason Reason
	Rule   string
}

// TriggerJourney enrolls a customer by API. The same Key gives the same
// enrollment; the second call is answered with ReasonReplayed.
type TriggerJourney struct {
	Journey    string
	Customer   CustomerID
	Device     DeviceID
	Key        string
	Properties Properties
}

// Receipt is what became of a message.
type Receipt struct {
	Message  MessageID
	Customer CustomerID // routes the receipt; 0 when only the device is known
	Device   DeviceID
	Channel  string
	State    MessageState
	// At is when it happened by the reporter's clock.
	At     Instant
	Detail string
}

func (Tick) command()            {}
func (UpsertCustomer) command()  {}
func (SetConsent) command()      {}
func (BindDevice) command()      {}
func (UnbindDevice) command()    {}
func (ReleaseDevice) command()   {}
func (AdmitDevice) command()     {}
func (CustomerEvent) command()   {}
func (EraseCustomer) command()   {}
func (PublishJourney) command()  {}
func (SetJourneyState) command() {}
func (TriggerJourney) command()  {}
func (Receipt) command()         {}

// JourneyState is where a journey is in its life.
type JourneyState string

// The states of a journey. A published version is immutable.
const (
	JourneyDraft     JourneyState = "draft"
	JourneyPublished JourneyState = "published"
	JourneyPaused    JourneyState = "paused"
	JourneyDraining  JourneyState = "draining"
	JourneyFinished  JourneyState = "finished"
	JourneyArchived  JourneyState = "archived"
)

// Purpose is the legal ground of a journey.
type Purpose string

// The purposes: service is allowed unless objected, marketing needs opt-in,
// safety (a recall) passes caps and quiet hours.
const (
	PurposeService   Purpose = "service"
	PurposeMarketing Purpose = "marketing"
	PurposeSafety    Purpose = "safety"
)
