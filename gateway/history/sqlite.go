package history

import (
	"context"
	"database/sql"
	"fmt"
	"hash/fnv"
	"sync"
	"time"

	"touchpoint/gateway"
	"touchpoint/internal/sqlite"
)

// A segment is a stretch of the history. The one that is open takes blocks;
// who looks for a device there reads all of them, which are few. When it is
// full it is closed: small blocks are joined to large ones, and an index from
// devices to blocks is written for all of it at once, in pages. So appending
// costs little more than writing the points down, whatever the size of the
// history, and what is beyond its retention is dropped by the segment.
const (
	segmentPoints = 1 << 16
	segmentBlocks = 1 << 12
	segmentAge    = 24 * time.Hour // of applied time
	blockPoints   = 512
	pageEntries   = 512
)

// sizes are those of the above that a test makes small.
type sizes struct{ segmentPoints, segmentBlocks, blockPoints, pageEntries int }

var sqliteSchema = []string{`
CREATE TABLE segment (
	id            INTEGER PRIMARY KEY,
	points        INTEGER NOT NULL,
	blocks        INTEGER NOT NULL,
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
CREATE INDEX block_applied ON block (partition, id, first_applied, last_applied);
CREATE INDEX block_segment ON block (segment);
CREATE TABLE page ( -- of the index of a closed segment
	segment INTEGER NOT NULL,
	first   INTEGER NOT NULL, -- first subject of the page
	data    BLOB NOT NULL,    -- sorted: subject, block, 8 bytes each
	PRIMARY KEY (segment, first)
);
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
	sizes     sizes

	mu       sync.Mutex // of everything below: one Append or Delete at a time
	segment  segment
	entries  []entry       // of the open segment
	last     map[int]Place // the last point of each partition
	credited map[pair]struct{}
	group    grouping
	writer   blockWriter
	rewriter blockWriter
	data     []byte
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
	s := &SQLite{db: db, retention: o.Retention, credited: map[pair]struct{}{},
		sizes: sizes{segmentPoints, segmentBlocks, blockPoints, pageEntries}}
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
	err := s.db.Write.QueryRowContext(ctx, `SELECT id, points, blocks, first_time, last_time, first_applied, last_applied
		FROM segment ORDER BY id DESC LIMIT 1`).
		Scan(&g.id, &g.points, &g.blocks, &g.firstTime, &g.lastTime, &g.firstApplied, &g.lastApplied)
	if err != nil && err != sql.ErrNoRows {
		return err
	}
	if err := s.loadEntries(ctx); err != nil {
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
	points, blocks            int
	firstTime, lastTime       int64
	firstApplied, lastApplied int64
}

// full reports whether a block that ends at applied belongs to the next one.
func (g *segment) full(applied int64, z *sizes) bool {
	return g.points >= z.segmentPoints || g.blocks >= z.segmentBlocks ||
		g.points > 0 && applied-g.firstApplied >= segmentAge.Milliseconds()
}

// add widens the segment by a block.
func (g *segment) add(m *blockMeta) {
	if g.points == 0 {
		g.firstTime, g.lastTime, g.firstApplied, g.lastApplied = m.firstTime, m.lastTime, m.firstApplied, m.lastApplied
	}
	g.firstTime, g.lastTime = min(g.firstTime, m.firstTime), max(g.lastTime, m.lastTime)
	g.firstApplied, g.lastApplied = min(g.firstApplied, m.firstApplied), max(g.lastApplied, m.lastApplied)
	g.points += m.points
	g.blocks++
}

// typeBit is a type's bit in block.types. Types that share a bit make a reader
// look into blocks in vain, nothing worse.
func typeBit(typ string) int64 {
	h := fnv.New32a()
	_, _ = h.Write([]byte(typ))
	return 1 << (h.Sum32() % 63)
}
