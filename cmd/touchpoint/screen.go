package main

import (
	"fmt"
	"io"
	"os"
	"regexp"
	"strings"
	"time"
	"unicode/utf8"

	"golang.org/x/term"
)

// screen shows a view: redrawn in place on a terminal, else as a line every few
// seconds.
type screen struct {
	out      io.Writer
	terminal bool
	height   int // lines that are drawn now
	lastLine time.Time
	first    bool // the first display was told
}

func newScreen(out io.Writer) *screen {
	s := &screen{out: out}
	if f, ok := out.(*os.File); ok && term.IsTerminal(int(f.Fd())) && os.Getenv("TERM") != "dumb" {
		s.terminal = true
		fmt.Fprint(out, "\x1b[?25l")
	}
	colours = s.terminal && os.Getenv("NO_COLOR") == ""
	return s
}

// every is how often to draw.
func (s *screen) every() time.Duration {
	if s.terminal {
		return 100 * time.Millisecond
	}
	return 200 * time.Millisecond
}

// draw shows the view; last asks for it whatever the time.
func (s *screen) draw(v *view, last bool) {
	if s.terminal {
		s.lines(v.panel())
		return
	}
	if !s.first && !v.now.First.IsZero() {
		s.first = true
		fmt.Fprintf(s.out, "%5.1fs  first message on a machine: %q\n", v.now.First.Sub(v.begin).Seconds(), v.now.Last.Title)
	}
	if last || time.Since(s.lastLine) >= 5*time.Second {
		s.lastLine = time.Now()
		fmt.Fprintln(s.out, v.line())
	}
}

// note shows a single sentence.
func (s *screen) note(text string) {
	if s.terminal {
		s.lines([]string{"", "  " + dim(text), ""})
		return
	}
	fmt.Fprintln(s.out, text)
}

// lines replaces what is drawn.
func (s *screen) lines(lines []string) {
	width, height := s.size()
	if len(lines) > height-1 {
		lines = lines[:height-1]
	}
	var b strings.Builder
	if s.height > 0 {
		fmt.Fprintf(&b, "\x1b[%dA", s.height)
	}
	for _, line := range lines {
		b.WriteString("\r\x1b[K" + clip(line, width-1) + "\n")
	}
	b.WriteString("\x1b[J")
	s.height = len(lines)
	fmt.Fprint(s.out, b.String())
}

func (s *screen) size() (width, height int) {
	if f, ok := s.out.(*os.File); ok {
		if w, h, err := term.GetSize(int(f.Fd())); err == nil && w > 20 && h > 5 {
			return w, h
		}
	}
	return 80, 24
}

// clear takes away what is drawn.
func (s *screen) clear() {
	if s.terminal && s.height > 0 {
		fmt.Fprintf(s.out, "\x1b[%dA\r\x1b[J", s.height)
		s.height = 0
	}
}

// close gives the cursor back.
func (s *screen) close() {
	if s.terminal {
		fmt.Fprint(s.out, "\x1b[?25h")
	}
}

// colours is set once, before anything is drawn.
var colours bool

func paint(code, text string) string {
	if !colours || text == "" {
		return text
	}
	return "\x1b[" + code + "m" + text + "\x1b[0m"
}

func bold(s string) string  { return paint("1", s) }
func dim(s string) string   { return paint("2", s) }
func green(s string) string { return paint("32", s) }
func cyan(s string) string  { return paint("36", s) }

var escape = regexp.MustCompile("\x1b\\[[0-9;]*m")

// visible counts the characters that take room.
func visible(s string) int { return utf8.RuneCountInString(escape.ReplaceAllString(s, "")) }

// clip cuts a line to the width, leaving its colours whole.
func clip(s string, width int) string {
	if visible(s) <= width {
		return s
	}
	var b strings.Builder
	for n := 0; s != ""; {
		if loc := escape.FindStringIndex(s); loc != nil && loc[0] == 0 {
			b.WriteString(s[:loc[1]])
			s = s[loc[1]:]
			continue
		}
		_, size := utf8.DecodeRuneInString(s)
		if n < width {
			b.WriteString(s[:size])
		}
		n++
		s = s[size:]
	}
	return b.String()
}
