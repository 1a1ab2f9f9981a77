package sqlite

import (
	"context"
	"database/sql"
	"errors"
)

// Tx is a transaction whose statements are prepared once per database: parsing
// costs more than most statements do.
type Tx struct {
	tx    *sql.Tx
	db    *DB
	ctx   context.Context
	stmts map[string]*sql.Stmt
}

// Tx runs fn in a transaction of the writing connection. Only one goroutine
// writes at a time.
func (db *DB) Tx(ctx context.Context, fn func(*Tx) error) error {
	if err := db.prepare(ctx); err != nil {
		return err
	}
	tx, err := db.Write.BeginTx(ctx, nil)
	if err != nil {
		return err
	}
	t := &Tx{tx: tx, db: db, ctx: ctx, stmts: map[string]*sql.Stmt{}}
	if err := fn(t); err != nil {
		return errors.Join(err, tx.Rollback())
	}
	return tx.Commit()
}

// stmt returns the prepared statement of a text. Texts are constants of the
// program: there are few of them.
func (t *Tx) stmt(text string) (*sql.Stmt, error) {
	if s := t.stmts[text]; s != nil {
		return s, nil
	}
	prepared := t.db.prepared[text]
	if prepared == nil {
		// Through the transaction, since the only connection is in its hands. The
		// statement of a transaction ends with it, so the next one prepares it for
		// good before it begins.
		t.db.wanted = append(t.db.wanted, text)
		s, err := t.tx.PrepareContext(t.ctx, text)
		if err != nil {
			return nil, err
		}
		t.stmts[text] = s
		return s, nil
	}
	s := t.tx.StmtContext(t.ctx, prepared)
	t.stmts[text] = s
	return s, nil
}

// Context returns the context that the transaction runs in.
func (t *Tx) Context() context.Context { return t.ctx }

// Exec runs a statement.
func (t *Tx) Exec(text string, args ...any) (sql.Result, error) {
	s, err := t.stmt(text)
	if err != nil {
		return nil, err
	}
	return s.ExecContext(t.ctx, args...)
}

// Row reads one row; false when there is none.
func (t *Tx) Row(text string, args []any, into ...any) (bool, error) {
	s, err := t.stmt(text)
	if err != nil {
		return false, err
	}
	err = s.QueryRowContext(t.ctx, args...).Scan(into...)
	if errors.Is(err, sql.ErrNoRows) {
		return false, nil
	}
	return err == nil, err
}

// QueryContext runs a query that is used seldom, without keeping it prepared.
func (t *Tx) QueryContext(ctx context.Context, text string, args ...any) (*sql.Rows, error) {
	return t.tx.QueryContext(ctx, text, args...)
}

// prepare prepares what an earlier transaction wanted.
func (db *DB) prepare(ctx context.Context) error {
	for _, text := range db.wanted {
		if db.prepared[text] != nil {
			continue
		}
		s, err := db.Write.PrepareContext(ctx, text)
		if err != nil {
			return err
		}
		db.prepared[text] = s
	}
	db.wanted = db.wanted[:0]
	return nil
}
