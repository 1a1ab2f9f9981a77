package gateway

import (
	"errors"
	"fmt"
	"strings"
)

// ErrorKind says what the receiver of an error can do about it. The list is
// closed; transports map it to their own codes in one place each.
type ErrorKind uint8

// The kinds of error.
const (
	Internal         ErrorKind = iota // a defect of ours
	Invalid                           // the input is wrong: do not retry
	NotFound                          // the named thing does not exist
	Conflict                          // the state does not allow it (again)
	Unauthenticated                   // who are you
	PermissionDenied                  // you may not
	Exhausted                         // a limit is reached: retry later
	Unavailable                       // a server is away: retry
	Fenced                            // another owner took over
	OutcomeUnknown                    // it may or may not have happened: retry the same
)

var errorKinds = [...]string{"internal", "invalid", "not_found", "conflict", "unauthenticated",
	"permission_denied", "exhausted", "unavailable", "fenced", "outcome_unknown"}

// String returns the snake_case name.
func (k ErrorKind) String() string { return errorKinds[k] }

// Error is an error with a kind and, for bad input, the places that are wrong.
// Texts never hold a personal value.
type Error struct {
	Kind       ErrorKind
	Text       string
	Violations []Violation
	Err        error
}

// Violation names one wrong place of an input and what is allowed there.
type Violation struct {
	Field string // path, such as "steps[2].wait.for" or "data.water_ml"
	Step  string // id of the journey step, "" when not in one
	Line  int    // of the text that was sent, 0 when it is no text
	Text  string // what is wrong and what is allowed
}

// String formats the violation as "line 7, step "remind", wait.for: text".
func (v Violation) String() string {
	var b strings.Builder
	if v.Line > 0 {
		fmt.Fprintf(&b, "line %d, ", v.Line)
	}
	if v.Step != "" {
		fmt.Fprintf(&b, "step %q, ", v.Step)
	}
	if v.Field != "" {
		b.WriteString(v.Field)
		b.WriteString(": ")
	}
	b.WriteString(v.Text)
	return b.String()
}

// Error implements error.
func (e *Error) Error() string {
	var b strings.Builder
	b.WriteString(e.Text)
	for i, v := range e.Violations {
		if i > 0 || e.Text != "" {
			b.WriteString("; ")
		}
		b.WriteString(v.String())
	}
	if e.Err != nil {
		if b.Len() > 0 {
			b.WriteString(": ")
		}
		b.WriteString(e.Err.Error())
	}
	return b.String()
}

// Unwrap returns the cause.
func (e *Error) Unwrap() error { return e.Err }

// Errorf makes an error of a kind; %w is kept as its cause.
func Errorf(kind ErrorKind, format string, args ...any) *Error {
	return &Error{Kind: kind, Err: fmt.Errorf(format, args...)}
}

// InvalidField makes an Invalid error about one field.
func InvalidField(field, format string, args ...any) *Error {
	return &Error{Kind: Invalid, Violations: []Violation{{Field: field, Text: fmt.Sprintf(format, args...)}}}
}

// KindOf returns the kind of err, Internal when it has none.
func KindOf(err error) ErrorKind {
	var e *Error
	if errors.As(err, &e) {
		return e.Kind
	}
	return Internal
}
