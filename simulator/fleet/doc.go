// Package fleet describes a population of coffee machines and their customers:
// who they are, when they brew, when they are away, how they answer messages.
//
// A fleet is a function of its file and seed alone: the same file plans the
// same events, whatever the machine, the step of time or the gateway. It knows
// neither the network nor the wall clock.
package fleet
