package app

import (
	"context"
	"fmt"
	"slices"
	"strings"

	"touchpoint/gateway"
	"touchpoint/gateway/directory"
	"touchpoint/gateway/engine"
	"touchpoint/gateway/history"
	"touchpoint/gateway/journey"
	"touchpoint/gateway/rpc"
)

// fleet shows the partitions to the API.
type fleet struct{ g *Gateway }

// Standing implements rpc.Fleet.
func (f fleet) Standing(ctx context.Context, name string, version uint32) (rpc.Standing, error) {
	states, err := f.g.directory.Standing(ctx, name, version)
	st := rpc.Standing{Filling: states[gateway.JourneyFilling] > 0, Paused: states[gateway.JourneyPaused] == f.g.cfg.Partitions}
	if trouble := f.g.filler.Trouble(); st.Filling && trouble != nil {
		st.Trouble = trouble.Error()
	}
	return st, err
}

// Brake implements rpc.Fleet.
func (f fleet) Brake(ctx context.Context, on bool) error { return f.g.delivery.Brake(ctx, on) }

// Preview implements rpc.Fleet: history fills the counters that nobody has yet,
// then each partition of this process is asked.
func (f fleet) Preview(ctx context.Context, definition []byte, running string) (rpc.PreviewReport, error) {
	rules := f.g.cfg.Rules
	rules.Partition, rules.Partitions = 0, f.g.cfg.Partitions
	pv, err := journey.NewPreview(definition, running, rules, f.g.clock.Now())
	if err != nil {
		return rpc.PreviewReport{}, err
	}
	report := rpc.PreviewReport{Reasons: map[string]int64{}}
	if err := f.count(ctx, pv); err != nil {
		report.History = err.Error()
	}
	var found journey.PreviewResult
	for p := range f.g.cfg.Partitions {
		err := f.g.engine.Query(ctx, p, func(c engine.Core) { pv.Look(c.(*journey.Partition), &found) })
		if err != nil {
			report.Missing = append(report.Missing, p)
		}
	}
	report.Meet = found.Meet
	for reason, n := range found.Reasons {
		report.Reasons[string(reason)] = n
	}
	for _, s := range found.Steps {
		report.Steps = append(report.Steps, rpc.PreviewStep{Version: s.Version, Step: s.Step, Outcome: s.Outcome, Target: s.Target, Count: s.Count})
	}
	slices.SortFunc(report.Steps, func(a, b rpc.PreviewStep) int {
		if a.Version != b.Version {
			return int(a.Version) - int(b.Version)
		}
		return strings.Compare(a.Step, b.Step)
	})
	return report, nil
}

// count brings history to the preview's counters.
func (f fleet) count(ctx context.Context, pv *journey.Preview) error {
	needs := pv.Needs()
	if len(needs) == 0 {
		return nil
	}
	if _, err := f.g.filler.settled(ctx); err != nil {
		return err
	}
	q := history.Query{OldestFirst: true, Limit: history.MaxLimit, Filter: history.Filter{From: earliest(needs)}}
	q.Types = eventTypes(needs)
	for {
		page, err := f.g.history.Events(ctx, q)
		if err != nil {
			return err
		}
		for i := range page.Points {
			if p := &page.Points[i]; !p.TooOld {
				pv.Count(p.Customer, &p.Event)
			}
		}
		if q.Page = page.Next; q.Page == "" {
			return nil
		}
	}
}

// Alarms lists what an operator has to look at.
func (g *Gateway) Alarms(ctx context.Context) []string {
	var list []string
	braked := false
	for _, p := range g.engine.Partitions() {
		_ = g.engine.Query(ctx, p, func(c engine.Core) { braked = braked || c.(*journey.Partition).Braked() })
	}
	if braked {
		list = append(list, "the brake is on: nothing is sent")
	}
	if trouble := g.filler.Trouble(); trouble != nil {
		list = append(list, "new traits wait for history: "+trouble.Error())
	}
	rows, err := g.directory.Journeys(ctx)
	if err != nil {
		return list
	}
	for _, row := range rows {
		if row.State != gateway.JourneyPaused {
			continue
		}
		if rule := g.pausedItself(ctx, row.Journey); rule != "" {
			list = append(list, fmt.Sprintf("journey %s paused itself: %s", row.Journey, rule))
		}
	}
	return list
}

// pausedItself says why a journey paused itself, "" when somebody else did it.
func (g *Gateway) pausedItself(ctx context.Context, name string) string {
	page, err := g.directory.Decisions(ctx, directory.DecisionQuery{Journey: name,
		Kinds: []gateway.DecisionKind{gateway.DecisionJourney}, Limit: 1})
	if err != nil || len(page.Items) == 0 || page.Items[0].Reason != gateway.ReasonForecast {
		return ""
	}
	return page.Items[0].Rule
}
