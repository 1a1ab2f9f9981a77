package console

import (
	"net/http"
	"net/url"
	"slices"

	"touchpoint/gateway"
	"touchpoint/gateway/explain"
)

// customerPage is what the page of a customer shows.
type customerPage struct {
	ID string
	Customer
	Facts  []fact
	Stage  string
	Rows   []budgetView
	Asked  string // the journey that is explained
	Answer explain.Line
	Lines  []explain.Line
	Talks  []talk
	Told   []told
}

type fact struct{ Name, Text string }

type budgetView struct {
	Budget
	Name, Tone string
	Percent    int64
}

// talk is one language of the switch.
type talk struct {
	Lang, Name, Link string
	On               bool
}

// told is a recorded decision in words.
type told struct {
	At               gateway.Instant
	When, Text, Tone string
}

// told puts a decision into words.
func (c *console) told(d gateway.Decision, lang string) told {
	layout := "2 Jan 2006 15:04"
	if lang == "de" {
		layout = "02.01.2006 15:04"
	}
	return told{d.At, d.At.Time().In(c.Zone).Format(layout), explain.Decision(d, lang, c.Zone), wordsOf(d.Kind, d.Reason).tone}
}

var talkNames = map[string]string{"en": "English", "de": "Deutsch"}

func (c *console) serveCustomer(w http.ResponseWriter, r *http.Request) error {
	id, err := gateway.ParseCustomerID(r.PathValue("id"))
	if err != nil {
		return gateway.Errorf(gateway.NotFound, "%q is no customer's id.", r.PathValue("id"))
	}
	d, err := c.Details.Customer(r.Context(), id)
	if err != nil {
		return err
	}
	page := customerPage{ID: id.String(), Customer: d, Facts: factsOf(&d), Asked: r.URL.Query().Get("journey")}
	page.Stages = slices.Clone(d.Stages)
	slices.Reverse(page.Stages) // the present one first
	if len(page.Stages) > 0 {
		page.Stage = page.Stages[0].Stage
	}
	for _, b := range d.Budget {
		page.Rows = append(page.Rows, budgetOf(b))
	}
	lang := language(r)
	if page.Asked != "" {
		x, err := c.Details.Explain(r.Context(), id, page.Asked)
		if err != nil {
			return err
		}
		lines := explain.Tell(x, lang, c.Zone)
		page.Answer, page.Lines = lines[0], lines[1:]
	}
	for _, l := range explain.Languages {
		q := url.Values{"lang": {l}}
		if page.Asked != "" {
			q.Set("journey", page.Asked)
		}
		page.Talks = append(page.Talks, talk{l, talkNames[l], "?" + q.Encode() + "#why", l == lang})
	}
	for _, x := range d.Decisions {
		if page.Asked == "" || x.Journey == page.Asked {
			page.Told = append(page.Told, c.told(x, lang))
		}
	}
	c.show(w, r, http.StatusOK, "page-customer", "Customer "+short(id.String()), "customers", page)
	return nil
}

func budgetOf(b Budget) budgetView {
	v := budgetView{Budget: b, Name: b.Rule, Tone: "wait", Percent: share(int64(b.Used), int64(b.Max))}
	switch {
	case b.Rule == "":
		v.Name = "the customer's own"
	case b.Shared:
		v.Name += ", shared"
	}
	if b.Used >= b.Max {
		v.Tone = "bad"
	}
	return v
}
