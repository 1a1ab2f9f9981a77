// Package author is what someone who writes journeys needs before he publishes
// one: it finds faults and weak spots, draws a journey and compares two.
package author
