package directory

// recipientSchema keeps in which role, and by whose run, a customer is addressed
// who is not the one of the journey. Someone may have several roles beside a
// device from one moment on.
const recipientSchema = `
ALTER TABLE enrollment ADD COLUMN recipient TEXT NOT NULL DEFAULT '';
ALTER TABLE enrollment ADD COLUMN origin BLOB;
ALTER TABLE decision ADD COLUMN recipient TEXT NOT NULL DEFAULT '';
ALTER TABLE decision ADD COLUMN origin BLOB;
ALTER TABLE message ADD COLUMN recipient TEXT NOT NULL DEFAULT '';
CREATE TABLE roles (
	id        INTEGER PRIMARY KEY,
	device    INTEGER NOT NULL,
	customer  INTEGER NOT NULL,
	from_time INTEGER NOT NULL,
	to_time   INTEGER NOT NULL, -- 0 while it lasts
	product   TEXT NOT NULL,
	role      TEXT NOT NULL,
	UNIQUE (customer, device, from_time, role)
);
INSERT INTO roles SELECT id, device, customer, from_time, to_time, product, role FROM ownership;
DROP TABLE ownership;
ALTER TABLE roles RENAME TO ownership;
CREATE INDEX ownership_device ON ownership (device);
`

// blob is an id as the database keeps it, nil for none.
func blob(id [16]byte) []byte {
	if id == [16]byte{} {
		return nil
	}
	return id[:]
}
