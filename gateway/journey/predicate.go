package journey

import (
	"slices"
	"strings"

	celast "cel.dev/cel-go/common/ast"
	"cel.dev/cel-go/common/operators"
	"cel.dev/cel-go/common/types"

	"touchpoint/gateway"
)

// predicate is a condition compiled to closures. It covers comparisons of
// fields and constants, has(), `in` over a list of constants, &&, || and !,
// and follows CEL where a value is missing: an error is absorbed by a false
// operand of && and a true one of ||.
type predicate func(*scope) outcome

// operand reads a value; found is false when it is unknown, nested when it is
// a map of fields, whose value is null.
type operand func(s *scope) (v gateway.Value, found, nested bool)

// compilePredicate returns nil when the expression needs the whole of CEL.
func compilePredicate(e celast.Expr) predicate {
	switch e.Kind() {
	case celast.LiteralKind:
		if b, ok := e.AsLiteral().(types.Bool); ok {
			return func(*scope) outcome { return outcomeOf(bool(b)) }
		}
	case celast.SelectKind:
		if e.AsSelect().IsTestOnly() {
			return compileHas(e)
		}
		return truth(compileOperand(e))
	case celast.CallKind:
		return compileCall(e.AsCall())
	}
	return nil
}

func compileCall(call celast.CallExpr) predicate {
	args := call.Args()
	switch name := call.FunctionName(); name {
	case operators.LogicalNot:
		if p := compilePredicate(args[0]); p != nil {
			return func(s *scope) outcome {
				switch p(s) {
				case yes:
					return no
				case no:
					return yes
				}
				return unavailable
			}
		}
	case operators.LogicalAnd:
		return junction(args, no)
	case operators.LogicalOr:
		return junction(args, yes)
	case operators.In:
		return compileIn(args)
	case operators.Equals, operators.NotEquals:
		a, b := compileOperand(args[0]), compileOperand(args[1])
		if a != nil && b != nil {
			return equality(a, b, name == operators.Equals)
		}
	case operators.Less, operators.LessEquals, operators.Greater, operators.GreaterEquals:
		a, b := compileOperand(args[0]), compileOperand(args[1])
		if a != nil && b != nil {
			return order(a, b, name)
		}
	}
	return nil
}

// junction is && (decided by no) or || (decided by yes).
func junction(args []celast.Expr, decides outcome) predicate {
	a, b := compilePredicate(args[0]), compilePredicate(args[1])
	if a == nil || b == nil {
		return nil
	}
	return func(s *scope) outcome {
		first := a(s)
		if first == decides {
			return decides
		}
		second := b(s)
		if second == decides || first != unavailable {
			return second
		}
		return unavailable
	}
}

func equality(a, b operand, wanted bool) predicate {
	return func(s *scope) outcome {
		x, okX, nestedX := a(s)
		y, okY, nestedY := b(s)
		switch {
		case !okX || !okY:
			return unavailable
		case nestedX || nestedY:
			return outcomeOf(!wanted)
		}
		return outcomeOf(equalValues(x, y) == wanted)
	}
}

func order(a, b operand, op string) predicate {
	less := op == operators.Less || op == operators.LessEquals
	orEqual := op == operators.LessEquals || op == operators.GreaterEquals
	return func(s *scope) outcome {
		x, okX, _ := a(s)
		y, okY, _ := b(s)
		if !okX || !okY {
			return unavailable
		}
		c, ok := compareValues(x, y) // a map of fields has no order
		if !ok {
			return unavailable
		}
		return outcomeOf(c == 0 && orEqual || c < 0 && less || c > 0 && !less)
	}
}

// compileHas compiles has(event.x).
func compileHas(e celast.Expr) predicate {
	ref, ok := asField(e)
	if !ok {
		return nil
	}
	root := slices.Index(roots, ref.root)
	parent := ref.key[:max(strings.LastIndexByte(ref.key, '.'), 0)]
	return func(s *scope) outcome {
		_, found := s.field(root, ref.key)
		if found || s.nested(root, ref.key) {
			return yes
		}
		if parent == "" || s.nested(root, parent) {
			return no
		}
		if _, plain := s.field(root, parent); plain {
			return no
		}
		return unavailable // as in CEL: has(a.b.c) asks for a.b first
	}
}

func compileIn(args []celast.Expr) predicate {
	a := compileOperand(args[0])
	if ref, ok := asField(args[1]); ok && a != nil && ref == (fieldRef{"customer", "segments"}) {
		return inSegments(a)
	}
	if a == nil || args[1].Kind() != celast.ListKind {
		return nil
	}
	var list []gateway.Value
	for _, el := range args[1].AsList().Elements() {
		v, ok := literal(el)
		if !ok {
			return nil
		}
		list = append(list, v)
	}
	return func(s *scope) outcome {
		x, ok, nested := a(s)
		if !ok {
			return unavailable
		}
		for i := range list {
			if !nested && equalValues(x, list[i]) {
				return yes
			}
		}
		return no
	}
}

// truth uses a boolean field as a condition.
func truth(a operand) predicate {
	if a == nil {
		return nil
	}
	return func(s *scope) outcome {
		v, ok, _ := a(s)
		if !ok || v.Kind() != gateway.KindBool {
			return unavailable
		}
		return outcomeOf(v.AsBool())
	}
}

func compileOperand(e celast.Expr) operand {
	if v, ok := literal(e); ok {
		return func(*scope) (gateway.Value, bool, bool) { return v, true, false }
	}
	if e.Kind() == celast.IdentKind && slices.Contains(plainTexts, e.AsIdent()) {
		name := e.AsIdent()
		return func(s *scope) (gateway.Value, bool, bool) { return gateway.String(s.text(name)), true, false }
	}
	if e.Kind() == celast.SelectKind && e.AsSelect().IsTestOnly() {
		return nil
	}
	ref, ok := asField(e)
	if !ok {
		return nil
	}
	root := slices.Index(roots, ref.root)
	return func(s *scope) (gateway.Value, bool, bool) {
		if v, ok := s.field(root, ref.key); ok {
			return v, true, false
		}
		nested := s.nested(root, ref.key)
		return gateway.Value{}, nested, nested
	}
}

func literal(e celast.Expr) (gateway.Value, bool) {
	if e.Kind() != celast.LiteralKind {
		return gateway.Value{}, false
	}
	switch v := e.AsLiteral().(type) {
	case types.Bool:
		return gateway.Bool(bool(v)), true
	case types.Int:
		return gateway.Int(int64(v)), true
	case types.Double:
		return gateway.Float(float64(v)), true
	case types.String:
		return gateway.String(string(v)), true
	case types.Null:
		return gateway.Null(), true
	}
	return gateway.Value{}, false
}

// equalValues compares as CEL does: numbers across their types, all else only
// within one type.
func equalValues(x, y gateway.Value) bool {
	if x.Kind() == y.Kind() {
		switch x.Kind() {
		case gateway.KindInt:
			return x.AsInt() == y.AsInt()
		case gateway.KindString:
			return x.AsString() == y.AsString()
		case gateway.KindBool:
			return x.AsBool() == y.AsBool()
		case gateway.KindNull:
			return true
		}
	}
	f, okF := x.AsFloat()
	g, okG := y.AsFloat()
	return okF && okG && f == g
}

// compareValues orders numbers, texts and booleans; ok is false for a pair
// that has no order.
func compareValues(x, y gateway.Value) (c int, ok bool) {
	if x.Kind() == y.Kind() {
		switch x.Kind() {
		case gateway.KindInt:
			return compare(x.AsInt(), y.AsInt()), true
		case gateway.KindString:
			return compare(x.AsString(), y.AsString()), true
		case gateway.KindBool:
			return compare(boolInt(x.AsBool()), boolInt(y.AsBool())), true
		}
	}
	f, okF := x.AsFloat()
	g, okG := y.AsFloat()
	return compare(f, g), okF && okG && f == f && g == g
}

func compare[T int | int64 | float64 | string](a, b T) int {
	switch {
	case a < b:
		return -1
	case a > b:
		return 1
	}
	return 0
}

func boolInt(b bool) int {
	if b {
		return 1
	}
	return 0
}

// inSegments compiles "name" in customer.segments.
func inSegments(a operand) predicate {
	return func(s *scope) outcome {
		v, ok, nested := a(s)
		if !ok || nested || s.c == nil || s.p.classRules == nil {
			return unavailable
		}
		in, known := s.p.inSegment(s.c, v.AsString())
		if !known {
			return unavailable
		}
		return outcomeOf(in)
	}
}
