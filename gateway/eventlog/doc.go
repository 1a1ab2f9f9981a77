// Package eventlog keeps the durable logs of the gateway on NATS JetStream:
// EVENTS (what came in), STEPS (what was decided), snapshots, dead letters and
// small tables.
//
// The server is embedded (no listener, every write synced to disk before it is
// answered) or external by URL; the code is the same. The partitions are spread
// over a few streams, because a stream syncs one message after the other.
//
// What holds:
//   - An append that returned is on disk. One whose outcome is unknown may be
//     repeated: it is stored once.
//   - Steps are chained: each is written only if the one before it is the last
//     of its partition (else Fenced), and a reader stops at a hole or a damaged
//     record.
//   - Nothing is dropped silently: streams refuse when they are full, and only
//     Trim deletes, below what snapshots and followers still need.
package eventlog
