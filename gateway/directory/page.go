package directory

import (
	"encoding/base64"
	"encoding/binary"
	"fmt"
	"hash/fnv"
	"strings"

	"touchpoint/gateway"
)

// MaxLimit is the largest page; a query that names no limit gets 100 items.
const MaxLimit = 1000

// Page is one page of a query: its items and the cursor of the next page, "" on
// the last one. Rows that come or go while someone pages neither shift nor
// repeat what is on the other pages.
type Page[T any] struct {
	Items []T
	Next  string
}

// place is where a page ended: the order's time (0 where rows are in order of
// arrival) and the row's number.
type place struct{ at, row int64 }

const cursorSize = 24

// cursor makes the text of a place; it belongs to the query alone that the
// fingerprint is of.
func (p place) cursor(fingerprint uint64) string {
	b := make([]byte, 0, cursorSize)
	b = binary.BigEndian.AppendUint64(b, fingerprint)
	b = binary.BigEndian.AppendUint64(b, uint64(p.at))
	b = binary.BigEndian.AppendUint64(b, uint64(p.row))
	return base64.RawURLEncoding.EncodeToString(b)
}

func parseCursor(s string, fingerprint uint64) (place, error) {
	b, err := base64.RawURLEncoding.DecodeString(s)
	if err != nil || len(b) != cursorSize {
		return place{}, gateway.InvalidField("page_token", "is no token of this service: leave it empty to begin")
	}
	if binary.BigEndian.Uint64(b) != fingerprint {
		return place{}, gateway.InvalidField("page_token", "belongs to another query: repeat the one that returned it")
	}
	return place{int64(binary.BigEndian.Uint64(b[8:])), int64(binary.BigEndian.Uint64(b[16:]))}, nil
}

// selection builds the text of a query. Values only ever become parameters.
type selection struct {
	where []string
	args  []any
	print uint64
	limit int
	err   error
}

// choose adds a condition when the value is set.
func choose[T comparable](s *selection, condition string, v T, arg any) {
	var zero T
	if v != zero {
		s.where = append(s.where, condition)
		s.args = append(s.args, arg)
	}
}

// oneOf adds a condition that a column is among the values.
func oneOf[T any](s *selection, column string, list []T, arg func(T) any) {
	if len(list) == 0 {
		return
	}
	s.where = append(s.where, column+" IN (?"+strings.Repeat(",?", len(list)-1)+")")
	for _, v := range list {
		s.args = append(s.args, arg(v))
	}
}

// page ends the conditions: the fingerprint is of all that were added, and the
// cursor leads on from where the page before ended, downwards.
func (s *selection) page(limit int, cursor, timeColumn, rowColumn string) {
	h := fnv.New64a()
	fmt.Fprint(h, s.where, s.args)
	s.print = h.Sum64()
	switch {
	case limit < 0:
		s.err = gateway.InvalidField("page_size", "must not be negative")
	case limit == 0:
		limit = 100
	}
	s.limit = min(limit, MaxLimit)
	if cursor == "" || s.err != nil {
		return
	}
	at, err := parseCursor(cursor, s.print)
	if err != nil {
		s.err = err
		return
	}
	if timeColumn == "" {
		s.where = append(s.where, rowColumn+" < ?")
		s.args = append(s.args, at.row)
		return
	}
	s.where = append(s.where, "("+timeColumn+", "+rowColumn+") < (?, ?)")
	s.args = append(s.args, at.at, at.row)
}

// text returns the query with its conditions, order and limit; one row more
// than the page has tells whether there is another.
func (s *selection) text(from, order string) (string, []any) {
	if len(s.where) > 0 {
		from += " WHERE " + strings.Join(s.where, " AND ")
	}
	return from + " ORDER BY " + order + " LIMIT ?", append(s.args, s.limit+1)
}

// finish cuts the row too many and makes the cursor.
func finish[T any](s *selection, items []T, places []place) Page[T] {
	if len(items) <= s.limit {
		return Page[T]{Items: items}
	}
	return Page[T]{Items: items[:s.limit], Next: places[s.limit-1].cursor(s.print)}
}

func validRange(from, to gateway.Instant) error {
	if from < 0 || to < 0 {
		return gateway.InvalidField("from", "must not be before 1970")
	}
	if to != 0 && to <= from {
		return gateway.InvalidField("to", "must be later than from")
	}
	return nil
}
