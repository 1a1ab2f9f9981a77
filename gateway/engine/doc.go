// Package engine runs the journey core: one runner per partition reads what
// came in (EVENTS), lets the core decide, commits what it decided as one step
// (STEPS) and hands the step over.
//
// The road of a step, in the order of the files: a runner claims its partition
// (runner.go), rebuilds the state from the latest snapshot and the steps after
// it (recover.go), then applies whatever has arrived as one step (live.go),
// commits it by compare-and-set (commit.go), hands it to the sinks and to the
// forwarder (forward.go). When a timer comes due and nothing arrives it appends
// a tick (tick.go).
//
// The state has one owner: the runner's goroutine; nothing else touches the
// core. Whoever lost the partition notices at the next commit, drops the state
// and starts over: what is in STEPS is the truth, what is in memory only
// follows from it.
package engine
