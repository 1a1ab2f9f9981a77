package main

import (
	"bytes"
	_ "embed"
	"encoding/json"
	"fmt"
	"go/ast"
	"go/importer"
	"go/parser"
	"go/token"
	"go/types"
	"hash/fnv"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
)

//go:embed helper.go.txt
var helper string

func hash(seed uint64, key string) uint64 {
	h := fnv.New64a()
	fmt.Fprintf(h, "%d %s", seed, key)
	x := h.Sum64()
	x ^= x >> 33
	x *= 0xff51afd7ed558ccd
	return x ^ x>>33
}

// spared files hold nothing that decides: the world in which stories run, and
// what is touched ahead of its use so that it is in the cache by then.
var spared = []string{"world.go", "warm.go"}

// build writes the changed source of the target and an overlay for the go
// command, and returns the mutants.
func build(out string) (mutants []mutant, overlay string, err error) {
	src := filepath.Join(out, "src")
	if err := os.MkdirAll(src, 0o755); err != nil {
		return nil, "", err
	}
	p, err := load()
	if err != nil {
		return nil, "", err
	}
	replace := map[string]string{}
	for i := range p.files {
		if slices.Contains(spared, p.names[i]) {
			continue
		}
		text, err := p.mutate(i, &mutants)
		if err != nil {
			return nil, "", err
		}
		changed := filepath.Join(src, p.names[i]+".txt") // no package of its own
		if err := os.WriteFile(changed, text, 0o644); err != nil {
			return nil, "", err
		}
		replace[filepath.Join(p.dir, p.names[i])] = changed
	}
	help := strings.NewReplacer("PACKAGE", p.files[0].Name.Name, "TOTAL", strconv.Itoa(len(mutants))).Replace(helper)
	changed := filepath.Join(src, "zz_mutants.go.txt")
	if err := os.WriteFile(changed, []byte(help), 0o644); err != nil {
		return nil, "", err
	}
	replace[filepath.Join(p.dir, "zz_mutants.go")] = changed
	data, err := json.Marshal(map[string]any{"Replace": replace})
	if err != nil {
		return nil, "", err
	}
	overlay = filepath.Join(out, "overlay.json")
	return mutants, overlay, os.WriteFile(overlay, data, 0o644)
}

// source is the package that is mutated, parsed and with its types.
type source struct {
	dir   string
	fset  *token.FileSet
	files []*ast.File
	names []string
	info  *types.Info
}

func load() (*source, error) {
	dir, err := filepath.Abs(target)
	if err != nil {
		return nil, err
	}
	p := &source{dir: dir, fset: token.NewFileSet(), info: &types.Info{Types: map[ast.Expr]types.TypeAndValue{},
		Defs: map[*ast.Ident]types.Object{}, Uses: map[*ast.Ident]types.Object{}}}
	entries, err := os.ReadDir(dir)
	if err != nil {
		return nil, err
	}
	for _, e := range entries {
		if !strings.HasSuffix(e.Name(), ".go") || strings.HasSuffix(e.Name(), "_test.go") {
			continue
		}
		f, err := parser.ParseFile(p.fset, filepath.Join(dir, e.Name()), nil, parser.ParseComments)
		if err != nil {
			return nil, err
		}
		p.files, p.names = append(p.files, f), append(p.names, e.Name())
	}
	imp, err := compiled(p.fset)
	if err != nil {
		return nil, err
	}
	_, err = (&types.Config{Importer: imp}).Check("touchpoint/"+target, p.fset, p.files, p.info)
	return p, err
}

// mutate returns the text of a file with all its mutants in it.
func (p *source) mutate(i int, mutants *[]mutant) ([]byte, error) {
	text, err := os.ReadFile(filepath.Join(p.dir, p.names[i]))
	if err != nil {
		return nil, err
	}
	m := &mutator{fset: p.fset, info: p.info, src: text, file: p.names[i], seen: map[string]int{}, done: map[ast.Expr]bool{},
		skip: map[ast.Node]bool{}, mutants: mutants, imports: map[string]bool{}}
	for _, im := range p.files[i].Imports {
		path, _ := strconv.Unquote(im.Path.Value)
		m.imports[path[strings.LastIndexByte(path, '/')+1:]] = im.Name == nil
	}
	m.walk(p.files[i])
	return m.render(), nil
}

// compiled reads the types of the imported packages from the build cache.
func compiled(fset *token.FileSet) (types.Importer, error) {
	cmd := exec.Command("go", "list", "-export", "-deps", "-f", "{{.ImportPath}} {{.Export}}", "./"+target)
	cmd.Stderr = os.Stderr
	data, err := cmd.Output()
	if err != nil {
		return nil, err
	}
	exports := map[string]string{}
	for line := range strings.Lines(string(data)) {
		path, file, _ := strings.Cut(strings.TrimSpace(line), " ")
		exports[path] = file
	}
	return importer.ForCompiler(fset, "gc", func(path string) (io.ReadCloser, error) {
		if exports[path] == "" {
			return nil, fmt.Errorf("no export data for %s", path)
		}
		return os.Open(exports[path])
	}), nil
}

// fingerprint names the state of the sources and tests, so that results of
// another state are not mistaken for this one's.
func fingerprint(dirs []string) (string, error) {
	h := fnv.New64a()
	for _, dir := range dirs {
		var names []string
		err := filepath.WalkDir(dir, func(path string, d os.DirEntry, err error) error {
			if err == nil && !d.IsDir() {
				names = append(names, path)
			}
			return err
		})
		if err != nil {
			return "", err
		}
		slices.Sort(names)
		for _, name := range names {
			data, err := os.ReadFile(name)
			if err != nil {
				return "", err
			}
			fmt.Fprintf(h, "%s %d ", name, len(data))
			h.Write(bytes.TrimSpace(data))
		}
	}
	return strconv.FormatUint(h.Sum64(), 16), nil
}
