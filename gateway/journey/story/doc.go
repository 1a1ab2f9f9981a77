// Package story runs text scripts that tell what journeys do: commands such as
// "event brew_finished device=d1", and below each, indented, what came of it.
// The stories of gateway/journey/testdata are the tests of the core; an author
// tests his own journeys the same way. A Session runs commands one by one.
package story
