package history

import (
	"context"
	"database/sql"
	"encoding/binary"
	"fmt"
	"slices"

	"touchpoint/gateway"
	"touchpoint/internal/sqlite"
)

// DeleteDevice implements Store.
func (s *SQLite) DeleteDevice(ctx context.Context, d gateway.DeviceID) error {
	return s.delete(ctx, func(tx *sqlite.Tx) error {
		if err := s.erase(ctx, tx, int64(d), func(p *Point) bool { return p.Event.Device == d }); err != nil {
			return err
		}
		_, err := tx.Exec(`DELETE FROM credit WHERE subject = ?`, int64(d))
		return err
	})
}

// DeleteCustomer implements Store.
func (s *SQLite) DeleteCustomer(ctx context.Context, c gateway.CustomerID) error {
	return s.delete(ctx, func(tx *sqlite.Tx) error {
		subjects, err := subjectsOf(ctx, tx, c)
		if err != nil {
			return err
		}
		for _, subject := range subjects {
			if err := s.erase(ctx, tx, subject, func(p *Point) bool {
				return p.Customer == c || p.Kind == KindHeld && subjectOf(p) == uint64(subject)
			}); err != nil {
				return err
			}
		}
		_, err = tx.Exec(`DELETE FROM credit WHERE customer = ?`, int64(c))
		return err
	})
}

// delete runs fn in a transaction and then empties the write-ahead log, which
// would otherwise hold the deleted points for a while.
func (s *SQLite) delete(ctx context.Context, fn func(*sqlite.Tx) error) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	clear(s.credited)
	if err := s.db.Tx(ctx, fn); err != nil {
		if lerr := s.load(context.WithoutCancel(ctx)); lerr != nil {
			err = fmt.Errorf("%w (and reading back: %v)", err, lerr)
		}
		return fmt.Errorf("history: delete: %w", err)
	}
	if _, err := s.db.Checkpoint(ctx); err != nil {
		return fmt.Errorf("history: delete: %w", err)
	}
	return nil
}

// erase writes the blocks of a subject anew without the points that are gone,
// and the index without the subject where it has none left.
func (s *SQLite) erase(ctx context.Context, tx *sqlite.Tx, subject int64, gone func(*Point) bool) error {
	var empty []int64 // blocks without points of the subject
	for _, e := range s.entries {
		if e.subject == subject {
			left, err := s.eraseIn(tx, e.block, uint64(subject), gone)
			if err != nil {
				return err
			}
			if !left {
				empty = append(empty, e.block)
			}
		}
	}
	s.entries = slices.DeleteFunc(s.entries, func(e entry) bool {
		return e.subject == subject && slices.Contains(empty, e.block)
	})
	pages, err := pagesOf(ctx, tx, subject)
	if err != nil {
		return err
	}
	for _, p := range pages {
		if err := s.erasePage(tx, p, subject, gone); err != nil {
			return err
		}
	}
	return nil
}

// indexPage is a page of the index that may hold a subject.
type indexPage struct {
	row  int64
	data []byte
}

func pagesOf(ctx context.Context, tx *sqlite.Tx, subject int64) (list []indexPage, err error) {
	err = eachRow(ctx, tx, `SELECT p.rowid, p.data FROM segment g CROSS JOIN page p ON p.segment = g.id
		AND p.first = (SELECT max(first) FROM page WHERE segment = g.id AND first <= ?)`, []any{subject},
		func(rows *sql.Rows) error {
			var p indexPage
			if err := rows.Scan(&p.row, &p.data); err != nil {
				return err
			}
			if len(onPage(p.data, subject)) > 0 {
				list = append(list, p)
			}
			return nil
		})
	return list, err
}

func (s *SQLite) erasePage(tx *sqlite.Tx, p indexPage, subject int64, gone func(*Point) bool) error {
	var empty []int64
	for _, block := range onPage(p.data, subject) {
		left, err := s.eraseIn(tx, block, uint64(subject), gone)
		if err != nil {
			return err
		}
		if !left {
			empty = append(empty, block)
		}
	}
	if len(empty) == 0 {
		return nil
	}
	kept := make([]byte, 0, len(p.data))
	for e := range slices.Chunk(p.data, entrySize) {
		if int64(binary.LittleEndian.Uint64(e)) != subject || !slices.Contains(empty, int64(binary.LittleEndian.Uint64(e[8:]))) {
			kept = append(kept, e...)
		}
	}
	if len(kept) == 0 {
		_, err := tx.Exec(`DELETE FROM page WHERE rowid = ?`, p.row)
		return err
	}
	first := int64(binary.LittleEndian.Uint64(kept)) // the page may be named after who is gone
	_, err := tx.Exec(`UPDATE page SET first = ?2, data = ?3 WHERE rowid = ?1`, p.row, first, kept)
	return err
}

// eraseIn rewrites a block and reports whether it has points of the subject left.
func (s *SQLite) eraseIn(tx *sqlite.Tx, id int64, subject uint64, gone func(*Point) bool) (left bool, err error) {
	var partition int
	var data []byte
	if ok, err := tx.Row(`SELECT partition, data FROM block WHERE id = ?`, []any{id}, &partition, &data); err != nil || !ok {
		return false, err
	}
	var reader blockReader
	if err := reader.open(data); err != nil {
		return false, err
	}
	w := &s.rewriter
	w.reset()
	var p Point
	for {
		ok, err := reader.next(&p)
		if err != nil {
			return false, err
		}
		if !ok {
			break
		}
		if !gone(&p) {
			w.add(&p)
			left = left || subjectOf(&p) == subject
		}
	}
	if w.count == 0 {
		_, err := tx.Exec(`DELETE FROM block WHERE id = ?`, id)
		return false, err
	}
	_, err = tx.Exec(`UPDATE block SET data = ? WHERE id = ?`, w.appendTo(nil), id)
	return left, err
}
