package ledger

import (
	"bufio"
	"bytes"
	"errors"
	"io"
	"os"
	"strconv"

	"touchpoint/gateway"
)

// Book is a ledger as it was read.
type Book struct {
	Customers []Customer
	Devices   []Device
	Events    []Event
	Receipts  []Receipt
	Arrivals  []Arrival
	Displays  []Shown
	Stale     []Shown
	// From and To are the virtual times between which the fleet ran.
	From, To gateway.Instant
	// Torn says that the last record was cut off and is left out.
	Torn bool
}

// Customer is a customer of the fleet.
type Customer struct {
	N                  int
	ID                 string
	Marketing, Service bool
}

// Device is a device of the fleet.
type Device struct {
	N               int
	Product, Serial string
	ID              string
	Customer        int
}

// Event is a published event. Sent and AckedAt are wall times in microseconds;
// AckedAt is 0 while no publish that carried it was acknowledged.
type Event struct {
	ID, Type string
	Device   int
	At       gateway.Instant
	Sent     int64
	AckedAt  int64
	// Copies counts the publishes that carried it.
	Copies int
}

// Receipt is an answer of a device.
type Receipt struct {
	Message string
	State   string
	Device  int
	At      gateway.Instant
	Acked   bool
}

// Arrival is a message as it came from the wire.
type Arrival struct {
	Message, Cause string
	Device         int
	Withdraw       bool
	ExpiresAt, At  gateway.Instant
	Wall           int64
}

// Shown is a display, or a message dropped because it came too late.
type Shown struct {
	Message string
	Device  int
	At      gateway.Instant
	Wall    int64
}

// Read reads a ledger. A last line that was torn by a crash is left out; a line
// of any other form in the midst is an error that names it.
func Read(path string) (*Book, error) {
	f, err := os.Open(path)
	if err != nil {
		return nil, gateway.Errorf(gateway.Invalid, "ledger: %w", err)
	}
	defer f.Close()
	r := reader{in: bufio.NewReaderSize(f, 1<<18), book: &Book{}, events: make(map[string]int32)}
	if err := r.all(); err != nil {
		return nil, err
	}
	return r.book, nil
}

// sentBy is what a publish carried; a publish carries either events, which are
// neighbours unless repeated, or one receipt.
type sentBy struct {
	events  []int32
	receipt int32 // index + 1
}

type reader struct {
	in     *bufio.Reader
	book   *Book
	line   int
	fields [8][]byte
	n      int
	events map[string]int32
	flying map[uint64]sentBy
}

func (r *reader) all() error {
	head, err := r.in.ReadString('\n')
	if err != nil || head != magic+"\n" {
		return gateway.Errorf(gateway.Invalid, "ledger: the file does not begin as a ledger does")
	}
	r.flying, r.line = make(map[uint64]sentBy), 1
	for {
		text, err := r.in.ReadSlice('\n')
		switch {
		case errors.Is(err, io.EOF):
			r.book.Torn = len(text) > 0
			return nil
		case err != nil:
			return gateway.Errorf(gateway.Invalid, "ledger: %w", err)
		}
		r.line++
		if !r.split(text[:len(text)-1]) || !r.record() {
			return gateway.Errorf(gateway.Invalid, "ledger: line %d is no record", r.line)
		}
	}
}

func (r *reader) split(text []byte) bool {
	r.n = 0
	for r.n < len(r.fields) {
		i := bytes.IndexByte(text, '\t')
		if i < 0 {
			r.fields[r.n] = text
			r.n++
			return true
		}
		r.fields[r.n] = text[:i]
		r.n++
		text = text[i+1:]
	}
	return false
}

func (r *reader) int(i int) int64 {
	neg, v := false, int64(0)
	for k, c := range r.fields[i] {
		switch {
		case c == '-' && k == 0:
			neg = true
		case c < '0' || c > '9':
			return 0
		default:
			v = v*10 + int64(c-'0')
		}
	}
	if neg {
		return -v
	}
	return v
}

func (r *reader) text(i int) string { return string(r.fields[i]) }
func (r *reader) yes(i int) bool    { ok, _ := strconv.ParseBool(r.text(i)); return ok }

// record takes one line; false when it has another form.
func (r *reader) record() bool {
	if len(r.fields[0]) != 1 {
		return false
	}
	b, kind := r.book, r.fields[0][0]
	want := map[byte]int{'C': 5, 'D': 6, 'E': 7, 'R': 7, 'A': 3, 'M': 7, 'W': 7, 'S': 5, 'X': 5, 'T': 3}[kind]
	if want == 0 || r.n != want {
		return false
	}
	switch kind {
	case 'C':
		b.Customers = append(b.Customers, Customer{int(r.int(1)), r.text(2), r.yes(3), r.yes(4)})
	case 'D':
		b.Devices = append(b.Devices, Device{int(r.int(1)), r.text(2), r.text(3), r.text(4), int(r.int(5))})
	case 'E':
		r.event()
	case 'R':
		b.Receipts = append(b.Receipts, Receipt{Device: int(r.int(3)), Message: r.text(4), State: r.text(5), At: gateway.Instant(r.int(6))})
		r.flying[uint64(r.int(2))] = sentBy{receipt: int32(len(b.Receipts))}
	case 'A':
		r.acked()
	case 'M', 'W':
		b.Arrivals = append(b.Arrivals, Arrival{Wall: r.int(1), Device: int(r.int(2)), Message: r.text(3), Cause: r.text(4),
			ExpiresAt: gateway.Instant(r.int(5)), At: gateway.Instant(r.int(6)), Withdraw: kind == 'W'})
	case 'S', 'X':
		s := Shown{Wall: r.int(1), Device: int(r.int(2)), Message: r.text(3), At: gateway.Instant(r.int(4))}
		if kind == 'S' {
			b.Displays = append(b.Displays, s)
		} else {
			b.Stale = append(b.Stale, s)
		}
	case 'T':
		b.To = gateway.Instant(r.int(2))
		if b.From == 0 {
			b.From = b.To
		}
	}
	return true
}

func (r *reader) event() {
	b := r.book
	i, known := r.events[string(r.fields[4])]
	if !known {
		i = int32(len(b.Events))
		e := Event{ID: r.text(4), Type: eventType(r.fields[5]), Device: int(r.int(3)), At: gateway.Instant(r.int(6)), Sent: r.int(1)}
		b.Events = append(b.Events, e)
		r.events[e.ID] = i
	}
	b.Events[i].Copies++
	n := uint64(r.int(2))
	s := r.flying[n]
	s.events = append(s.events, i)
	r.flying[n] = s
}

// eventType shares the few names that nearly all events have.
func eventType(b []byte) string {
	switch string(b) {
	case "brew_finished":
		return "brew_finished"
	case "descaling_finished":
		return "descaling_finished"
	}
	return string(b)
}

func (r *reader) acked() {
	n := uint64(r.int(2))
	s, ok := r.flying[n]
	if !ok {
		return // a greeting or a marker: nothing that is audited
	}
	delete(r.flying, n)
	if s.receipt > 0 {
		r.book.Receipts[s.receipt-1].Acked = true
		return
	}
	for _, i := range s.events {
		if e := &r.book.Events[i]; e.AckedAt == 0 {
			e.AckedAt = r.int(1)
		}
	}
}
