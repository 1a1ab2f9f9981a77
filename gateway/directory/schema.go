package directory

// schema are the versions of the database; see sqlite.Options. Ids of 64 bits
// are stored as signed integers, those of 128 bits as blobs, lists and
// properties as JSON.
var schema = []string{`
CREATE TABLE position (
	partition   INTEGER PRIMARY KEY,
	step_seq    INTEGER NOT NULL,
	step_number INTEGER NOT NULL,
	event_seq   INTEGER NOT NULL
);
CREATE TABLE total (
	name TEXT PRIMARY KEY,
	n    INTEGER NOT NULL
) WITHOUT ROWID;

CREATE TABLE customer (
	id         INTEGER PRIMARY KEY,
	locale     TEXT NOT NULL,
	time_zone  TEXT NOT NULL,
	country    TEXT NOT NULL,
	channels   TEXT NOT NULL,
	attributes TEXT NOT NULL,
	consents   TEXT NOT NULL,
	test       INTEGER NOT NULL,
	changed_at INTEGER NOT NULL,
	quiet      TEXT NOT NULL, -- his own quiet hours
	cap_count  INTEGER NOT NULL,
	cap_window INTEGER NOT NULL
);
CREATE TABLE class ( -- segments and stages
	customer INTEGER PRIMARY KEY,
	text     TEXT NOT NULL
);
CREATE TABLE task ( -- for the staff
	rowno      INTEGER PRIMARY KEY,
	id         BLOB NOT NULL UNIQUE,
	enrollment BLOB NOT NULL,
	journey    TEXT NOT NULL,
	version    INTEGER NOT NULL,
	step       TEXT NOT NULL,
	customer   INTEGER NOT NULL,
	device     INTEGER NOT NULL,
	product    TEXT NOT NULL,
	assignee   TEXT NOT NULL,
	locale     TEXT NOT NULL,
	vals       TEXT NOT NULL,
	opened_at  INTEGER NOT NULL,
	due_at     INTEGER NOT NULL,
	state      TEXT NOT NULL,
	closed_at  INTEGER NOT NULL,
	outcome    TEXT NOT NULL
);
CREATE INDEX task_customer ON task (customer);
CREATE INDEX task_state ON task (state, opened_at);
CREATE TABLE ownership (
	id        INTEGER PRIMARY KEY,
	device    INTEGER NOT NULL,
	customer  INTEGER NOT NULL,
	from_time INTEGER NOT NULL,
	to_time   INTEGER NOT NULL, -- 0 while it lasts
	product   TEXT NOT NULL,
	role      TEXT NOT NULL,
	UNIQUE (customer, device, from_time)
);
CREATE INDEX ownership_device ON ownership (device);
CREATE TABLE route (
	device    INTEGER PRIMARY KEY,
	partition INTEGER NOT NULL,
	customer  INTEGER NOT NULL
);
CREATE INDEX route_customer ON route (customer);

CREATE TABLE enrollment (
	rowno       INTEGER PRIMARY KEY,
	id          BLOB NOT NULL UNIQUE,
	journey     TEXT NOT NULL,
	version     INTEGER NOT NULL,
	customer    INTEGER NOT NULL,
	device      INTEGER NOT NULL,
	key         TEXT NOT NULL,
	step        TEXT NOT NULL,
	arm         TEXT NOT NULL,
	entered_at  INTEGER NOT NULL,
	changed_at  INTEGER NOT NULL,
	ended_at    INTEGER NOT NULL,
	end_reason  TEXT NOT NULL,
	converted   INTEGER NOT NULL,
	waits_until INTEGER NOT NULL
);
CREATE INDEX enrollment_customer ON enrollment (customer);
CREATE INDEX enrollment_journey ON enrollment (journey);

CREATE TABLE message (
	rowno       INTEGER PRIMARY KEY,
	id          BLOB NOT NULL UNIQUE,
	enrollment  BLOB NOT NULL,
	journey     TEXT NOT NULL,
	version     INTEGER NOT NULL,
	step        TEXT NOT NULL,
	visit       INTEGER NOT NULL,
	customer    INTEGER NOT NULL,
	device      INTEGER NOT NULL,
	product     TEXT NOT NULL,
	channel     TEXT NOT NULL,
	fallback    TEXT NOT NULL,
	purpose     TEXT NOT NULL,
	template    TEXT NOT NULL,
	locale      TEXT NOT NULL,
	vals        TEXT NOT NULL,
	holdout     INTEGER NOT NULL,
	decided_at  INTEGER NOT NULL,
	not_before  INTEGER NOT NULL,
	not_after   INTEGER NOT NULL,
	expires_at  INTEGER NOT NULL,
	cause       TEXT NOT NULL,
	cause_at    INTEGER NOT NULL,
	state       INTEGER NOT NULL,
	state_at    INTEGER NOT NULL,
	detail      TEXT NOT NULL
);
CREATE INDEX message_time ON message (decided_at);
CREATE INDEX message_customer ON message (customer, decided_at);
CREATE INDEX message_device ON message (device, decided_at);
CREATE INDEX message_journey ON message (journey, decided_at);
CREATE TABLE message_state (
	message INTEGER NOT NULL, -- message.rowno
	n       INTEGER NOT NULL,
	state   INTEGER NOT NULL,
	at      INTEGER NOT NULL,
	channel TEXT NOT NULL,
	detail  TEXT NOT NULL,
	PRIMARY KEY (message, n)
) WITHOUT ROWID;

CREATE TABLE decision (
	rowno      INTEGER PRIMARY KEY,
	partition  INTEGER NOT NULL,
	first_seq  INTEGER NOT NULL, -- the records of EVENTS that its step applied
	last_seq   INTEGER NOT NULL,
	at         INTEGER NOT NULL,
	kind       INTEGER NOT NULL,
	reason     TEXT NOT NULL,
	journey    TEXT NOT NULL,
	version    INTEGER NOT NULL,
	step       TEXT NOT NULL,
	customer   INTEGER NOT NULL,
	device     INTEGER NOT NULL,
	enrollment BLOB,
	message    BLOB,
	event_id   TEXT NOT NULL,
	rule       TEXT NOT NULL,
	vals       TEXT NOT NULL
);
CREATE INDEX decision_customer ON decision (customer) WHERE customer != 0;
CREATE INDEX decision_place ON decision (partition, last_seq);

CREATE TABLE journey (
	journey   TEXT NOT NULL,
	version   INTEGER NOT NULL,
	partition INTEGER NOT NULL,
	state     TEXT NOT NULL,
	at        INTEGER NOT NULL,
	PRIMARY KEY (journey, version, partition)
) WITHOUT ROWID;
CREATE TABLE definition (
	journey TEXT NOT NULL,
	version INTEGER NOT NULL,
	text    BLOB NOT NULL,
	PRIMARY KEY (journey, version)
);
CREATE TABLE journey_count (
	journey TEXT NOT NULL,
	version INTEGER NOT NULL,
	kind    TEXT NOT NULL, -- entered, active (by step), converted, ended (by reason), message (by state)
	name    TEXT NOT NULL,
	n       INTEGER NOT NULL,
	PRIMARY KEY (journey, version, kind, name)
) WITHOUT ROWID;
`, groupSchema, effectSchema, recipientSchema}

// groupSchema keeps who is in which group, what decisions say of arms, and per
// journey what became of each unit that has an arm: a group, or a customer
// alone.
const groupSchema = `
CREATE TABLE membership (
	customer  INTEGER NOT NULL,
	grp       INTEGER NOT NULL,
	from_time INTEGER NOT NULL,
	to_time   INTEGER NOT NULL, -- 0 while it lasts
	role      TEXT NOT NULL,
	PRIMARY KEY (customer, grp, from_time)
) WITHOUT ROWID;
CREATE INDEX membership_group ON membership (grp);
ALTER TABLE decision ADD COLUMN arm TEXT NOT NULL DEFAULT '';
ALTER TABLE decision ADD COLUMN split TEXT NOT NULL DEFAULT '';
ALTER TABLE decision ADD COLUMN grp INTEGER NOT NULL DEFAULT 0;
ALTER TABLE decision ADD COLUMN mixed INTEGER NOT NULL DEFAULT 0;
CREATE TABLE effect (
	journey      TEXT NOT NULL,
	kind         INTEGER NOT NULL, -- of the unit: customer, group; 0 = erased
	unit         INTEGER NOT NULL,
	arm          TEXT NOT NULL,
	split        TEXT NOT NULL,
	mixed        INTEGER NOT NULL,
	exposed_at   INTEGER NOT NULL, -- sent to, or would have been; 0 = not yet
	converted_at INTEGER NOT NULL, -- after that; 0 = not yet
	PRIMARY KEY (journey, kind, unit)
) WITHOUT ROWID;
`

// effectSchema counts a unit once per version, and once per split step that it
// came through; step is "" where the arm is that of the holdout.
const effectSchema = `
ALTER TABLE effect RENAME TO effect_before;
CREATE TABLE effect (
	journey      TEXT NOT NULL,
	kind         INTEGER NOT NULL, -- of the unit: customer, group; 0 = erased
	unit         INTEGER NOT NULL,
	step         TEXT NOT NULL,
	version      INTEGER NOT NULL,
	arm          TEXT NOT NULL,
	mixed        INTEGER NOT NULL,
	exposed_at   INTEGER NOT NULL, -- sent to, or would have been; 0 = not yet
	converted_at INTEGER NOT NULL, -- after that, or after the split; 0 = not yet
	PRIMARY KEY (journey, kind, unit, step, version)
) WITHOUT ROWID;
INSERT INTO effect SELECT journey, kind, unit, '', 0, arm, mixed, exposed_at, converted_at FROM effect_before;
DROP TABLE effect_before;
`
