// Package reference holds, in its tests, a second journey core: slow, without
// any cleverness, written from docs/semantics.md. It keeps every event of a
// customer in a list and computes everything anew from it. The tests drive it
// and the real core with the same random journeys and inputs and compare every
// decision, every message and every trait.
package reference
