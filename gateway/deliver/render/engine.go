package render

import (
	"bytes"
	"errors"
	"fmt"
	"io"

	"github.com/osteele/liquid/expressions"
	"github.com/osteele/liquid/filters"
	"github.com/osteele/liquid/parser"
	liquid "github.com/osteele/liquid/render"
	"github.com/osteele/liquid/tags"

	"touchpoint/gateway"
)

// Limits of a template. A message is short; the limits are far above what a
// person reads and far below what would hurt.
const (
	MaxSource = 32 << 10 // bytes of one template source
	MaxOutput = 64 << 10 // bytes of one rendered part, or of one value in between
)

var errTooLong = errors.New("the text gets too long")

// engine is the reduced Liquid. It is read only once made.
var engine = newEngine()

func newEngine() *liquid.Config {
	cfg := liquid.NewConfig()
	filters.AddStandardFilters(&cfg)
	tags.AddStandardTags(cfg)
	cfg.AddTag("assign", assign)
	for name, f := range ownFilters {
		cfg.AddFilter(name, f)
	}
	cfg.StrictVariables = true
	return &cfg
}

// assign is Liquid's, with the size of the value bounded: a chain of doubling
// assignments would otherwise fill the memory.
func assign(source string) (func(io.Writer, liquid.Context) error, error) {
	st, err := expressions.ParseStatement(expressions.AssignStatementSelector, source)
	if err != nil {
		return nil, err
	}
	return func(_ io.Writer, ctx liquid.Context) error {
		v, err := ctx.Evaluate(st.Assignment.ValueFn)
		if err != nil {
			return err
		}
		if s, ok := v.(string); ok && len(s) > MaxOutput {
			return errTooLong
		}
		ctx.Set(st.Assignment.Variable, v)
		return nil
	}, nil
}

// template is one parsed source.
type template struct {
	field string
	plain string // the source itself when there is nothing to do
	node  liquid.Node
}

// parse reads one source and refuses what Check would refuse by itself.
func parse(p part) (*template, []gateway.Violation) {
	if len(p.source) > MaxSource {
		return nil, []gateway.Violation{{Field: p.field, Text: fmt.Sprintf("is %d bytes long; at most %d are allowed", len(p.source), MaxSource)}}
	}
	s := scanSource(p.source)
	if vs := s.violations(p.field); len(vs) > 0 {
		return nil, vs
	}
	node, err := compile(p.source)
	if err != nil {
		return nil, []gateway.Violation{{Field: p.field, Line: err.LineNumber(), Text: err.Error()}}
	}
	t := &template{field: p.field, node: node}
	if !bytes.ContainsAny([]byte(p.source), "{") {
		t.plain = p.source
	}
	return t, nil
}

// compile guards against panics of the parser: a template is input.
func compile(source string) (n liquid.Node, err parser.Error) {
	defer func() {
		if r := recover(); r != nil {
			n, err = nil, parser.Errorf(&parser.Token{SourceLoc: parser.SourceLoc{LineNo: 1}}, "this cannot be read as a template")
		}
	}()
	return engine.Compile(source, parser.SourceLoc{LineNo: 1})
}

// run renders with values. An error never shows a value, since it may be a
// personal one: Liquid's own texts do and are left out.
func (t *template) run(values map[string]any) (out string, err error) {
	if t.plain != "" || t.node == nil {
		return t.plain, nil
	}
	w := &boundedWriter{left: MaxOutput}
	defer func() {
		if r := recover(); r != nil {
			out, err = "", t.failure(0, r)
		}
	}()
	if rerr := liquid.Render(t.node, w, values, *engine); rerr != nil {
		return "", t.failure(rerr.LineNumber(), rerr.Cause())
	}
	return w.buf.String(), nil
}

func (t *template) failure(line int, cause any) error {
	text := "a filter or comparison cannot use the value that it got"
	if e, ok := cause.(error); ok {
		var f expressions.FilterError // does not unwrap by itself
		if errors.As(e, &f) {
			e = f.Err
		}
		switch {
		case errors.Is(e, errTooLong):
			text = fmt.Sprintf("the text gets longer than %d bytes", MaxOutput)
		case e.Error() == "undefined variable":
			text = "a variable has no value and no default filter"
		}
	}
	return &gateway.Error{Kind: gateway.Invalid, Violations: []gateway.Violation{{Field: t.field, Line: line, Text: text}}}
}

// boundedWriter fails when the output gets too long.
type boundedWriter struct {
	buf  bytes.Buffer
	left int
}

func (w *boundedWriter) Write(b []byte) (int, error) {
	if len(b) > w.left {
		return 0, errTooLong
	}
	w.left -= len(b)
	return w.buf.Write(b)
}
