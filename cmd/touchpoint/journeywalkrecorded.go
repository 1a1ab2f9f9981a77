package main

import (
	"context"
	"fmt"
	"time"

	"touchpoint/gateway"
	"touchpoint/gateway/app"
	"touchpoint/gateway/backtest"
	"touchpoint/gateway/explain"
	"touchpoint/gateway/journey"
)

// recorded walks a customer through what was recorded, see history export.
type recorded struct {
	file, customer, until, lang string
	partitions                  int
}

// walk shows every decision about the customer, and at the end why things stand
// as they do with the journey.
func (r recorded) walk(ctx context.Context, c *client, name string) error {
	id, err := gateway.ParseCustomerID(r.customer)
	if err != nil {
		return fmt.Errorf("--customer %q: write the internal id, such as c_00k2v8m1q4w3e", r.customer)
	}
	var until gateway.Instant
	if r.until != "" {
		t, err := time.Parse(time.RFC3339, r.until)
		if err != nil {
			return fmt.Errorf("--until %q: write a time such as 2026-05-01T08:00:00Z", r.until)
		}
		until = gateway.InstantOf(t)
	}
	rules := journey.Config{Partitions: r.partitions}
	if r.partitions == 0 {
		rules.Partitions = app.Default().Partitions
	}
	show := func(_ *backtest.Record, s *gateway.Step) {
		for _, d := range s.Decisions {
			if d.Customer == id && d.Journey == name {
				c.say("%s  %s %s: %s %s", d.At.Time().Format("2006-01-02 15:04:05"), d.Kind, d.Step, explain.Reason(d.Reason, r.lang), d.Rule)
			}
		}
	}
	for p := range rules.Partitions {
		replay, err := backtest.ReplayPartition(ctx, backtest.OpenFile(r.file), p, until, rules, show)
		if err != nil {
			return err
		}
		for _, n := range replay.Notes {
			c.say("not exact: %s", n.Text)
		}
		if x := replay.Partition.Explain(id, name); x.Known {
			for _, l := range explain.Tell(x, r.lang, time.UTC) {
				c.say("%s", l)
			}
		}
	}
	return nil
}
