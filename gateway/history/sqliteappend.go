package history

import (
	"context"
	"database/sql"
	"fmt"
	"slices"

	"touchpoint/gateway"
	"touchpoint/internal/sqlite"
)

const (
	insertBlock = `INSERT INTO block (segment, partition, types, first_time, last_time, first_applied, last_applied, data)
		VALUES (?, ?, ?, ?, ?, ?, ?, ?)`
	insertCredit = `INSERT OR IGNORE INTO credit (customer, subject) VALUES (?, ?)`
)

// Append implements Store. The batch is one transaction, positions included.
func (s *SQLite) Append(ctx context.Context, b *Batch) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.group.sort(b.Points)
	err := s.db.Tx(ctx, func(tx *sqlite.Tx) error {
		for _, part := range s.group.parts {
			if err := s.appendPart(tx, b.Points, part.partition, part.points); err != nil {
				return err
			}
		}
		if err := s.saveSegment(tx); err != nil {
			return err
		}
		if err := s.prune(tx); err != nil {
			return err
		}
		return s.savePositions(tx, b.Positions)
	})
	if err != nil {
		if rerr := s.load(context.WithoutCancel(ctx)); rerr != nil {
			err = fmt.Errorf("%w (and reading back: %v)", err, rerr)
		}
		return fmt.Errorf("history: append: %w", err)
	}
	return nil
}

// appendPart writes the points of one partition in blocks, leaving out those
// that are there already.
func (s *SQLite) appendPart(tx *sqlite.Tx, points []Point, partition int, order []int) error {
	last, known := s.last[partition]
	for len(order) > 0 {
		s.writer.reset()
		var m blockMeta
		n := 0
		for ; n < len(order) && s.writer.count < s.sizes.blockPoints; n++ {
			p := &points[order[n]]
			if known && !last.Before(p.Place) {
				continue
			}
			last, known = p.Place, true
			s.writer.add(p)
			m.add(p)
			if err := s.saveCredit(tx, p); err != nil {
				return err
			}
		}
		order = order[n:]
		if s.writer.count > 0 {
			if err := s.saveBlock(tx, partition, &m); err != nil {
				return err
			}
			s.last[partition] = last
		}
	}
	return nil
}

// blockMeta is what the database knows of a block beside its data.
type blockMeta struct {
	types                     int64
	firstTime, lastTime       int64
	firstApplied, lastApplied int64
	points                    int
	subjects                  []uint64
	lastType                  string
}

func (m *blockMeta) add(p *Point) {
	t, a := int64(p.Event.OccurredAt), int64(p.AppliedAt)
	if m.points == 0 {
		m.firstTime, m.lastTime, m.firstApplied, m.lastApplied = t, t, a, a
	}
	m.firstTime, m.lastTime = min(m.firstTime, t), max(m.lastTime, t)
	m.firstApplied, m.lastApplied = min(m.firstApplied, a), max(m.lastApplied, a)
	m.points++
	if p.Event.Type != m.lastType || m.points == 1 {
		m.lastType = p.Event.Type
		m.types |= typeBit(p.Event.Type)
	}
	m.subjects = append(m.subjects, subjectOf(p))
}

func (s *SQLite) saveBlock(tx *sqlite.Tx, partition int, m *blockMeta) error {
	g := &s.segment
	if g.id == 0 || g.full(m.lastApplied, &s.sizes) {
		if err := s.closeSegment(tx); err != nil {
			return err
		}
		*g = segment{id: g.id + 1}
	}
	s.data = s.writer.appendTo(s.data[:0])
	res, err := tx.Exec(insertBlock, g.id, partition, m.types, m.firstTime, m.lastTime, m.firstApplied, m.lastApplied, s.data)
	if err != nil {
		return err
	}
	id, err := res.LastInsertId()
	if err != nil {
		return err
	}
	g.add(m)
	s.entries = m.entries(s.entries, id)
	return nil
}

// entries appends the index entries of the block: each subject once.
func (m *blockMeta) entries(list []entry, block int64) []entry {
	slices.Sort(m.subjects)
	for i, subject := range m.subjects {
		if i == 0 || subject != m.subjects[i-1] {
			list = append(list, entry{int64(subject), block})
		}
	}
	return list
}

// saveCredit remembers that the customer has points on the subject.
func (s *SQLite) saveCredit(tx *sqlite.Tx, p *Point) error {
	if p.Customer == 0 {
		return nil
	}
	c := pair{p.Customer, subjectOf(p)}
	if _, ok := s.credited[c]; ok {
		return nil
	}
	if _, err := tx.Exec(insertCredit, int64(c.customer), int64(c.subject)); err != nil {
		return err
	}
	if len(s.credited) >= maxCredited {
		clear(s.credited)
	}
	s.credited[c] = struct{}{}
	return nil
}

func (s *SQLite) saveSegment(tx *sqlite.Tx) error {
	g := &s.segment
	if g.points == 0 {
		return nil
	}
	_, err := tx.Exec(`INSERT INTO segment (id, points, blocks, first_time, last_time, first_applied, last_applied)
		VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7) ON CONFLICT (id) DO UPDATE SET points = ?2, blocks = ?3, first_time = ?4,
		last_time = ?5, first_applied = ?6, last_applied = ?7`,
		g.id, g.points, g.blocks, g.firstTime, g.lastTime, g.firstApplied, g.lastApplied)
	return err
}

func (s *SQLite) savePositions(tx *sqlite.Tx, list []Position) error {
	for _, part := range s.group.parts {
		p, has := s.last[part.partition]
		if len(part.points) == 0 || !has || slices.ContainsFunc(list, func(l Position) bool { return l.Partition == part.partition }) {
			continue
		}
		_, err := tx.Exec(`INSERT INTO position (partition, step_seq, event_seq, inputs, freed, open, seq, idx, late)
			VALUES (?1, 0, 0, 0, 0, 0, ?2, ?3, ?4) ON CONFLICT (partition) DO UPDATE SET seq = ?2, idx = ?3, late = ?4`,
			part.partition, int64(p.Seq), p.Index, p.Late)
		if err != nil {
			return err
		}
	}
	for _, p := range list {
		last := s.last[p.Partition]
		_, err := tx.Exec(`INSERT INTO position (partition, step_seq, event_seq, inputs, freed, open, seq, idx, late)
			VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9) ON CONFLICT (partition) DO UPDATE SET step_seq = ?2, event_seq = ?3,
			inputs = ?4, freed = ?5, open = ?6, seq = ?7, idx = ?8, late = ?9`,
			p.Partition, int64(p.StepSeq), int64(p.EventSeq), p.Inputs, p.Late, p.Open, int64(last.Seq), last.Index, last.Late)
		if err != nil {
			return err
		}
	}
	return nil
}

// prune drops the segments that are older than the retention.
func (s *SQLite) prune(tx *sqlite.Tx) error {
	if s.retention == 0 || s.segment.points == 0 {
		return nil
	}
	limit := s.segment.lastApplied - s.retention.Milliseconds()
	for {
		var id int64
		ok, err := tx.Row(`SELECT id FROM segment WHERE last_applied < ? AND id < ? ORDER BY id LIMIT 1`,
			[]any{limit, s.segment.id}, &id)
		if err != nil || !ok {
			return err
		}
		for _, text := range []string{
			`DELETE FROM block WHERE segment = ?`, `DELETE FROM page WHERE segment = ?`, `DELETE FROM segment WHERE id = ?`,
		} {
			if _, err := tx.Exec(text, id); err != nil {
				return err
			}
		}
	}
}

// grouping sorts the points of a batch by partition, keeping their order.
type grouping struct {
	parts []group
}

type group struct {
	partition int
	points    []int
}

func (g *grouping) sort(points []Point) {
	for i := range g.parts {
		g.parts[i].points = g.parts[i].points[:0]
	}
	at := -1
	for i := range points {
		partition := points[i].Place.Partition
		if at < 0 || g.parts[at].partition != partition {
			at = slices.IndexFunc(g.parts, func(p group) bool { return p.partition == partition })
			if at < 0 {
				g.parts = append(g.parts, group{partition: partition})
				at = len(g.parts) - 1
			}
		}
		g.parts[at].points = append(g.parts[at].points, i)
	}
}

// subjectsOf returns the devices (and, for touchpoints without one, the
// customer) that a customer has points on.
func subjectsOf(ctx context.Context, q querier, c gateway.CustomerID) (list []int64, err error) {
	err = eachRow(ctx, q, `SELECT subject FROM credit WHERE customer = ?`, []any{int64(c)}, func(rows *sql.Rows) error {
		var subject int64
		err := rows.Scan(&subject)
		list = append(list, subject)
		return err
	})
	return list, err
}
