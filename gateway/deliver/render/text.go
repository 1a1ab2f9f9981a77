package render

// Text is one template: the parts of a message as the author wrote them.
type Text struct {
	Title   string
	Body    string
	Actions []Action
}

// Action is something that the receiver may tap or press. Label and URL are
// templates, too.
type Action struct {
	ID    string
	Label string
	URL   string
}

// Content is a message as a person reads it.
type Content struct {
	Title   string
	Body    string
	Actions []Action
	// Locale is the one of the template that was found.
	Locale string
}

// part is one template source of a Text and where it stands in it.
type part struct{ field, source string }

func (t Text) parts() []part {
	ps := make([]part, 0, 2+2*len(t.Actions))
	ps = append(ps, part{"title", t.Title}, part{"body", t.Body})
	for _, a := range t.Actions {
		ps = append(ps, part{"actions." + a.ID + ".label", a.Label}, part{"actions." + a.ID + ".url", a.URL})
	}
	return ps
}
