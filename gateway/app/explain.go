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
			return other, nil
		}
	}
	return x, err
}

func (e explainer) ask(ctx context.Context, partition int, c gateway.CustomerID, name string) (x gateway.Explanation, err error) {
	err = e.g.engine.Query(ctx, partition, func(core engine.Core) {
		if p, ok := core.(*journey.Partition); ok {
			x = p.Explain(c, name)
		}
	})
	return x, err
}

// then runs the customer's partition up to a time.
func (e explainer) then(ctx context.Context, c gateway.CustomerID, name string, at gateway.Instant) (x gateway.Explanation, err error) {
	rules := e.g.cfg.Rules
	rules.Partitions = e.g.cfg.Partitions
	source := backtest.FromHistory(e.g.history)
	err = e.backtests.alone(func() error {
		r, err := backtest.ReplayCustomer(ctx, source, c, at, rules, nil)
		for p := 0; err == nil; p++ {
			if x = r.Partition.Explain(c, name); x.Known || p == rules.Partitions {
				return nil
			}
			r, err = backtest.ReplayPartition(ctx, source, p, at, rules, nil) // a member of a group lives elsewhere
		}
		return err
	})
	return x, err
}
