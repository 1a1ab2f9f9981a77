package app

import (
	"sync"

	"touchpoint/gateway"
	"touchpoint/gateway/deliver/render"
	"touchpoint/gateway/journey"
)

// templates holds the texts of all published versions for the renderer. It
// learns them from the steps that stored them.
type templates struct {
	mu    sync.RWMutex
	texts map[templateKey]render.Text
	known map[versionKey]bool
	bad   func(journey string, version uint32, err error)
}

type versionKey struct {
	journey string
	version uint32
}

type templateKey struct {
	versionKey
	id, locale string
}

func newTemplates(bad func(string, uint32, error)) *templates {
	return &templates{texts: map[templateKey]render.Text{}, known: map[versionKey]bool{}, bad: bad}
}

// Template implements render.Templates.
func (t *templates) Template(journey string, version uint32, id, locale string) (render.Text, bool) {
	t.mu.RLock()
	defer t.mu.RUnlock()
	text, ok := t.texts[templateKey{versionKey{journey, version}, id, locale}]
	return text, ok
}

// add takes the texts of a version, once.
func (t *templates) add(name string, version uint32, definition []byte) {
	v := versionKey{name, version}
	t.mu.Lock()
	defer t.mu.Unlock()
	if t.known[v] || len(definition) == 0 {
		return
	}
	t.known[v] = true
	def, err := journey.Compile(definition, journey.Env{})
	if err != nil {
		t.bad(name, version, err)
		return
	}
	for id, locales := range def.Templates {
		for locale, text := range locales {
			t.texts[templateKey{v, id, locale}] = renderText(text)
		}
	}
}

func renderText(t journey.Template) render.Text {
	text := render.Text{Title: t.Title, Body: t.Body}
	for _, a := range t.Actions {
		text.Actions = append(text.Actions, render.Action{ID: a.ID, Label: a.Label})
	}
	return text
}

// Committed, Resume and Lost make templates a sink of the engine.
func (t *templates) Committed(_ int, s *gateway.Step) {
	for i := range s.Journeys {
		t.add(s.Journeys[i].Journey, s.Journeys[i].Version, s.Journeys[i].Definition)
	}
}
func (t *templates) Resume(int, []gateway.Message) {}
func (t *templates) Lost(int)                      {}
