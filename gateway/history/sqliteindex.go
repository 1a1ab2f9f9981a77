package history

import (
	"cmp"
	"context"
	"database/sql"
	"encoding/binary"
	"errors"
	"math"
	"slices"
	"sort"

	"touchpoint/internal/sqlite"
)

// entry of the index of a segment: the block has points of the subject.
// Numbers are signed as the database compares them.
type entry struct{ subject, block int64 }

const entrySize = 16

func sortEntries(list []entry) {
	slices.SortFunc(list, func(a, b entry) int {
		return cmp.Or(cmp.Compare(a.subject, b.subject), cmp.Compare(a.block, b.block))
	})
}

// loadEntries rebuilds the entries of the open segment from its blocks.
func (s *SQLite) loadEntries(ctx context.Context) error {
	s.entries = s.entries[:0]
	rows, err := s.db.Write.QueryContext(ctx, `SELECT id, partition, data FROM block WHERE segment = ? ORDER BY id`, s.segment.id)
	if err != nil {
		return err
	}
	defer rows.Close()
	var reader blockReader
	for rows.Next() {
		var id int64
		var partition int
		var data sql.RawBytes
		if err := rows.Scan(&id, &partition, &data); err != nil {
			return err
		}
		m, err := describe(&reader, partition, data)
		if err != nil {
			return err
		}
		s.entries = m.entries(s.entries, id)
	}
	return rows.Err()
}

// describe reads what the database must know of a block.
func describe(reader *blockReader, partition int, data []byte) (m blockMeta, err error) {
	if err := reader.open(data); err != nil {
		return m, err
	}
	var p Point
	for {
		ok, err := reader.next(&p)
		if err != nil || !ok {
			return m, err
		}
		m.add(&p)
	}
}

// closeSegment joins the small blocks of the open segment and writes its index.
func (s *SQLite) closeSegment(tx *sqlite.Tx) error {
	g := &s.segment
	if g.points == 0 {
		return nil
	}
	if g.points < g.blocks*s.sizes.blockPoints/4 {
		if err := s.join(tx); err != nil {
			return err
		}
	}
	if err := s.saveSegment(tx); err != nil {
		return err
	}
	sortEntries(s.entries)
	for list := s.entries; len(list) > 0; {
		n := min(s.sizes.pageEntries, len(list))
		for n < len(list) && list[n].subject == list[n-1].subject { // a subject is on one page
			n++
		}
		if err := s.savePage(tx, g.id, list[:n]); err != nil {
			return err
		}
		list = list[n:]
	}
	s.entries = s.entries[:0]
	return nil
}

func (s *SQLite) savePage(tx *sqlite.Tx, segment int64, list []entry) error {
	data := make([]byte, 0, entrySize*len(list))
	for _, e := range list {
		data = binary.LittleEndian.AppendUint64(data, uint64(e.subject))
		data = binary.LittleEndian.AppendUint64(data, uint64(e.block))
	}
	_, err := tx.Exec(`INSERT INTO page (segment, first, data) VALUES (?, ?, ?)`, segment, list[0].subject, data)
	return err
}

// onPage returns the blocks of a subject among a page's entries.
func onPage(data []byte, subject int64) (blocks []int64) {
	n := len(data) / entrySize
	at := func(i int) int64 { return int64(binary.LittleEndian.Uint64(data[i*entrySize:])) }
	for i := sort.Search(n, func(i int) bool { return at(i) >= subject }); i < n && at(i) == subject; i++ {
		blocks = append(blocks, int64(binary.LittleEndian.Uint64(data[i*entrySize+8:])))
	}
	return blocks
}

// join rewrites the blocks of the open segment as few large ones. A joined block
// has the number of the last one in it, so that a scan that stands in between
// meets it.
func (s *SQLite) join(tx *sqlite.Tx) error {
	blocks, err := smallBlocks(tx.Context(), tx, s.segment.id)
	if err != nil {
		return err
	}
	s.entries = s.entries[:0]
	s.segment.blocks = 0
	for len(blocks) > 0 {
		n := 1
		for n < len(blocks) && blocks[n].partition == blocks[0].partition && n < s.sizes.blockPoints {
			n++
		}
		n, err := s.joinSome(tx, blocks[:n])
		if err != nil {
			return err
		}
		blocks = blocks[n:]
	}
	return nil
}

type smallBlock struct {
	id        int64
	partition int
}

func smallBlocks(ctx context.Context, tx *sqlite.Tx, segment int64) (list []smallBlock, err error) {
	rows, err := tx.QueryContext(ctx, `SELECT id, partition FROM block WHERE segment = ? ORDER BY partition, id`, segment)
	if err != nil {
		return nil, err
	}
	defer rows.Close()
	for rows.Next() {
		var b smallBlock
		if err := rows.Scan(&b.id, &b.partition); err != nil {
			return nil, err
		}
		list = append(list, b)
	}
	return list, rows.Err()
}

// joinSome joins blocks of one partition until there is a large one, and returns
// how many it took.
func (s *SQLite) joinSome(tx *sqlite.Tx, blocks []smallBlock) (taken int, err error) {
	w := &s.rewriter // the other one holds the block that closes the segment
	w.reset()
	var m blockMeta
	var reader blockReader
	for taken < len(blocks) && w.count < s.sizes.blockPoints {
		var data []byte
		if _, err := tx.Row(`SELECT data FROM block WHERE id = ?`, []any{blocks[taken].id}, &data); err != nil {
			return 0, err
		}
		if err := reader.open(data); err != nil {
			return 0, err
		}
		if taken > 0 && w.count+reader.count > 2*s.sizes.blockPoints {
			break
		}
		taken++
		var p Point
		for {
			ok, err := reader.next(&p)
			if err != nil {
				return 0, err
			}
			if !ok {
				break
			}
			w.add(&p)
			m.add(&p)
		}
	}
	last := blocks[taken-1].id
	s.segment.blocks++
	s.entries = m.entries(s.entries, last)
	if taken == 1 {
		return 1, nil
	}
	for _, b := range blocks[:taken-1] {
		if _, err := tx.Exec(`DELETE FROM block WHERE id = ?`, b.id); err != nil {
			return 0, err
		}
	}
	_, err = tx.Exec(`UPDATE block SET types = ?2, first_time = ?3, last_time = ?4, first_applied = ?5, last_applied = ?6,
		data = ?7 WHERE id = ?1`, last, m.types, m.firstTime, m.lastTime, m.firstApplied, m.lastApplied, w.appendTo(nil))
	return taken, err
}

// The orders in which blocks are visited.
const (
	oldestFirst = "first_time"
	newestFirst = "last_time DESC"
)

// blocks calls visit for the blocks that may hold points of the filter, segment
// by segment in the order. Once enough says so of a segment's or block's times,
// the rest is left out.
func (s *SQLite) blocks(ctx context.Context, f Filter, order string, enough func(first, last int64) bool,
	visit func(partition int, data []byte) error) error {
	if err := f.validate(); err != nil {
		return err
	}
	// One transaction, so that no segment is closed in between.
	tx, err := s.db.Read.BeginTx(ctx, &sql.TxOptions{ReadOnly: true})
	if err != nil {
		return err
	}
	defer func() { _ = tx.Rollback() }()
	v := &visitor{tx: tx, filter: f, order: order, enough: enough, visit: visit, to: math.MaxInt64}
	if f.To != 0 {
		v.to = int64(f.To)
	}
	if v.enough == nil {
		v.enough = func(int64, int64) bool { return false }
	}
	for _, typ := range f.Types {
		v.types |= typeBit(typ)
	}
	if found, err := v.findSubjects(ctx); err != nil || !found {
		return err
	}
	return v.segments(ctx)
}

// visitor is one walk over blocks.
type visitor struct {
	tx       *sql.Tx
	filter   Filter
	to       int64
	types    int64
	order    string
	subjects []int64 // nil for all
	enough   func(first, last int64) bool
	visit    func(partition int, data []byte) error
}

// findSubjects finds out whose points are wanted; false when there is nobody.
func (v *visitor) findSubjects(ctx context.Context) (bool, error) {
	f := &v.filter
	if f.Customer == 0 {
		if f.Device != 0 {
			v.subjects = []int64{int64(f.Device)}
		}
		return true, nil
	}
	credited, err := subjectsOf(ctx, v.tx, f.Customer)
	if err != nil {
		return false, err
	}
	if f.Device == 0 {
		v.subjects = credited
	} else if slices.Contains(credited, int64(f.Device)) {
		v.subjects = []int64{int64(f.Device)}
	}
	return len(v.subjects) > 0, nil
}

type span struct{ id, first, last int64 }

func (v *visitor) spans(ctx context.Context, text string, args ...any) (list []span, err error) {
	err = eachRow(ctx, v.tx, text, args, func(rows *sql.Rows) error {
		var s span
		err := rows.Scan(&s.id, &s.first, &s.last)
		list = append(list, s)
		return err
	})
	return list, err
}

func (v *visitor) segments(ctx context.Context) error {
	list, err := v.spans(ctx, `SELECT id, first_time, last_time FROM segment WHERE last_time >= ? AND first_time < ?
		ORDER BY `+v.order, int64(v.filter.From), v.to)
	if err != nil || len(list) == 0 {
		return err
	}
	var open int64
	if err := v.tx.QueryRowContext(ctx, `SELECT max(id) FROM segment`).Scan(&open); err != nil {
		return err
	}
	for _, g := range list {
		if v.enough(g.first, g.last) {
			return nil
		}
		if err := v.segment(ctx, g.id, g.id == open); err != nil {
			return err
		}
	}
	return nil
}

// segment visits the blocks of a segment.
func (v *visitor) segment(ctx context.Context, id int64, open bool) error {
	var among map[int64]bool
	if v.subjects != nil && !open {
		var err error
		if among, err = v.indexed(ctx, id); err != nil || len(among) == 0 {
			return err
		}
	}
	list, err := v.spans(ctx, `SELECT id, first_time, last_time FROM block WHERE segment = ?1 AND last_time >= ?2 AND first_time < ?3
		AND (?4 = 0 OR types & ?4 != 0) ORDER BY `+v.order, id, int64(v.filter.From), v.to, v.types)
	if err != nil {
		return err
	}
	for _, b := range list {
		if v.enough(b.first, b.last) {
			return nil
		}
		if among != nil && !among[b.id] {
			continue
		}
		if err := v.read(ctx, b.id); err != nil {
			return err
		}
	}
	return nil
}

func (v *visitor) read(ctx context.Context, block int64) error {
	return eachRow(ctx, v.tx, `SELECT partition, data FROM block WHERE id = ?`, []any{block}, func(rows *sql.Rows) error {
		var partition int
		var data sql.RawBytes
		if err := rows.Scan(&partition, &data); err != nil {
			return err
		}
		return v.visit(partition, data)
	})
}

// indexed returns the blocks of a closed segment that have points of a subject.
func (v *visitor) indexed(ctx context.Context, segment int64) (map[int64]bool, error) {
	among := map[int64]bool{}
	for _, subject := range v.subjects {
		var data []byte
		err := v.tx.QueryRowContext(ctx, `SELECT data FROM page WHERE segment = ? AND first <= ? ORDER BY first DESC LIMIT 1`,
			segment, subject).Scan(&data)
		if errors.Is(err, sql.ErrNoRows) {
			continue
		}
		if err != nil {
			return nil, err
		}
		for _, b := range onPage(data, subject) {
			among[b] = true
		}
	}
	return among, nil
}

type querier interface {
	QueryContext(ctx context.Context, query string, args ...any) (*sql.Rows, error)
}

// eachRow calls fn for the rows of a query.
func eachRow(ctx context.Context, q querier, text string, args []any, fn func(*sql.Rows) error) error {
	rows, err := q.QueryContext(ctx, text, args...)
	if err != nil {
		return err
	}
	defer rows.Close()
	for rows.Next() {
		if err := fn(rows); err != nil {
			return err
		}
	}
	return rows.Err()
}
