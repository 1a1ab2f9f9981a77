// Package rpc serves the gRPC API of package touchpoint.v1.
//
// A call runs through the interceptors (recovery, log, deadline, bearer token),
// is checked field by field, resolves external ids in the vault, and then
// either appends to the event log and answers with a position, or waits for the
// positions that the caller names and reads from the read model or the history.
// A command that asks for an outcome is answered after its step.
//
// What the services need of other packages stands in ports.go as small
// interfaces; gateway/app plugs the real parts in.
package rpc
