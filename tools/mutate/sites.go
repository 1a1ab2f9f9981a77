package main

// The mutants are all built into one test binary; a number in the environment
// picks one per run, so that nothing is compiled per mutant.

import (
	"cmp"
	"fmt"
	"go/ast"
	"go/token"
	"go/types"
	"slices"
	"strings"
)

// mutant is one small change of the source, chosen at run time by its number.
type mutant struct {
	Number int    `json:"-"`
	Key    string `json:"key"` // file function operator #n: stable while the function's code stays
	File   string `json:"-"`
	Line   int    `json:"line"`
	What   string `json:"what"` // what the change does, with the text it changes
}

// edit inserts text at an offset (and first cuts what stands until to).
type edit struct {
	at, to int
	text   string
	span   int  // length of what is wrapped: the outer of two comes first
	suffix bool // stands behind what it wraps
	order  int
}

// mutator walks one file and notes its mutants and the edits that build them in.
type mutator struct {
	fset    *token.FileSet
	info    *types.Info
	src     []byte
	file    string
	fn      string
	results *ast.FieldList
	seen    map[string]int
	done    map[ast.Expr]bool
	skip    map[ast.Node]bool
	mutants *[]mutant
	edits   []edit
	imports map[string]bool
}

func (m *mutator) offset(p token.Pos) int { return m.fset.Position(p).Offset }

func (m *mutator) text(n ast.Node) string {
	return string(m.src[m.offset(n.Pos()):m.offset(n.End())])
}

// add notes a mutant and returns its number.
func (m *mutator) add(n ast.Node, op, what string) int {
	base := m.file + " " + m.fn + " " + op
	m.seen[base]++
	number := len(*m.mutants) + 1
	*m.mutants = append(*m.mutants, mutant{Number: number, Key: fmt.Sprintf("%s #%d", base, m.seen[base]), File: m.file,
		Line: m.fset.Position(n.Pos()).Line, What: what})
	return number
}

func (m *mutator) wrap(n ast.Node, before, after string) {
	from, to := m.offset(n.Pos()), m.offset(n.End())
	m.edits = append(m.edits, edit{at: from, to: from, text: before, span: to - from},
		edit{at: to, to: to, text: after, span: to - from, suffix: true})
}

// short cuts a text for the report.
func (m *mutator) short(n ast.Node) string {
	s := strings.Join(strings.Fields(m.text(n)), " ")
	if len(s) > 90 {
		s = s[:87] + "…"
	}
	return s
}

func (m *mutator) walk(f *ast.File) {
	for _, d := range f.Decls {
		switch d := d.(type) {
		case *ast.GenDecl:
			m.fn = "var"
			if d.Tok == token.VAR {
				m.inspect(d)
			}
		case *ast.FuncDecl:
			if d.Body == nil {
				continue
			}
			m.fn = d.Name.Name
			if d.Recv != nil {
				m.fn = receiver(d.Recv.List[0].Type) + "." + m.fn
			}
			m.results = d.Type.Results
			m.inspect(d.Body)
		}
	}
}

func receiver(e ast.Expr) string {
	if s, ok := e.(*ast.StarExpr); ok {
		e = s.X
	}
	if id, ok := e.(*ast.Ident); ok {
		return id.Name
	}
	return "?"
}

func (m *mutator) inspect(root ast.Node) {
	ast.Inspect(root, func(n ast.Node) bool {
		if n == nil || m.skip[n] {
			return false
		}
		switch n := n.(type) {
		case *ast.FuncLit:
			results := m.results
			m.results = n.Type.Results
			m.inspect(n.Body)
			m.results = results
			return false
		case *ast.BlockStmt:
			m.list(n.List)
		case *ast.CaseClause:
			m.list(n.Body)
		case *ast.CommClause:
			m.list(n.Body)
		case *ast.IfStmt:
			m.ifStmt(n)
		case *ast.ForStmt:
			if n.Cond != nil {
				m.truth(n.Cond)
			}
		case *ast.SwitchStmt:
			m.switchStmt(n)
		case *ast.RangeStmt:
			m.skip[n.X] = m.isConstant(n.X)
		case *ast.ArrayType:
			return false
		case *ast.IndexExpr:
			m.skip[n.Index] = m.isConstant(n.Index)
		case *ast.SliceExpr:
			return !m.isConstant(n.Low) || !m.isConstant(n.High)
		case *ast.CallExpr:
			if id, ok := n.Fun.(*ast.Ident); ok && id.Name == "make" {
				return false
			}
			if sel, ok := n.Fun.(*ast.SelectorExpr); ok && sel.Sel.Name == "length" {
				return false // the least size of an element, a guard against broken encodings
			}
		case *ast.CompositeLit:
			m.keys(n)
		case *ast.BinaryExpr:
			if m.constant(n) {
				return false
			}
			m.binary(n)
		case *ast.BasicLit, *ast.UnaryExpr:
			if m.constant(n.(ast.Expr)) {
				return false
			}
		case *ast.GenDecl:
			return n.Tok == token.VAR
		}
		return true
	})
}

// keys leaves the keys of array and map literals alone: they must stay constant.
func (m *mutator) keys(lit *ast.CompositeLit) {
	for _, el := range lit.Elts {
		if kv, ok := el.(*ast.KeyValueExpr); ok {
			m.skip[kv.Key] = true
		}
	}
}

func (m *mutator) switchStmt(s *ast.SwitchStmt) {
	for _, c := range s.Body.List {
		for _, e := range c.(*ast.CaseClause).List {
			if s.Tag == nil {
				m.truth(e)
			} else if m.isConstant(e) {
				m.skip[e] = true
			}
		}
	}
}

func (m *mutator) isConstant(e ast.Expr) bool {
	return e == nil || m.info.Types[e].Value != nil
}

// list mutates the statements of a block: calls, assignments and returns.
func (m *mutator) list(stmts []ast.Stmt) {
	for _, s := range stmts {
		switch s := s.(type) {
		case *ast.ExprStmt:
			call, ok := s.X.(*ast.CallExpr)
			if !ok {
				continue
			}
			if name, plain := call.Fun.(*ast.Ident); !plain || name.Name != "panic" {
				m.remove(s, "call")
			}
		case *ast.AssignStmt:
			blank := func(e ast.Expr) bool { id, ok := e.(*ast.Ident); return ok && id.Name == "_" }
			if s.Tok != token.DEFINE && !(len(s.Lhs) == 1 && blank(s.Lhs[0])) {
				m.remove(s, "assign")
			}
		case *ast.IncDecStmt:
			m.remove(s, "assign")
		case *ast.BranchStmt:
			if s.Tok == token.CONTINUE {
				m.remove(s, "continue")
			}
		case *ast.ReturnStmt:
			m.returns(s)
		}
	}
}

func (m *mutator) remove(s ast.Stmt, op string) {
	n := m.add(s, op, "left out: "+m.short(s))
	m.wrap(s, fmt.Sprintf("if !mutantOn(%d) { ", n), " }")
}

// returns gives zero values back instead.
func (m *mutator) returns(s *ast.ReturnStmt) {
	if len(s.Results) == 0 || m.results == nil {
		return
	}
	plain := true
	for _, r := range s.Results {
		if m.info.Types[r].Value == nil && !m.info.Types[r].IsNil() && !m.isZero(r) {
			plain = false
		}
	}
	if len(s.Results) == 1 && types.Identical(m.info.TypeOf(s.Results[0]).Underlying(), types.Typ[types.Bool]) {
		if v := m.info.Types[s.Results[0]].Value; v != nil {
			n := m.add(s, "return", m.short(s)+" turned round")
			m.wrap(s.Results[0], "(", fmt.Sprintf(") != mutantOn(%d)", n))
			m.skip[s.Results[0]] = true
		} else {
			m.truth(s.Results[0])
		}
		return
	}
	if plain {
		return
	}
	var zeros []string
	for _, f := range m.results.List {
		for range max(1, len(f.Names)) {
			zeros = append(zeros, "*new("+m.text(f.Type)+")")
		}
	}
	n := m.add(s, "return", "zero instead of "+m.short(s))
	at := m.offset(s.Pos())
	m.edits = append(m.edits, edit{at: at, to: at, text: fmt.Sprintf("if mutantOn(%d) { return %s }; ", n, strings.Join(zeros, ", ")), span: 1 << 30})
}

// isZero reports whether an expression is a struct in which nothing is set.
func (m *mutator) isZero(e ast.Expr) bool {
	lit, ok := e.(*ast.CompositeLit)
	if !ok || len(lit.Elts) > 0 {
		return false
	}
	_, ok = m.info.TypeOf(e).Underlying().(*types.Struct)
	return ok
}

// ifStmt never takes a branch that leaves early.
func (m *mutator) ifStmt(s *ast.IfStmt) {
	m.truth(s.Cond)
	if s.Else != nil || len(s.Body.List) == 0 || m.isConstant(s.Cond) {
		return
	}
	leaves := false
	switch s.Body.List[len(s.Body.List)-1].(type) {
	case *ast.ReturnStmt, *ast.BranchStmt:
		leaves = true
	}
	if b, ok := s.Cond.(*ast.BinaryExpr); leaves && ok && (b.Op == token.LAND || b.Op == token.LOR) {
		n := m.add(s, "never", "never: if "+m.short(s.Cond))
		m.wrap(s.Cond, "(", fmt.Sprintf(") && !mutantOn(%d)", n))
	}
}

// truth negates the parts of a condition and drops sides of && and ||.
func (m *mutator) truth(e ast.Expr) {
	if m.done[e] || m.isConstant(e) {
		return
	}
	m.done[e] = true
	switch x := e.(type) {
	case *ast.ParenExpr:
		m.truth(x.X)
	case *ast.UnaryExpr:
		if x.Op == token.NOT {
			m.truth(x.X)
		}
	case *ast.BinaryExpr:
		m.binary(x)
	default:
		if t, ok := m.info.TypeOf(e).(*types.Basic); !ok || t.Info()&types.IsBoolean == 0 {
			return
		}
		n := m.add(e, "negate", "negated: "+m.short(e))
		m.wrap(e, "((", fmt.Sprintf(") != mutantOn(%d))", n))
	}
}

func (m *mutator) binary(b *ast.BinaryExpr) {
	if m.done[ast.Expr(b.X)] && m.done[ast.Expr(b.Y)] {
		return
	}
	switch b.Op {
	case token.LAND, token.LOR:
		absorb, neutral := " && !mutantOn(%d)", "ignored: "
		if b.Op == token.LAND {
			absorb = " || mutantOn(%d)"
		}
		for _, side := range []ast.Expr{b.X, b.Y} {
			n := m.add(side, "drop", neutral+m.short(side)+" in "+m.short(b))
			m.wrap(side, "((", ")"+fmt.Sprintf(absorb, n)+")")
			m.truth(side)
		}
	case token.EQL, token.NEQ:
		n := m.add(b, "negate", "negated: "+m.short(b))
		m.wrap(b, "((", fmt.Sprintf(") != mutantOn(%d))", n))
	case token.LSS, token.LEQ, token.GTR, token.GEQ:
		if !m.sameType(b) {
			return
		}
		n := m.add(b, "bound", "bound shifted: "+m.short(b))
		m.add(b, "negate", "negated: "+m.short(b))
		m.operator(b, map[token.Token]string{token.LSS: "mutantLess", token.LEQ: "mutantLessEq", token.GTR: "mutantMore", token.GEQ: "mutantMoreEq"}[b.Op], n)
	case token.ADD, token.SUB:
		t, ok := m.info.TypeOf(b).Underlying().(*types.Basic)
		if !ok || t.Info()&types.IsNumeric == 0 || t.Info()&types.IsUntyped != 0 || !m.sameType(b) {
			return
		}
		n := m.add(b, "sign", "sign turned: "+m.short(b))
		m.operator(b, map[token.Token]string{token.ADD: "mutantAdd", token.SUB: "mutantSub"}[b.Op], n)
	default:
		return
	}
	m.done[b.X], m.done[b.Y] = true, true
}

// operator replaces the operator by a call that knows its mutants.
func (m *mutator) operator(b *ast.BinaryExpr, call string, n int) {
	m.wrap(b, fmt.Sprintf("%s(%d, ", call, n), ")")
	at := m.offset(b.OpPos)
	m.edits = append(m.edits, edit{at: at, to: at + len(b.Op.String()), text: ","})
}

func (m *mutator) sameType(b *ast.BinaryExpr) bool {
	x, y := m.info.TypeOf(b.X), m.info.TypeOf(b.Y)
	return types.Identical(x, y)
}

// constant adds one to a whole constant number that stands in the code.
func (m *mutator) constant(e ast.Expr) bool {
	tv := m.info.Types[e]
	if tv.Value == nil {
		return false
	}
	named, _ := tv.Type.(*types.Named)
	t, ok := tv.Type.Underlying().(*types.Basic)
	if !ok || t.Info()&types.IsInteger == 0 || t.Info()&types.IsUntyped != 0 || m.fn == "var" {
		return true
	}
	name := t.Name()
	if named != nil {
		name = named.Obj().Name()
		if pkg := named.Obj().Pkg(); pkg != nil && pkg.Name() != "journey" {
			if !m.imports[pkg.Name()] {
				return true
			}
			name = pkg.Name() + "." + name
		}
	}
	n := m.add(e, "constant", "one more: "+m.short(e))
	m.wrap(e, "("+name+"(", fmt.Sprintf(") + %s(mutantOne(%d)))", name, n))
	return true
}

// render returns the source with all mutants built in.
func (m *mutator) render() []byte {
	for i := range m.edits {
		m.edits[i].order = i
	}
	slices.SortStableFunc(m.edits, func(a, b edit) int {
		switch {
		case a.at != b.at:
			return a.at - b.at
		case a.suffix != b.suffix: // what ends here comes before what begins here
			if a.suffix {
				return -1
			}
			return 1
		case a.suffix:
			return cmp.Or(a.span-b.span, b.order-a.order)
		}
		return cmp.Or(b.span-a.span, a.order-b.order)
	})
	var out []byte
	pos := 0
	for _, e := range m.edits {
		out = append(out, m.src[pos:e.at]...)
		out = append(out, e.text...)
		pos = e.to
	}
	return append(out, m.src[pos:]...)
}
