package journey

import "touchpoint/gateway"

// Partition is the state of one partition.
type Partition struct{}

// NewPartition makes an empty partition.
func NewPartition(cfg Config) *Partition { return &Partition{} }

// Apply applies one record and appends to out what was decided. When out.More
// is set afterwards, commit out and call Apply again with the same record.
func (p *Partition) Apply(b *gateway.Batch, out *gateway.Step) {}

// NextTimer returns the due time of the next timer.
func (p *Partition) NextTimer() (due gateway.Instant, absence, ok bool) { return 0, false, false }

// Replay applies the changes of a committed step.
func (p *Partition) Replay(s *gateway.Step) error { return nil }

// AppendSnapshot appends the state to dst.
func (p *Partition) AppendSnapshot(dst []byte) []byte { return dst }

// Restore replaces the state by that of a snapshot.
func (p *Partition) Restore(data []byte) error { return nil }

// Unfinished calls yield for every message that delivery has still to do with.
func (p *Partition) Unfinished(yield func(gateway.Message)) {}

// Env declares what a definition may refer to.
type Env struct {
	// Events are the declared event types; nil means that any is allowed.
	Events map[string]EventType
	// Channels are those that the installation can send on; nil means any.
	Channels []string
	// CheckTemplate checks the text of a template and the values that it may
	// use; nil means no check.
	CheckTemplate func(text string) error
}

// EventType declares the properties of an event type.
type EventType struct {
	// Properties maps a name to "int", "float", "bool" or "string".
	Properties map[string]string
}

// Definition is a compiled journey.
type Definition struct {
	Name      string
	Purpose   gateway.Purpose
	Templates map[string]map[string]Template // by id (the send step's) and locale
}

// Template is the text of one message in one locale.
type Template struct {
	Title   string
	Body    string
	Actions []Action
}

// Action is a button under a message.
type Action struct {
	ID    string
	Label string
}

// Compile checks a definition and makes it ready to run.
func Compile(yaml []byte, env Env) (*Definition, error) { return &Definition{}, nil }
