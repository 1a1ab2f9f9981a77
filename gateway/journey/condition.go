package journey

import (
	"errors"
	"fmt"
	"slices"
	"strings"

	"cel.dev/cel-go/cel"
	celast "cel.dev/cel-go/common/ast"
	"cel.dev/cel-go/common/types"

	"touchpoint/gateway"
)

// condition is a CEL expression over the roots event, customer, trait, device and
// trigger (each a map) and the texts event_type, product and arm. Most
// conditions compare fields with constants; those run as closures without an
// allocation (predicate.go), the others by cel-go, with the same result.
type condition struct {
	text    string
	fast    predicate
	program cel.Program
	refs    []fieldRef
	classes []classRef  // segments and stages that it names
	ast     *celast.AST // until it is checked
}

// fieldRef is a field that a condition reads, such as event / water_ml.
type fieldRef struct{ root, key string }

// outcome of a condition. Unavailable means that a value was missing or of a
// type that the expression cannot use: it does not hold, and the reason says so.
type outcome uint8

const (
	no outcome = iota
	yes
	unavailable
)

func outcomeOf(b bool) outcome {
	if b {
		return yes
	}
	return no
}

// eval evaluates the condition; a missing one holds.
func (c *condition) eval(s *scope) outcome {
	if c == nil {
		return yes
	}
	if c.fast != nil {
		return c.fast(s)
	}
	v, _, err := c.program.Eval(s)
	if err != nil {
		return unavailable
	}
	b, ok := v.(types.Bool)
	if !ok {
		return unavailable
	}
	return outcomeOf(bool(b))
}

// roots are the maps that a condition may read.
var roots = []string{"event", "customer", "trait", "trigger", "device"}

// plainTexts are the plain variables.
var plainTexts = []string{"event_type", "product", "arm"}

// conditions is the CEL environment; it never changes, so one serves all.
var conditions = newConditions()

func newConditions() *cel.Env {
	opts := []cel.EnvOption{
		cel.CrossTypeNumericComparisons(true),
		cel.ParserExpressionSizeLimit(4096),
		cel.ParserRecursionLimit(64),
	}
	for _, name := range roots {
		opts = append(opts, cel.Variable(name, cel.MapType(cel.StringType, cel.DynType)))
	}
	for _, name := range plainTexts {
		opts = append(opts, cel.Variable(name, cel.StringType))
	}
	env, err := cel.NewEnv(opts...)
	if err != nil {
		panic(err) // the options above are constant
	}
	return env
}

// compileCondition checks the text and makes it ready to run; declared tells
// which fields exist ("" = it does, else what is wrong).
func compileCondition(text string, declared func(fieldRef) string) (*condition, error) {
	ast, issues := conditions.Compile(text)
	if issues.Err() != nil {
		return nil, conditionFault(text, issues.Errors()[0])
	}
	if t := ast.OutputType(); !t.IsExactType(cel.BoolType) && !t.IsExactType(cel.DynType) {
		return nil, errors.New(noCondition(t.String()))
	}
	c := &condition{text: text, ast: ast.NativeRep()}
	collectRefs(ast.NativeRep().Expr(), &c.refs)
	for _, ref := range c.refs {
		if problem := declared(ref); problem != "" {
			return nil, fmt.Errorf("%s", problem)
		}
	}
	collectClasses(ast.NativeRep().Expr(), &c.classes)
	c.fast = compilePredicate(ast.NativeRep().Expr())
	if c.fast == nil {
		var err error
		if c.program, err = conditions.Program(ast, cel.CostLimit(100_000)); err != nil {
			return nil, fmt.Errorf("cannot run: %w", err)
		}
	}
	return c, nil
}

func firstLine(s string) string {
	s, _, _ = strings.Cut(s, "\n")
	return s
}

// collectRefs finds the fields that an expression reads.
func collectRefs(e celast.Expr, refs *[]fieldRef) {
	if ref, ok := asField(e); ok {
		*refs = append(*refs, ref)
		return
	}
	for _, child := range childrenOf(e) {
		collectRefs(child, refs)
	}
}

// asField reads a chain of selections from a root, such as event.engine.temp_c
// or event["engine.temp_c"].
func asField(e celast.Expr) (ref fieldRef, ok bool) {
	switch e.Kind() {
	case celast.SelectKind:
		sel := e.AsSelect()
		if op := sel.Operand(); op.Kind() == celast.IdentKind {
			if slices.Contains(roots, op.AsIdent()) {
				return fieldRef{op.AsIdent(), sel.FieldName()}, true
			}
			return ref, false
		}
		ref, ok = asField(sel.Operand())
		ref.key += "." + sel.FieldName()
		return ref, ok
	case celast.CallKind:
		call := e.AsCall()
		if call.FunctionName() != "_[_]" || call.Args()[0].Kind() != celast.IdentKind || call.Args()[1].Kind() != celast.LiteralKind {
			return ref, false
		}
		root := call.Args()[0].AsIdent()
		key, isText := call.Args()[1].AsLiteral().(types.String)
		return fieldRef{root, string(key)}, isText && slices.Contains(roots, root)
	}
	return ref, false
}

// scope is what a condition can see; one is reused for all evaluations.
type scope struct {
	p     *Partition
	event *gateway.Event // nil when no event is at hand
	c     *customer      // nil when nobody owns the device
	e     *enrollment    // nil before the entry
	v     *version

	device  gateway.DeviceID
	product string
	// maps are the CEL views of the roots, made once.
	maps [5]fieldMap
}

// init points the views at the scope.
func (s *scope) init(p *Partition) {
	s.p = p
	for i := range s.maps {
		s.maps[i] = fieldMap{scope: s, root: i}
	}
}

// The indexes of roots.
const (
	rootEvent = iota
	rootCustomer
	rootTrait
	rootTrigger
	rootDevice
)

// field returns the value of a field; ok is false when it is unknown. A sealed
// value is unknown to every condition.
func (s *scope) field(root int, key string) (v gateway.Value, ok bool) {
	switch root {
	case rootEvent:
		if s.event != nil {
			return known(s.event.Properties, key)
		}
	case rootTrigger:
		if s.e != nil {
			return known(s.e.props, key)
		}
		if s.event != nil {
			return known(s.event.Properties, key)
		}
	case rootCustomer:
		if s.c != nil {
			if key == "stage" && s.p.hasStages() {
				return s.p.stageOf(s.c)
			}
			return s.c.field(key)
		}
	case rootTrait:
		if s.c != nil && s.v != nil {
			return s.p.traitValue(s.c, s.v, s.device, key)
		}
	case rootDevice:
		if state, _ := s.p.stateOf(s.device); key == "state" && state != "" {
			return gateway.String(state), true
		}
	}
	return v, false
}

func known(props gateway.Properties, key string) (gateway.Value, bool) {
	for i := range props {
		if props[i].Key == key {
			v := props[i].Value
			return v, v.Kind() != gateway.KindSealed
		}
	}
	return gateway.Value{}, false
}

// nested reports whether key is a map of fields rather than a field.
func (s *scope) nested(root int, key string) bool {
	var props gateway.Properties
	switch {
	case root == rootEvent && s.event != nil, root == rootTrigger && s.e == nil && s.event != nil:
		props = s.event.Properties
	case root == rootTrigger && s.e != nil:
		props = s.e.props
	case root == rootCustomer && s.c != nil:
		props = s.c.attributes
	}
	for i := range props {
		k := props[i].Key
		if len(k) > len(key) && k[len(key)] == '.' && k[:len(key)] == key {
			return true
		}
	}
	return false
}

// text returns a plain variable.
func (s *scope) text(name string) string {
	switch name {
	case "event_type":
		if s.event != nil {
			return s.event.Type
		}
	case "product":
		return s.product
	case "arm":
		if s.e != nil {
			return s.e.armName()
		}
	}
	return ""
}
