// Package gateway holds the words of touchpoint: events, commands, messages,
// receipts, decisions, steps, their ids and the kinds of error.
//
// Every other package of the gateway speaks in these words. This package
// imports the standard library alone and does nothing: no I/O, no clock, no
// goroutine. See docs/architecture.md for the road that an event takes.
package gateway
