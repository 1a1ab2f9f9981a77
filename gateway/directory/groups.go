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

// EffectCount says what became of the units of one arm of a journey. A unit is
// a group, or a customer who is in none.
type EffectCount struct {
	Arm, Split string
	Mixed      bool // members of the unit are in different arms
	Enrolled   int64
	Exposed    int64 // sent to, or would have been
	Converted  int64 // of those exposed
}

// Effect returns what became of those who entered a journey, by arm.
func (d *Directory) Effect(ctx context.Context, journey string) (out []EffectCount, err error) {
	err = each(ctx, d.db.Read, `SELECT arm, split, mixed, count(*), sum(exposed_at != 0), sum(converted_at != 0)
		FROM effect WHERE journey = ? GROUP BY arm, split, mixed ORDER BY arm, split, mixed`, []any{journey}, func(rows *sql.Rows) error {
		var n EffectCount
		err := rows.Scan(&n.Arm, &n.Split, &n.Mixed, &n.Enrolled, &n.Exposed, &n.Converted)
		out = append(out, n)
		return err
	})
	return out, readError(err)
}

// effect notes an entry, a first send that took place or would have, and the
// conversion after it. What was decided for test customers has no arm.
func (a *applier) effect(d *gateway.Decision) {
	if d.Arm == "" {
		return
	}
	var exposed, converted gateway.Instant
	switch {
	case d.Kind == gateway.DecisionEntry && d.Reason == gateway.ReasonEnrolled:
	case d.Kind == gateway.DecisionSend && (d.Reason == gateway.ReasonSent || d.Reason == gateway.ReasonHoldout):
		exposed = d.At
	case d.Kind == gateway.DecisionConversion:
		converted = d.At
	default:
		return
	}
	unit := gateway.CustomerSubject(d.Customer)
	if d.Group != 0 {
		unit = gateway.GroupSubject(d.Group)
	}
	a.exec(`INSERT INTO effect (journey, kind, unit, arm, split, mixed, exposed_at, converted_at) VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, 0)
		ON CONFLICT (journey, kind, unit) DO UPDATE SET split = CASE split WHEN '' THEN ?5 ELSE split END, mixed = max(mixed, ?6),
		exposed_at = CASE exposed_at WHEN 0 THEN ?7 ELSE exposed_at END,
		converted_at = CASE WHEN converted_at = 0 AND exposed_at != 0 THEN ?8 ELSE converted_at END`,
		d.Journey, unit.Kind, int64(unit.ID), d.Arm, d.Split, d.Mixed, int64(exposed), int64(converted))
}

// forgetUnit leaves what was counted of an erased customer without his name.
func (a *applier) forgetUnit(c gateway.CustomerID) {
	a.exec(`UPDATE effect SET kind = 0, unit = (SELECT coalesce(max(o.unit), 0) + 1 FROM effect o WHERE o.journey = effect.journey AND o.kind = 0)
		WHERE kind = ?1 AND unit = ?2`, int64(gateway.SubjectCustomer), int64(c))
}
