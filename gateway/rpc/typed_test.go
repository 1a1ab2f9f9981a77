package rpc

import (
	"encoding/json"
	"fmt"
	"os"
	"path/filepath"
	"reflect"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"testing"

	"github.com/goccy/go-yaml"
	"golang.org/x/tools/txtar"
	"google.golang.org/protobuf/encoding/protojson"
	"google.golang.org/protobuf/reflect/protoreflect"

	"touchpoint/gateway/journey"
	"touchpoint/gateway/journey/language"
	pb "touchpoint/proto/touchpoint/v1"
)

// TestTypedKnowsEveryKey: the protobuf form has a field for every key of the
// language, and no others.
func TestTypedKnowsEveryKey(t *testing.T) {
	var compare func(path string, keys []language.Key, m protoreflect.MessageDescriptor)
	compare = func(path string, keys []language.Key, m protoreflect.MessageDescriptor) {
		known := map[string]bool{"mode": true}
		for _, k := range keys {
			name := k.Name
			if k.Pattern != "" {
				name = "percentile"
			}
			known[name] = true
			f := m.Fields().ByName(protoreflect.Name(name))
			if f == nil {
				t.Errorf("proto/touchpoint/v1/definition.proto: %s lacks %s (%s)", m.Name(), name, path)
				continue
			}
			below := f.Message()
			if f.IsMap() {
				below = f.MapValue().Message()
			}
			inside := k.Keys
			if len(inside) == 1 && inside[0].Name == "*" {
				inside = inside[0].Keys
			}
			if inside != nil && below != nil {
				compare(path+"."+k.Name, inside, below)
			}
		}
		for i := range m.Fields().Len() {
			if f := string(m.Fields().Get(i).Name()); !known[f] {
				t.Errorf("%s has %s, which is no key of %s", m.Name(), f, path)
			}
		}
	}
	compare("journey", language.Journey, (&pb.TypedDefinition{}).ProtoReflect().Descriptor())
}

// TestTypedIsTheSame: every journey of the repository says the same in its
// protobuf form.
func TestTypedIsTheSame(t *testing.T) {
	compared := 0
	for name, text := range repositoryJourneys(t) {
		want, err := journey.Describe(text, journey.Env{})
		if err != nil {
			continue // a story about a broken one
		}
		compared++
		plain := normal(t, text)
		data, err := json.Marshal(plain)
		if err != nil {
			t.Fatal(err)
		}
		typed := &pb.TypedDefinition{}
		if err := protojson.Unmarshal(data, typed); err != nil {
			t.Errorf("%s: %v", name, err)
			continue
		}
		back, err := definitionText(&pb.JourneyDefinition{Form: &pb.JourneyDefinition_Typed{Typed: typed}})
		if err != nil {
			t.Fatal(err)
		}
		got, err := journey.Describe([]byte(back), journey.Env{})
		if err != nil {
			t.Errorf("%s: %v\n%s", name, err, back)
			continue
		}
		if again := normal(t, []byte(back)); !reflect.DeepEqual(plain, again) {
			t.Errorf("%s:\nwritten %v\nback    %v", name, plain, again)
		}
		if !reflect.DeepEqual(outlined(want), outlined(got)) {
			t.Errorf("%s:\nwant %+v\ngot  %+v", name, outlined(want), outlined(got))
		}
	}
	if compared < 50 {
		t.Errorf("only %d journeys were compared", compared)
	}
}

// outlined is what a compiled definition says, without the lines of its text.
func outlined(o *journey.Outline) journey.Outline {
	out := *o
	out.Tree, out.Steps = nil, nil
	out.Traits = slices.Sorted(slices.Values(o.Traits)) // a map has no order
	for _, s := range o.Steps {
		s.Tree, s.Line = nil, 0
		out.Steps = append(out.Steps, s)
	}
	return out
}

func repositoryJourneys(t *testing.T) map[string][]byte {
	t.Helper()
	out := map[string][]byte{}
	for _, pattern := range []string{"deploy/journeys/*.yaml", "deploy/journeys/*/*.yaml", "gateway/journey/testdata/*.txtar"} {
		files, _ := filepath.Glob("../../" + pattern)
		for _, f := range files {
			text, err := os.ReadFile(f)
			if err != nil {
				t.Fatal(err)
			}
			if !strings.HasSuffix(f, ".txtar") {
				out[f] = text
				continue
			}
			for _, section := range txtar.Parse(text).Files {
				if strings.HasSuffix(section.Name, ".yaml") && !strings.HasPrefix(section.Name, "settings") {
					out[f+":"+section.Name] = section.Data
				}
			}
		}
	}
	return out
}

// normal reads YAML and writes what may be short at full length.
func normal(t *testing.T, text []byte) map[string]any {
	t.Helper()
	var v map[string]any
	if err := yaml.Unmarshal(text, &v); err != nil {
		t.Fatal(err)
	}
	return normalMap(v, language.Journey)
}

func normalMap(m map[string]any, keys []language.Key) map[string]any {
	out := map[string]any{}
	for name, v := range m {
		for i := range keys {
			k := &keys[i]
			if !k.Is(name) {
				continue
			}
			if k.Pattern != "" {
				n, _ := strconv.Atoi(regexp.MustCompile(`\d+`).FindString(name))
				out["percentile"] = map[string]any{"percent": n, "property": v}
				break
			}
			out[name] = normalValue(v, k)
			break
		}
	}
	return out
}

func normalValue(v any, k *language.Key) any {
	if !k.List {
		return normalItem(v, k)
	}
	items, ok := v.([]any)
	if !ok {
		items = []any{v}
	}
	out := []any{}
	for _, item := range items {
		out = append(out, normalItem(item, k))
	}
	return out
}

func normalItem(v any, k *language.Key) any {
	m, isMap := v.(map[string]any)
	switch {
	case k.Type == language.Nothing:
		return map[string]any{}
	case isMap:
		return normalMap(m, k.Keys)
	case k.Short != nil:
		return map[string]any{"mode": fmt.Sprint(v)}
	case k.Or != "":
		return map[string]any{k.Keys[0].Name: fmt.Sprint(v)}
	}
	switch k.Type {
	case language.Number, language.Integer:
		f, _ := strconv.ParseFloat(strings.TrimSuffix(fmt.Sprint(v), "%"), 64)
		return f
	case language.Bool, language.Value:
		if n, err := strconv.ParseFloat(fmt.Sprint(v), 64); err == nil {
			return n
		}
		return v
	}
	return fmt.Sprint(v)
}
