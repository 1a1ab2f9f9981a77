// Package simulator runs a fleet of machines against a gateway, which it meets
// as the world does: over MQTT as devices, over gRPC as a marketing service.
//
// On a gateway with a lock-step clock it moves virtual time itself: it publishes
// what happens in a step, has the clock advanced, and answers what arrived. A paced
// clock it moves steadily and waits for nothing. On a wall clock it is paced by
// the real time. What it sent and saw goes into a ledger, from which package audit
// finds what was lost, doubled or stale.
package simulator
