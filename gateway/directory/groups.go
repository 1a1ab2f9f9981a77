package directory

import (
	"context"
	"database/sql"

	"touchpoint/gateway"
)

// MembershipQuery chooses memberships of groups; zero fields choose all.
type MembershipQuery struct {
	Customer   gateway.CustomerID
	Group      gateway.GroupID
	WithFormer bool
	Limit      int
}

// Memberships returns who is in which group, by the time of joining.
func (d *Directory) Memberships(ctx context.Context, q MembershipQuery) ([]gateway.Membership, error) {
	var s selection
	choose(&s, "customer = ?", q.Customer, int64(q.Customer))
	choose(&s, "grp = ?", q.Group, int64(q.Group))
	if !q.WithFormer {
		s.where = append(s.where, "to_time = 0")
	}
	if s.limit = q.Limit; s.limit <= 0 {
		s.limit = MaxLimit
	}
	page, err := list(ctx, d, &s, `SELECT customer, grp, from_time, to_time, role FROM membership`, "from_time, customer",
		func(rows *sql.Rows, _ *place, m *gateway.Membership) error {
			var customer, group int64
			err := rows.Scan(&customer, &group, &m.From, &m.To, &m.Role)
			m.Customer, m.Group = gateway.CustomerID(customer), gateway.GroupID(group)
			return err
		})
	return page.Items, err
}

// Members calls fn for every present membership; intake loads its router by it.
func (d *Directory) Members(ctx context.Context, fn func(gateway.Membership) error) error {
	return each(ctx, d.db.Read, `SELECT customer, grp FROM membership WHERE to_time = 0`, nil, func(rows *sql.Rows) error {
		var customer, group int64
		if err := rows.Scan(&customer, &group); err != nil {
			return err
		}
		return fn(gateway.Membership{Customer: gateway.CustomerID(customer), Group: gateway.GroupID(group)})
	})
}

func (a *applier) membership(m *gateway.Membership) {
	a.exec(`INSERT INTO membership (customer, grp, from_time, to_time, role) VALUES (?1, ?2, ?3, ?4, ?5)
		ON CONFLICT (customer, grp, from_time) DO UPDATE SET to_time = ?4, role = ?5`,
		int64(m.Customer), int64(m.Group), int64(m.From), int64(m.To), m.Role)
}
