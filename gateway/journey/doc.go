// Package journey is the pure core of touchpoint: definition + state + input +
// time → state + decisions + messages + timers. It does no I/O, starts no
// goroutine and reads no clock; everything it knows came in a record.
//
// # The road of a record
//
// Partition.Apply takes one record of the EVENTS log. It moves time forward and
// fires what fell due (timers.go), then applies the inputs in order: an event
// passes the device (device.go: duplicates, whose is it), then the customer
// (event.go: traits, running enrollments, entry triggers). An entry passes a
// fixed order of checks (entry.go), an enrollment walks through its steps
// (walk.go), a send step picks a channel under consent, caps and quiet hours
// (send.go). What became of a message comes back as a receipt (receipt.go).
//
// # One way to change state
//
// Code that decides never writes to state. It makes change records (change.go)
// and hands each to Partition.do, which encodes it into Step.Changes and
// applies it. Replay decodes the same records and applies them by the same
// methods, so that state after a replay equals state after the live run. A
// snapshot is the canonical encoding of the state (snapshot.go): equal states
// encode to equal bytes.
//
// # Time
//
// See timers.go for the exact boundaries.
package journey
