package rpc

import (
	"cmp"
	"context"
	"time"

	"touchpoint/gateway"
)

// Page is one page of a query: its items and the cursor of the next page, ""
// on the last one. A cursor is the store's own text; callers of the API see it
// only inside an authenticated page token.
type Page[T any] struct {
	Items []T
	Next  string
}

// Intake appends to the event log; its calls return when the input is durable.
type Intake interface {
	// Submit appends one command to a partition.
	Submit(ctx context.Context, partition int, in gateway.Input) (gateway.Position, error)
	// Record routes and appends events, sealing what their model marks as
	// personal; it returns a position or an error for each.
	Record(ctx context.Context, events []gateway.Event) ([]gateway.Position, []error)
	// Holder is the partition that holds a device as far as intake knows.
	Holder(d gateway.DeviceID) int
	// Home is the partition where a customer lives as far as intake knows.
	Home(c gateway.CustomerID) int
}

// Vault maps external ids to internal ones and keeps personal data sealed.
// Lookups of what is unknown are errors of kind NotFound.
type Vault interface {
	Device(ctx context.Context, product, serial string) (gateway.DeviceID, error)
	LookupDevice(ctx context.Context, product, serial string) (gateway.DeviceID, error)
	DeviceName(ctx context.Context, d gateway.DeviceID) (product, serial string, err error)
	// Sync waits until every mapping made so far is stored.
	Sync(ctx context.Context) error
	Customer(ctx context.Context, external gateway.Personal) (id gateway.CustomerID, created bool, err error)
	LookupCustomer(ctx context.Context, external gateway.Personal) (gateway.CustomerID, error)
	CustomerName(ctx context.Context, c gateway.CustomerID) (gateway.Personal, error)
	Group(ctx context.Context, external gateway.Personal) (id gateway.GroupID, created bool, err error)
	LookupGroup(ctx context.Context, external gateway.Personal) (gateway.GroupID, error)
	GroupName(ctx context.Context, g gateway.GroupID) (gateway.Personal, error)
	EraseGroup(ctx context.Context, g gateway.GroupID) error
	// SaveProfile sets the fields of mask to their values in fields; those
	// absent there are cleared.
	SaveProfile(ctx context.Context, c gateway.CustomerID, fields map[string]gateway.Personal, mask []string) error
	Profile(ctx context.Context, c gateway.CustomerID) (map[string]gateway.Personal, error)
	// Open opens what intake sealed for a subject: NotFound when its key is gone,
	// Invalid when it was sealed for another.
	Open(ctx context.Context, s gateway.Subject, sealed string) (gateway.Personal, error)
}

// Follower waits until a read model has followed to positions of the log.
type Follower interface {
	Await(ctx context.Context, at []gateway.Position) error
}

// Explainer tells how each check of a journey stands for a customer: now, when
// at is 0, else as it stood then.
type Explainer interface {
	Explain(ctx context.Context, c gateway.CustomerID, journey string, at gateway.Instant) (gateway.Explanation, error)
}

// Customers reads the customers of the read model.
type Customers interface {
	Customer(ctx context.Context, c gateway.CustomerID) (gateway.CustomerProfile, error)
	Class(ctx context.Context, c gateway.CustomerID) (gateway.CustomerClass, error)
	Enrollments(ctx context.Context, c gateway.CustomerID, limit int) ([]gateway.Enrollment, error)
	Ownerships(ctx context.Context, q OwnershipQuery) (Page[gateway.Ownership], error)
}

// OwnershipQuery chooses ownerships; zero fields choose all.
type OwnershipQuery struct {
	Customer   gateway.CustomerID
	Device     gateway.DeviceID
	WithFormer bool
	Limit      int
	Cursor     string
}

// Decisions reads decision records, newest first.
type Decisions interface {
	Decisions(ctx context.Context, q DecisionQuery) (Page[gateway.Decision], error)
}

// DecisionQuery chooses decisions; zero fields choose all. From is inclusive,
// To exclusive.
type DecisionQuery struct {
	Customer gateway.CustomerID
	Journey  string
	EventID  string
	Reasons  []gateway.Reason
	Kinds    []gateway.DecisionKind
	From, To gateway.Instant
	Limit    int
	Cursor   string
}

// Messages reads messages of the read model, newest first.
type Messages interface {
	Message(ctx context.Context, id gateway.MessageID) (MessageRow, error)
	Messages(ctx context.Context, q MessageQuery) (Page[MessageRow], error)
}

// MessageRow is a message as it stands; Message.State is its present state.
type MessageRow struct {
	Message gateway.Message
	StateAt gateway.Instant
	Detail  string
	History []gateway.MessageUpdate // oldest first; only when asked for
}

// MessageQuery chooses messages; zero fields choose all. From is inclusive, To
// exclusive, by time of decision.
type MessageQuery struct {
	Customer    gateway.CustomerID
	Device      gateway.DeviceID
	Journey     string
	Message     gateway.MessageID
	States      []gateway.MessageState
	From, To    gateway.Instant
	WithHistory bool
	Limit       int
	Cursor      string
}

// JourneyReports reads what the partitions made of the journeys.
type JourneyReports interface {
	// Counts of one version, or of all versions when version is 0.
	Counts(ctx context.Context, journey string, version uint32) (JourneyCounts, error)
	// Effect is what became of who entered, by arm.
	Effect(ctx context.Context, q EffectQuery) ([]EffectCount, error)
}

// EffectQuery chooses whom to count: of one version, or of all (0); by the arms
// of the holdout, or by those of a split step.
type EffectQuery struct {
	Journey string
	Version uint32
	Split   string
}

// EffectCount says what became of the units of one arm.
type EffectCount struct {
	Arm                          string
	Mixed                        bool // members of the unit are in different arms
	Enrolled, Exposed, Converted int64
}

// JourneyCounts says how many are where.
type JourneyCounts struct {
	Entered, Active, Converted int64
	Filtered                   int64            // turned away by the trigger's filter
	Unowned                    int64            // events of nobody under triggers that count or wait
	Messages                   map[string]int64 // by state
	Steps                      map[string]int64 // active, by step
}

// History reads the time series.
type History interface {
	Follower
	Events(ctx context.Context, q EventQuery) (Page[EventRow], error)
	Aggregate(ctx context.Context, q AggregateQuery) ([]AggregateWindow, error)
}

// EventFilter chooses events; zero fields choose all. From is inclusive, To
// exclusive, by time of occurrence.
type EventFilter struct {
	Device   gateway.DeviceID
	Customer gateway.CustomerID
	Product  string
	Types    []string // any of these
	From, To gateway.Instant
}

// EventQuery asks for a page of events.
type EventQuery struct {
	EventFilter
	NewestFirst bool
	Limit       int
	Cursor      string
}

// EventRow is a stored event.
type EventRow struct {
	Event     gateway.Event
	Customer  gateway.CustomerID // whom it is credited to
	AppliedAt gateway.Instant
	TooOld    bool
	Position  gateway.Position
}

// AggregateQuery computes Function of Property per window and group; Window 0
// means one window over all. Function is one of count, sum, mean, min, max, last;
// Groups are of device, customer, type, product.
type AggregateQuery struct {
	EventFilter
	Function string
	Property string
	Window   time.Duration
	Groups   []string
}

// AggregateWindow is one window, and group, that holds events.
type AggregateWindow struct {
	Start    gateway.Instant
	Value    float64
	Count    int64
	Device   gateway.DeviceID
	Customer gateway.CustomerID
	Type     string
	Product  string
}

// Bucket is a small table with compare-and-set; journeys live in one. Get of an
// unknown key is NotFound; a wrong revision, or Create of a known key, is
// Conflict.
type Bucket interface {
	Get(ctx context.Context, key string) (value []byte, revision uint64, err error)
	Create(ctx context.Context, key string, value []byte) (revision uint64, err error)
	Update(ctx context.Context, key string, value []byte, revision uint64) (uint64, error)
	Keys(ctx context.Context, prefix string) ([]string, error)
}

// JourneyInfo is what the services need to know of a definition.
type JourneyInfo struct {
	Name    string
	Purpose gateway.Purpose
	// Standalone is the text as it is published: with the traits of the project
	// that it names.
	Standalone string
}

// text returns what is published of a draft.
func (i JourneyInfo) text(draft string) string { return cmp.Or(i.Standalone, draft) }

// Compile checks a definition. Its error is Invalid with a violation per fault.
type Compile func(yaml []byte) (JourneyInfo, error)

// Consents is delivery's own table of consents.
type Consents interface {
	// Apply returns when the consent is in force: after a revocation nothing is
	// handed over any more.
	Apply(ctx context.Context, c gateway.CustomerID, consent gateway.Consent) error
}

// Eraser removes a customer from every store that does not follow the log:
// keys, mapping, profile; and waits for those that do. It is idempotent.
type Eraser interface {
	Erase(ctx context.Context, c gateway.CustomerID, at []gateway.Position) error
}

// Stream is the work queue of the "stream" channel.
type Stream interface {
	Subscribe(ctx context.Context, o StreamOptions) (Subscription, error)
}

// StreamOptions open a named consumer.
type StreamOptions struct {
	Consumer    string
	MaxInFlight int
	AckWait     time.Duration
	Journey     string
}

// Subscription receives deliveries; after Close what is unacknowledged goes to
// another replica.
type Subscription interface {
	Next(ctx context.Context) (*Delivery, error)
	Close() error
}

// Delivery is one hand-over of a message to a consumer.
type Delivery struct {
	Attempt     int
	Message     gateway.Message
	Title, Body string
	Actions     []Action
	Withdraw    bool
	// Ack settles it; Nack gives it back after a delay; Extend asks for more time.
	Ack    func(context.Context) error
	Nack   func(context.Context, time.Duration) error
	Extend func(context.Context) error
}

// Action is something that the customer may tap.
type Action struct{ ID, Label, URL string }

// DeadLetters keeps what could not be taken in.
type DeadLetters interface {
	DeadLetters(ctx context.Context, cursor string, limit int, withPayload bool) (Page[DeadLetter], error)
	// Replay takes one in again; its error says why it failed again.
	Replay(ctx context.Context, id string) error
}

// DeadLetter is one thing that could not be taken in.
type DeadLetter struct {
	ID         string
	ReceivedAt gateway.Instant
	Source     string
	Topic      string
	Reason     string
	Error      string
	Bytes      int
	Payload    []byte
	Attempts   int
}

// Clock tells the gateway's time.
type Clock interface {
	Now() gateway.Instant
	Virtual() bool
	LockStep() bool
	Until(ctx context.Context, t gateway.Instant) error
}

// Status tells how the gateway is.
type Status interface {
	Status(ctx context.Context) (StatusReport, error)
}

// StatusReport is how the gateway is.
type StatusReport struct {
	Version, Installation string
	NotReady              []string // empty when ready
	Alarms                []string // what an operator has to look at
	Guarantees            []string
	Partitions            []PartitionReport
}

// PartitionReport is how far a partition is.
type PartitionReport struct {
	Partition               int
	LastEvent, AppliedEvent uint64
	LastStep                uint64
	Now, Observed           gateway.Instant
	Followers               map[string]uint64
}

// AuditLog reads the two logs of a partition up to their present end.
type AuditLog interface {
	ScanEvents(ctx context.Context, partition int, after uint64, emit func(*gateway.Batch) error) error
	ScanSteps(ctx context.Context, partition int, afterNumber uint64, emit func(*gateway.Step) error) error
}
