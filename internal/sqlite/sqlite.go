// Package sqlite opens the embedded databases of the gateway in the one way
// that suits its stores: a write-ahead log, one connection that writes and a
// few that read, so that a read never waits for a write.
package sqlite

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"net/url"
	"os"
	"path/filepath"

	_ "modernc.org/sqlite" // the driver "sqlite", pure Go

	"touchpoint/gateway"
)

// readers is how many reads run beside each other.
const readers = 4

// DB is an open database.
type DB struct {
	// Write has one connection: writers queue here instead of meeting a lock.
	Write *sql.DB
	// Read has several connections that cannot write.
	Read *sql.DB
	path string

	prepared map[string]*sql.Stmt
	wanted   []string
}

// Options say how a database is opened.
type Options struct {
	// Path is the database's file; its directory is made when missing.
	Path string
	// Schema are the versions of the schema: the database keeps how many of them
	// it has and runs the others. Texts that were released never change.
	Schema []string
	// CacheKB is the page cache of the writing connection, 16 MB when 0.
	CacheKB int
}

// Open opens or creates the database and brings its schema up to date. A
// database written by a later release is refused.
func Open(ctx context.Context, o Options) (*DB, error) {
	if o.Path == "" {
		return nil, gateway.InvalidField("path", "is needed: the database lives in a file")
	}
	if o.CacheKB == 0 {
		o.CacheKB = 16 << 10
	}
	if err := os.MkdirAll(filepath.Dir(o.Path), 0o700); err != nil {
		return nil, gateway.Errorf(gateway.Unavailable, "database directory: %w", err)
	}
	db := &DB{path: o.Path, prepared: map[string]*sql.Stmt{}}
	var err error
	// A commit is on disk when it returns: positions that a trimmer relies on
	// must not go back after a power cut. Content that is deleted is
	// overwritten, since deleting is how a person is forgotten.
	if db.Write, err = connect(o.Path, 1, "synchronous(full)", "secure_delete(on)",
		fmt.Sprintf("cache_size(-%d)", o.CacheKB), "wal_autocheckpoint(2000)", "temp_store(memory)"); err != nil {
		return nil, err
	}
	if err := db.migrate(ctx, o.Schema); err != nil {
		return nil, errors.Join(err, db.Close())
	}
	if db.Read, err = connect(o.Path, readers, "query_only(on)", "cache_size(-4096)", "temp_store(memory)"); err != nil {
		return nil, errors.Join(err, db.Close())
	}
	return db, nil
}

func connect(path string, conns int, pragmas ...string) (*sql.DB, error) {
	q := url.Values{"_pragma": append([]string{"busy_timeout(10000)", "journal_mode(wal)"}, pragmas...), "_txlock": {"immediate"}}
	if conns > 1 {
		q.Del("_txlock")
	}
	u := url.URL{Scheme: "file", Opaque: (&url.URL{Path: path}).EscapedPath(), RawQuery: q.Encode()}
	db, err := sql.Open("sqlite", u.String())
	if err != nil {
		return nil, gateway.Errorf(gateway.Unavailable, "open database: %w", err)
	}
	db.SetMaxOpenConns(conns)
	db.SetMaxIdleConns(conns)
	return db, nil
}

func (db *DB) migrate(ctx context.Context, schema []string) error {
	var have int
	if err := db.Write.QueryRowContext(ctx, "PRAGMA user_version").Scan(&have); err != nil {
		return gateway.Errorf(gateway.Unavailable, "open database %s: %w", db.path, err)
	}
	if have > len(schema) {
		return gateway.Errorf(gateway.Conflict, "database %s has schema %d, this release knows %d: use the release that wrote it, or a later one",
			db.path, have, len(schema))
	}
	for v := have; v < len(schema); v++ {
		err := db.Tx(ctx, func(tx *Tx) error {
			if _, err := tx.tx.ExecContext(ctx, schema[v]); err != nil {
				return err
			}
			_, err := tx.tx.ExecContext(ctx, fmt.Sprintf("PRAGMA user_version = %d", v+1))
			return err
		})
		if err != nil {
			return gateway.Errorf(gateway.Internal, "schema %d of database %s: %w", v+1, db.path, err)
		}
	}
	return nil
}

// Checkpoint moves the write-ahead log into the database and empties it, so
// that what was deleted is in no file any more. It tells when readers were in
// the way.
func (db *DB) Checkpoint(ctx context.Context) (complete bool, err error) {
	var busy, log, moved int
	err = db.Write.QueryRowContext(ctx, "PRAGMA wal_checkpoint(TRUNCATE)").Scan(&busy, &log, &moved)
	return busy == 0, err
}

// Close closes the database.
func (db *DB) Close() error {
	var errs []error
	for _, c := range []*sql.DB{db.Read, db.Write} {
		if c != nil {
			errs = append(errs, c.Close())
		}
	}
	return errors.Join(errs...)
}
