package journey

import (
	"fmt"
	"slices"
	"strings"
	"unicode/utf8"
)

// Display is what the screen of a model can show.
type Display struct {
	Product    string
	Characters int      // of title and body together, 0 = not declared
	Buttons    int      // under a message, where Characters are declared
	Languages  []string // empty = any
	Shared     bool     // anyone nearby reads it
	// Events are the types that the model sends; nil means any.
	Events []string
}

// displays checks the texts of the product channel against the models whose
// events start the journey.
func (c *compiler) displays() {
	for i := range c.def.steps {
		s := &c.def.steps[i]
		if s.kind != stepSend || !s.send.recipient.includesOwner() || len(s.send.channels) > 0 && !slices.Contains(s.send.channels, productChannel) {
			continue
		}
		c.reader.step = s.id
		for j := range c.env.Displays {
			if d := &c.env.Displays[j]; c.shownOn(d) {
				c.display(d, s)
			}
		}
	}
	c.reader.step = ""
}

// shownOn reports whether the journey can start with an event of the model.
func (c *compiler) shownOn(d *Display) bool {
	event := c.def.trigger.event
	return event == "" || d.Events == nil || slices.Contains(d.Events, event)
}

func (c *compiler) display(d *Display, s *step) {
	byLocale := c.def.Templates[s.id]
	shown := false
	for _, locale := range sortedKeys(byLocale) {
		if len(d.Languages) > 0 && !d.speaks(locale) {
			continue
		}
		shown = true
		c.fits(d, s, locale, byLocale[locale])
	}
	if !shown && len(byLocale) > 0 {
		c.fault(s.line, "send.texts", "has no text that the display of %s can show; it shows %s", d.Product, strings.Join(d.Languages, ", "))
	}
}

func (d *Display) speaks(locale string) bool {
	language, _, _ := cutLocale(locale)
	return slices.ContainsFunc(d.Languages, func(l string) bool { return l == locale || l == language })
}

func (c *compiler) fits(d *Display, s *step, locale string, t Template) {
	at := "send.texts." + locale
	if n := plainLength(t.Title) + plainLength(t.Body); d.Characters > 0 && n > d.Characters {
		c.fault(c.lineOfText(s, at), at, "is %d characters long, without what is filled in; the display of %s shows %d", n, d.Product, d.Characters)
	}
	if n := len(t.Actions); d.Characters > 0 && n > d.Buttons {
		c.fault(c.lineOfText(s, at+".actions"), at+".actions", "are %d; the display of %s has room for %d", n, d.Product, d.Buttons)
	}
	if !d.Shared {
		return
	}
	texts := map[string]string{".title": t.Title, ".body": t.Body}
	for i, a := range t.Actions {
		texts[fmt.Sprintf(".actions[%d].label", i)] = a.Label
	}
	for _, key := range sortedKeys(texts) {
		if name := personalField(texts[key]); name != "" {
			c.fault(c.lineOfText(s, at+key), at+key, "shows %s on the display of %s, which anyone nearby can read; leave it out, or send on another channel", name, d.Product)
		}
	}
}

// personalField returns the first field of the customer that a text shows and
// that says who he is, "" when there is none.
func personalField(text string) string {
	for _, part := range liquidParts(text) {
		for _, m := range customerPattern.FindAllStringSubmatch(part, -1) {
			if m[1] != "locale" && m[1] != "country" {
				return "customer." + m[1]
			}
		}
	}
	return ""
}

// plainLength counts the characters of a text without what Liquid fills in.
func plainLength(text string) int {
	n := utf8.RuneCountInString(text)
	for _, part := range liquidParts(text) {
		n -= utf8.RuneCountInString(part) + 4
	}
	return max(n, 0)
}
