package history

import (
	"context"
	"database/sql"
	"fmt"
	"hash/fnv"
	"strconv"
	"sync"
	"time"

	"touchpoint/gateway"
	"touchpoint/internal/sqlite"
)

// A segment is a stretch of the history: it is closed after segmentPoints, or
// when it spans segmentAge of applied time. The index from devices to blocks
// begins with the segment, so that appending touches the few pages of the open
// one whatever the size of the history, and old segments are dropped as a whole.
const (
	segmentPoints = 1 << 16
	segmentAge    = 24 * time.Hour
	blockPoints   = 512
)

var sqliteSchema = []string{`
CREATE TABLE segment (
	id            INTEGER PRIMARY KEY,
	points        INTEGER NOT NULL,
	first_time    INTEGER NOT NULL,
	last_time     INTEGER NOT NULL,
	first_applied INTEGER NOT NULL,
	last_applied  INTEGER NOT NULL
);
CREATE TABLE block (
	id            INTEGER PRIMARY KEY,
	segment       INTEGER NOT NULL,
	partition     INTEGER NOT NULL,
	types         INTEGER NOT NULL, -- a bit for each type, see typeBit
	first_time    INTEGER NOT NULL,
	last_time     INTEGER NOT NULL,
	first_applied INTEGER NOT NULL,
	last_applied  INTEGER NOT NULL,
	data          BLOB NOT NULL
);
CREATE INDEX block_first ON block (first_time);
CREATE INDEX block_last ON block (last_time);
CREATE INDEX block_applied ON block (partition, id, first_applied, last_applied);
CREATE INDEX block_segment ON block (segment);
CREATE TABLE subject (
	segment INTEGER NOT NULL,
	subject INTEGER NOT NULL, -- device, or customer of a touchpoint without one
	block   INTEGER NOT NULL,
	PRIMARY KEY (segment, subject, block)
) WITHOUT ROWID;
CREATE TABLE credit ( -- which subjects have points credited to a customer
	customer INTEGER NOT NULL,
	subject  INTEGER NOT NULL,
	PRIMARY KEY (customer, subject)
) WITHOUT ROWID;
CREATE TABLE position (
	partition INTEGER PRIMARY KEY,
	step_seq  INTEGER NOT NULL,
	event_seq INTEGER NOT NULL,
	inputs    INTEGER NOT NULL,
	freed     INTEGER NOT NULL,
	open      INTEGER NOT NULL,
	-- the last point, so that one that comes again is known
	seq       INTEGER NOT NULL,
	idx       INTEGER NOT NULL,
	late      INTEGER NOT NULL
);`}

// SQLiteOptions are the settings of the embedded store.
type SQLiteOptions struct {
	// Path is the file of the database.
	Path string
	// Retention is how long points are kept, by applied time and to the day;
	// 0 keeps them for ever.
	Retention time.Duration
}

// Validate names the first wrong setting.
func (o SQLiteOptions) Validate() error {
	if o.Path == "" {
		return gateway.InvalidField("history.path", "is needed")
	}
	if o.Retention < 0 || o.Retention > 0 && o.Retention < segmentAge {
		return gateway.InvalidField("history.retention", "is %v: allowed are 0 (for ever) and 24h or more", o.Retention)
	}
	return nil
}

// SQLite is the embedded store.
type SQLite struct {
	db        *sqlite.DB
	retention time.Duration

	mu       sync.Mutex // of everything below: one Append or Delete at a time
	segment  segment
	last     map[int]Place // the last point of each partition
	credited map[pair]struct{}
	group    grouping
	writer   blockWriter
	data     []byte
	json     []byte
}

type pair struct {
	customer gateway.CustomerID
	subject  uint64
}

// maxCredited bounds the memory of pairs that are known to be written.
const maxCredited = 1 << 20

// OpenSQLite opens or creates the embedded store.
func OpenSQLite(ctx context.Context, o SQLiteOptions) (*SQLite, error) {
	if err := o.Validate(); err != nil {
		return nil, err
	}
	db, err := sqlite.Open(ctx, sqlite.Options{Path: o.Path, Schema: sqliteSchema})
	if err != nil {
		return nil, err
	}
	s := &SQLite{db: db, retention: o.Retention, credited: map[pair]struct{}{}}
	if err := s.load(ctx); err != nil {
		_ = db.Close()
		return nil, fmt.Errorf("history: %w", err)
	}
	return s, nil
}

// load reads what Append keeps in memory: the open segment and the last places.
// After a failed transaction it forgets what that left there.
func (s *SQLite) load(ctx context.Context) error {
	clear(s.credited)
	s.segment = segment{}
	g := &s.segment
	err := s.db.Write.QueryRowContext(ctx, `SELECT id, points, first_time, last_time, first_applied, last_applied
		FROM segment ORDER BY id DESC LIMIT 1`).
		Scan(&g.id, &g.points, &g.firstTime, &g.lastTime, &g.firstApplied, &g.lastApplied)
	if err != nil && err != sql.ErrNoRows {
		return err
	}
	s.last = map[int]Place{}
	rows, err := s.db.Write.QueryContext(ctx, `SELECT partition, seq, idx, late FROM position`)
	if err != nil {
		return err
	}
	defer rows.Close()
	for rows.Next() {
		var p Place
		if err := rows.Scan(&p.Partition, &p.Seq, &p.Index, &p.Late); err != nil {
			return err
		}
		s.last[p.Partition] = p
	}
	return rows.Err()
}

// Positions implements Store.
func (s *SQLite) Positions(ctx context.Context) ([]Position, error) {
	rows, err := s.db.Read.QueryContext(ctx, `SELECT partition, step_seq, event_seq, inputs, freed, open FROM position ORDER BY partition`)
	if err != nil {
		return nil, err
	}
	defer rows.Close()
	var list []Position
	for rows.Next() {
		var p Position
		if err := rows.Scan(&p.Partition, &p.StepSeq, &p.EventSeq, &p.Inputs, &p.Late, &p.Open); err != nil {
			return nil, err
		}
		list = append(list, p)
	}
	return list, rows.Err()
}

// Health implements Store: a local file takes points as long as it is open.
func (s *SQLite) Health() error { return nil }

// Close implements Store.
func (s *SQLite) Close(context.Context) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.db.Close()
}

// segment is the open segment.
type segment struct {
	id                        int64
	points                    int
	firstTime, lastTime       int64
	firstApplied, lastApplied int64
}

// full reports whether a block that ends at applied belongs to the next one.
func (g *segment) full(applied int64) bool {
	return g.points >= segmentPoints || g.points > 0 && applied-g.firstApplied >= segmentAge.Milliseconds()
}

// typeBit is a type's bit in block.types. Types that share a bit make a reader
// look into blocks in vain, nothing worse.
func typeBit(typ string) int64 {
	h := fnv.New32a()
	_, _ = h.Write([]byte(typ))
	return 1 << (h.Sum32() % 63)
}

func appendJSON(b []byte, v uint64) []byte {
	if len(b) > 1 {
		b = append(b, ',')
	}
	return strconv.AppendInt(b, int64(v), 10)
}
