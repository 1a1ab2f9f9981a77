package history

import (
	"context"
	"fmt"

	"touchpoint/gateway"
	"touchpoint/internal/sqlite"
)

// DeleteDevice implements Store.
func (s *SQLite) DeleteDevice(ctx context.Context, d gateway.DeviceID) error {
	return s.delete(ctx, func(tx *sqlite.Tx) error {
		if err := s.erase(ctx, tx, uint64(d), func(p *Point) bool { return p.Event.Device == d }); err != nil {
			return err
		}
		_, err := tx.Exec(`DELETE FROM credit WHERE subject = ?`, int64(d))
		return err
	})
}

// DeleteCustomer implements Store.
func (s *SQLite) DeleteCustomer(ctx context.Context, c gateway.CustomerID) error {
	return s.delete(ctx, func(tx *sqlite.Tx) error {
		subjects, err := s.subjectsOf(ctx, tx, c)
		if err != nil {
			return err
		}
		for _, subject := range subjects {
			if err := s.erase(ctx, tx, subject, func(p *Point) bool { return p.Customer == c }); err != nil {
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
		return fmt.Errorf("history: delete: %w", err)
	}
	if _, err := s.db.Checkpoint(ctx); err != nil {
		return fmt.Errorf("history: delete: %w", err)
	}
	return nil
}

// erase writes the blocks of a subject anew without the points that are gone.
func (s *SQLite) erase(ctx context.Context, tx *sqlite.Tx, subject uint64, gone func(*Point) bool) error {
	ids, err := blocksOf(ctx, tx, subject)
	if err != nil {
		return err
	}
	for _, id := range ids {
		if err := s.eraseIn(tx, id, subject, gone); err != nil {
			return err
		}
	}
	return nil
}

func blocksOf(ctx context.Context, tx *sqlite.Tx, subject uint64) ([]int64, error) {
	rows, err := tx.QueryContext(ctx, `SELECT s.block FROM segment g CROSS JOIN subject s
		ON s.segment = g.id AND s.subject = ?`, int64(subject))
	if err != nil {
		return nil, err
	}
	defer rows.Close()
	var ids []int64
	for rows.Next() {
		var id int64
		if err := rows.Scan(&id); err != nil {
			return nil, err
		}
		ids = append(ids, id)
	}
	return ids, rows.Err()
}

func (s *SQLite) eraseIn(tx *sqlite.Tx, id int64, subject uint64, gone func(*Point) bool) error {
	var partition int
	var data []byte
	if _, err := tx.Row(`SELECT partition, data FROM block WHERE id = ?`, []any{id}, &partition, &data); err != nil {
		return err
	}
	var reader blockReader
	if err := reader.open(partition, data); err != nil {
		return err
	}
	s.writer.reset()
	var p Point
	subjectLeft := false
	for {
		ok, err := reader.next(&p)
		if err != nil {
			return err
		}
		if !ok {
			break
		}
		if !gone(&p) {
			s.writer.add(&p)
			subjectLeft = subjectLeft || subjectOf(&p) == subject
		}
	}
	if !subjectLeft {
		if _, err := tx.Exec(`DELETE FROM subject WHERE segment = (SELECT segment FROM block WHERE id = ?1)
			AND subject = ?2 AND block = ?1`, id, int64(subject)); err != nil {
			return err
		}
	}
	if s.writer.count == 0 {
		_, err := tx.Exec(`DELETE FROM block WHERE id = ?`, id)
		return err
	}
	s.data = s.writer.appendTo(s.data[:0])
	_, err := tx.Exec(`UPDATE block SET data = ? WHERE id = ?`, s.data, id)
	return err
}
