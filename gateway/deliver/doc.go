// Package deliver hands decided messages over and records what became of them.
//
// The messages of a committed step enter an outbox in memory; the partition's
// state is what survives a restart (Resume). Each attempt on a message walks a
// list of small stages: dedup, window, consent, render, holdout, rate,
// announce, hand over. A stage lets the message pass or says what happens
// instead: wait until an instant, wait for the device, end. What became of it
// goes back to the front door as a gateway.Receipt; whether another channel is
// tried after a failure is a decision and therefore the core's.
//
// Each channel has its own bounded workers, so that a slow one delays no other.
// Time is the gateway's clock; a message that waits costs memory and nothing
// else. A hand-over whose record was lost is repeated with the same id.
package deliver
