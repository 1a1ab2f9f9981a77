package language

import (
	"encoding/json"
	"slices"
)

// SchemaID names the schema.
const SchemaID = "https://touchpoint.example/journey.schema.json"

type object = map[string]any

// Schema is the JSON Schema (draft 7) of a definition, for editors.
func Schema() ([]byte, error) {
	root := schemaOf(Journey)
	root["$schema"] = "http://json-schema.org/draft-07/schema#"
	root["$id"] = SchemaID
	root["title"] = "touchpoint journey"
	root["description"] = "The definition of a journey. docs/journeys.md explains the keys."
	text, err := json.MarshalIndent(root, "", "  ")
	return append(text, '\n'), err
}

// schemaOf describes a map with these keys.
func schemaOf(keys []Key) object {
	if len(keys) == 1 && keys[0].Name == "*" {
		return object{"type": "object", "minProperties": 1, "additionalProperties": keys[0].schema()}
	}
	properties, patterns := object{}, object{}
	var required, kinds []string
	for _, k := range keys {
		if k.Pattern != "" {
			patterns[k.Pattern] = k.schema()
		} else {
			properties[k.Name] = k.schema()
		}
		if k.Required {
			required = append(required, k.Name)
		}
		if k.Kind != "" && !slices.Contains(kinds, k.Kind) {
			kinds = append(kinds, k.Kind)
		}
	}
	s := object{"type": "object", "properties": properties, "additionalProperties": false}
	if len(patterns) > 0 {
		s["patternProperties"] = patterns
	}
	if required != nil {
		s["required"] = required
	}
	var all []any
	for _, kind := range kinds {
		all = append(all, object{"oneOf": oneOf(keys, kind)})
	}
	if all != nil {
		s["allOf"] = all
	}
	return s
}

func oneOf(keys []Key, kind string) (ways []any) {
	for _, k := range keys {
		if k.Kind == kind && k.Pattern != "" { // any key of the pattern is there
			ways = append(ways, object{"not": object{"propertyNames": object{"not": object{"pattern": k.Pattern}}}})
		} else if k.Kind == kind {
			ways = append(ways, object{"required": []string{k.Name}})
		}
	}
	return ways
}

const (
	namePattern     = `^[a-z][a-z0-9_-]{0,62}$`
	durationPattern = `^([0-9]+(ms|[smhdw]))+$`
	timePattern     = `^([01]?[0-9]|2[0-3]):[0-5][0-9]$`
	percentPattern  = `^[0-9.]+%$`
	sourcePattern   = `^[^.]+\..+$`
)

// scalar: what stands there without quotes may look like a number.
var scalar = []string{"string", "number", "boolean"}

func (k Key) schema() object {
	s := k.item()
	if k.List {
		s = object{"anyOf": []any{object{"type": "array", "items": s}, s}}
	}
	s["description"] = k.Doc
	if k.Example != "" {
		s["examples"] = []any{k.Example}
	}
	return s
}

// item is the schema of one value.
func (k Key) item() object {
	switch {
	case k.Choices != nil:
		return object{"enum": k.Choices}
	case k.Short != nil:
		return object{"anyOf": []any{object{"enum": k.Short}, schemaOf(k.Keys)}}
	case k.Or != "":
		return object{"anyOf": []any{Key{Type: k.Or}.item(), schemaOf(k.Keys)}}
	case k.Keys != nil:
		return schemaOf(k.Keys)
	}
	switch k.Type {
	case Name, Step, Event:
		return object{"type": "string", "pattern": map[bool]string{true: namePattern, false: `\S`}[k.Type != Event]}
	case Property:
		return object{"type": "string", "pattern": sourcePattern}
	case Condition:
		return object{"type": []string{"string", "boolean"}}
	case Number, Integer:
		return k.number()
	case Bool:
		return object{"type": "boolean"}
	case Duration:
		return object{"type": "string", "pattern": durationPattern}
	case LocalTime:
		return object{"type": "string", "pattern": timePattern}
	case Value:
		return object{"type": append([]string{"null"}, scalar...)}
	case Nothing:
		return object{"type": []string{"object", "null"}, "maxProperties": 0}
	}
	return object{"type": scalar}
}

func (k Key) number() object {
	s := object{"type": "number"}
	if k.Type == Integer {
		s["type"] = "integer"
	}
	if k.Low != k.High {
		s["minimum"], s["maximum"] = k.Low, k.High
	}
	return object{"anyOf": []any{s, object{"type": "string", "pattern": percentPattern}}}
}
