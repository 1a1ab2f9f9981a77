package history

import (
	"cmp"
	"encoding/base64"
	"encoding/binary"
	"slices"
	"strings"
	"time"

	"github.com/cespare/xxhash/v2"

	"touchpoint/gateway"
)

// subMillis is the part of a point's time below the millisecond, which tells
// events of the same millisecond apart.
const subMillis = 1_000_000

// TimeOf returns the time of a point in nanoseconds: its millisecond and, below
// that, a number made of the event's identity. The same event has the same time
// whenever it is written, and two events of one millisecond have different ones.
func TimeOf(e *gateway.Event) int64 {
	return int64(e.OccurredAt)*subMillis + int64(identity(e)%subMillis)
}

// identity is a hash of what makes the event that event.
func identity(e *gateway.Event) uint64 {
	if e.ID != "" {
		return xxhash.Sum64String(e.ID)
	}
	var b [17]byte
	if e.HasSeq {
		b[0] = 1
		binary.LittleEndian.PutUint64(b[1:], uint64(e.Boot))
		binary.LittleEndian.PutUint64(b[9:], e.Seq)
	} else {
		binary.LittleEndian.PutUint64(b[1:], e.PayloadHash)
	}
	return xxhash.Sum64(b[:])
}

// key orders points by time; subject and type decide between equal times.
type key struct {
	time    int64
	subject uint64
	typ     string
}

func keyOf(p *Point) key { return key{TimeOf(&p.Event), subjectOf(p), p.Event.Type} }

func (k key) compare(o key) int {
	return cmp.Or(cmp.Compare(k.time, o.time), cmp.Compare(k.subject, o.subject), strings.Compare(k.typ, o.typ))
}

// subjectOf is whom a point belongs to: its device, or the customer when the
// touchpoint had none.
func subjectOf(p *Point) uint64 {
	if p.Event.Device != 0 {
		return uint64(p.Event.Device)
	}
	return uint64(p.Customer)
}

// matches reports whether the filter chooses the point. Queries are about events.
func (f *Filter) matches(p *Point) bool {
	return p.Kind == KindEvent &&
		(f.Device == 0 || f.Device == p.Event.Device) &&
		(f.Customer == 0 || f.Customer == p.Customer) &&
		(f.Product == "" || f.Product == p.Event.Product) &&
		(len(f.Types) == 0 || slices.Contains(f.Types, p.Event.Type)) &&
		f.covers(p.Event.OccurredAt)
}

func (f *Filter) covers(t gateway.Instant) bool {
	return t >= f.From && (f.To == 0 || t < f.To)
}

func (f *Filter) validate() error {
	if f.To != 0 && f.To <= f.From {
		return gateway.InvalidField("to", "must be later than from")
	}
	if f.From < 0 || f.To < 0 {
		return gateway.InvalidField("from", "must not be before 1970")
	}
	return nil
}

// fingerprint ties a page token to its query.
func (q *Query) fingerprint() uint64 {
	b := make([]byte, 0, 128)
	b = binary.LittleEndian.AppendUint64(b, uint64(q.Device))
	b = binary.LittleEndian.AppendUint64(b, uint64(q.Customer))
	b = binary.LittleEndian.AppendUint64(b, uint64(q.From))
	b = binary.LittleEndian.AppendUint64(b, uint64(q.To))
	if q.OldestFirst {
		b = append(b, 1)
	}
	for _, s := range append([]string{q.Product}, q.Types...) {
		b = binary.AppendUvarint(b, uint64(len(s)))
		b = append(b, s...)
	}
	return xxhash.Sum64(b)
}

// prepare checks the query, fills its defaults and reads its page token: after
// is the key of the last point that was returned.
func (q *Query) prepare() (after key, has bool, err error) {
	if err := q.validate(); err != nil {
		return key{}, false, err
	}
	switch {
	case q.Limit < 0:
		return key{}, false, gateway.InvalidField("page_size", "must not be negative")
	case q.Limit == 0:
		q.Limit = 100
	case q.Limit > MaxLimit:
		q.Limit = MaxLimit
	}
	if q.Page == "" {
		return key{}, false, nil
	}
	after, err = q.parsePage()
	return after, err == nil, err
}

// next makes the token of the page after the point.
func (q *Query) next(last *Point) string {
	k := keyOf(last)
	b := make([]byte, 0, 24+len(k.typ))
	b = binary.BigEndian.AppendUint64(b, q.fingerprint())
	b = binary.BigEndian.AppendUint64(b, uint64(k.time))
	b = binary.BigEndian.AppendUint64(b, k.subject)
	b = append(b, k.typ...)
	return base64.RawURLEncoding.EncodeToString(b)
}

func (q *Query) parsePage() (key, error) {
	b, err := base64.RawURLEncoding.DecodeString(q.Page)
	if err != nil || len(b) < 24 {
		return key{}, gateway.InvalidField("page_token", "is no token of this service: leave it empty to begin")
	}
	if binary.BigEndian.Uint64(b) != q.fingerprint() {
		return key{}, gateway.InvalidField("page_token", "belongs to another query: repeat the one that returned it")
	}
	return key{int64(binary.BigEndian.Uint64(b[8:])), binary.BigEndian.Uint64(b[16:]), string(b[24:])}, nil
}

// later reports whether a comes behind b in the query's order.
func (q *Query) later(a, b key) bool {
	if q.OldestFirst {
		return a.compare(b) > 0
	}
	return a.compare(b) < 0
}

func (a *Aggregation) prepare() error {
	if err := a.validate(); err != nil {
		return err
	}
	switch a.Function {
	case Count:
	case Sum, Mean, Min, Max, Last:
		if a.Field == "" {
			return gateway.InvalidField("field", "is needed by %s", a.Function)
		}
	default:
		return gateway.InvalidField("function", "is %q, allowed are count, sum, mean, min, max and last", string(a.Function))
	}
	if a.Window < 0 || a.Window%time.Millisecond != 0 {
		return gateway.InvalidField("window", "must be a positive number of milliseconds")
	}
	for i, g := range a.Groups {
		switch g {
		case ByDevice, ByCustomer, ByType, ByProduct:
		default:
			return gateway.InvalidField("group_by", "holds %q, allowed are device, customer, type and product", string(g))
		}
		if slices.Contains(a.Groups[:i], g) {
			return gateway.InvalidField("group_by", "holds %q twice", string(g))
		}
	}
	return nil
}

// start returns the begin of the window that t lies in.
func (a *Aggregation) start(t gateway.Instant) gateway.Instant {
	if a.Window == 0 {
		return 0
	}
	w := gateway.Instant(a.Window.Milliseconds())
	start := t - t%w
	if t%w < 0 {
		start -= w
	}
	return start
}

// sortRows brings rows into the order that Aggregate promises.
func sortRows(rows []Row) {
	slices.SortFunc(rows, func(a, b Row) int {
		return cmp.Or(cmp.Compare(a.Start, b.Start), strings.Compare(a.Product, b.Product), strings.Compare(a.Type, b.Type),
			cmp.Compare(a.Device, b.Device), cmp.Compare(a.Customer, b.Customer))
	})
}

// scanBefore is the order of Scan over all partitions.
func scanBefore(a, b *Point) bool {
	switch {
	case a.AppliedAt != b.AppliedAt:
		return a.AppliedAt < b.AppliedAt
	case a.Place.Partition != b.Place.Partition:
		return a.Place.Partition < b.Place.Partition
	}
	return a.Place.Before(b.Place)
}
