package story

import (
	"fmt"
	"slices"
	"strconv"
	"strings"

	"touchpoint/gateway"
	"touchpoint/gateway/journey"
)

// Options are what a story needs from outside.
type Options struct {
	// Config are the settings of the installation.
	Config journey.Config
	// Files are the definitions that the story brings along, by name.
	Files map[string][]byte
	// Open reads a definition that the story names and does not bring along; nil
	// means that there are none.
	Open func(name string) ([]byte, error)
	// Checked compares the state after every command with a replay of the
	// recorded changes and with what a snapshot of it restores to.
	Checked bool
	// OnStep, if any, is called with every record and what it decided. Neither may
	// be kept.
	OnStep func(*gateway.Batch, *gateway.Step)
	// Look, if any, looks at the world after every command; its error ends the story.
	Look func(*journey.World) error

	onCommand func(*Session) // after every command of a checked story
}

// Session runs the commands of a story one by one.
type Session struct {
	o          Options
	names      map[string]uint64
	products   map[gateway.DeviceID]string // as bound
	partitions int
	w          *journey.World
	out        []string
	events     int
	sent       []gateway.Message
	tasks      []gateway.Task
	version    map[string]uint32
	history    []recorded
	decided    []gateway.Decision
	told       int  // of them, looked at
	via        *int // the partition at which everything arrives
	together   bool // the commands up to the next move of the clock are one instant
}

// NewSession is a world in which nothing happened yet.
func NewSession(o Options) *Session {
	return &Session{o: o, names: map[string]uint64{}, products: map[gateway.DeviceID]string{}, partitions: 1, version: map[string]uint32{}}
}

// Do runs one command and returns what came of it, a line each.
func (s *Session) Do(line string) ([]string, error) {
	words := strings.Fields(line)
	if len(words) == 0 || strings.HasPrefix(words[0], "#") {
		return nil, nil
	}
	c, ok := commands[words[0]]
	if !ok {
		return nil, unknownCommand(words[0])
	}
	a, err := c.parse(words[1:])
	if err != nil {
		return nil, err
	}
	s.out = nil
	if words[0] == "at" || words[0] == "advance" {
		s.together = false
	}
	if err := c.run(s, a); err != nil {
		return nil, err
	}
	if s.w != nil && !s.together {
		if err := s.w.Settle(); err != nil {
			return nil, err
		}
	}
	if s.o.Look != nil && s.w != nil {
		if err := s.o.Look(s.w); err != nil {
			return nil, err
		}
	}
	if s.o.Checked && s.w != nil {
		if err := s.explainAll(); err != nil {
			return nil, err
		}
		if err := s.w.Check(); err != nil {
			return nil, err
		}
		if s.o.onCommand != nil {
			s.o.onCommand(s)
		}
	}
	return s.out, nil
}

// world starts on the first command that needs it.
func (s *Session) world() *journey.World {
	if s.w == nil {
		s.w = journey.NewWorld(s.o.Config, s.partitions, s.o.Checked)
		s.w.OnStep(func(b *gateway.Batch, st *gateway.Step) {
			s.report(b, st)
			s.record(b, st)
			if s.o.OnStep != nil {
				s.o.OnStep(b, st)
			}
		})
	}
	return s.w
}

// file returns a definition by its name.
func (s *Session) file(name string) ([]byte, error) {
	if text, ok := s.o.Files[name]; ok {
		return text, nil
	}
	if s.o.Open == nil {
		return nil, fmt.Errorf("there is no file %s here", name)
	}
	return s.o.Open(name)
}

// id gives a name of the story a number: names are numbered as they appear.
func (s *Session) id(name string) uint64 {
	id, ok := s.names[name]
	if !ok {
		id = uint64(len(s.names) + 1)
		s.names[name] = id
	}
	return id
}

func (s *Session) name(id uint64) string {
	for n, v := range s.names {
		if v == id {
			return n
		}
	}
	if id == 0 {
		return "nobody"
	}
	return fmt.Sprint("#", id)
}

// args are the words of a command: plain ones and key=value.
type args struct {
	plain []string
	named map[string]string
}

// int returns a whole number given by a key, or the default.
func (a args) int(key string, otherwise int) (int, error) {
	text, ok := a.named[key]
	if !ok {
		return otherwise, nil
	}
	n, err := strconv.Atoi(text)
	if err != nil {
		return 0, fmt.Errorf("%s=%s: write a whole number", key, text)
	}
	return n, nil
}

// command is one word of the language of stories.
type command struct {
	run   func(*Session, args) error
	usage string
	least int      // plain words that it needs
	keys  []string // the keys that it knows; nil: any, as properties
}

func (c command) parse(words []string) (args, error) {
	a := args{named: map[string]string{}}
	for _, w := range words {
		k, v, ok := strings.Cut(w, "=")
		if !ok {
			a.plain = append(a.plain, w)
			continue
		}
		if c.keys != nil && !slices.Contains(c.keys, k) {
			return a, fmt.Errorf("%s= is no key here; write: %s", k, c.usage)
		}
		a.named[k] = strings.ReplaceAll(v, "_", " ")
	}
	if len(a.plain) < c.least {
		return a, fmt.Errorf("a word is missing; write: %s", c.usage)
	}
	return a, nil
}
