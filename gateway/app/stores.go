package app

import (
	"context"
	"fmt"
	"os"
	"time"

	"touchpoint/gateway"
	"touchpoint/gateway/directory"
	"touchpoint/gateway/eventlog"
	"touchpoint/gateway/history"
	"touchpoint/gateway/rpc"
	"touchpoint/gateway/vault"
)

// directorySteps shows the log as the read model wants it.
type directorySteps struct{ *eventlog.Log }

func (l directorySteps) ReadSteps(ctx context.Context, partition int, after uint64) (directory.StepReader, error) {
	return l.Log.ReadSteps(ctx, partition, after)
}

func (g *Gateway) openDirectory(ctx context.Context) error {
	d, err := directory.Open(ctx, directory.Options{
		Path: g.cfg.path("directory.db"), Partitions: g.cfg.Partitions, Steps: directorySteps{g.store}, Registry: g.store, Logger: g.log,
	})
	if err != nil {
		return err
	}
	g.directory = d
	g.onClose("read model", d.Close)
	return nil
}

// masterKeySource says where the master key is. A variable that was named and is
// not set is an error: to make a key of our own instead would hide it until the
// directory meets the right one.
func (c *Config) masterKeySource() (vault.MasterKeySource, error) {
	s := vault.MasterKeySource{Path: c.Vault.MasterKeyFile, Dir: c.Data}
	if name := c.Vault.MasterKeyEnv; name != "" {
		if s.Env = os.Getenv(name); s.Env == "" {
			return s, gateway.InvalidField("vault.master_key_env", "the variable %s is not set", name)
		}
	}
	return s, nil
}

// historyLog shows the log as the history wants it.
type historyLog struct{ *eventlog.Log }

func (l historyLog) ReadSteps(ctx context.Context, partition int, after uint64) (history.StepReader, error) {
	return l.Log.ReadSteps(ctx, partition, after)
}

func (l historyLog) ReadEvents(ctx context.Context, partition int, after uint64) (history.EventReader, error) {
	return l.Log.ReadEvents(ctx, partition, after)
}

// openHistory opens the time series and begins to fill it from the logs.
func (g *Gateway) openHistory(ctx context.Context) error {
	store, err := g.openStore(ctx)
	if err != nil {
		return err
	}
	g.history = store
	g.onClose("history", store.Close)
	g.follower, err = history.Follow(ctx, history.FollowerOptions{
		Log: historyLog{g.store}, Store: g.history, Partitions: g.cfg.Partitions, Registry: g.store, Logger: g.log,
	})
	if err != nil {
		return err
	}
	g.onClose("history's follower", g.follower.Close)
	return nil
}

// openStore opens InfluxDB where one is configured, else the embedded store.
func (g *Gateway) openStore(ctx context.Context) (history.Store, error) {
	c := g.cfg.History.Influx
	if c == nil {
		return history.OpenSQLite(ctx, history.SQLiteOptions{Path: g.cfg.path("history.db")})
	}
	return history.OpenInflux(history.InfluxOptions{
		URL: c.URL, Org: c.Org, Bucket: c.Bucket, Token: c.Token, TokenFile: c.TokenFile, Measurement: c.Measurement,
		Compress: c.Gzip, DeadLetters: rejectedPoints{g}, Logger: g.log,
	})
}

// historyGuarantee says where the time series is and what that means.
func (g *Gateway) historyGuarantee() string {
	if i := g.cfg.History.Influx; i != nil {
		return "history: InfluxDB at " + i.URL + ", bucket " + i.Bucket + "; while it is away, the log keeps what it lacks"
	}
	return "history: embedded in " + g.cfg.path("history.db") + ", filled from the log, exactly once"
}

// startFollowers sets going what follows the log in the background.
func (g *Gateway) startFollowers(context.Context) error {
	changes := g.directory.Subscribe(4096)
	g.wg.Go(func() { g.announce(changes) })
	g.onClose("announcements", func(context.Context) error { changes.Close(); return nil })
	g.wg.Go(g.keepHouse)
	return nil
}

// announce tells watchers of the API what became visible.
func (g *Gateway) announce(changes *directory.Subscription) {
	for c := range changes.Changes {
		switch {
		case c.Message != nil:
			g.rpc.Feed().Decided(c.Message)
		case c.Update != nil:
			g.rpc.Feed().Changed(*c.Update)
		}
	}
}

// keepHouse trims the logs and drops the keys of old dead letters.
func (g *Gateway) keepHouse() {
	every := time.NewTicker(time.Minute)
	defer every.Stop()
	sick := false // at the look before
	for {
		select {
		case <-g.background.Done():
			return
		case <-every.C:
		}
		// An embedded store that failed to write (a full disk) takes writes again
		// only when it is opened anew: end, so that the service is restarted.
		err := g.store.Ready()
		if err != nil && sick && g.store.Embedded() {
			g.fail(fmt.Errorf("the embedded log stores nothing since a minute or more: %w", err))
		}
		sick = err != nil
		if _, err := g.store.Trim(g.background, eventlog.Retention{Keep: g.cfg.Log.Keep}); err != nil && g.background.Err() == nil {
			g.log.Warn("the logs could not be trimmed; trying again", "error", err)
		}
		if err := g.vault.ExpireRotating(g.background, g.clock.Now()); err != nil && g.background.Err() == nil {
			g.log.Warn("old keys of dead letters could not be dropped; trying again", "error", err)
		}
	}
}

// series is the history behind the API.
type series struct{ g *Gateway }

func (s series) Await(ctx context.Context, at []gateway.Position) error {
	return s.g.follower.Await(ctx, at)
}

func (s series) Events(ctx context.Context, q rpc.EventQuery) (rpc.Page[rpc.EventRow], error) {
	page, err := s.g.history.Events(ctx, history.Query{
		Filter: history.Filter(q.EventFilter), OldestFirst: !q.NewestFirst, Limit: q.Limit, Page: q.Cursor,
	})
	out := rpc.Page[rpc.EventRow]{Next: page.Next}
	for i := range page.Points {
		p := &page.Points[i]
		out.Items = append(out.Items, rpc.EventRow{
			Event: p.Event, Customer: p.Customer, AppliedAt: p.AppliedAt, TooOld: p.TooOld,
			Position: gateway.Position{Partition: p.Place.Partition, Seq: p.Place.Seq},
		})
	}
	return out, err
}

func (s series) Aggregate(ctx context.Context, q rpc.AggregateQuery) ([]rpc.AggregateWindow, error) {
	a := history.Aggregation{
		Filter: history.Filter(q.EventFilter), Function: history.Function(q.Function), Field: q.Property, Window: q.Window,
	}
	for _, name := range q.Groups {
		a.Groups = append(a.Groups, history.Group(name))
	}
	rows, err := s.g.history.Aggregate(ctx, a)
	out := make([]rpc.AggregateWindow, 0, len(rows))
	for _, r := range rows {
		out = append(out, rpc.AggregateWindow{
			Start: r.Start, Value: r.Value, Count: r.Points, Device: r.Device, Customer: r.Customer, Type: r.Type, Product: r.Product,
		})
	}
	return out, err
}
