package app

import (
	"context"
	"fmt"
	"net/http"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/goccy/go-yaml"

	"touchpoint/gateway"
	"touchpoint/gateway/console"
	"touchpoint/gateway/deliver/render"
	"touchpoint/gateway/directory"
	"touchpoint/gateway/engine"
	"touchpoint/gateway/history"
	"touchpoint/gateway/rpc"
)

// mountConsole serves the console at "/".
func (g *Gateway) mountConsole(mux *http.ServeMux) error {
	zone, err := time.LoadLocation(g.cfg.Rules.WithDefaults().Zone)
	if err != nil {
		return gateway.InvalidField("rules.zone", "%v", err)
	}
	journeys := &consoleJourneys{d: g.directory, outlines: map[journeyVersion]outline{}}
	texts, err := render.New(render.Options{Templates: g.templates, Personal: veiled{}})
	if err != nil {
		return err
	}
	handler, err := console.New(console.Options{
		Name: g.cfg.Name, Version: Version, Zone: zone,
		Clock: g.clock, Status: g, Engine: consoleEngine{g}, Journeys: journeys,
		Messages: consoleReads{g.directory}, Decisions: consoleReads{g.directory}, Events: consoleEvents{g},
		DeadLetters: consoleLetters{g}, Feed: consoleFeed{g.directory},
		Details:      &consoleDetails{g: g, journeys: journeys, explainer: explainer{g, g.tests}, texts: texts},
		RequireToken: len(g.cfg.Auth.Tokens) > 0, Tokens: readers(g.cfg.Auth.Tokens), Logger: g.log,
	})
	if err != nil {
		return err
	}
	mux.Handle("/", handler)
	return nil
}

// readers are the tokens that may read journeys and status, as in the API.
func readers(list []TokenConfig) []console.Token {
	var out []console.Token
	for _, t := range list {
		may := func(r string) bool {
			return slices.Contains([]rpc.Role{rpc.RoleReader, rpc.RolePublisher, rpc.RoleOperator}, rpc.Role(r))
		}
		if slices.ContainsFunc(t.Roles, may) {
			out = append(out, console.Token{Name: t.Name, Secret: t.Token})
		}
	}
	return out
}

// The types below show a part of the gateway to the console. They convert and
// nothing else.

// reasonsLookedAt is how many of the latest decisions the console counts.
const reasonsLookedAt = 10_000

type consoleReads struct{ *directory.Directory }

func (c consoleReads) LatestMessages(ctx context.Context, n int) ([]gateway.Message, error) {
	page, err := c.Messages(ctx, directory.MessageQuery{Limit: n})
	var out []gateway.Message
	for _, row := range page.Items {
		out = append(out, row.Message)
	}
	return out, err
}

func (c consoleReads) LatestDecisions(ctx context.Context, n int) ([]gateway.Decision, error) {
	page, err := c.Decisions(ctx, directory.DecisionQuery{Limit: n})
	return page.Items, err
}

func (c consoleReads) Reasons(ctx context.Context) ([]console.ReasonCount, error) {
	counts, err := c.Directory.Reasons(ctx, reasonsLookedAt)
	var out []console.ReasonCount
	for _, n := range counts {
		out = append(out, console.ReasonCount(n))
	}
	return out, err
}

// consoleEngine joins the engine's positions with the ends of the log.
type consoleEngine struct{ g *Gateway }

func (c consoleEngine) Partitions(ctx context.Context) ([]console.Partition, error) {
	var out []console.Partition
	for _, s := range c.g.engine.Stats() {
		last, err := c.g.store.LastEventSeq(ctx, s.Partition)
		if err != nil {
			return nil, err
		}
		out = append(out, console.Partition{
			Number: s.Partition, Last: last, Applied: s.AppliedSeq, Live: s.State == engine.Live,
		})
	}
	return out, nil
}

func (c consoleEngine) Totals() console.Totals {
	t := c.g.directory.Totals()
	return console.Totals{Accepted: t.Accepted, Duplicate: t.Duplicate, TooOld: t.TooOld, Refused: t.Refused}
}

// consoleJourneys adds what the author wrote to what was counted.
type consoleJourneys struct {
	d *directory.Directory

	mu       sync.Mutex
	outlines map[journeyVersion]outline // a version never changes
}

type journeyVersion struct {
	name    string
	version uint32
}

// outline is what the console shows of a definition.
type outline struct {
	description string
	purpose     gateway.Purpose
	goal        bool
	steps       []console.Step
}

func (c *consoleJourneys) Journeys(ctx context.Context) ([]console.Journey, error) {
	rows, err := c.d.Journeys(ctx)
	if err != nil {
		return nil, err
	}
	var out []console.Journey
	for i, row := range rows {
		if i > 0 && rows[i-1].Journey == row.Journey { // an earlier version
			continue
		}
		if gateway.IsDryRun(row.Journey) {
			continue
		}
		j, err := c.journey(ctx, row, rows)
		if err != nil {
			return nil, err
		}
		out = append(out, j)
	}
	return out, nil
}

// journey shows one, by the row of its latest version.
func (c *consoleJourneys) journey(ctx context.Context, row directory.JourneyRow, rows []directory.JourneyRow) (console.Journey, error) {
	n, err := c.d.Counts(ctx, row.Journey, 0)
	if err != nil {
		return console.Journey{}, err
	}
	o, err := c.outline(ctx, journeyVersion{row.Journey, row.Version})
	if err != nil {
		return console.Journey{}, err
	}
	j := console.Journey{
		Name: row.Journey, Version: row.Version, State: row.State, Filling: row.State == gateway.JourneyFilling,
		Description: o.description, Purpose: o.purpose, HasGoal: o.goal, Steps: o.steps,
		Entered: n.Entered, Active: n.Active, Converted: n.Converted, Inside: n.Steps, Messages: n.Messages, Ended: n.Ended,
	}
	if row.State == gateway.JourneyPaused {
		page, err := c.d.Decisions(ctx, directory.DecisionQuery{Journey: row.Journey, Kinds: []gateway.DecisionKind{gateway.DecisionJourney}, Limit: 1})
		if err != nil {
			return j, err
		}
		if len(page.Items) > 0 && page.Items[0].Reason == gateway.ReasonForecast {
			j.PausedBy = page.Items[0].Rule
		}
	}
	dry := gateway.DryRun(row.Journey)
	j.DryRun = slices.ContainsFunc(rows, func(r directory.JourneyRow) bool { return r.Journey == dry && r.State == gateway.JourneyPublished })
	return j, nil
}

func (c *consoleJourneys) outline(ctx context.Context, v journeyVersion) (outline, error) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if o, ok := c.outlines[v]; ok {
		return o, nil
	}
	text, err := c.d.Definition(ctx, v.name, v.version)
	if err != nil {
		return outline{}, err
	}
	o, err := outlineOf(text)
	if err != nil {
		return outline{}, fmt.Errorf("journey %s version %d: %w", v.name, v.version, err)
	}
	c.outlines[v] = o
	return o, nil
}

// stepKinds are the keys that say what a step does.
var stepKinds = []string{"send", "wait", "branch", "split", "set", "task", "start_journey", "stop_journey", "end"}

// outlineOf reads the parts of a definition that need no compiling: it was
// compiled when it was published.
func outlineOf(text []byte) (outline, error) {
	var def struct {
		Description string           `yaml:"description"`
		Purpose     gateway.Purpose  `yaml:"purpose"`
		Goal        any              `yaml:"goal"`
		Steps       []map[string]any `yaml:"steps"`
	}
	if err := yaml.Unmarshal(text, &def); err != nil {
		return outline{}, err
	}
	o := outline{description: def.Description, purpose: def.Purpose, goal: def.Goal != nil}
	for _, s := range def.Steps {
		step := console.Step{ID: fmt.Sprint(s["id"])}
		for _, kind := range stepKinds {
			if _, has := s[kind]; has {
				step.Kind = strings.ReplaceAll(kind, "_", " ")
				break
			}
		}
		o.steps = append(o.steps, step)
	}
	return o, nil
}

// consoleEvents reads the history.
type consoleEvents struct{ g *Gateway }

// recentEvents bounds the look back into an external server; the embedded one
// finds the latest at once.
const recentEvents = 24 * time.Hour

func (c consoleEvents) LatestEvents(ctx context.Context, n int) ([]console.Event, error) {
	q := history.Query{Limit: n}
	if c.g.cfg.History.Influx != nil {
		q.From = c.g.clock.Now().Add(-recentEvents)
	}
	page, err := c.g.history.Events(ctx, q)
	var out []console.Event
	for i := range page.Points {
		p := &page.Points[i]
		out = append(out, console.Event{
			Type: p.Event.Type, Device: p.Event.Device, Customer: p.Customer, At: p.Event.OccurredAt,
			Key: fmt.Sprintf("%d-%d-%d-%d", p.Place.Partition, p.Place.Seq, p.Place.Index, p.Place.Late),
		})
	}
	return out, err
}

// consoleLetters lists dead letters without opening them.
type consoleLetters struct{ g *Gateway }

// lettersLookedAt bounds how many dead letters the console counts one by one.
const lettersLookedAt = 200

func (c consoleLetters) DeadLetters(ctx context.Context) (out []console.DeadLetter, more bool, err error) {
	list, next, err := c.g.store.DeadLetters(ctx, "", lettersLookedAt)
	for i := range list {
		if d := &list[i]; d.ReplayedAt == 0 {
			out = append(out, console.DeadLetter{At: d.At, Device: d.Device, Topic: d.Topic, Reason: d.Reason})
		}
	}
	return out, next != "", err
}

// consoleFeed tells the console what became visible.
type consoleFeed struct{ *directory.Directory }

func (f consoleFeed) Watch(ctx context.Context, fn func(console.Change)) error {
	sub := f.Subscribe(2048)
	stop := context.AfterFunc(ctx, sub.Close)
	defer stop()
	defer sub.Close()
	fn(console.Change{Lost: true}) // what was before the subscription is to be read
	for c := range sub.Changes {
		switch {
		case c.Message != nil, c.Update != nil, c.Decision != nil, c.Erased != 0:
			fn(console.Change{Message: c.Message, Update: c.Update, Decision: c.Decision, Erased: c.Erased})
		}
		if sub.Lost() > 0 {
			fn(console.Change{Lost: true})
		}
	}
	return ctx.Err()
}
