// Package failpoint kills the process at a named place, so that a crash test
// can stand exactly between two instructions of the road.
//
// A normal build compiles Hit to nothing. Built with the tag "failpoints", the
// process reads TOUCHPOINT_FAILPOINT="name:N" once, and the N-th Hit of that
// name writes the line "failpoint name" to standard error and sends SIGKILL to
// the process itself: no deferred call, no flush, as with a power switch that
// leaves the page cache alive.
package failpoint

// The places that can be named.
const (
	// IngestAppended lies between the append to EVENTS and the ack.
	IngestAppended = "ingest.appended"
	// EngineBeforeCommit lies between deciding and committing a step.
	EngineBeforeCommit = "engine.before_commit"
	// EngineCommitted lies between a step's commit and its hand-over.
	EngineCommitted = "engine.committed"
	// DeliverHandedOver lies between a hand-over and its record.
	DeliverHandedOver = "deliver.handed_over"
	// SnapshotChunks lies between a snapshot's data and its manifest.
	SnapshotChunks = "snapshot.chunks"
)

// Variable is the environment variable that arms a failpoint.
const Variable = "TOUCHPOINT_FAILPOINT"
