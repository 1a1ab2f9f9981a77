package ingest

import "sync/atomic"

// counters are the live numbers behind Stats.
type counters struct {
	messages, bytes, events, receipts, hellos, commands    atomic.Uint64
	poison, batches, retries, refused, blocked, deadFailed atomic.Uint64
	queuedBytes                                            atomic.Int64
}

// Stats are counts since the start.
type Stats struct {
	Messages uint64 // from devices, good and bad
	Bytes    uint64 // of their payloads
	Events   uint64 // durable, of devices and of the API
	Receipts uint64 // of devices, durable
	Hellos   uint64
	Commands uint64 // durable, receipts included
	Poison   uint64 // messages that became dead letters
	Batches  uint64 // records of the log
	Retries  uint64 // appends that were tried again
	Refused  uint64 // appends that the log refused for want of space
	Blocked  uint64 // messages that had to wait for room
	// DeadLetterRetries counts dead letters that could not be stored at once.
	DeadLetterRetries uint64
	QueuedBytes       int64 // in flight now
}

// Stats returns a snapshot of the counters.
func (i *Ingest) Stats() Stats {
	c := &i.count
	return Stats{
		Messages: c.messages.Load(), Bytes: c.bytes.Load(), Events: c.events.Load(), Receipts: c.receipts.Load(),
		Hellos: c.hellos.Load(), Commands: c.commands.Load(), Poison: c.poison.Load(), Batches: c.batches.Load(),
		Retries: c.retries.Load(), Refused: c.refused.Load(), Blocked: c.blocked.Load(),
		DeadLetterRetries: c.deadFailed.Load(), QueuedBytes: c.queuedBytes.Load(),
	}
}
