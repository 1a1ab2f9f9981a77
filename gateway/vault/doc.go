// Package vault keeps what may name a person: the mapping between external and
// internal ids, the keys that seal personal fields, and the sealed profiles.
//
// Logs, state and history carry internal ids alone. The vault is one bucket:
//
//	meta          the root key, wrapped by the master key
//	d.<random>    a batch of device mappings (product, serial), sealed as a whole
//	c.<index>     customer number → customer id; the index is a keyed hash
//	k.<subject>   the key of one subject, wrapped; written once, never rewritten
//	p.<customer>  the customer's profile, sealed with his key
//	r.<day>       the key of one day, for dead letters
//
// Erasing a customer purges his three entries. His key was written exactly once
// and is purged from the disk, so that older copies of anything sealed with it,
// in whatever log or backup of a log, stay unreadable.
//
// A device id is a keyed hash of product and serial: every process of an
// installation arrives at the same id without asking, and a first-seen device
// costs the hot path no disk access. The way back, from id to serial, is stored
// in batches behind it; Sync waits for that.
package vault
