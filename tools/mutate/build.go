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

// spared files hold nothing that decides: the world in which stories run.
var spared = []string{"world.go"}

// build writes the changed source of the target and an overlay for the go
// command, and returns the mutants.
func build(out string) (mutants []mutant, overlay string, err error) {
	dir, err := filepath.Abs(target)
	if err != nil {
		return nil, "", err
	}
	fset := token.NewFileSet()
	var files []*ast.File
	var names []string
	entries, err := os.ReadDir(dir)
	if err != nil {
		return nil, "", err
	}
	for _, e := range entries {
		if !strings.HasSuffix(e.Name(), ".go") || strings.HasSuffix(e.Name(), "_test.go") {
			continue
		}
		f, err := parser.ParseFile(fset, filepath.Join(dir, e.Name()), nil, parser.ParseComments)
		if err != nil {
			return nil, "", err
		}
		files, names = append(files, f), append(names, e.Name())
	}
	info := &types.Info{Types: map[ast.Expr]types.TypeAndValue{}, Defs: map[*ast.Ident]types.Object{}, Uses: map[*ast.Ident]types.Object{}}
	imp, err := compiled(fset)
	if err != nil {
		return nil, "", err
	}
	if _, err := (&types.Config{Importer: imp}).Check("touchpoint/"+target, fset, files, info); err != nil {
		return nil, "", err
	}
	replace := map[string]string{}
	src := filepath.Join(out, "src")
	if err := os.MkdirAll(src, 0o755); err != nil {
		return nil, "", err
	}
	for i, f := range files {
		if slices.Contains(spared, names[i]) {
			continue
		}
		text, err := os.ReadFile(filepath.Join(dir, names[i]))
		if err != nil {
			return nil, "", err
		}
		m := &mutator{fset: fset, info: info, src: text, file: names[i], seen: map[string]int{}, done: map[ast.Expr]bool{},
			skip: map[ast.Node]bool{}, mutants: &mutants, imports: map[string]bool{}}
		for _, im := range f.Imports {
			path, _ := strconv.Unquote(im.Path.Value)
			m.imports[path[strings.LastIndexByte(path, '/')+1:]] = im.Name == nil
		}
		m.walk(f)
		changed := filepath.Join(src, names[i]+".txt") // no package of its own
		if err := os.WriteFile(changed, m.render(), 0o644); err != nil {
			return nil, "", err
		}
		replace[filepath.Join(dir, names[i])] = changed
	}
	help := strings.NewReplacer("PACKAGE", files[0].Name.Name, "TOTAL", strconv.Itoa(len(mutants))).Replace(helper)
	changed := filepath.Join(src, "zz_mutants.go.txt")
	if err := os.WriteFile(changed, []byte(help), 0o644); err != nil {
		return nil, "", err
	}
	replace[filepath.Join(dir, "zz_mutants.go")] = changed
	data, err := json.Marshal(map[string]any{"Replace": replace})
	if err != nil {
		return nil, "", err
	}
	overlay = filepath.Join(out, "overlay.json")
	return mutants, overlay, os.WriteFile(overlay, data, 0o644)
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
