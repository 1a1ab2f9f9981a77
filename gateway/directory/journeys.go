package directory

import (
	"context"
	"database/sql"
	"errors"

	"touchpoint/gateway"
)

// JourneyRow is a version of a journey as the partitions have it.
type JourneyRow struct {
	Journey string
	Version uint32
	// State is that of most partitions, At when the last of them took it, and
	// Partitions how many have it: fewer than all while it is being taken.
	State      gateway.JourneyState
	At         gateway.Instant
	Partitions int
}

// Journeys returns the versions of all journeys, by name, the latest first.
func (d *Directory) Journeys(ctx context.Context) ([]JourneyRow, error) {
	var items []JourneyRow
	err := each(ctx, d.db.Read, `SELECT journey, version, state, max(at), count(*) FROM journey
		GROUP BY journey, version, state ORDER BY journey, version DESC, count(*) DESC, max(at) DESC`, nil,
		func(rows *sql.Rows) error {
			var j JourneyRow
			if err := rows.Scan(&j.Journey, &j.Version, &j.State, &j.At, &j.Partitions); err != nil {
				return err
			}
			if n := len(items); n == 0 || items[n-1].Journey != j.Journey || items[n-1].Version != j.Version {
				items = append(items, j)
			}
			return nil
		})
	return items, readError(err)
}

// Definition returns the text of a version.
func (d *Directory) Definition(ctx context.Context, journey string, version uint32) ([]byte, error) {
	var text []byte
	err := d.db.Read.QueryRowContext(ctx, `SELECT text FROM definition WHERE journey = ? AND version = ?`, journey, version).Scan(&text)
	if errors.Is(err, sql.ErrNoRows) {
		return nil, gateway.Errorf(gateway.NotFound, "there is no version %d of journey %q", version, journey)
	}
	return text, readError(err)
}

// Definitions calls fn for the text of every version, oldest first, so that
// delivery can render what an earlier run decided.
func (d *Directory) Definitions(ctx context.Context, fn func(journey string, version uint32, text []byte) error) error {
	return each(ctx, d.db.Read, `SELECT journey, version, text FROM definition ORDER BY journey, version`, nil,
		func(rows *sql.Rows) error {
			var journey string
			var version uint32
			var text []byte
			if err := rows.Scan(&journey, &version, &text); err != nil {
				return err
			}
			return fn(journey, version, text)
		})
}

// JourneyCounts says how many are where. Entered counts all that ever entered,
// Ended those that left, by reason; an erased customer stays counted in both.
type JourneyCounts struct {
	Entered, Active, Converted int64
	Filtered                   int64            // turned away by the trigger's filter, before any decision
	Unowned                    int64            // events of nobody under triggers that count or wait, before any decision
	Messages                   map[string]int64 // by state
	Steps                      map[string]int64 // active, by step
	Ended                      map[string]int64 // by reason
}

// Counts returns the counts of one version, or of all versions when version is
// 0. A journey that nobody entered has zeros.
func (d *Directory) Counts(ctx context.Context, journey string, version uint32) (JourneyCounts, error) {
	c := JourneyCounts{Messages: map[string]int64{}, Steps: map[string]int64{}, Ended: map[string]int64{}}
	err := each(ctx, d.db.Read, `SELECT kind, name, sum(n) FROM journey_count WHERE journey = ?1 AND (?2 = 0 OR version = ?2)
		GROUP BY kind, name HAVING sum(n) != 0`, []any{journey, version}, func(rows *sql.Rows) error {
		var kind, name string
		var n int64
		if err := rows.Scan(&kind, &name, &n); err != nil {
			return err
		}
		switch kind {
		case "entered":
			c.Entered = n
		case "filtered":
			c.Filtered = n
		case "unowned":
			c.Unowned = n
		case "converted":
			c.Converted = n
		case "active":
			c.Active += n
			c.Steps[name] = n
		case "ended":
			c.Ended[name] = n
		case "message":
			c.Messages[name] = n
		}
		return nil
	})
	return c, readError(err)
}

// MessageCounts returns how many messages are in each state, of all journeys.
func (d *Directory) MessageCounts(ctx context.Context) (map[string]int64, error) {
	counts := map[string]int64{}
	err := each(ctx, d.db.Read, `SELECT name, sum(n) FROM journey_count WHERE kind = 'message' GROUP BY name HAVING sum(n) != 0`,
		nil, func(rows *sql.Rows) error {
			var name string
			var n int64
			err := rows.Scan(&name, &n)
			counts[name] = n
			return err
		})
	return counts, readError(err)
}
