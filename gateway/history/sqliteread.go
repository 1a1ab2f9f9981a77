package history

import (
	"context"
	"database/sql"
	"errors"
	"math"
	"slices"

	"touchpoint/gateway"
)

// Events implements Store.
func (s *SQLite) Events(ctx context.Context, q Query) (Page, error) {
	after, has, err := q.prepare()
	if err != nil {
		return Page{}, err
	}
	f := q.Filter
	if has { // what lies before the page needs no reading
		ms := gateway.Instant(floorMillis(after.time))
		if q.OldestFirst {
			f.From = max(f.From, ms)
		} else if f.To == 0 || ms+1 < f.To {
			f.To = ms + 1
		}
	}
	order := newestFirst
	if q.OldestFirst {
		order = oldestFirst
	}
	best := &topPoints{q: &q, limit: q.Limit + 1}
	reader := blockReader{want: &f}
	enough := func(first, last int64) bool {
		edge, full := best.edge()
		return full && (q.OldestFirst && first > floorMillis(edge) || !q.OldestFirst && last < floorMillis(edge))
	}
	err = s.blocks(ctx, f, order, enough, func(partition int, data []byte) error {
		if err := reader.open(data); err != nil {
			return err
		}
		for {
			var p Point
			ok, err := reader.next(&p)
			if err != nil || !ok {
				return err
			}
			if !has || q.later(keyOf(&p), after) {
				best.add(p)
			}
		}
	})
	if err != nil {
		return Page{}, err
	}
	return best.page(), nil
}

func floorMillis(nanos int64) int64 {
	ms := nanos / subMillis
	if nanos%subMillis < 0 {
		ms--
	}
	return ms
}

// topPoints keeps the first points of a query's order.
type topPoints struct {
	q      *Query
	limit  int
	sorted bool
	keys   []keyed
}

type keyed struct {
	key   key
	point Point
}

func (t *topPoints) add(p Point) {
	t.keys = append(t.keys, keyed{keyOf(&p), p})
	t.sorted = false
	if len(t.keys) >= 4*t.limit+256 {
		t.sort()
	}
}

func (t *topPoints) sort() {
	if t.sorted {
		return
	}
	slices.SortFunc(t.keys, func(a, b keyed) int {
		if t.q.OldestFirst {
			return a.key.compare(b.key)
		}
		return b.key.compare(a.key)
	})
	if len(t.keys) > t.limit {
		clear(t.keys[t.limit:])
		t.keys = t.keys[:t.limit]
	}
	t.sorted = true
}

// edge returns the time of the last point kept, when there are enough.
func (t *topPoints) edge() (int64, bool) {
	t.sort()
	if len(t.keys) < t.limit {
		return 0, false
	}
	return t.keys[t.limit-1].key.time, true
}

func (t *topPoints) page() Page {
	t.sort()
	var page Page
	for i := range min(len(t.keys), t.q.Limit) {
		page.Points = append(page.Points, t.keys[i].point)
	}
	if len(t.keys) > t.q.Limit {
		page.Next = t.q.next(&page.Points[t.q.Limit-1])
	}
	return page
}

// Aggregate implements Store.
func (s *SQLite) Aggregate(ctx context.Context, a Aggregation) ([]Row, error) {
	if err := a.prepare(); err != nil {
		return nil, err
	}
	sums := newSums(&a)
	reader := blockReader{want: &a.Filter}
	err := s.blocks(ctx, a.Filter, oldestFirst, nil, func(partition int, data []byte) error {
		if err := reader.open(data); err != nil {
			return err
		}
		var p Point
		for {
			ok, err := reader.next(&p)
			if err != nil || !ok {
				return err
			}
			sums.add(&p)
		}
	})
	if err != nil {
		return nil, err
	}
	return sums.rows(), nil
}

// Scan implements Store. It merges the partitions, each of which is stored in
// its own order already.
func (s *SQLite) Scan(ctx context.Context, r ScanRange, fn func(*Point) error) error {
	partitions := r.Partitions
	if len(partitions) == 0 {
		var err error
		if partitions, err = s.partitions(ctx); err != nil {
			return err
		}
	}
	to := gateway.Instant(math.MaxInt64)
	if r.To != 0 {
		to = r.To
	}
	sources := make([]pointSource, len(partitions))
	for i, partition := range partitions {
		sources[i] = &partitionScan{s: s, partition: partition, from: r.From, to: to, inputs: r.Inputs}
	}
	return merge(ctx, sources, fn)
}

func (s *SQLite) partitions(ctx context.Context) ([]int, error) {
	rows, err := s.db.Read.QueryContext(ctx, `SELECT partition FROM position ORDER BY partition`)
	if err != nil {
		return nil, err
	}
	defer rows.Close()
	var list []int
	for rows.Next() {
		var p int
		if err := rows.Scan(&p); err != nil {
			return nil, err
		}
		list = append(list, p)
	}
	return list, rows.Err()
}

// partitionScan reads one partition block by block. It holds no open query
// between blocks, so a slow reader is in nobody's way.
type partitionScan struct {
	s         *SQLite
	partition int
	from, to  gateway.Instant
	inputs    bool
	after     int64 // the last block
	last      Place // the last point
	begun     bool
	reader    blockReader
	open      bool
}

func (c *partitionScan) next(ctx context.Context, p *Point) (bool, error) {
	for {
		if c.open {
			ok, err := c.reader.next(p)
			if err != nil {
				return false, err
			}
			if ok && p.AppliedAt >= c.to {
				return false, nil
			}
			// Blocks that were joined meanwhile hold what was read already.
			if ok && p.AppliedAt >= c.from && (!c.begun || c.last.Before(p.Place)) {
				c.last, c.begun = p.Place, true
				if p.Kind == KindEvent || c.inputs {
					return true, nil
				}
			}
			if ok {
				continue
			}
			c.open = false
		}
		var data sql.RawBytes
		rows, err := c.s.db.Read.QueryContext(ctx, `SELECT id, data FROM block WHERE partition = ? AND id > ?
			AND last_applied >= ? AND first_applied < ? ORDER BY id LIMIT 1`,
			c.partition, c.after, int64(c.from), int64(c.to))
		if err != nil {
			return false, err
		}
		if !rows.Next() {
			return false, errors.Join(rows.Err(), rows.Close())
		}
		if err := rows.Scan(&c.after, &data); err != nil {
			return false, errors.Join(err, rows.Close())
		}
		err = c.reader.open(data)
		if err := errors.Join(err, rows.Close()); err != nil {
			return false, err
		}
		c.open = true
	}
}
