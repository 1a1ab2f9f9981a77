// Package audit compares what a fleet did and saw, as its ledger says, with
// what the gateway's stores hold row by row: the raw records of its event log,
// its steps, its history and its messages. It finds what was lost, doubled,
// stale or made up, and names each by its id.
//
// It trusts no counter of the gateway, and it is meant for a gateway that was
// drained: what is still under way would count as lost.
package audit

import (
	"context"
	"fmt"
	"slices"
	"strings"
	"sync"
	"time"

	"golang.org/x/sync/errgroup"

	"touchpoint/gateway"
	pb "touchpoint/proto/touchpoint/v1"
	"touchpoint/simulator/ledger"
)

// Source reads the gateway's stores. Each method emits every row there is;
// those of one partition in their order.
type Source interface {
	Arrivals(ctx context.Context, emit func(partition int, r *pb.ReadArrivalsResponse) error) error
	Steps(ctx context.Context, emit func(partition int, r *pb.ReadStepsResponse) error) error
	History(ctx context.Context, emit func(*pb.Event) error) error
	Messages(ctx context.Context, emit func(*pb.Message) error) error
}

// Kind says what is wrong.
type Kind string

// The kinds of finding.
const (
	EventLost         Kind = "event lost"               // acknowledged, but not in the event log
	EventUnapplied    Kind = "event not applied"        // in the event log, but no step took it
	EventDuplicated   Kind = "event applied twice"      // accepted by more than one step
	EventInvented     Kind = "event made up"            // in the event log, but no machine sent it
	PointLost         Kind = "point missing"            // accepted, but not in history
	PointDuplicated   Kind = "point doubled"            // in history more than once
	PointInvented     Kind = "point made up"            // in history, but never accepted
	MessageLost       Kind = "message lost"             // decided, but neither arrived nor ended
	MessageDuplicated Kind = "message displayed twice"  // or decided twice
	MessageStale      Kind = "message stale"            // handed over or displayed after its end
	MessageInvented   Kind = "message made up"          // arrived, but no step decided it
	MessageLeaked     Kind = "control message arrived"  // of the control group, must not be handed over
	MessageUnlisted   Kind = "message not listed"       // decided, but not among the messages of the read model
	ReceiptLost       Kind = "receipt lost"             // acknowledged, but not in the event log
	ReceiptUnapplied  Kind = "receipt not applied"      // displayed, but no step says so
	StepHole          Kind = "step missing"             // the numbers of the steps have a gap
	ModelMissing      Kind = "message missing by model" // should have been decided
	ModelExtra        Kind = "message against model"    // should not have been decided
)

// Finding is one thing that is wrong.
type Finding struct {
	Kind   Kind
	ID     string
	Detail string
}

// Journey counts the messages of a journey, as the stores and the ledger have
// them row by row.
type Journey struct {
	Name                                                                    string
	Decided, HeldOut, Arrived, Displayed, Expired, Withdrawn, Waiting, Lost int
}

// Report is the outcome of an audit.
type Report struct {
	Findings []Finding
	Journeys []Journey
	// Days is the virtual time that the ledger covers.
	Days float64
	// EventsPublished counts distinct events that machines published, Unsettled
	// those of them that were never acknowledged: they may be stored or not.
	EventsPublished, Unsettled int
	EventsStored               int
	EventsLost                 int
	EventsDuplicated           int
	// Resent counts repeated publishes, Refused those that the gateway knew.
	Resent, Refused int
	Points          int
	// Totals over the journeys.
	Decided, HeldOut, Arrived, Displayed, Expired, Waiting int
	MessagesLost, MessagesDuplicated, MessagesStale        int
	Dropped                                                int // came too late and was not shown
	Receipts                                               int
	// HandoverP50 and HandoverP99 are wall times from the publish of an event to
	// the arrival of the message that it led to.
	HandoverP50, HandoverP99 time.Duration
	// Torn says that the ledger's last record was cut off.
	Torn bool
	Took time.Duration
}

// Clean reports whether nothing is wrong.
func (r *Report) Clean() bool { return len(r.Findings) == 0 }

// Count counts the findings of some kinds.
func (r *Report) Count(kinds ...Kind) (n int) {
	for i := range r.Findings {
		if slices.Contains(kinds, r.Findings[i].Kind) {
			n++
		}
	}
	return n
}

// Options of an audit.
type Options struct {
	// Model recomputes which messages of the three example journeys must exist
	// and compares.
	Model bool
}

// Run audits a drained gateway by a ledger.
func Run(ctx context.Context, book *ledger.Book, src Source, o Options) (*Report, error) {
	begin := time.Now()
	a := newAudit(book)
	if err := a.read(ctx, src); err != nil {
		return nil, fmt.Errorf("audit: %w", err)
	}
	a.checkEvents()
	a.checkReceipts()
	a.checkMessages()
	if o.Model {
		a.checkModel()
	}
	a.total()
	a.report.Took = time.Since(begin)
	return &a.report, nil
}

// read reads the stores; the history goes beside the logs, of which it touches
// nothing but its own counts.
func (a *audit) read(ctx context.Context, src Source) error {
	group, gctx := errgroup.WithContext(ctx)
	group.Go(func() error { return a.readHistory(gctx, src) })
	group.Go(func() error {
		if err := a.readArrivals(gctx, src); err != nil {
			return err
		}
		return a.readSteps(gctx, src)
	})
	if err := group.Wait(); err != nil {
		return err
	}
	return a.readMessages(ctx, src)
}

// seen is what the stores hold of one event of the ledger.
type seen struct {
	raw, accepted, refused, held, points uint16
	occurred, applied                    gateway.Instant // as history has it
}

// message is what steps, read model and ledger say about one message.
type message struct {
	id, journey, step, cause, customer string
	decided, listed                    int
	holdout                            bool
	decidedAt, expiresAt               gateway.Instant
	state                              string // the last that a step recorded
	displayedBySteps                   bool
	arrivals, displays                 []int32 // indices into the ledger
	withdrawn, dropped                 bool
	lost                               bool
	foreign                            bool // for a machine of somebody else
}

type audit struct {
	book     *ledger.Book
	mu       sync.Mutex // of the findings
	report   Report
	events   map[string]int32
	devices  map[string]bool // internal ids and serials of the fleet
	seen     []seen
	raw      map[int][]int32 // by partition, the inputs in order: index of the event, -1 for others
	messages map[string]*message
	order    []*message
	receipts map[receiptKey]int
}

type receiptKey struct{ message, state string }

func newAudit(book *ledger.Book) *audit {
	a := &audit{book: book, events: make(map[string]int32, len(book.Events)), devices: make(map[string]bool),
		seen: make([]seen, len(book.Events)), raw: make(map[int][]int32), messages: make(map[string]*message),
		receipts: make(map[receiptKey]int)}
	for i := range book.Events {
		a.events[book.Events[i].ID] = int32(i)
	}
	for _, d := range book.Devices {
		a.devices[d.ID], a.devices[d.Product+"/"+d.Serial] = true, true
	}
	a.report.Torn = book.Torn
	a.report.Days = book.To.Sub(book.From).Hours() / 24
	return a
}

func (a *audit) find(k Kind, id, format string, args ...any) {
	a.mu.Lock()
	defer a.mu.Unlock()
	a.report.Findings = append(a.report.Findings, Finding{k, id, fmt.Sprintf(format, args...)})
}

// ours reports whether a device is of the fleet: a gateway may have others.
func (a *audit) ours(d *pb.DeviceRef) bool {
	return a.devices[d.GetId()] || d.GetSerial() != "" && a.devices[d.Product+"/"+d.Serial]
}

func (a *audit) readArrivals(ctx context.Context, src Source) error {
	return src.Arrivals(ctx, func(p int, r *pb.ReadArrivalsResponse) error {
		list := a.raw[p]
		for _, in := range r.Arrivals {
			list = append(list, a.arrival(in))
		}
		a.raw[p] = list
		return nil
	})
}

// arrival notes one raw input and returns the index of its event, -1 for none
// of ours.
func (a *audit) arrival(in *pb.Arrival) int32 {
	switch in.Kind {
	case "receipt":
		a.receipts[receiptKey{in.MessageId, in.Type}]++
		return -1
	case "event":
	default:
		return -1
	}
	i, ok := a.events[in.EventId]
	if !ok {
		if a.ours(in.Device) && instant(in.ReceivedAt) >= a.book.From {
			a.find(EventInvented, in.EventId, "of type %s", in.Type)
		}
		return -1
	}
	if in.FromPartition == nil {
		a.seen[i].raw++
	}
	return i
}

// The dispositions of an input, as ReadSteps numbers them.
const (
	accepted = iota
	duplicate
	tooOld
	held
)

func (a *audit) readSteps(ctx context.Context, src Source) error {
	at, last := make(map[int]int), make(map[int]uint64)
	return src.Steps(ctx, func(p int, s *pb.ReadStepsResponse) error {
		if s.Number != last[p]+1 {
			a.find(StepHole, fmt.Sprintf("partition %d", p), "step %d follows step %d", s.Number, last[p])
		}
		last[p] = s.Number
		for _, d := range s.Dispositions {
			if at[p] >= len(a.raw[p]) {
				break // a record that came after the arrivals were read
			}
			if i := a.raw[p][at[p]]; i >= 0 {
				a.disposed(&a.seen[i], d)
			}
			at[p]++
		}
		for _, id := range s.LateEvents {
			if i, ok := a.events[id]; ok && a.seen[i].held > 0 {
				a.seen[i].held--
				a.seen[i].accepted++
			}
		}
		a.stepMessages(s)
		return nil
	})
}

func (a *audit) disposed(s *seen, disposition uint32) {
	switch disposition {
	case accepted, tooOld:
		s.accepted++
	case duplicate:
		s.refused++
	case held:
		s.held++
	}
}

func (a *audit) stepMessages(s *pb.ReadStepsResponse) {
	for _, m := range s.Messages {
		msg := a.message(m.MessageId)
		msg.decided++
		msg.journey, msg.cause, msg.holdout = m.Journey, m.Cause, m.Holdout
		msg.decidedAt, msg.expiresAt = instant(m.DecidedAt), instant(m.ExpiresAt)
		if msg.state == "" {
			msg.state = "decided"
		}
	}
	for _, u := range s.Updates {
		msg := a.message(u.MessageId)
		msg.displayedBySteps = msg.displayedBySteps || u.State == "displayed"
		if u.State == "delivered" && msg.displayedBySteps {
			continue // a late word changes nothing
		}
		msg.state = u.State
	}
}

func (a *audit) message(id string) *message {
	m := a.messages[id]
	if m == nil {
		m = &message{id: id}
		a.messages[id] = m
		a.order = append(a.order, m)
	}
	return m
}

func (a *audit) readHistory(ctx context.Context, src Source) error {
	return src.History(ctx, func(e *pb.Event) error {
		i, ok := a.events[e.Id]
		switch {
		case ok:
			a.seen[i].points++
			a.seen[i].occurred, a.seen[i].applied = instant(e.OccurredAt), instant(e.AppliedAt)
			a.report.Points++
		case a.ours(e.Device) && instant(e.ReceivedAt) >= a.book.From:
			a.find(PointInvented, e.Id, "of type %s", e.Type)
		}
		return nil
	})
}

func (a *audit) readMessages(ctx context.Context, src Source) error {
	return src.Messages(ctx, func(m *pb.Message) error {
		if msg := a.messages[m.Id]; msg != nil {
			msg.listed++
			msg.customer, msg.step = m.CustomerId, m.Step
			msg.foreign = !a.ours(m.Device)
		}
		return nil
	})
}

// String says in a line what the report comes to.
func (r *Report) String() string {
	if r.Clean() {
		return fmt.Sprintf("nothing lost, nothing doubled, nothing stale (%d events, %d messages)", r.EventsPublished, r.Decided)
	}
	counts := make(map[Kind]int)
	var kinds []string
	for _, f := range r.Findings {
		if counts[f.Kind]++; counts[f.Kind] == 1 {
			kinds = append(kinds, string(f.Kind))
		}
	}
	for i, k := range kinds {
		kinds[i] = fmt.Sprintf("%d × %s", counts[Kind(k)], k)
	}
	return strings.Join(kinds, ", ")
}
