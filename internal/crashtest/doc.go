// Package crashtest kills running gateways and counts what is left: every
// event that a device got an acknowledgement for is stored and counted once,
// every message that the counts call for is displayed once.
//
// The tests run the real command built with failpoints, devices of their own
// that keep the device contract, and a model that counts by brute force.
package crashtest
