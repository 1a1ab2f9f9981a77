package journey

import (
	"fmt"
	"slices"
	"strings"

	"cel.dev/cel-go/common/ast"
	"cel.dev/cel-go/common/operators"

	"touchpoint/gateway"
)

// Checks of conditions that CEL leaves to the run, because the fields of a
// customer or of an event that no profile declares may hold anything.

// checkTypes says what in a condition can never hold: a field that is no yes or
// no by itself, or one that is compared with something of another type. kind
// tells what a field holds.
func checkTypes(a *ast.AST, kind func(fieldRef) gateway.ValueKind) string {
	if problem := checkBool(a.Expr(), kind); problem != "" {
		return problem
	}
	return checkCompared(a.Expr(), kind)
}

// checkBool says why an expression is no yes or no, "" when it may be. What is
// no field has the type that CEL asks for.
func checkBool(e ast.Expr, kind func(fieldRef) gateway.ValueKind) string {
	if e.AsSelect().IsTestOnly() { // has(…)
		return ""
	}
	if ref, ok := asField(e); ok {
		name := ref.root + "." + ref.key
		switch kind(ref) {
		case gateway.KindBool, gateway.KindNull:
			return ""
		case anyKind:
			return fmt.Sprintf("uses %s as a condition; compare it, such as %s == \"…\", or %s == true if it is a yes or no", name, name, name)
		case gateway.KindString:
			return fmt.Sprintf("uses %s as a condition, but it is a text; compare it, such as %s == \"…\"", name, name)
		}
		return fmt.Sprintf("uses %s as a condition, but it is a number; compare it, such as %s > 0", name, name)
	}
	if e.Kind() != ast.CallKind {
		return ""
	}
	switch e.AsCall().FunctionName() {
	case operators.LogicalAnd, operators.LogicalOr, operators.LogicalNot, operators.Conditional:
		for _, arg := range e.AsCall().Args() {
			if problem := checkBool(arg, kind); problem != "" {
				return problem
			}
		}
	}
	return ""
}

// noCondition says that something of a type is no yes or no.
func noCondition(typeName string) string {
	if mapType.MatchString(typeName) {
		return "takes all fields at once; name one and compare it, such as event.water_ml > 100"
	}
	return "is " + typeWord(typeName) + ", not a condition; compare it with something"
}

// anyKind stands for a field that may hold anything.
const anyKind = gateway.ValueKind(255)

var compared = []string{operators.Equals, operators.NotEquals, operators.Less, operators.LessEquals, operators.Greater, operators.GreaterEquals}

// checkCompared finds a field that is compared with a literal of another type.
func checkCompared(e ast.Expr, kind func(fieldRef) gateway.ValueKind) string {
	if slices.Contains(compared, e.AsCall().FunctionName()) {
		args := e.AsCall().Args()
		for i := range args {
			ref, isField := asField(args[i])
			if !isField {
				continue
			}
			v, _ := literal(args[1-i]) // null, which goes with all, when it is none
			if problem := mismatch(ref, kind(ref), v.Kind()); problem != "" {
				return problem
			}
		}
	}
	for _, child := range childrenOf(e) {
		if problem := checkCompared(child, kind); problem != "" {
			return problem
		}
	}
	return ""
}

var kindWords = map[gateway.ValueKind]string{gateway.KindInt: "a number", gateway.KindFloat: "a number", gateway.KindBool: "true or false",
	gateway.KindString: "a text"}

// mismatch says that a field never equals, nor can be compared with, a literal.
func mismatch(ref fieldRef, field, literal gateway.ValueKind) string {
	is, with := kindWords[field], kindWords[literal]
	if is == "" || with == "" || is == with {
		return ""
	}
	return fmt.Sprintf("compares %s.%s, which is %s, with %s", ref.root, ref.key, is, with)
}

// fieldKind tells what a field holds, KindNull where an event declares nothing.
func (c *compiler) fieldKind(ref fieldRef, at eventAtHand) gateway.ValueKind {
	event := at.event
	switch ref.root {
	case "customer":
		return customerKind(ref.key)
	case "device":
		return gateway.KindString
	case "trait":
		return c.traitKindOf(ref.key)
	case "trigger":
		event = c.def.trigger.event
	}
	declared, ok := c.env.Events[event].Properties[ref.key]
	if !ok {
		return gateway.KindNull
	}
	return map[string]gateway.ValueKind{"int": gateway.KindInt, "float": gateway.KindFloat, "bool": gateway.KindBool, "string": gateway.KindString}[declared]
}

func customerKind(key string) gateway.ValueKind {
	switch key {
	case "test":
		return gateway.KindBool
	case "locale", "time_zone", "country", "stage":
		return gateway.KindString
	}
	return anyKind
}

// traitKindOf tells what a trait is: all are numbers but the value of the first
// or last event.
func (c *compiler) traitKindOf(name string) gateway.ValueKind {
	i := c.def.traitIndex(name)
	if i < 0 {
		return gateway.KindNull
	}
	if t := &c.def.traits[i]; (t.kind == traitFirst || t.kind == traitLast) && t.property != "" {
		return anyKind
	}
	return gateway.KindFloat
}

// correlation reads the key once the trigger is known.
func (c *compiler) correlation(o *object) {
	d := c.def
	text := o.text("key")
	if d.keyBy = text; text == "" || text == "device" || c.untold {
		return
	}
	property, found := strings.CutPrefix(text, "event.")
	if d.keyBy = property; !found || property == "" {
		switch {
		case closest(text, []string{"device"}) != "":
			o.fault("key", "%q is no key; did you mean \"device\"?", text)
		case wordPattern.MatchString(text):
			o.fault("key", "%q is no key; write device, or event.%s", text, text)
		default:
			o.fault("key", "%q is no key; write device, or event.<property>, such as event.order", text)
		}
		return
	}
	event := d.trigger.event
	switch d.trigger.kind {
	case triggerEvent, triggerThreshold, triggerMilestone, triggerSequence:
		if problem := c.undeclared(fieldRef{"event", d.keyBy}, onEvent(event)); problem != "" {
			o.fault("key", "%s", problem)
		}
	case triggerAPI, 0:
	default:
		o.fault("key", "reads event.%s, but no event starts this journey; write key: device, or leave it out", d.keyBy)
	}
}
