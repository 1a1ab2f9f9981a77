package app

import (
	"context"

	"touchpoint/gateway"
	"touchpoint/gateway/backtest"
	"touchpoint/gateway/engine"
	"touchpoint/gateway/journey"
)

// explainer asks the journey core: the live partitions, or a replay of what was
// recorded.
type explainer struct {
	g         *Gateway
	backtests *backtests
}

// Explain implements rpc.Explainer.
func (e explainer) Explain(ctx context.Context, c gateway.CustomerID, name string, at gateway.Instant) (gateway.Explanation, error) {
	if at != 0 {
		return e.then(ctx, c, name, at)
	}
	home := gateway.CustomerSubject(c).Partition(e.g.cfg.Partitions)
	x, err := e.ask(ctx, home, c, name)
	for p := 0; err == nil && !x.Known && p < e.g.cfg.Partitions; p++ { // a member of a group lives elsewhere
		if other, err := e.ask(ctx, p, c, name); err == nil && other.Known {
			x = other
		}
	}
	if err == nil && x.Unsettled {
		err = e.query(ctx, x.Coordinator, func(p *journey.Partition) { x.Settle(p.ExplainLimits(name)) })
	}
	return x, err
}

func (e explainer) ask(ctx context.Context, partition int, c gateway.CustomerID, name string) (x gateway.Explanation, err error) {
	err = e.query(ctx, partition, func(p *journey.Partition) { x = p.Explain(c, name) })
	return x, err
}

func (e explainer) query(ctx context.Context, partition int, look func(*journey.Partition)) error {
	return e.g.engine.Query(ctx, partition, func(core engine.Core) {
		if p, ok := core.(*journey.Partition); ok {
			look(p)
		}
	})
}

// then runs the customer's partition up to a time.
func (e explainer) then(ctx context.Context, c gateway.CustomerID, name string, at gateway.Instant) (x gateway.Explanation, err error) {
	rules := e.g.cfg.Rules
	rules.Partitions = e.g.cfg.Partitions
	source := backtest.FromHistory(e.g.history)
	err = e.backtests.alone(func() error {
		r, err := backtest.ReplayCustomer(ctx, source, c, at, rules, nil)
		if err != nil {
			return err
		}
		x = r.Partition.Explain(c, name)
		if p := r.Others[x.Coordinator]; x.Unsettled && p != nil {
			x.Settle(p.ExplainLimits(name))
		}
		return nil
	})
	return x, err
}
