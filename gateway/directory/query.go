package directory

import (
	"context"
	"database/sql"
	"errors"

	"touchpoint/gateway"
)

// Customer returns the open part of a customer.
func (d *Directory) Customer(ctx context.Context, c gateway.CustomerID) (gateway.CustomerProfile, error) {
	p := gateway.CustomerProfile{Customer: c}
	var channels, attributes, agreed, quiet string
	err := d.db.Read.QueryRowContext(ctx, `SELECT locale, time_zone, country, channels, attributes, consents, test, changed_at,
		quiet, cap_count, cap_window FROM customer WHERE id = ?`, int64(c)).
		Scan(&p.Locale, &p.TimeZone, &p.Country, &channels, &attributes, &agreed, &p.Test, &p.ChangedAt, &quiet, &p.CapCount, &p.CapWindow)
	if errors.Is(err, sql.ErrNoRows) {
		return p, gateway.Errorf(gateway.NotFound, "there is no customer %v", c)
	}
	if err != nil {
		return p, readError(err)
	}
	var errs [4]error
	p.Channels, errs[0] = parseTextList(channels)
	p.Attributes, errs[1] = parseProperties(attributes)
	p.Consents, errs[2] = parseConsents(agreed)
	p.QuietHours, errs[3] = parseQuietHours(quiet)
	return p, readError(errors.Join(errs[:]...))
}

// Customers calls fn for every customer, in no order, until fn fails.
func (d *Directory) Customers(ctx context.Context, fn func(gateway.CustomerID) error) error {
	return each(ctx, d.db.Read, `SELECT id FROM customer`, nil, func(rows *sql.Rows) error {
		var id int64
		if err := rows.Scan(&id); err != nil {
			return err
		}
		return fn(gateway.CustomerID(id))
	})
}

// OwnershipQuery chooses ownerships; zero fields choose all.
type OwnershipQuery struct {
	Customer   gateway.CustomerID
	Device     gateway.DeviceID
	WithFormer bool
	Limit      int
	Cursor     string
}

// Ownerships returns who owns what, the latest recorded first.
func (d *Directory) Ownerships(ctx context.Context, q OwnershipQuery) (Page[gateway.Ownership], error) {
	var s selection
	choose(&s, "customer = ?", q.Customer, int64(q.Customer))
	choose(&s, "device = ?", q.Device, int64(q.Device))
	if !q.WithFormer {
		s.where = append(s.where, "to_time = 0")
	}
	s.page(q.Limit, q.Cursor, "", "id")
	return list(ctx, d, &s, `SELECT id, device, customer, from_time, to_time, product, role FROM ownership`, "id DESC",
		func(rows *sql.Rows, p *place, o *gateway.Ownership) error {
			var device, customer int64
			err := rows.Scan(&p.row, &device, &customer, &o.From, &o.To, &o.Product, &o.Role)
			o.Device, o.Customer = gateway.DeviceID(device), gateway.CustomerID(customer)
			return err
		})
}

// list runs a selection and reads a page of it.
func list[T any](ctx context.Context, d *Directory, s *selection, from, order string,
	scan func(*sql.Rows, *place, *T) error) (Page[T], error) {
	if s.err != nil {
		return Page[T]{}, s.err
	}
	text, args := s.text(from, order)
	var items []T
	var places []place
	err := each(ctx, d.db.Read, text, args, func(rows *sql.Rows) error {
		var item T
		var p place
		if err := scan(rows, &p, &item); err != nil {
			return err
		}
		items, places = append(items, item), append(places, p)
		return nil
	})
	if err != nil {
		return Page[T]{}, readError(err)
	}
	return finish(s, items, places), nil
}

// EnrollmentQuery chooses enrollments; zero fields choose all.
type EnrollmentQuery struct {
	Customer gateway.CustomerID
	Journey  string
	Version  uint32
	Step     string
	Active   bool // only those that have not ended
	Limit    int
	Cursor   string
}

// Enrollments returns enrollments, the latest entered first.
func (d *Directory) Enrollments(ctx context.Context, q EnrollmentQuery) (Page[gateway.Enrollment], error) {
	var s selection
	choose(&s, "customer = ?", q.Customer, int64(q.Customer))
	choose(&s, "journey = ?", q.Journey, q.Journey)
	choose(&s, "version = ?", q.Version, q.Version)
	choose(&s, "step = ?", q.Step, q.Step)
	if q.Active {
		s.where = append(s.where, "ended_at = 0")
	}
	s.page(q.Limit, q.Cursor, "", "rowno")
	return list(ctx, d, &s, selectEnrollment, "rowno DESC", scanEnrollment)
}

// Enrollment returns one enrollment.
func (d *Directory) Enrollment(ctx context.Context, id gateway.EnrollmentID) (gateway.Enrollment, error) {
	s := selection{where: []string{"id = ?"}, args: []any{id[:]}, limit: 1}
	page, err := list(ctx, d, &s, selectEnrollment, "rowno", scanEnrollment)
	if err == nil && len(page.Items) == 0 {
		err = gateway.Errorf(gateway.NotFound, "there is no enrollment %v", id)
	}
	if err != nil {
		return gateway.Enrollment{}, err
	}
	return page.Items[0], nil
}

const selectEnrollment = `SELECT rowno, id, journey, version, customer, device, key, step, arm, entered_at, changed_at,
	ended_at, end_reason, converted, waits_until, recipient, origin FROM enrollment`

func scanEnrollment(rows *sql.Rows, p *place, e *gateway.Enrollment) error {
	var id, origin []byte
	var customer, device int64
	err := rows.Scan(&p.row, &id, &e.Journey, &e.Version, &customer, &device, &e.Key, &e.Step, &e.Arm, &e.EnteredAt,
		&e.ChangedAt, &e.EndedAt, &e.EndReason, &e.Converted, &e.WaitsUntil, &e.Recipient, &origin)
	copy(e.ID[:], id)
	copy(e.Origin[:], origin)
	e.Customer, e.Device = gateway.CustomerID(customer), gateway.DeviceID(device)
	return err
}

// DecisionQuery chooses decisions; zero fields choose all. From is inclusive,
// To exclusive.
type DecisionQuery struct {
	Customer gateway.CustomerID
	Journey  string
	EventID  string
	Reasons  []gateway.Reason
	Kinds    []gateway.DecisionKind
	From, To gateway.Instant
	Limit    int
	Cursor   string
}

// Decisions returns decision records, the latest recorded first.
func (d *Directory) Decisions(ctx context.Context, q DecisionQuery) (Page[gateway.Decision], error) {
	if err := validRange(q.From, q.To); err != nil {
		return Page[gateway.Decision]{}, err
	}
	var s selection
	choose(&s, "customer = ?", q.Customer, int64(q.Customer))
	choose(&s, "journey = ?", q.Journey, q.Journey)
	choose(&s, "event_id = ?", q.EventID, q.EventID)
	choose(&s, "at >= ?", q.From, int64(q.From))
	choose(&s, "at < ?", q.To, int64(q.To))
	oneOf(&s, "reason", q.Reasons, func(r gateway.Reason) any { return string(r) })
	oneOf(&s, "kind", q.Kinds, func(k gateway.DecisionKind) any { return int64(k) })
	s.page(q.Limit, q.Cursor, "", "rowno")
	return list(ctx, d, &s, selectDecision, "rowno DESC", scanDecision)
}

// DecisionsAt returns the decisions that were made about a record of EVENTS and
// the records that its step applied with it, in their order. Customer and
// journey, when set, choose among them.
func (d *Directory) DecisionsAt(ctx context.Context, at gateway.Position, c gateway.CustomerID, journey string) ([]gateway.Decision, error) {
	s := selection{
		where: []string{"partition = ?", "last_seq >= ?", "first_seq <= ?"},
		args:  []any{at.Partition, int64(at.Seq), int64(at.Seq)},
		limit: MaxLimit,
	}
	choose(&s, "customer = ?", c, int64(c))
	choose(&s, "journey = ?", journey, journey)
	page, err := list(ctx, d, &s, selectDecision, "last_seq, rowno", scanDecision)
	return page.Items, err
}

const selectDecision = `SELECT rowno, at, kind, reason, journey, version, step, customer, device, enrollment, message,
	event_id, rule, vals, arm, split, grp, mixed, recipient, origin FROM decision`

func scanDecision(rows *sql.Rows, p *place, d *gateway.Decision) error {
	var enrollment, message, origin []byte
	var customer, device, group int64
	var values string
	err := rows.Scan(&p.row, &d.At, &d.Kind, &d.Reason, &d.Journey, &d.Version, &d.Step, &customer, &device, &enrollment,
		&message, &d.EventID, &d.Rule, &values, &d.Arm, &d.Split, &group, &d.Mixed, &d.Recipient, &origin)
	if err != nil {
		return err
	}
	copy(d.Enrollment[:], enrollment)
	copy(d.Message[:], message)
	copy(d.Origin[:], origin)
	d.Customer, d.Device, d.Group = gateway.CustomerID(customer), gateway.DeviceID(device), gateway.GroupID(group)
	d.Values, err = parseProperties(values)
	return err
}

// Routes calls fn for where each device is; intake loads its router by it.
func (d *Directory) Routes(ctx context.Context, fn func(gateway.Route) error) error {
	return each(ctx, d.db.Read, `SELECT device, partition, customer FROM route`, nil, func(rows *sql.Rows) error {
		var r gateway.Route
		var device, customer int64
		if err := rows.Scan(&device, &r.Partition, &customer); err != nil {
			return err
		}
		r.Device, r.Customer = gateway.DeviceID(device), gateway.CustomerID(customer)
		return fn(r)
	})
}

// Route returns where one device is.
func (d *Directory) Route(ctx context.Context, device gateway.DeviceID) (gateway.Route, error) {
	r := gateway.Route{Device: device}
	var customer int64
	err := d.db.Read.QueryRowContext(ctx, `SELECT partition, customer FROM route WHERE device = ?`, int64(device)).
		Scan(&r.Partition, &customer)
	if errors.Is(err, sql.ErrNoRows) {
		return r, gateway.Errorf(gateway.NotFound, "nothing is known of device %v", device)
	}
	r.Customer = gateway.CustomerID(customer)
	return r, readError(err)
}

func readError(err error) error {
	if err == nil {
		return nil
	}
	if errors.Is(err, context.Canceled) || errors.Is(err, context.DeadlineExceeded) {
		return err
	}
	return gateway.Errorf(gateway.Internal, "directory: %w", err)
}
