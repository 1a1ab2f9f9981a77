package journey

import (
	"fmt"
	"slices"
	"strconv"
	"strings"

	"touchpoint/gateway"
)

// object reads the keys of a map and knows which ones were asked for, so that
// finish can name the others.
type object struct {
	r     *reader
	n     *node
	path  string
	known []string
	lost  bool // it is no map: what it lacks follows from that
}

// object opens n as a map.
func (r *reader) object(n *node, path string) *object {
	if n.kind == nodeMap {
		return &object{r: r, n: n, path: path}
	}
	switch n.kind {
	case nodeNull:
		r.fault(n.line, path, "holds nothing; write its keys below it, further in")
	case nodeScalar:
		r.fault(n.line, path, "is %s, where keys and values belong", quotedText(n.text))
	default:
		r.fault(n.line, path, "is a list, where keys and values belong")
	}
	return &object{r: r, n: &node{line: n.line}, path: path, lost: true}
}

func (o *object) field(key string) string {
	switch "" {
	case o.path:
		return key
	case key:
		return o.path
	}
	return o.path + "." + key
}

// get returns the value of key, nil when it is not there.
func (o *object) get(key string) *node {
	if !slices.Contains(o.known, key) {
		o.known = append(o.known, key)
	}
	for i, k := range o.n.keys {
		if k.name == key {
			return o.n.values[i]
		}
	}
	return nil
}

// has reports whether a key is there, which may have no place here.
func (o *object) has(key string) bool {
	return slices.ContainsFunc(o.n.keys, func(k nodeKey) bool { return k.name == key })
}

// fault reports a key of the object, unless a fault of it is known: the other
// one follows from that.
func (o *object) fault(key, format string, args ...any) {
	if !o.broken(key) {
		o.also(key, format, args...)
	}
}

// also reports a key of which other faults may be known.
func (o *object) also(key, format string, args ...any) {
	line := o.n.line
	for _, k := range o.n.keys {
		if k.name == key {
			line = k.line
		}
	}
	o.r.fault(line, o.field(key), format, args...)
}

// finish reports the keys that nobody asked for.
func (o *object) finish() {
	if o.r.trace != nil {
		o.r.trace(o.fromRoot(), o.known)
	}
	for _, k := range o.n.keys {
		if slices.Contains(o.known, k.name) {
			continue
		}
		if s := closest(k.name, o.known); s != "" {
			o.found(s)
			o.fault(k.name, "is no key here; did you mean %q?", s)
		} else if len(o.known) == 0 {
			o.fault(k.name, "is no key here; nothing stands in it")
		} else {
			o.fault(k.name, "is no key here; allowed are %s", strings.Join(o.known, ", "))
		}
	}
}

// found takes back that a key is missing: it is there, misspelt.
func (o *object) found(key string) {
	o.r.violations = slices.DeleteFunc(o.r.violations, func(v gateway.Violation) bool {
		return v.Field == o.field(key) && v.Step == o.r.step && strings.HasPrefix(v.Text, "is missing")
	})
}

// strange reports whether a key is there that nobody asked for, which was
// probably meant to be one that is missing.
func (o *object) strange() bool {
	return slices.ContainsFunc(o.n.keys, func(k nodeKey) bool { return !slices.Contains(o.known, k.name) })
}

// fromRoot is the path from the root.
func (o *object) fromRoot() string {
	switch {
	case o.r.step == "":
		return o.path
	case o.path == "":
		return "steps[]"
	}
	return "steps[]." + o.path
}

// text returns a scalar, "" when the key is not there.
func (o *object) text(key string) string {
	n := o.get(key)
	if n == nil {
		return ""
	}
	switch n.kind {
	case nodeScalar:
		return n.text
	case nodeNull:
		o.fault(key, "has no value; write one, or leave the key out")
	default:
		o.fault(key, "is %s, where a single value belongs", nodeKindNames[n.kind])
	}
	return ""
}

// required returns a scalar that must be there.
func (o *object) required(key, hint string) string {
	v := ""
	if n := o.get(key); n != nil && n.kind != nodeNull {
		v = o.text(key)
	}
	if v == "" {
		o.fault(key, "is missing; %s", hint)
	}
	return v
}

// broken reports whether a fault of the key is known already.
func (o *object) broken(key string) bool {
	return o.lost || slices.ContainsFunc(o.r.violations, func(v gateway.Violation) bool {
		return v.Field == o.field(key) && v.Step == o.r.step
	})
}

func (o *object) duration(key string) Duration {
	v := o.text(key)
	if v == "" {
		return 0
	}
	d, err := ParseDuration(v)
	if err == nil && d == 0 {
		err = fmt.Errorf("%q is no time at all; write one such as 4h", v)
	}
	if err != nil {
		o.fault(key, "%s", err)
	}
	return d
}

// number reads a number, ok is false when there is none.
func (o *object) number(key string, low, high float64) (v float64, ok bool) {
	return o.parsed(key, o.text(key), "number", low, high)
}

// word checks a name that the author chose.
func (o *object) word(key, name string) bool {
	problem := wordFault(name)
	if problem != "" {
		o.also(key, "%s", problem)
	}
	return problem == ""
}

// wordFault says what is wrong with a name, "" when nothing is.
func wordFault(name string) string {
	switch {
	case wordPattern.MatchString(name):
		return ""
	case name == "":
		return "is empty; write a word of a-z, 0-9, - and _ that starts with a letter"
	case len(name) > maxWord:
		return fmt.Sprintf("%q is longer than %d characters", name, maxWord)
	}
	if s := strings.ReplaceAll(strings.ToLower(name), " ", "-"); wordPattern.MatchString(s) {
		return fmt.Sprintf("%q may hold a-z, 0-9, - and _ only; did you mean %q?", name, s)
	}
	return fmt.Sprintf("%q may hold a-z, 0-9, - and _ only and starts with a letter", name)
}

// without reports keys that another one excludes.
func (o *object) without(key string, others ...string) {
	for _, other := range others {
		if o.has(other) {
			o.fault(other, "does not go with %s; keep one", key)
		}
	}
}

// whole reads a whole number, 0 when there is none.
func (o *object) whole(key string, low, high int64) (v int64, ok bool) {
	f, ok := o.parsed(key, o.text(key), "whole number", float64(low), float64(high))
	if v = int64(f); ok && float64(v) != f {
		o.fault(key, "%q is no whole number in %d…%d", o.text(key), low, high)
		ok = false
	}
	return v, ok
}

// share reads a share in percent, as hundredths; the sign may stand behind it.
func (o *object) share(key string) (hundredths int, ok bool) {
	f, ok := o.parsed(key, strings.TrimRight(o.text(key), " %"), "number", 0, 100)
	return int(f*100 + 0.5), ok
}

func (o *object) parsed(key, text, what string, low, high float64) (v float64, ok bool) {
	if text == "" {
		return 0, false
	}
	v, err := strconv.ParseFloat(text, 64)
	if err != nil || !(v >= low && v <= high) {
		o.fault(key, "%q is no %s in %s…%s", text, what, plainFloat(low), plainFloat(high))
		return 0, false
	}
	return v, true
}

func plainFloat(f float64) string { return strconv.FormatFloat(f, 'f', -1, 64) }

func (o *object) bool(key string, otherwise bool) bool {
	v := o.text(key)
	if v == "" {
		return otherwise
	}
	if v != "true" && v != "false" {
		o.fault(key, "%q is not true or false", v)
	}
	return v == "true"
}

// choice returns one of the allowed words.
func (o *object) choice(key, otherwise string, allowed ...string) string {
	v := o.text(key)
	if v == "" {
		return otherwise
	}
	if s := closest(v, allowed); slices.Contains(allowed, v) {
		return v
	} else if s != "" {
		o.fault(key, "%q is not allowed; did you mean %q?", v, s)
	} else {
		o.fault(key, "%q is not allowed; write %s", v, orList(allowed))
	}
	return v
}

// list returns the items; a single scalar counts as a list of one.
func (o *object) list(key string) []*node {
	n := o.get(key)
	switch {
	case n == nil:
		return nil
	case n.kind == nodeList:
		return n.values
	case n.kind == nodeNull:
		return nil
	}
	return []*node{n}
}

// words returns a list of scalars.
func (o *object) words(key string) (out []string) {
	for _, n := range o.list(key) {
		switch {
		case n.kind == nodeNull || n.kind == nodeScalar && n.text == "":
			o.also(key, "holds an empty entry; write a word, or leave it out")
			continue
		case n.kind != nodeScalar:
			o.also(key, "holds %s, where a single value belongs", nodeKindNames[n.kind])
			continue
		}
		out = append(out, n.text)
	}
	return out
}
