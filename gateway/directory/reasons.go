package directory

import (
	"context"
	"database/sql"

	"touchpoint/gateway"
)

// ReasonCount says how often decisions of a kind about a journey had a reason.
type ReasonCount struct {
	Kind    gateway.DecisionKind
	Reason  gateway.Reason
	Journey string
	N       int64
}

// Reasons counts the latest decisions, as many as asked for, by kind, reason
// and journey, the most frequent first. It reads so many rows and no more,
// however many there are.
func (d *Directory) Reasons(ctx context.Context, latest int) ([]ReasonCount, error) {
	if latest <= 0 {
		return nil, gateway.InvalidField("latest", "is %d: count one decision at least", latest)
	}
	var counts []ReasonCount
	err := each(ctx, d.db.Read, `SELECT kind, reason, journey, count(*) AS n
		FROM (SELECT kind, reason, journey FROM decision ORDER BY rowno DESC LIMIT ?)
		GROUP BY kind, reason, journey ORDER BY n DESC, kind, reason, journey`, []any{latest}, func(rows *sql.Rows) error {
		var c ReasonCount
		if err := rows.Scan(&c.Kind, &c.Reason, &c.Journey, &c.N); err != nil {
			return err
		}
		counts = append(counts, c)
		return nil
	})
	return counts, readError(err)
}
