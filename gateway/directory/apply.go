package directory

import (
	"context"
	"database/sql"
	"time"

	"touchpoint/gateway"
	"touchpoint/internal/sqlite"
)

// writer is the one goroutine that writes.
type writer struct {
	d          *Directory
	totals     Totals
	marks      []mark
	pending    []*gateway.Step
	dirty      bool // counters changed since they were stored
	committed  time.Time
	registered time.Time
	told       []mark
	pruned     gateway.Instant
}

func newWriter(d *Directory) *writer {
	return &writer{
		d: d, marks: make([]mark, d.o.Partitions), told: make([]mark, d.o.Partitions),
	}
}

// load reads where the directory stands and registers that.
func (w *writer) load(ctx context.Context) error {
	if err := w.totals.load(ctx, w.d.db.Write); err != nil {
		return err
	}
	err := each(ctx, w.d.db.Write, `SELECT partition, step_seq, step_number, event_seq FROM position`, nil, func(rows *sql.Rows) error {
		var p int
		var m mark
		if err := rows.Scan(&p, &m.stepSeq, &m.stepNumber, &m.eventSeq); err != nil {
			return err
		}
		if p >= len(w.marks) {
			return gateway.Errorf(gateway.Conflict, "the database has partition %d, the log has %d", p, len(w.marks))
		}
		w.marks[p] = m
		return nil
	})
	if err != nil {
		return err
	}
	w.show()
	if w.d.o.Registry == nil {
		return nil
	}
	for p, m := range w.marks {
		if err := w.d.o.Registry.SetFollower(ctx, FollowerName, p, m.eventSeq, m.stepSeq); err != nil {
			return err
		}
		w.told[p] = m
	}
	return nil
}

// commit writes the rows of the steps, the totals and the positions in one
// transaction, and returns what changed for the subscribers.
func (w *writer) commit(ctx context.Context, steps []*gateway.Step) ([]Change, error) {
	a := applier{w: w, counts: map[countKey]int64{}, record: !w.d.feed.empty()}
	err := w.d.db.Tx(ctx, func(tx *sqlite.Tx) error {
		a.ctx, a.tx = ctx, tx
		for _, s := range steps {
			a.step(s)
		}
		a.saveCounts()
		a.prune()
		if a.err == nil {
			a.err = w.totals.save(tx)
		}
		for p, m := range w.marks {
			if m != (mark{}) {
				a.exec(`INSERT INTO position (partition, step_seq, step_number, event_seq) VALUES (?1, ?2, ?3, ?4)
					ON CONFLICT (partition) DO UPDATE SET step_seq = ?2, step_number = ?3, event_seq = ?4`,
					p, m.stepSeq, m.stepNumber, m.eventSeq)
			}
		}
		return a.err
	})
	if err != nil {
		return nil, err
	}
	w.dirty = false
	w.pruned = max(w.pruned, a.pruned)
	if a.erased { // what was deleted must not live on in the write-ahead log
		if _, err := w.d.db.Checkpoint(ctx); err != nil {
			w.d.o.Logger.Warn("directory: checkpoint after an erasure", "error", err)
		}
	}
	return a.changes, nil
}

// applier writes steps within one transaction. The first error stops it.
type applier struct {
	w       *writer
	ctx     context.Context
	tx      *sqlite.Tx
	err     error
	counts  map[countKey]int64
	record  bool
	changes []Change
	erased  bool
	pruned  gateway.Instant
}

type countKey struct {
	journey string
	version uint32
	kind    string
	name    string
}

func (a *applier) exec(text string, args ...any) {
	if a.err == nil {
		_, a.err = a.tx.Exec(text, args...)
	}
}

// row reads one row; false when there is none.
func (a *applier) row(text string, args []any, into ...any) bool {
	if a.err != nil {
		return false
	}
	ok, err := a.tx.Row(text, args, into...)
	a.err = err
	return ok
}

func (a *applier) changed(c Change) {
	if a.record {
		a.changes = append(a.changes, c)
	}
}

func (a *applier) count(journey string, version uint32, kind, name string, n int64) {
	a.counts[countKey{journey, version, kind, name}] += n
}

// step applies everything of one step, erasures last: what the step itself says
// of an erased customer goes, too.
func (a *applier) step(s *gateway.Step) {
	for i := range s.Journeys {
		a.journey(s.Partition, &s.Journeys[i])
	}
	for i := range s.Profiles {
		a.profile(s.Partition, &s.Profiles[i])
	}
	for i := range s.Classes {
		a.class(&s.Classes[i])
	}
	for i := range s.Filtered {
		f := &s.Filtered[i]
		a.count(f.Journey, f.Version, "filtered", "", int64(f.Count))
		if f.Unowned > 0 {
			a.count(f.Journey, f.Version, "unowned", "", int64(f.Unowned))
		}
	}
	for i := range s.Ownerships {
		a.ownership(s.Partition, &s.Ownerships[i])
	}
	for i := range s.Memberships {
		a.membership(&s.Memberships[i])
	}
	for _, r := range s.Routes {
		a.exec(`INSERT INTO route (device, partition, customer) VALUES (?1, ?2, ?3)
			ON CONFLICT (device) DO UPDATE SET partition = ?2, customer = ?3`, int64(r.Device), r.Partition, int64(r.Customer))
	}
	for i := range s.Entered {
		a.enrollment(s.Partition, &s.Entered[i])
	}
	for i := range s.Messages {
		a.message(s.Partition, &s.Messages[i])
	}
	for i := range s.Updates {
		a.update(s.Partition, &s.Updates[i])
	}
	for i := range s.Tasks {
		a.task(&s.Tasks[i])
	}
	for i := range s.TaskUpdates {
		u := &s.TaskUpdates[i]
		a.exec(`UPDATE task SET state = ?2, closed_at = ?3, outcome = ?4 WHERE id = ?1`, u.Task[:], string(u.State), int64(u.At), u.Outcome)
	}
	if len(s.Decisions) > 0 {
		var first, last uint64
		if n := len(s.Applied); n > 0 {
			first, last = s.Applied[0].Seq, s.Applied[n-1].Seq
		}
		for i := range s.Decisions {
			a.decision(s.Partition, first, last, &s.Decisions[i])
		}
	}
	for _, c := range s.Erased {
		a.erase(s.Partition, c)
	}
}

func (a *applier) journey(partition int, j *gateway.JourneyStatus) {
	a.exec(`INSERT INTO journey (journey, version, partition, state, at) VALUES (?1, ?2, ?3, ?4, ?5)
		ON CONFLICT DO UPDATE SET state = ?4, at = ?5`, j.Journey, j.Version, partition, string(j.State), int64(j.At))
	if len(j.Definition) > 0 {
		a.exec(`INSERT OR IGNORE INTO definition (journey, version, text) VALUES (?, ?, ?)`, j.Journey, j.Version, j.Definition)
	}
	a.changed(Change{Partition: partition, Journey: j})
}

func (a *applier) profile(partition int, p *gateway.CustomerProfile) {
	a.exec(`INSERT INTO customer (id, locale, time_zone, country, channels, attributes, consents, test, changed_at,
		quiet, cap_count, cap_window) VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9, ?10, ?11, ?12) ON CONFLICT (id) DO UPDATE SET locale = ?2, time_zone = ?3, country = ?4,
		channels = ?5, attributes = ?6, consents = ?7, test = ?8, changed_at = ?9, quiet = ?10, cap_count = ?11, cap_window = ?12`,
		int64(p.Customer), p.Locale, p.TimeZone, p.Country, textList(p.Channels), properties(p.Attributes),
		consents(p.Consents), p.Test, int64(p.ChangedAt), quietHours(p.QuietHours), p.CapCount, p.CapWindow)
	a.changed(Change{Partition: partition, Profile: p})
}

func (a *applier) ownership(partition int, o *gateway.Ownership) {
	a.exec(`INSERT INTO ownership (device, customer, from_time, to_time, product, role) VALUES (?1, ?2, ?3, ?4, ?5, ?6)
		ON CONFLICT (customer, device, from_time, role) DO UPDATE SET to_time = ?4, product = ?5`,
		int64(o.Device), int64(o.Customer), int64(o.From), int64(o.To), o.Product, o.Role)
	a.changed(Change{Partition: partition, Ownership: o})
}

// enrollment writes how an enrollment stands and counts what changed by it.
func (a *applier) enrollment(partition int, e *gateway.Enrollment) {
	var version uint32
	var step, reason string
	var ended int64
	var converted bool
	if a.row(`SELECT version, step, ended_at, end_reason, converted FROM enrollment WHERE id = ?`,
		[]any{e.ID[:]}, &version, &step, &ended, &reason, &converted) {
		a.countEnrollment(e, version, step, ended != 0, reason, converted, -1)
	}
	a.countEnrollment(e, e.Version, e.Step, e.EndedAt != 0, string(e.EndReason), e.Converted, 1)
	a.exec(`INSERT INTO enrollment (id, journey, version, customer, device, key, step, arm, entered_at, changed_at, ended_at,
		end_reason, converted, waits_until, recipient, origin) VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9, ?10, ?11, ?12, ?13, ?14, ?15, ?16)
		ON CONFLICT (id) DO UPDATE SET version = ?3, device = ?5, step = ?7, arm = ?8, changed_at = ?10,
		ended_at = ?11, end_reason = ?12, converted = ?13, waits_until = ?14`,
		e.ID[:], e.Journey, e.Version, int64(e.Customer), int64(e.Device), e.Key, e.Step, e.Arm, int64(e.EnteredAt),
		int64(e.ChangedAt), int64(e.EndedAt), string(e.EndReason), e.Converted, int64(e.WaitsUntil), e.Recipient, blob(e.Origin))
	a.changed(Change{Partition: partition, Enrollment: e})
}

// countEnrollment counts a run of the customer's own: to be addressed by
// another's is no entry.
func (a *applier) countEnrollment(e *gateway.Enrollment, version uint32, step string, ended bool, reason string, converted bool, n int64) {
	journey := e.Journey
	if e.Recipient != "" {
		return
	}
	a.count(journey, version, "entered", "", n)
	if ended {
		a.count(journey, version, "ended", reason, n)
	} else {
		a.count(journey, version, "active", step, n)
	}
	if converted {
		a.count(journey, version, "converted", "", n)
	}
}

func (a *applier) message(partition int, m *gateway.Message) {
	state := m.State
	switch {
	case state != gateway.MessageUnknown:
	case m.Holdout:
		state = gateway.MessageHeldOut
	default:
		state = gateway.MessageDecided
	}
	if a.err != nil {
		return
	}
	res, err := a.tx.Exec(`INSERT INTO message (id, enrollment, journey, version, step, visit, customer, device,
		product, channel, fallback, purpose, template, locale, vals, holdout, decided_at, not_before, not_after, expires_at,
		cause, cause_at, state, state_at, detail, recipient)
		VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, '', ?) ON CONFLICT (id) DO NOTHING`,
		m.ID[:], m.Enrollment[:], m.Journey, m.Version, m.Step, m.Visit, int64(m.Customer), int64(m.Device), m.Product,
		m.Channel, textList(m.Fallback), string(m.Purpose), m.Template, m.Locale, properties(m.Values), m.Holdout,
		int64(m.DecidedAt), int64(m.NotBefore), int64(m.NotAfter), int64(m.ExpiresAt), m.Cause, int64(m.CauseReceivedAt),
		state, int64(m.DecidedAt), m.Recipient)
	if err != nil {
		a.err = err
		return
	}
	if n, _ := res.RowsAffected(); n == 0 {
		return
	}
	row, _ := res.LastInsertId()
	a.exec(`INSERT INTO message_state (message, n, state, at, channel, detail) VALUES (?, 0, ?, ?, ?, '')`,
		row, state, int64(m.DecidedAt), m.Channel)
	a.count(m.Journey, m.Version, "message", state.String(), 1)
	a.changed(Change{Partition: partition, Message: m})
}

// update moves a message on. One that is not known (its customer was erased, or
// its step was trimmed before a rebuild) is passed over.
func (a *applier) update(partition int, u *gateway.MessageUpdate) {
	var row, n int64
	var journey string
	var version uint32
	var state gateway.MessageState
	if !a.row(`SELECT m.rowno, m.journey, m.version, m.state, (SELECT max(n) FROM message_state WHERE message = m.rowno)
		FROM message m WHERE m.id = ?`, []any{u.Message[:]}, &row, &journey, &version, &state, &n) {
		return
	}
	a.exec(`UPDATE message SET state = ?2, state_at = ?3, detail = ?4, channel = CASE ?5 WHEN '' THEN channel ELSE ?5 END
		WHERE rowno = ?1`, row, u.State, int64(u.At), u.Detail, u.Channel)
	a.exec(`INSERT INTO message_state (message, n, state, at, channel, detail) VALUES (?, ?, ?, ?, ?, ?)`,
		row, n+1, u.State, int64(u.At), u.Channel, u.Detail)
	a.count(journey, version, "message", state.String(), -1)
	a.count(journey, version, "message", u.State.String(), 1)
	a.changed(Change{Partition: partition, Update: u})
}

func (a *applier) decision(partition int, first, last uint64, d *gateway.Decision) {
	var enrollment, message []byte
	if !d.Enrollment.IsZero() {
		enrollment = d.Enrollment[:]
	}
	if !d.Message.IsZero() {
		message = d.Message[:]
	}
	a.exec(`INSERT INTO decision (partition, first_seq, last_seq, at, kind, reason, journey, version, step, customer, device,
		enrollment, message, event_id, rule, vals, arm, split, grp, mixed, recipient, origin)
		VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)`,
		partition, first, last, int64(d.At), d.Kind, string(d.Reason), d.Journey, d.Version, d.Step, int64(d.Customer),
		int64(d.Device), enrollment, message, d.EventID, d.Rule, properties(d.Values), d.Arm, d.Split, int64(d.Group), d.Mixed,
		d.Recipient, blob(d.Origin))
	a.effect(d)
	a.pruned = max(a.pruned, d.At)
	a.changed(Change{Partition: partition, Decision: d})
}

// erase removes what names the customer. What was counted stays counted: a
// number names nobody; only who stood in a step stands there no more.
func (a *applier) erase(partition int, c gateway.CustomerID) {
	type standing struct {
		journey string
		version uint32
		step    string
	}
	var list []standing
	if a.err == nil {
		a.err = each(a.ctx, a.tx, `SELECT journey, version, step FROM enrollment WHERE customer = ? AND ended_at = 0 AND recipient = ''`,
			[]any{int64(c)}, func(rows *sql.Rows) error {
				var s standing
				err := rows.Scan(&s.journey, &s.version, &s.step)
				list = append(list, s)
				return err
			})
	}
	for _, s := range list {
		a.count(s.journey, s.version, "active", s.step, -1)
		a.count(s.journey, s.version, "ended", string(gateway.ReasonErased), 1)
	}
	for _, text := range []string{
		`DELETE FROM message_state WHERE message IN (SELECT rowno FROM message WHERE customer = ?)`,
		`DELETE FROM message WHERE customer = ?`,
		`DELETE FROM enrollment WHERE customer = ?`,
		`DELETE FROM decision WHERE customer = ?`,
		`DELETE FROM class WHERE customer = ?`,
		`DELETE FROM task WHERE customer = ?`,
		`DELETE FROM ownership WHERE customer = ?`,
		`DELETE FROM membership WHERE customer = ?`,
		`DELETE FROM customer WHERE id = ?`,
		`UPDATE route SET customer = 0 WHERE customer = ?`,
	} {
		a.exec(text, int64(c))
	}
	a.forgetUnit(c)
	a.erased = true
	a.changed(Change{Partition: partition, Erased: c})
}

func (a *applier) saveCounts() {
	for k, n := range a.counts {
		if n != 0 {
			a.exec(`INSERT INTO journey_count (journey, version, kind, name, n) VALUES (?1, ?2, ?3, ?4, ?5)
				ON CONFLICT DO UPDATE SET n = n + ?5`, k.journey, k.version, k.kind, k.name, n)
		}
	}
}

// prune drops the decisions beyond their retention, about once an hour of
// applied time.
func (a *applier) prune() {
	keep := a.w.d.o.DecisionRetention
	if keep < 0 || a.pruned.Sub(a.w.pruned) < time.Hour {
		a.pruned = 0
		return
	}
	a.exec(`DELETE FROM decision WHERE rowno < (SELECT rowno FROM decision WHERE at >= ? ORDER BY rowno LIMIT 1)`,
		int64(a.pruned.Add(-keep)))
}
