// Package language describes the definition language of journeys: every key,
// its type and what it means. The JSON Schema for editors and the reference in
// docs/journeys.md are made of it, and a test compares it with the compiler.
package language

import "regexp"

// Type is what a key holds.
type Type string

// The types of values.
const (
	Text      Type = "text"
	Template  Type = "text (Liquid)"
	Name      Type = "name" // a-z, 0-9, - and _
	Step      Type = "step" // the id of a step, or end
	Event     Type = "event type"
	Property  Type = "event type.property"
	Condition Type = "condition (CEL)"
	Number    Type = "number"
	Integer   Type = "whole number"
	Bool      Type = "true or false"
	Duration  Type = "duration"
	LocalTime Type = "time of day"
	Value     Type = "value"
	Object    Type = "map"
	Nothing   Type = "{}"
)

// Key is one key of a map.
type Key struct {
	// Name is the key; "*" stands for any name that the author chooses.
	Name string
	// Pattern is set for a name that stands for others like it.
	Pattern string
	Type    Type
	// List says that a list of such values is allowed; a single one counts as a
	// list of one.
	List     bool
	Required bool
	// Kind groups keys of which exactly one is there.
	Kind string
	// Choices are the only words allowed.
	Choices []string
	// Low and High bound a number; both 0 means unbounded.
	Low, High float64
	Doc       string
	Example   string
	// Keys are those of a map, or of the maps in a list.
	Keys []Key
	// Short are words that may be written in place of the map, Or is the type of
	// a value that may.
	Short []string
	Or    Type
}

// Is reports whether a name in a definition is this key.
func (k *Key) Is(name string) bool {
	if k.Pattern != "" {
		return regexp.MustCompile(k.Pattern).MatchString(name)
	}
	return k.Name == name || k.Name == "*"
}

// Find follows a path such as "steps[].send.texts.*"; nil when it leads nowhere.
func Find(keys []Key, path ...string) []Key {
	for _, name := range path {
		var found *Key
		for i := range keys {
			if keys[i].Is(name) {
				found = &keys[i]
				break
			}
		}
		if found == nil {
			return nil
		}
		keys = found.Keys
	}
	return keys
}
