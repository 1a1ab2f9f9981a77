package gateway

// Limits over the whole installation are granted by the coordinator of a
// journey: the partition that the hash of its name falls to. Requests, grants
// and counts travel as Forwards between partitions, each exactly once.

// RequestGrant asks the coordinator for units of a limit, and tells what became
// of those that it granted before.
type RequestGrant struct {
	Journey   string
	Version   uint32
	Limit     Limit
	Partition int // that asks
	Want      int
	// Used units were used at UsedAt, Returned ones were not.
	Used     int
	UsedAt   Instant
	Returned int
}

// Grant answers a RequestGrant. Units may be fewer than were wanted, or 0; then
// Next is when more may come: 0 when that is not known, NoMore for never.
type Grant struct {
	Journey string
	Limit   Limit
	Units   int
	Next    Instant
	At      Instant // by the coordinator's time
}

// NoMore is the Next of a limit that is used up for good.
const NoMore Instant = 1 << 62

// Limit names a limit of a journey over the whole installation.
type Limit uint8

// The limits. Values are part of the record format: append only.
const (
	LimitEntry    Limit = iota + 1 // its entry cap
	LimitExisting                  // existing: enroll N per day
	LimitMessages                  // its forecast of messages
)

// ReportMessages tells the coordinator how many messages a partition decided.
type ReportMessages struct {
	Journey   string
	Partition int
	N         int
	At        Instant
}

// SetBrake stops everything, or releases it: while it is on nothing is handed
// over and nothing is decided to be sent.
type SetBrake struct {
	On     bool
	Reason string
}

// FillTraits brings events of before a publication to the counters that the
// version added. It goes on behind (AfterAt, AfterN), else it is a repetition.
type FillTraits struct {
	Journey string
	Version uint32
	// A place is the time of occurrence of the last event, and how many events
	// of that very instant were taken.
	AfterAt, LastAt Instant
	AfterN, LastN   uint32
	Events          []CustomerEvent
}

// FinishFill says that the counters of a version have all that history knows,
// from Since on (0: everything there ever was).
type FinishFill struct {
	Journey string
	Version uint32
	Since   Instant
	// The place behind which nothing is left; another one is a mistake of who
	// fills, and nothing happens.
	AfterAt Instant
	AfterN  uint32
}

func (RequestGrant) command()   {}
func (Grant) command()          {}
func (ReportMessages) command() {}
func (SetBrake) command()       {}
func (FillTraits) command()     {}
func (FinishFill) command()     {}

// Brake is what a step says about the brake of everything.
type Brake uint8

// The states of the brake in a step. Values are part of the record format.
const (
	BrakeUnchanged Brake = iota
	BrakeOn
	BrakeOff
)

// JourneyFilling is the state of a version whose counters are being filled from
// history: it becomes active when that is done.
const JourneyFilling JourneyState = "filling"

// Filling is a version whose counters wait for history, on one partition.
type Filling struct {
	Partition int
	Journey   string
	Version   uint32
	// Needs lists, by event type, from when on events are needed; 0 = for ever.
	Needs []FillNeed
	// PublishedAt, Seq and Index are the place of the publication in the
	// partition: events from there on are counted as they come.
	PublishedAt Instant
	Seq         uint64
	Index       uint32
	// The fill goes on behind this place; see FillTraits.
	AfterAt Instant
	AfterN  uint32
}

// AnyEvent stands for every type of event that a device sends. No type has it as
// its name.
const AnyEvent = "*"

// FillNeed is one event type of a Filling.
type FillNeed struct {
	Type string // or AnyEvent
	From Instant
}
