package rpc

import (
	"bytes"
	"encoding/json"
	"fmt"

	"github.com/goccy/go-yaml"
	"google.golang.org/protobuf/encoding/protojson"

	"touchpoint/gateway"
	pb "touchpoint/proto/touchpoint/v1"
)

// typedText turns the typed form into YAML: its fields are named as the keys,
// so that only what protobuf cannot say the same way is turned here.
func typedText(def *pb.TypedDefinition) (string, error) {
	broken := gateway.InvalidField("definition.typed", "cannot be written as YAML")
	data, err := protojson.MarshalOptions{UseProtoNames: true}.Marshal(def)
	if err != nil {
		return "", broken
	}
	var v any
	dec := json.NewDecoder(bytes.NewReader(data))
	dec.UseNumber()
	if dec.Decode(&v) != nil {
		return "", broken
	}
	if data, err = json.Marshal(untyped(v)); err != nil {
		return "", broken
	}
	text, err := yaml.JSONToYAML(data)
	if err != nil {
		return "", broken
	}
	return string(text), nil
}

// untyped writes {mode: once} as once, and a percentile under its own key.
func untyped(v any) any {
	switch v := v.(type) {
	case []any:
		for i := range v {
			v[i] = untyped(v[i])
		}
	case map[string]any:
		if mode, ok := v["mode"].(string); ok && len(v) == 1 {
			return mode
		}
		if p, ok := v["percentile"].(map[string]any); ok {
			v[fmt.Sprint("p", p["percent"])] = p["property"]
			delete(v, "percentile")
		}
		for k := range v {
			v[k] = untyped(v[k])
		}
	}
	return v
}
