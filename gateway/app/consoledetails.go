package app

import (
	"context"
	"slices"
	"strings"

	"touchpoint/gateway"
	"touchpoint/gateway/console"
	"touchpoint/gateway/deliver/render"
	"touchpoint/gateway/directory"
	"touchpoint/gateway/effect"
	"touchpoint/gateway/journey"
	"touchpoint/gateway/journey/author"
)

// consoleDetails reads what the pages of one journey and of one customer show.
type consoleDetails struct {
	g         *Gateway
	journeys  *consoleJourneys
	explainer explainer
	texts     *render.Renderer // without personal fields
}

// How much the pages show of what may be long.
const (
	consoleRuns      = 20
	consoleDecisions = 60
)

// rows returns the versions of a journey, the latest first.
func (c *consoleDetails) rows(ctx context.Context, name string) (of, all []directory.JourneyRow, err error) {
	all, err = c.g.directory.Journeys(ctx)
	if err != nil {
		return nil, nil, err
	}
	for _, r := range all {
		if r.Journey == name {
			of = append(of, r)
		}
	}
	if len(of) == 0 {
		return nil, nil, gateway.Errorf(gateway.NotFound, "There is no journey %q that was published.", name)
	}
	return of, all, nil
}

func (c *consoleDetails) Journey(ctx context.Context, name string) (d console.JourneyDetail, err error) {
	of, all, err := c.rows(ctx, name)
	if err != nil {
		return d, err
	}
	if d.Journey, err = c.journeys.journey(ctx, of[0], all); err != nil {
		return d, err
	}
	for _, r := range of {
		d.Versions = append(d.Versions, console.Version{Number: r.Version, State: r.State, At: r.At})
	}
	counts, err := c.g.directory.Reasons(ctx, reasonsLookedAt)
	if err != nil {
		return d, err
	}
	for _, n := range counts {
		if n.Journey == name {
			n.Journey = "" // the page says which
			d.Reasons = append(d.Reasons, console.ReasonCount(n))
		}
	}
	splits := []string{""}
	for _, s := range d.Steps {
		if s.Kind == "split" {
			splits = append(splits, s.ID)
		}
	}
	for _, split := range splits {
		list, err := c.g.directory.Effect(ctx, directory.EffectQuery{Journey: name, Split: split})
		if err != nil {
			return d, err
		}
		var arms []effect.ArmCount
		for _, n := range list {
			arms = append(arms, effect.ArmCount(n))
		}
		d.Effects = append(d.Effects, console.Effect{Split: split, Report: effect.CompareArms(arms, split != "")})
	}
	return d, nil
}

func (c *consoleDetails) Graph(ctx context.Context, name string) ([]byte, error) {
	of, _, err := c.rows(ctx, name)
	if err != nil {
		return nil, err
	}
	text, err := c.g.directory.Definition(ctx, name, of[0].Version)
	if err != nil {
		return nil, err
	}
	return author.Graph(text, journey.Env{})
}

func (c *consoleDetails) StyleHash() string { return author.StyleHash() }

func (c *consoleDetails) Find(ctx context.Context, text string) (gateway.CustomerID, error) {
	if id, err := gateway.ParseCustomerID(text); err == nil {
		_, err := c.g.vault.CustomerName(ctx, id)
		return id, err
	}
	return c.g.vault.LookupCustomer(ctx, gateway.Personal(text))
}

func (c *consoleDetails) Explain(ctx context.Context, id gateway.CustomerID, name string) (gateway.Explanation, error) {
	return c.explainer.Explain(ctx, id, name, 0)
}

func (c *consoleDetails) Customer(ctx context.Context, id gateway.CustomerID) (d console.Customer, err error) {
	if d.CustomerProfile, err = c.g.directory.Customer(ctx, id); err != nil {
		return d, err
	}
	devices, err := c.g.directory.Ownerships(ctx, directory.OwnershipQuery{Customer: id})
	if err != nil {
		return d, err
	}
	d.Devices = devices.Items
	class, err := c.g.directory.Class(ctx, id)
	if err != nil {
		return d, err
	}
	d.Stages, d.Segments = class.Stages, class.Segments
	runs, err := c.g.directory.Enrollments(ctx, directory.EnrollmentQuery{Customer: id, Limit: consoleRuns})
	if err != nil {
		return d, err
	}
	d.Enrollments = runs.Items
	decisions, err := c.g.directory.Decisions(ctx, directory.DecisionQuery{Customer: id, Limit: consoleDecisions})
	if err != nil {
		return d, err
	}
	d.Decisions = decisions.Items
	if d.Tasks, _, err = c.tasks(ctx, directory.TaskQuery{Customer: id, States: []gateway.TaskState{gateway.TaskOpen}, Limit: consoleRuns}, d.Locale); err != nil {
		return d, err
	}
	if err = c.group(ctx, id, &d); err != nil {
		return d, err
	}
	rows, err := c.g.directory.Journeys(ctx)
	for _, r := range rows {
		if !slices.Contains(d.Journeys, r.Journey) {
			d.Journeys = append(d.Journeys, r.Journey)
		}
	}
	return d, err
}

// group fills in the members and the budget that they share, which the
// partition knows where they live.
func (c *consoleDetails) group(ctx context.Context, id gateway.CustomerID, d *console.Customer) error {
	own, err := c.g.directory.Memberships(ctx, directory.MembershipQuery{Customer: id})
	if err != nil {
		return err
	}
	home := gateway.HomeOf(id, 0, c.g.cfg.Partitions)
	if len(own) > 0 {
		d.Group = own[0].Group
		home = gateway.HomeOf(id, d.Group, c.g.cfg.Partitions)
		members, err := c.g.directory.Memberships(ctx, directory.MembershipQuery{Group: d.Group})
		if err != nil {
			return err
		}
		for _, m := range members {
			d.Members = append(d.Members, console.Member{Customer: m.Customer, Role: m.Role, Since: m.From})
		}
	}
	return c.explainer.query(ctx, home, func(p *journey.Partition) {
		for _, b := range p.Budget(id) {
			line := console.Budget{Rule: b.Rule, Used: b.Used, Max: b.Max, Shared: b.Shared, Window: "in " + b.Per.String()}
			if b.Calendar != "" {
				line.Window = "in a calendar " + b.Calendar
			}
			d.Budget = append(d.Budget, line)
		}
		d.Mixed = p.Mixed(id)
	})
}

func (c *consoleDetails) Tasks(ctx context.Context, lang string, n int) ([]console.Task, bool, error) {
	return c.tasks(ctx, directory.TaskQuery{States: []gateway.TaskState{gateway.TaskOpen}, Limit: n}, lang)
}

func (c *consoleDetails) tasks(ctx context.Context, q directory.TaskQuery, lang string) (out []console.Task, more bool, err error) {
	page, err := c.g.directory.Tasks(ctx, q)
	now := c.g.clock.Now()
	for _, t := range page.Items {
		shown := console.Task{Task: t, Title: t.Step, Overdue: t.DueAt != 0 && t.DueAt < now}
		content, err := c.texts.Render(ctx, &gateway.Message{Journey: t.Journey, Version: t.Version, Template: t.Step,
			Customer: t.Customer, Device: t.Device, Locale: lang, Values: t.Values})
		if err == nil {
			shown.Title, shown.Body = content.Title, content.Body
		}
		out = append(out, shown)
	}
	return out, page.Next != "", err
}

// veiled stands for the vault where no personal field may be shown.
type veiled struct{}

func (veiled) Profile(context.Context, gateway.CustomerID) (map[string]gateway.Personal, error) {
	out := map[string]gateway.Personal{}
	for _, name := range render.PersonalNames {
		field := name[len(render.PersonalPrefix):]
		out[field] = gateway.Personal("[" + strings.ReplaceAll(field, "_", " ") + "]")
	}
	return out, nil
}
