package journey

import (
	"fmt"
	"reflect"
	"slices"

	"cel.dev/cel-go/common/types"
	"cel.dev/cel-go/common/types/ref"
	"cel.dev/cel-go/common/types/traits"
	"cel.dev/cel-go/interpreter"

	"touchpoint/gateway"
)

// ResolveName implements cel.Activation.
func (s *scope) ResolveName(name string) (any, bool) {
	if i := slices.Index(roots, name); i >= 0 {
		return &s.maps[i], true
	}
	if slices.Contains(plainTexts, name) {
		return types.String(s.text(name)), true
	}
	return nil, false
}

// Parent implements cel.Activation.
func (s *scope) Parent() interpreter.Activation { return nil }

// fieldMap shows one root of a scope, or what is nested under prefix, to CEL
// as a map.
type fieldMap struct {
	scope  *scope
	root   int
	prefix string
}

// Find implements traits.Mapper.
func (m *fieldMap) Find(key ref.Val) (ref.Val, bool) {
	k, ok := key.(types.String)
	if !ok {
		return nil, false
	}
	full := m.prefix + string(k)
	if s := m.scope; m.root == rootCustomer && full == "segments" && s.c != nil && s.p.classRules != nil {
		k := s.c.class(s.p)
		if k == nil {
			return nil, false
		}
		return types.NewStringList(types.DefaultTypeAdapter, s.p.classRules.segmentNames(k.segments)), true
	}
	if v, ok := m.scope.field(m.root, full); ok {
		return celValue(v), true
	}
	if m.scope.nested(m.root, full) {
		return &fieldMap{scope: m.scope, root: m.root, prefix: full + "."}, true
	}
	return nil, false
}

func celValue(v gateway.Value) ref.Val {
	switch v.Kind() {
	case gateway.KindBool:
		return types.Bool(v.AsBool())
	case gateway.KindInt:
		return types.Int(v.AsInt())
	case gateway.KindFloat:
		f, _ := v.AsFloat()
		return types.Double(f)
	case gateway.KindString:
		return types.String(v.AsString())
	}
	return types.NullValue
}

// Get implements traits.Indexer.
func (m *fieldMap) Get(key ref.Val) ref.Val {
	if v, ok := m.Find(key); ok {
		return v
	}
	return types.NewErr("no such key")
}

// Contains implements traits.Container.
func (m *fieldMap) Contains(key ref.Val) ref.Val {
	_, ok := m.Find(key)
	return types.Bool(ok)
}

// Iterator implements traits.Iterable over the keys of properties.
func (m *fieldMap) Iterator() traits.Iterator {
	return types.DefaultTypeAdapter.NativeToValue(m.keys()).(traits.Lister).Iterator()
}

// Size implements traits.Sizer.
func (m *fieldMap) Size() ref.Val { return types.Int(len(m.keys())) }

// keys lists the names at this level; traits and customer fields that are no
// attributes are read by name only.
func (m *fieldMap) keys() []string {
	var props gateway.Properties
	switch s := m.scope; {
	case m.root == rootEvent && s.event != nil:
		props = s.event.Properties
	case m.root == rootTrigger && s.e != nil:
		props = s.e.props
	case m.root == rootCustomer && s.c != nil:
		props = s.c.attributes
	}
	keys := []string{}
	for _, p := range props {
		if len(p.Key) > len(m.prefix) && p.Key[:len(m.prefix)] == m.prefix {
			keys = append(keys, p.Key[len(m.prefix):])
		}
	}
	return keys
}

// ConvertToNative implements ref.Val; the core never asks for it.
func (m *fieldMap) ConvertToNative(t reflect.Type) (any, error) {
	return nil, fmt.Errorf("a map of fields does not convert to %v", t)
}

// ConvertToType implements ref.Val.
func (m *fieldMap) ConvertToType(t ref.Type) ref.Val {
	if t == types.TypeType {
		return types.MapType
	}
	return types.NewErr("type conversion error from map to %s", t.TypeName())
}

// Equal implements ref.Val.
func (m *fieldMap) Equal(other ref.Val) ref.Val { return types.Bool(ref.Val(m) == other) }

// Type implements ref.Val.
func (m *fieldMap) Type() ref.Type { return types.MapType }

// Value implements ref.Val.
func (m *fieldMap) Value() any { return m }
