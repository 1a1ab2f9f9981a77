package story

import (
	"bytes"
	"fmt"
	"strings"

	"github.com/goccy/go-yaml"
	"golang.org/x/tools/txtar"

	"touchpoint/gateway/journey"
)

// File is a story taken apart: a sentence, definitions, perhaps settings.yaml,
// and the section named story.
type File struct {
	name    string
	archive *txtar.Archive
	lines   map[string]int // number of the first line of a section
}

// Error is a fault of a story, with the line in its file.
type Error struct {
	File string
	Line int
	Err  error
}

func (e *Error) Error() string { return fmt.Sprintf("%s:%d: %v", e.File, e.Line, e.Err) }
func (e *Error) Unwrap() error { return e.Err }

// Parse reads a story file.
func Parse(name string, text []byte) (*File, error) {
	f := &File{name: name, archive: txtar.Parse(text), lines: map[string]int{}}
	line := 1 + bytes.Count(f.archive.Comment, []byte("\n"))
	has := false
	for _, section := range f.archive.Files {
		f.lines[section.Name] = line + 1
		line += 1 + bytes.Count(section.Data, []byte("\n"))
		has = has || section.Name == "story"
	}
	if !has {
		return nil, &Error{name, line, fmt.Errorf(`a line "-- story --" is missing, with the commands below it`)}
	}
	return f, nil
}

// Sentence is the text in front of the first section.
func (f *File) Sentence() string { return strings.TrimSpace(string(f.archive.Comment)) }

// Definitions are the journeys that the story brings along, by file name.
func (f *File) Definitions() map[string][]byte {
	files := map[string][]byte{}
	for _, section := range f.archive.Files {
		if section.Name != "story" && section.Name != "settings.yaml" {
			files[section.Name] = section.Data
		}
	}
	return files
}

// Line is the line of the file at which a section's line stands, counted from 1.
func (f *File) Line(section string, line int) int { return f.lines[section] + line - 1 }

// Config reads settings.yaml.
func (f *File) Config() (journey.Config, error) {
	var cfg journey.Config
	for _, section := range f.archive.Files {
		if section.Name != "settings.yaml" {
			continue
		}
		var err error
		if cfg, err = readConfig(section.Data); err != nil {
			return cfg, &Error{f.name, f.lines["settings.yaml"], fmt.Errorf("settings.yaml: %w", err)}
		}
	}
	return cfg, nil
}

func readConfig(text []byte) (cfg journey.Config, err error) {
	if err = yaml.UnmarshalWithOptions(text, &cfg, yaml.Strict()); err == nil {
		err = cfg.Validate()
	}
	return cfg, err
}

// Run runs the story and returns the file's text with what came of every
// command. Files and Config of the options are the file's own.
func (f *File) Run(o Options) (text []byte, err error) {
	if o.Config, err = f.Config(); err != nil {
		return nil, err
	}
	o.Files = f.Definitions()
	s := NewSession(o)
	told := *f.archive
	told.Files = append([]txtar.File(nil), f.archive.Files...)
	for i := range told.Files {
		if told.Files[i].Name != "story" {
			continue
		}
		if told.Files[i].Data, err = f.tell(s, string(told.Files[i].Data)); err != nil {
			return nil, err
		}
	}
	return txtar.Format(&told), nil
}

// tell runs the commands and writes what came of each below it.
func (f *File) tell(s *Session, text string) ([]byte, error) {
	var out bytes.Buffer
	for i, line := range strings.Split(strings.TrimRight(text, "\n"), "\n") {
		if strings.HasPrefix(line, " ") { // an output of before
			continue
		}
		out.WriteString(line + "\n")
		came, err := s.Do(line)
		if err != nil {
			return nil, &Error{f.name, f.Line("story", i+1), fmt.Errorf("%s: %w", line, err)}
		}
		for _, o := range came {
			out.WriteString("  " + o + "\n")
		}
	}
	return out.Bytes(), nil
}
