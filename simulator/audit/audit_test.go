package audit

import (
	"context"
	"fmt"
	"strings"
	"testing"
	"time"

	"google.golang.org/protobuf/types/known/timestamppb"

	"touchpoint/gateway"
	pb "touchpoint/proto/touchpoint/v1"
	"touchpoint/simulator/ledger"
)

const (
	start = gateway.Instant(1_767_571_200_000) // 2026-01-05
	hour  = gateway.Instant(3_600_000)
)

// world is a gateway's stores and the ledger of a fleet that fit each other; the
// tests spoil one thing each.
type world struct {
	book     *ledger.Book
	arrivals []*pb.Arrival
	steps    []*pb.ReadStepsResponse
	points   []*pb.Event
	messages []*pb.Message
}

func stamp(at gateway.Instant) *timestamppb.Timestamp { return timestamppb.New(at.Time()) }

// newWorld has ten events of two machines and a message after each second one.
func newWorld() *world {
	w := &world{book: &ledger.Book{From: start, To: start + 100*hour}}
	for d := range 2 {
		w.book.Customers = append(w.book.Customers, ledger.Customer{N: d, ID: fmt.Sprintf("c_%d", d), Marketing: true, Service: true})
		w.book.Devices = append(w.book.Devices, ledger.Device{N: d, Product: "barista-3", Serial: fmt.Sprintf("B3-%d", d), ID: fmt.Sprintf("d_%d", d), Customer: d})
	}
	for i := range 10 {
		id, at := fmt.Sprintf("ev-%d", i), start+gateway.Instant(i)*hour
		w.event(id, i%2, at)
		if i%2 == 0 {
			w.message(fmt.Sprintf("m_%d", i), id, i%2, at)
		}
	}
	return w
}

func (w *world) event(id string, device int, at gateway.Instant) {
	w.book.Events = append(w.book.Events, ledger.Event{ID: id, Type: "brew_finished", Device: device, At: at, Sent: int64(at) * 1000, AckedAt: 1, Copies: 1})
	ref := &pb.DeviceRef{Id: w.book.Devices[device].ID}
	w.arrivals = append(w.arrivals, &pb.Arrival{Kind: "event", EventId: id, Type: "brew_finished", Device: ref, ReceivedAt: stamp(at)})
	w.steps = append(w.steps, &pb.ReadStepsResponse{Number: uint64(len(w.steps) + 1), Dispositions: []uint32{accepted}, Now: stamp(at)})
	w.points = append(w.points, &pb.Event{Id: id, Type: "brew_finished", Device: ref, ReceivedAt: stamp(at)})
}

func (w *world) message(id, cause string, device int, at gateway.Instant) {
	step := w.steps[len(w.steps)-1]
	step.Messages = append(step.Messages, &pb.StepMessage{MessageId: id, Journey: "cheers", Cause: cause, DecidedAt: stamp(at), ExpiresAt: stamp(at + 24*hour), Channel: "product"})
	w.arrivals = append(w.arrivals, &pb.Arrival{Kind: "receipt", Type: "displayed", MessageId: id})
	w.steps = append(w.steps, &pb.ReadStepsResponse{Number: uint64(len(w.steps) + 1), Dispositions: []uint32{accepted},
		Updates: []*pb.StepUpdate{{MessageId: id, State: "handed_over"}, {MessageId: id, State: "displayed"}}})
	w.messages = append(w.messages, &pb.Message{Id: id, CustomerId: fmt.Sprintf("c_%d", device), Device: &pb.DeviceRef{Id: fmt.Sprintf("d_%d", device)}})
	w.book.Arrivals = append(w.book.Arrivals, ledger.Arrival{Message: id, Cause: cause, Device: device, At: at, ExpiresAt: at + 24*hour, Wall: int64(at)*1000 + 7000})
	w.book.Displays = append(w.book.Displays, ledger.Shown{Message: id, Device: device, At: at})
	w.book.Receipts = append(w.book.Receipts, ledger.Receipt{Message: id, State: "displayed", Device: device, Acked: true})
}

func (w *world) Arrivals(_ context.Context, emit func(int, *pb.ReadArrivalsResponse) error) error {
	for i, a := range w.arrivals {
		if err := emit(0, &pb.ReadArrivalsResponse{Seq: uint64(i + 1), Arrivals: []*pb.Arrival{a}}); err != nil {
			return err
		}
	}
	return nil
}

func (w *world) Steps(_ context.Context, emit func(int, *pb.ReadStepsResponse) error) error {
	for _, s := range w.steps {
		if err := emit(0, s); err != nil {
			return err
		}
	}
	return nil
}

func (w *world) History(_ context.Context, emit func(*pb.Event) error) error {
	for _, e := range w.points {
		if err := emit(e); err != nil {
			return err
		}
	}
	return nil
}

func (w *world) Messages(_ context.Context, emit func(*pb.Message) error) error {
	for _, m := range w.messages {
		if err := emit(m); err != nil {
			return err
		}
	}
	return nil
}

func (w *world) audit(t *testing.T) *Report {
	t.Helper()
	r, err := Run(context.Background(), w.book, w, Options{})
	if err != nil {
		t.Fatal(err)
	}
	return r
}

func (r *Report) has(k Kind, id string) bool {
	for _, f := range r.Findings {
		if f.Kind == k && f.ID == id {
			return true
		}
	}
	return false
}

func TestClean(t *testing.T) {
	r := newWorld().audit(t)
	if !r.Clean() || r.EventsPublished != 10 || r.EventsStored != 10 || r.Decided != 5 || r.Displayed != 5 || r.Receipts != 5 {
		t.Errorf("%+v", r)
	}
	if r.HandoverP50 != 7*time.Millisecond {
		t.Errorf("hand-over took %v, want 7ms", r.HandoverP50)
	}
}

// The self-test of the audit: what it must find is planted, all at once.
func TestSelf(t *testing.T) {
	w := newWorld()
	// A missing event: acknowledged, but in no store.
	w.book.Events = append(w.book.Events, ledger.Event{ID: "ev-lost", Device: 1, AckedAt: 1, Copies: 1})
	// A doubled display.
	w.book.Displays = append(w.book.Displays, w.book.Displays[0])
	// A stale message: shown an hour after its end.
	w.book.Displays[2].At = w.book.Arrivals[2].ExpiresAt + hour
	// A missing point.
	w.points = append(w.points[:3], w.points[4:]...)
	r := w.audit(t)
	for _, want := range []Finding{{EventLost, "ev-lost", ""}, {MessageDuplicated, "m_0", ""}, {MessageStale, "m_4", ""}, {PointLost, "ev-3", ""}} {
		if !r.has(want.Kind, want.ID) {
			t.Errorf("%s %s was not found", want.Kind, want.ID)
		}
	}
	if len(r.Findings) != 4 || r.EventsLost != 2 || r.MessagesDuplicated != 1 || r.MessagesStale != 1 {
		t.Errorf("found %v, lost %d, duplicated %d, stale %d", r.Findings, r.EventsLost, r.MessagesDuplicated, r.MessagesStale)
	}
	for _, kind := range []Kind{EventLost, MessageDuplicated, MessageStale, PointLost} {
		if !strings.Contains(r.String(), "1 × "+string(kind)) {
			t.Errorf("%q is not in %q", kind, r)
		}
	}
}

func TestEachFault(t *testing.T) {
	for name, c := range map[string]struct {
		spoil func(*world)
		kind  Kind
		id    string
	}{
		"applied twice": {func(w *world) {
			w.arrivals = append(w.arrivals, w.arrivals[0])
			w.steps = append(w.steps, &pb.ReadStepsResponse{Number: 16, Dispositions: []uint32{accepted}})
		}, EventDuplicated, "ev-0"},
		"never applied": {func(w *world) { w.steps[0].Dispositions[0] = duplicate }, EventUnapplied, "ev-0"},
		"point twice":   {func(w *world) { w.points = append(w.points, w.points[5]) }, PointDuplicated, "ev-5"},
		"event made up": {func(w *world) { w.arrivals[0].EventId = "ev-x" }, EventInvented, "ev-x"},
		"point made up": {func(w *world) {
			w.points = append(w.points, &pb.Event{Id: "ev-x", Device: &pb.DeviceRef{Id: "d_0"}, ReceivedAt: stamp(start)})
		}, PointInvented, "ev-x"},
		"message never arrived": {func(w *world) {
			w.book.Arrivals, w.book.Displays, w.book.Receipts = w.book.Arrivals[1:], w.book.Displays[1:], w.book.Receipts[1:]
		}, MessageLost, "m_0"},
		"message forgotten": {func(w *world) {
			w.book.Arrivals, w.book.Displays, w.book.Receipts = w.book.Arrivals[1:], w.book.Displays[1:], w.book.Receipts[1:]
			w.steps[1].Updates = nil
		}, MessageLost, "m_0"},
		"control group": {func(w *world) { w.steps[0].Messages[0].Holdout = true }, MessageLeaked, "m_0"},
		"decided twice": {func(w *world) { w.steps[1].Messages = w.steps[0].Messages }, MessageDuplicated, "m_0"},
		"handed over late": {func(w *world) {
			w.book.Arrivals[1].At = w.book.Arrivals[1].ExpiresAt
		}, MessageStale, "m_2"},
		"never decided":       {func(w *world) { w.steps[0].Messages = nil; w.steps[1].Updates = nil }, MessageInvented, "m_0"},
		"not listed":          {func(w *world) { w.messages = w.messages[1:] }, MessageUnlisted, "m_0"},
		"receipt lost":        {func(w *world) { w.arrivals[1].MessageId = "m_other" }, ReceiptLost, "m_0"},
		"receipt not applied": {func(w *world) { w.steps[1].Updates = w.steps[1].Updates[:1] }, ReceiptUnapplied, "m_0"},
		"step missing":        {func(w *world) { w.steps[5].Number = 99 }, StepHole, "partition 0"},
	} {
		t.Run(name, func(t *testing.T) {
			w := newWorld()
			c.spoil(w)
			if r := w.audit(t); !r.has(c.kind, c.id) || r.Clean() {
				t.Errorf("%s %s was not found, but %v", c.kind, c.id, r.Findings)
			}
		})
	}
}

// What is no fault must not be called one.
func TestNoFault(t *testing.T) {
	for name, spoil := range map[string]func(*world){
		"never acknowledged, not stored": func(w *world) {
			w.book.Events = append(w.book.Events, ledger.Event{ID: "ev-new", Copies: 1})
		},
		"never acknowledged, but stored": func(w *world) { w.book.Events[3].AckedAt = 0 },
		"sent twice": func(w *world) {
			w.book.Events[0].Copies++
			w.arrivals = append(w.arrivals, w.arrivals[0])
			w.steps = append(w.steps, &pb.ReadStepsResponse{Number: 16, Dispositions: []uint32{duplicate}})
		},
		"held until its device's state came": func(w *world) {
			w.steps[0].Dispositions[0] = held
			w.steps[4].LateEvents = []string{"ev-0"}
		},
		"forwarded": func(w *world) {
			from := int32(3)
			w.steps[0].Dispositions[0] = 4
			again := &pb.Arrival{Kind: "event", EventId: "ev-0", Device: w.arrivals[0].Device, FromPartition: &from}
			w.arrivals = append(w.arrivals, again)
			w.steps = append(w.steps, &pb.ReadStepsResponse{Number: 16, Dispositions: []uint32{accepted}})
		},
		"another fleet's": func(w *world) {
			w.arrivals = append(w.arrivals, &pb.Arrival{Kind: "event", EventId: "other", Device: &pb.DeviceRef{Id: "d_99"}})
			w.steps = append(w.steps, &pb.ReadStepsResponse{Number: 16, Dispositions: []uint32{accepted},
				Messages: []*pb.StepMessage{{MessageId: "m_other", DecidedAt: stamp(start + hour), ExpiresAt: stamp(start + 2*hour)}}})
			w.messages = append(w.messages, &pb.Message{Id: "m_other", Device: &pb.DeviceRef{Id: "d_99"}})
		},
		"still waits for its machine": func(w *world) {
			w.steps[0].Messages = append(w.steps[0].Messages, &pb.StepMessage{MessageId: "m_w", DecidedAt: stamp(start + 99*hour), ExpiresAt: stamp(start + 120*hour)})
			w.messages = append(w.messages, &pb.Message{Id: "m_w", Device: &pb.DeviceRef{Id: "d_0"}})
		},
		"redelivered": func(w *world) { w.book.Arrivals = append(w.book.Arrivals, w.book.Arrivals[0]) },
	} {
		t.Run(name, func(t *testing.T) {
			w := newWorld()
			spoil(w)
			if r := w.audit(t); !r.Clean() {
				t.Errorf("found %v", r.Findings)
			}
		})
	}
}
