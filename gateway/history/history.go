// Package history keeps the time series of accepted events: in InfluxDB, or in
// an embedded SQLite that needs no server. Both stand behind Store and pass
// the same suite (package historytest).
//
// A Follower fills a store from the STEPS log, because only there it is known
// which event was no duplicate, whom it was credited to and when it was
// applied. The store keeps the place that was reached, so that a crash leaves
// neither a gap nor a double.
package history

import (
	"context"
	"slices"
	"time"

	"touchpoint/gateway"
)

// Point is one event of the time series; or, for a reader that asks for inputs,
// something else that a partition applied.
type Point struct {
	// Kind says what it is; Event is one for KindEvent and KindHeld.
	Kind  Kind
	Event gateway.Event
	// Customer is whom the event was credited to, 0 for nobody.
	Customer gateway.CustomerID
	// AppliedAt is when the partition applied it.
	AppliedAt gateway.Instant
	// TooOld marks an event beyond the duplicate window: it is history only, no
	// journey has seen it.
	TooOld bool
	Place  Place
	// Observed is the watermark of its record.
	Observed gateway.Instant
	// Data is an Input in the encoding of package wire (KindInput), or the rules
	// (KindRules).
	Data []byte
}

// Kind says what a point is. Together, the points of all kinds are what a
// partition was given, so that another run over them decides the same.
type Kind uint8

// The kinds. Values are part of the stores' format: append only.
const (
	KindEvent  Kind = iota // an accepted event: the time series
	KindInput              // a command: a receipt, a consent, a binding, a definition, a tick …
	KindHeld               // an event that waited for its device; it comes again, with Place.Late
	KindRecord             // a record of which nothing else is kept: time went on
	KindRules              // the settings of the core from here on
)

// Place is where a point stands in the order in which its partition applied
// inputs: record of the EVENTS log, input within the record, and, for an event
// that had been held until its device's state arrived, its number among those
// that the input set free (from 1).
type Place struct {
	Partition int
	Seq       uint64
	Index     uint32
	Late      uint32
}

// Before reports whether p was applied before q in the same partition.
func (p Place) Before(q Place) bool {
	switch {
	case p.Seq != q.Seq:
		return p.Seq < q.Seq
	case p.Index != q.Index:
		return p.Index < q.Index
	}
	return p.Late < q.Late
}

// Position is how far a store has followed a partition.
type Position struct {
	Partition int
	// StepSeq is the last step followed to its end, by its sequence in STEPS.
	StepSeq uint64
	// EventSeq is the record of EVENTS that the step ended in, and Inputs how
	// many of that record's inputs are behind it: fewer than all when the step
	// stopped in its midst.
	EventSeq uint64
	Inputs   int
	// Late is how many events were set free by the last of those inputs.
	Late uint32
	// Open says that more steps apply the record EventSeq.
	Open bool
}

// Batch is what Append makes durable: points in the order of their places per
// partition, and the positions reached with them.
type Batch struct {
	Points    []Point
	Positions []Position
}

// Filter chooses points. Zero fields choose all.
type Filter struct {
	Device   gateway.DeviceID
	Customer gateway.CustomerID
	Product  string
	// Types chooses any of these, all when empty.
	Types []string
	// From and To bound OccurredAt: From <= t < To; 0 leaves a side open.
	From, To gateway.Instant
}

// Query asks for a page of points in the order of their OccurredAt.
type Query struct {
	Filter
	OldestFirst bool
	// Limit is the size of the page: 100 when 0, at most MaxLimit.
	Limit int
	// Page is the Next of the page before, of the same query.
	Page string
}

// MaxLimit is the largest page.
const MaxLimit = 1000

// Page is one page of points; Next is "" on the last one.
type Page struct {
	Points []Point
	Next   string
}

// Function is what Aggregate computes.
type Function string

// The functions. Count counts the points that have the field (all points when
// no field is named); the others take numbers and pass over everything else.
// Last is the number that occurred last.
const (
	Count Function = "count"
	Sum   Function = "sum"
	Mean  Function = "mean"
	Min   Function = "min"
	Max   Function = "max"
	Last  Function = "last"
)

// Group is a property of points by which Aggregate groups.
type Group string

// The groups.
const (
	ByDevice   Group = "device"
	ByCustomer Group = "customer"
	ByType     Group = "type"
	ByProduct  Group = "product"
)

// Aggregation asks for one number per window and group.
type Aggregation struct {
	Filter
	Function Function
	Field    string
	// Window is the length of a window, 0 for one window over everything.
	// Windows begin at multiples of their length since the epoch, in UTC.
	Window time.Duration
	Groups []Group
}

// Row is one number of an aggregation.
type Row struct {
	// Start is the begin of the window, 0 when there is one for everything.
	Start gateway.Instant
	// Values of the groups asked for; the others stay zero.
	Device   gateway.DeviceID
	Customer gateway.CustomerID
	Type     string
	Product  string
	Value    float64
	// Points is how many points the value was computed from.
	Points int64
}

// ScanRange chooses what Scan reads, by AppliedAt: From <= t < To; 0 leaves a
// side open. No Partitions means all.
type ScanRange struct {
	From, To   gateway.Instant
	Partitions []int
	// Inputs asks for points of all kinds, not only for events.
	Inputs bool
}

// takes reports whether the range chooses the point.
func (r *ScanRange) takes(p *Point) bool {
	return (p.Kind == KindEvent || r.Inputs) && p.AppliedAt >= r.From && (r.To == 0 || p.AppliedAt < r.To) &&
		(len(r.Partitions) == 0 || slices.Contains(r.Partitions, p.Place.Partition))
}

// Store is a time series of events.
type Store interface {
	// Append makes the batch durable. Points that the store has already change
	// nothing, so a batch whose outcome is unknown is appended again. It returns
	// an error only when ctx ends or the store is defective: an outage is waited
	// for, and a point that the store refuses goes to the dead letters.
	Append(ctx context.Context, b *Batch) error
	// Positions returns how far the store has followed, of the partitions that
	// it knows.
	Positions(ctx context.Context) ([]Position, error)
	// Events returns a page of points.
	Events(ctx context.Context, q Query) (Page, error)
	// Aggregate returns rows in the order of their windows, then groups. Windows
	// without points have no row.
	Aggregate(ctx context.Context, a Aggregation) ([]Row, error)
	// Scan calls fn for points in the order in which they were applied: by
	// AppliedAt, then partition and place. The point is only valid during the
	// call. An error of fn ends the scan and is returned.
	Scan(ctx context.Context, r ScanRange, fn func(*Point) error) error
	// DeleteDevice removes all points of a device.
	DeleteDevice(ctx context.Context, d gateway.DeviceID) error
	// DeleteCustomer removes all points credited to a customer, of every kind, and
	// what is held of the devices that he had.
	DeleteCustomer(ctx context.Context, c gateway.CustomerID) error
	// Health returns nil, or why the store does not take points now.
	Health() error
	// Close flushes and releases the store.
	Close(ctx context.Context) error
}

// Rejected is a point that a store refuses for good.
type Rejected struct {
	Point  Point
	Reason string
}

// DeadLetters takes what a store refuses. The points are only valid during the
// call; it returns when they are durable.
type DeadLetters interface {
	Reject(ctx context.Context, points []Rejected) error
}
