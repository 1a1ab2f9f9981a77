package directory

import (
	"context"
	"database/sql"
	"strings"

	"touchpoint/gateway"
)

// MessageRow is a message as it stands; Message.State is its present state.
type MessageRow struct {
	Message gateway.Message
	StateAt gateway.Instant
	Detail  string
	History []gateway.MessageUpdate // oldest first; only when asked for
}

// MessageQuery chooses messages; zero fields choose all. From is inclusive, To
// exclusive, by time of decision.
type MessageQuery struct {
	Customer    gateway.CustomerID
	Device      gateway.DeviceID
	Journey     string
	Message     gateway.MessageID
	States      []gateway.MessageState
	From, To    gateway.Instant
	WithHistory bool
	Limit       int
	Cursor      string
}

// Message returns one message with its history.
func (d *Directory) Message(ctx context.Context, id gateway.MessageID) (MessageRow, error) {
	page, err := d.Messages(ctx, MessageQuery{Message: id, WithHistory: true, Limit: 1})
	if err == nil && len(page.Items) == 0 {
		err = gateway.Errorf(gateway.NotFound, "there is no message %v", id)
	}
	if err != nil {
		return MessageRow{}, err
	}
	return page.Items[0], nil
}

// Messages returns messages, the latest decided first.
func (d *Directory) Messages(ctx context.Context, q MessageQuery) (Page[MessageRow], error) {
	if err := validRange(q.From, q.To); err != nil {
		return Page[MessageRow]{}, err
	}
	var s selection
	choose(&s, "id = ?", q.Message, q.Message[:])
	choose(&s, "customer = ?", q.Customer, int64(q.Customer))
	choose(&s, "device = ?", q.Device, int64(q.Device))
	choose(&s, "journey = ?", q.Journey, q.Journey)
	choose(&s, "decided_at >= ?", q.From, int64(q.From))
	choose(&s, "decided_at < ?", q.To, int64(q.To))
	oneOf(&s, "state", q.States, func(st gateway.MessageState) any { return int64(st) })
	s.page(q.Limit, q.Cursor, "decided_at", "rowno")
	var rowsOf []int64
	page, err := list(ctx, d, &s, selectMessage, "decided_at DESC, rowno DESC",
		func(rows *sql.Rows, p *place, m *MessageRow) error {
			err := scanMessage(rows, p, m)
			rowsOf = append(rowsOf, p.row)
			return err
		})
	if err != nil || !q.WithHistory || len(page.Items) == 0 {
		return page, err
	}
	return page, d.addHistory(ctx, page.Items, rowsOf[:len(page.Items)])
}

const selectMessage = `SELECT rowno, id, enrollment, journey, version, step, visit, customer, device, product, channel,
	fallback, purpose, template, locale, vals, holdout, decided_at, not_before, not_after, expires_at, cause, cause_at,
	state, state_at, detail, recipient FROM message`

func scanMessage(rows *sql.Rows, p *place, r *MessageRow) error {
	m := &r.Message
	var id, enrollment []byte
	var customer, device int64
	var fallback, values string
	err := rows.Scan(&p.row, &id, &enrollment, &m.Journey, &m.Version, &m.Step, &m.Visit, &customer, &device, &m.Product,
		&m.Channel, &fallback, &m.Purpose, &m.Template, &m.Locale, &values, &m.Holdout, &m.DecidedAt, &m.NotBefore,
		&m.NotAfter, &m.ExpiresAt, &m.Cause, &m.CauseReceivedAt, &m.State, &r.StateAt, &r.Detail, &m.Recipient)
	if err != nil {
		return err
	}
	p.at = int64(m.DecidedAt)
	copy(m.ID[:], id)
	copy(m.Enrollment[:], enrollment)
	m.Customer, m.Device = gateway.CustomerID(customer), gateway.DeviceID(device)
	if m.Fallback, err = parseTextList(fallback); err != nil {
		return err
	}
	m.Values, err = parseProperties(values)
	return err
}

// addHistory reads the states over time of the messages on a page.
func (d *Directory) addHistory(ctx context.Context, items []MessageRow, rowsOf []int64) error {
	index := make(map[int64]int, len(rowsOf))
	args := make([]any, len(rowsOf))
	for i, row := range rowsOf {
		index[row], args[i] = i, row
	}
	text := `SELECT message, state, at, channel, detail FROM message_state WHERE message IN (?` +
		strings.Repeat(",?", len(args)-1) + `) ORDER BY message, n`
	return readError(each(ctx, d.db.Read, text, args, func(rows *sql.Rows) error {
		var row int64
		var u gateway.MessageUpdate
		if err := rows.Scan(&row, &u.State, &u.At, &u.Channel, &u.Detail); err != nil {
			return err
		}
		r := &items[index[row]]
		u.Message, u.Customer, u.Device, u.Journey = r.Message.ID, r.Message.Customer, r.Message.Device, r.Message.Journey
		r.History = append(r.History, u)
		return nil
	}))
}
