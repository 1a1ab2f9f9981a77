package gateway

// Event is one immutable touchpoint record: what a product or a customer did.
type Event struct {
	// ID is the identity that the sender gave, "" when it gave none; then
	// (device, boot, seq), else (device, type, time, payload) identifies it.
	ID string
	// Type names what happened, such as "brew_finished".
	Type string
	// Device is the product unit that it came from, 0 for a touchpoint of the
	// customer alone (a call, a shop visit). Product is its model.
	Device  DeviceID
	Product string
	// Customer is set by the sender of a customer's touchpoint. For a device's
	// event the partition finds the owner by OccurredAt; see Outcome.Customer.
	Customer CustomerID
	// Boot and Seq number the events of a device; HasSeq says that they were sent.
	Boot   uint32
	Seq    uint64
	HasSeq bool
	// OccurredAt is the device's clock, clamped to ReceivedAt when it runs ahead;
	// DeviceTime keeps what the device said (0 when it said nothing).
	OccurredAt Instant
	DeviceTime Instant
	// ReceivedAt is the gateway's clock when the event came in.
	ReceivedAt Instant
	// Source says how it came in.
	Source Source
	// Properties is the payload, flattened.
	Properties Properties
	// PayloadHash identifies the payload when neither ID nor Seq does.
	PayloadHash uint64
}

// Source is the entrance that an event came in by.
type Source uint8

// The entrances.
const (
	SourceUnknown Source = iota
	SourceMQTT
	SourceGRPC
	SourceSystem
)

// Position is a place in the EVENTS log. A write returns it, a read that names
// it waits until that write is visible. The zero Position is before everything.
type Position struct {
	Partition int
	Seq       uint64
}

// Batch is one record of the EVENTS log: inputs of one partition, appended
// together and therefore durable together.
type Batch struct {
	Partition int
	// Seq is the record's sequence in its stream; set when read.
	Seq uint64
	// RecordTime is the gateway's clock at append (virtual when there is one).
	RecordTime Instant
	// Observed is the watermark: intake is complete up to here. Absence is only
	// decided up to it.
	Observed Instant
	Inputs   []Input
}

// Input is one entry of a Batch: an event, or a command when Command is set.
type Input struct {
	Event   Event
	Command Command
	// From names the step of another partition that forwarded this input; it
	// makes the second arrival of a forwarded input harmless.
	From Forwarded
}

// Forwarded identifies a forwarded input by its origin. Steps of a partition
// are numbered from 1, so the zero value means "not forwarded".
type Forwarded struct {
	Partition int
	Step      uint64
	Index     uint32
}
