package directory

import (
	"context"
	"database/sql"

	"touchpoint/gateway"
)

// TaskQuery chooses tasks; zero fields choose all.
type TaskQuery struct {
	Task     gateway.TaskID
	Customer gateway.CustomerID
	Journey  string
	Assignee string
	States   []gateway.TaskState
	Limit    int
	Cursor   string
}

// Tasks returns tasks for the staff, the latest opened first.
func (d *Directory) Tasks(ctx context.Context, q TaskQuery) (Page[gateway.Task], error) {
	var s selection
	choose(&s, "id = ?", q.Task, q.Task[:])
	choose(&s, "customer = ?", q.Customer, int64(q.Customer))
	choose(&s, "journey = ?", q.Journey, q.Journey)
	choose(&s, "assignee = ?", q.Assignee, q.Assignee)
	oneOf(&s, "state", q.States, func(st gateway.TaskState) any { return string(st) })
	s.page(q.Limit, q.Cursor, "opened_at", "rowno")
	return list(ctx, d, &s, `SELECT rowno, id, enrollment, journey, version, step, customer, device, product, assignee, locale,
		vals, opened_at, due_at, state, closed_at, outcome FROM task`, "opened_at DESC, rowno DESC", scanTask)
}

func scanTask(rows *sql.Rows, p *place, t *gateway.Task) error {
	var id, enrollment []byte
	var customer, device int64
	var values string
	err := rows.Scan(&p.row, &id, &enrollment, &t.Journey, &t.Version, &t.Step, &customer, &device, &t.Product, &t.Assignee,
		&t.Locale, &values, &t.OpenedAt, &t.DueAt, &t.State, &t.ClosedAt, &t.Outcome)
	if err != nil {
		return err
	}
	p.at = int64(t.OpenedAt)
	copy(t.ID[:], id)
	copy(t.Enrollment[:], enrollment)
	t.Customer, t.Device = gateway.CustomerID(customer), gateway.DeviceID(device)
	t.Values, err = parseProperties(values)
	return err
}

func (a *applier) task(t *gateway.Task) {
	a.exec(`INSERT OR IGNORE INTO task (id, enrollment, journey, version, step, customer, device, product, assignee, locale, vals,
		opened_at, due_at, state, closed_at, outcome) VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)`,
		t.ID[:], t.Enrollment[:], t.Journey, t.Version, t.Step, int64(t.Customer), int64(t.Device), t.Product, t.Assignee, t.Locale,
		properties(t.Values), int64(t.OpenedAt), int64(t.DueAt), string(t.State), int64(t.ClosedAt), t.Outcome)
}
