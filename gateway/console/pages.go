package console

import (
	"context"
	"net/http"
	"slices"
	"strings"
	"time"

	"touchpoint/gateway"
	"touchpoint/gateway/explain"
)

// detailTimeout bounds a page that is made for one visitor.
const detailTimeout = 10 * time.Second

// maxTasks bounds the list of tasks.
const maxTasks = 200

// frame is what every page beside the overview shows around its content.
type frame struct {
	Name, Version, Title, Here string
	Login                      bool
	Now                        gateway.Instant
	Lang                       string
	Body                       any
}

// routes adds the pages of one thing each.
func (c *console) routes(mux *http.ServeMux) {
	page := func(pattern string, serve func(w http.ResponseWriter, r *http.Request) error) {
		mux.Handle(pattern, c.guard(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
			ctx, cancel := context.WithTimeout(r.Context(), detailTimeout)
			defer cancel()
			if err := serve(w, r.WithContext(ctx)); err != nil {
				c.failed(w, r, err)
			}
		}), true))
	}
	page("GET /journeys/{name}", c.serveJourney)
	page("GET /journeys/{name}/graph.svg", c.serveGraph)
	page("GET /customers", c.serveSearch)
	page("POST /customers", c.find)
	page("GET /customers/{id}", c.serveCustomer)
	page("GET /tasks", c.serveTasks)
}

// language is what the visitor asked for: by the switch, else by his browser.
func language(r *http.Request) string {
	if lang := r.URL.Query().Get("lang"); slices.Contains(explain.Languages, lang) {
		return lang
	}
	for part := range strings.SplitSeq(r.Header.Get("Accept-Language"), ",") {
		tag, _, _ := strings.Cut(strings.TrimSpace(part), ";")
		if lang, _, _ := strings.Cut(strings.ToLower(tag), "-"); slices.Contains(explain.Languages, lang) {
			return lang
		}
	}
	return explain.Languages[0]
}

func (c *console) show(w http.ResponseWriter, r *http.Request, status int, name, title, here string, body any) {
	c.render(w, status, name, frame{Name: c.Name, Version: c.Version, Title: title, Here: here, Login: c.RequireToken,
		Now: c.Clock.Now(), Lang: language(r), Body: body})
}

// failed tells what went wrong in words of the page.
func (c *console) failed(w http.ResponseWriter, r *http.Request, err error) {
	switch gateway.KindOf(err) {
	case gateway.NotFound, gateway.Invalid:
		c.show(w, r, http.StatusNotFound, "page-missing", "Not found", "", err.Error())
	default:
		c.Logger.Warn("console: a page cannot be shown", "path", r.URL.Path, "error", err)
		c.show(w, r, http.StatusServiceUnavailable, "page-missing", "Not available", "", "This cannot be read right now; the log says why. Try again in a moment.")
	}
}

func (c *console) serveGraph(w http.ResponseWriter, r *http.Request) error {
	svg, err := c.Details.Graph(r.Context(), r.PathValue("name"))
	if err != nil {
		return err
	}
	w.Header().Set("Content-Security-Policy", "default-src 'none'; frame-ancestors 'none'; style-src "+c.Details.StyleHash())
	w.Header().Set("Content-Type", "image/svg+xml")
	w.Header().Set("Cache-Control", "no-store")
	_, err = w.Write(svg)
	return err
}

func (c *console) serveTasks(w http.ResponseWriter, r *http.Request) error {
	list, more, err := c.Details.Tasks(r.Context(), language(r), maxTasks)
	if err != nil {
		return err
	}
	c.show(w, r, http.StatusOK, "page-tasks", "Tasks", "tasks", struct {
		Tasks []Task
		More  bool
	}{list, more})
	return nil
}

func (c *console) serveSearch(w http.ResponseWriter, r *http.Request) error {
	c.show(w, r, http.StatusOK, "page-search", "Customers", "customers", searchPage{})
	return nil
}

// searchPage asks for a customer; Wrong says why the last answer found none.
type searchPage struct{ Asked, Wrong string }

// find goes to the page of a customer. The number travels in the body, not in
// the address: it is personal.
func (c *console) find(w http.ResponseWriter, r *http.Request) error {
	r.Body = http.MaxBytesReader(w, r.Body, maxForm)
	if err := r.ParseForm(); err != nil {
		return gateway.Errorf(gateway.Invalid, "The form could not be read. Try again.")
	}
	asked := strings.TrimSpace(r.PostForm.Get("customer"))
	id, err := c.Details.Find(r.Context(), asked)
	switch gateway.KindOf(err) {
	case gateway.NotFound, gateway.Invalid:
		if err != nil {
			c.show(w, r, http.StatusNotFound, "page-search", "Customers", "customers", searchPage{asked, "No customer has this number or id."})
			return nil
		}
	}
	if err != nil {
		return err
	}
	http.Redirect(w, r, "/customers/"+id.String(), http.StatusSeeOther)
	return nil
}
