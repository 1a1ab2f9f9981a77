package directory

import (
	"context"
	"database/sql"

	"touchpoint/gateway"
)

// Standing returns how many partitions have which state of a version.
func (d *Directory) Standing(ctx context.Context, journey string, version uint32) (map[gateway.JourneyState]int, error) {
	states := map[gateway.JourneyState]int{}
	err := each(ctx, d.db.Read, `SELECT state, count(*) FROM journey WHERE journey = ?1 AND version = ?2 GROUP BY state`,
		[]any{journey, version}, func(rows *sql.Rows) error {
			var state string
			var n int
			err := rows.Scan(&state, &n)
			states[gateway.JourneyState(state)] = n
			return err
		})
	return states, readError(err)
}
