package directory

import (
	"context"
	"database/sql"

	"touchpoint/gateway"
	"touchpoint/internal/sqlite"
)

// Totals count what the gateway did since the log began. The dispositions are
// of inputs: events, receipts and commands alike.
type Totals struct {
	Steps     int64
	Accepted  int64
	Duplicate int64
	TooOld    int64
	Held      int64
	Passed    int64
	Refused   int64
	// Late are events that were held and then applied.
	Late int64
	// Now is the latest time of a partition.
	Now gateway.Instant
}

func (t *Totals) count(d gateway.Disposition) {
	switch d {
	case gateway.Accepted:
		t.Accepted++
	case gateway.Duplicate:
		t.Duplicate++
	case gateway.TooOld:
		t.TooOld++
	case gateway.Held:
		t.Held++
	case gateway.Passed:
		t.Passed++
	case gateway.Refused:
		t.Refused++
	}
}

// fields names the numbers as the database does.
func (t *Totals) fields() map[string]*int64 {
	return map[string]*int64{
		"steps": &t.Steps, "accepted": &t.Accepted, "duplicate": &t.Duplicate, "too_old": &t.TooOld,
		"held": &t.Held, "passed": &t.Passed, "refused": &t.Refused, "late": &t.Late, "now": (*int64)(&t.Now),
	}
}

func (t *Totals) load(ctx context.Context, q querier) error {
	fields := t.fields()
	return each(ctx, q, `SELECT name, n FROM total`, nil, func(rows *sql.Rows) error {
		var name string
		var n int64
		if err := rows.Scan(&name, &n); err != nil {
			return err
		}
		if f := fields[name]; f != nil {
			*f = n
		}
		return nil
	})
}

func (t *Totals) save(tx *sqlite.Tx) error {
	for name, n := range t.fields() {
		if _, err := tx.Exec(`INSERT INTO total (name, n) VALUES (?1, ?2) ON CONFLICT (name) DO UPDATE SET n = ?2`,
			name, *n); err != nil {
			return err
		}
	}
	return nil
}

// Totals returns the totals of what is visible.
func (d *Directory) Totals() Totals {
	d.mu.Lock()
	defer d.mu.Unlock()
	return d.totals
}

type querier interface {
	QueryContext(ctx context.Context, query string, args ...any) (*sql.Rows, error)
}

// each calls fn for the rows of a query.
func each(ctx context.Context, q querier, text string, args []any, fn func(*sql.Rows) error) error {
	rows, err := q.QueryContext(ctx, text, args...)
	if err != nil {
		return err
	}
	defer rows.Close()
	for rows.Next() {
		if err := fn(rows); err != nil {
			return err
		}
	}
	return rows.Err()
}
