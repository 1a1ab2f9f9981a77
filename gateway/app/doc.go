// Package app is the only place where everything meets: it opens the parts of
// the gateway in order, wires them with plain code, and stops them in reverse.
package app
