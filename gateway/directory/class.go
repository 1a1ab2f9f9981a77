package directory

import (
	"context"
	"database/sql"
	"encoding/json"
	"errors"

	"touchpoint/gateway"
)

// class writes what the rules say of a customer.
func (a *applier) class(c *gateway.CustomerClass) {
	text, _ := json.Marshal(c) // plain data
	a.exec(`INSERT INTO class (customer, text) VALUES (?1, ?2) ON CONFLICT (customer) DO UPDATE SET text = ?2`, int64(c.Customer), string(text))
}

// Class returns the segments and the stages of a customer; nothing when the
// rules declare none.
func (d *Directory) Class(ctx context.Context, id gateway.CustomerID) (c gateway.CustomerClass, err error) {
	var text string
	err = d.db.Read.QueryRowContext(ctx, `SELECT text FROM class WHERE customer = ?`, int64(id)).Scan(&text)
	if errors.Is(err, sql.ErrNoRows) {
		return c, nil
	}
	if err == nil {
		err = json.Unmarshal([]byte(text), &c)
	}
	return c, readError(err)
}
