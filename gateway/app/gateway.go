package app

import (
	"context"
	"crypto/hkdf"
	"crypto/sha256"
	"errors"
	"fmt"
	"log/slog"
	"os"
	"sync"
	"sync/atomic"
	"time"

	"touchpoint/devices"
	"touchpoint/gateway"
	"touchpoint/gateway/clock"
	"touchpoint/gateway/deliver"
	"touchpoint/gateway/deliver/device"
	"touchpoint/gateway/deliver/render"
	"touchpoint/gateway/deliver/stream"
	"touchpoint/gateway/directory"
	"touchpoint/gateway/engine"
	"touchpoint/gateway/eventlog"
	"touchpoint/gateway/history"
	"touchpoint/gateway/ingest"
	"touchpoint/gateway/journey"
	"touchpoint/gateway/rpc"
	"touchpoint/gateway/vault"
)

// Gateway is a running gateway.
type Gateway struct {
	cfg   Config
	log   *slog.Logger
	clock *clock.Clock

	store     *eventlog.Log
	vault     *vault.Vault
	registry  *devices.Registry
	intake    *ingest.Ingest
	product   *device.Channel
	stream    *stream.Channel
	delivery  *deliver.Delivery
	templates *templates
	renderer  *render.Renderer
	tests     *backtests
	engine    *engine.Engine
	history   history.Store
	follower  *history.Follower
	filler    *filler
	directory *directory.Directory
	devices   atomic.Pointer[opened] // where devices come in; see source
	rpc       *rpc.Server
	pageKey   []byte // authenticates the API's page tokens
	addrs     Addrs

	background context.Context // of what runs until Close
	halt       context.CancelFunc
	wg         sync.WaitGroup
	stages     []stage // what Close stops, in reverse
	advancing  sync.Mutex
	failed     chan error // a part that died
}

// Addrs are the addresses that the gateway listens on; MQTT is the external
// broker's when there is one.
type Addrs struct{ MQTT, GRPC, HTTP string }

// stage is a part that was started and how it stops.
type stage struct {
	name string
	stop func(context.Context) error
}

// New opens and starts every part in the order of the road, last to first:
// what takes a record is there before what sends it. It returns when the
// gateway is ready, or when ctx ends.
func New(ctx context.Context, cfg Config, logger *slog.Logger) (*Gateway, error) {
	if err := cfg.Validate(); err != nil {
		return nil, err
	}
	if logger == nil {
		logger = slog.New(slog.DiscardHandler)
	}
	g := &Gateway{cfg: cfg, log: logger, failed: make(chan error, 8)}
	g.background, g.halt = context.WithCancel(context.Background())
	for _, part := range []struct {
		name string
		open func(context.Context) error
	}{
		{"log", g.openLog},
		{"vault", g.openVault},
		{"products", g.openProducts},
		{"read model", g.openDirectory},
		{"history", g.openHistory},
		{"ingest", g.openIngest},
		{"delivery", g.openDelivery},
		{"engine", g.openEngine},
		{"API", g.openRPC},
		{"followers", g.startFollowers},
		{"MQTT", g.openMQTT},
		{"HTTP", g.openHTTP},
	} {
		if err := part.open(ctx); err != nil {
			stopping, cancel := context.WithTimeout(context.Background(), 10*time.Second)
			defer cancel()
			return nil, errors.Join(fmt.Errorf("start %s: %w", part.name, err), g.Close(stopping))
		}
	}
	if err := g.waitReady(ctx); err != nil {
		return nil, errors.Join(err, g.Close(context.Background()))
	}
	return g, nil
}

// onClose remembers how to stop what was just started.
func (g *Gateway) onClose(name string, stop func(context.Context) error) {
	g.stages = append(g.stages, stage{name, stop})
}

// Close stops intake first and the log last, so that everything accepted is
// decided, and everything decided recorded, as far as ctx allows. What is left
// is in the logs.
func (g *Gateway) Close(ctx context.Context) error {
	var errs []error
	for i := len(g.stages) - 1; i >= 0; i-- {
		if err := g.stages[i].stop(ctx); err != nil {
			errs = append(errs, fmt.Errorf("stop %s: %w", g.stages[i].name, err))
		}
	}
	g.stages = nil
	g.halt()
	g.wg.Wait()
	return errors.Join(errs...)
}

// Addrs returns where the gateway listens.
func (g *Gateway) Addrs() Addrs { return g.addrs }

// Failed delivers the error of a part that stopped working for good.
func (g *Gateway) Failed() <-chan error { return g.failed }

func (g *Gateway) fail(err error) {
	select {
	case g.failed <- err:
	default:
	}
}

func (g *Gateway) openLog(ctx context.Context) error {
	l := g.cfg.Log
	o := eventlog.Options{
		Name: g.cfg.Name, Partitions: g.cfg.Partitions, MaxBytes: l.MaxBytes, Replicas: l.Replicas,
		URLs: l.NATS, Username: l.Username, Password: l.Password, Credentials: l.Credentials,
		VirtualClock: g.cfg.Clock.Mode != "wall", ClockOrigin: instantOrZero(g.cfg.Clock.Origin), Logger: g.log,
	}
	if err := os.MkdirAll(g.cfg.Data, 0o700); err != nil {
		return gateway.Errorf(gateway.Invalid, "data: %w", err)
	}
	if len(l.NATS) == 0 {
		o.Dir = g.cfg.path("log")
	}
	store, err := eventlog.Open(ctx, o)
	if err != nil {
		return err
	}
	g.store = store
	g.onClose("log", store.Close)
	return g.startClock(ctx)
}

// startClock starts virtual time where the records end: it never goes back.
func (g *Gateway) startClock(ctx context.Context) error {
	g.clock = clock.Wall()
	if g.cfg.Clock.Mode == "wall" {
		return nil
	}
	last, err := g.store.LastTime(ctx)
	if err != nil {
		return err
	}
	start := max(last, g.store.Installation().ClockOrigin)
	g.clock = clock.NewVirtual(start)
	if g.cfg.Clock.Mode == "paced" {
		g.clock = clock.NewPaced(start)
	}
	return nil
}

func instantOrZero(t time.Time) gateway.Instant {
	if t.IsZero() {
		return 0
	}
	return gateway.InstantOf(t)
}

func (g *Gateway) openVault(ctx context.Context) error {
	from, err := g.cfg.masterKeySource()
	if err != nil {
		return err
	}
	key, err := vault.LoadMasterKey(from)
	if err != nil {
		return err
	}
	// Tokens of pages stay good over a restart, and on every replica.
	if g.pageKey, err = hkdf.Key(sha256.New, key, nil, "touchpoint page tokens", 32); err != nil {
		return gateway.Errorf(gateway.Internal, "page key: %w", err)
	}
	bucket, err := g.store.Bucket(ctx, "vault")
	if err != nil {
		return err
	}
	g.vault, err = vault.Open(ctx, vault.Options{Store: bucket, MasterKey: key, Logger: g.log})
	if err != nil {
		return err
	}
	g.onClose("vault", func(context.Context) error { g.vault.Close(); return nil })
	return nil
}

func (g *Gateway) openProducts(context.Context) error {
	registry, err := loadProducts(g.cfg.Products)
	if err != nil {
		return err
	}
	g.registry = registry
	g.cfg.Rules.Uploads = uploads(g.cfg.Rules.Uploads, registry)
	return nil
}

func (g *Gateway) openIngest(context.Context) error {
	var err error
	g.intake, err = ingest.New(ingest.Options{
		Log: g.store, Vault: g.vault, DeadLetters: deadLetters{g.store}, Clock: g.clock, Partitions: g.cfg.Partitions,
		Registry: g.registry, Watermark: g.observed, Presence: presence{g}, Logger: g.log,
	})
	if err != nil {
		return err
	}
	g.onClose("ingest", g.intake.Drain)
	router := g.intake.Router()
	err = g.directory.Routes(g.background, func(r gateway.Route) error {
		router.Set(r)
		return nil
	})
	if err != nil {
		return err
	}
	return g.directory.Members(g.background, func(m gateway.Membership) error {
		router.Join(m)
		return nil
	})
}

// observed is the watermark of intake: nothing is complete until MQTT runs.
func (g *Gateway) observed() gateway.Instant {
	return g.source().Observed()
}

func (g *Gateway) openEngine(context.Context) error {
	rules := g.cfg.Rules
	rules.Partitions, rules.FillRules = g.cfg.Partitions, true
	g.filler = newFiller(g)
	e, err := engine.New(engine.Options{
		Log: engineLog{g.store}, Clock: g.clock, Submit: g.intake.Submit, Watermark: g.observed,
		NewCore: func(partition int) engine.Core {
			own := rules
			own.Partition = partition
			return journey.NewPartition(own)
		},
		Count: g.cfg.Partitions, Standby: !g.store.Embedded(),
		Sinks:            []engine.Sink{g.templates, router{g.intake.Router()}, g.delivery, g.filler, alarms{g.log}},
		SnapshotInterval: g.cfg.Log.SnapshotEvery, Logger: g.log,
	})
	if err != nil {
		return err
	}
	g.engine = e
	e.Start()
	g.onClose("engine", func(ctx context.Context) error { e.Stop(ctx); return nil })
	filling, stop := context.WithCancel(g.background)
	g.wg.Go(func() { g.filler.run(filling) })
	g.onClose("filling", func(context.Context) error { stop(); return nil })
	return nil
}

// waitReady waits until every partition applies and the API may say so.
func (g *Gateway) waitReady(ctx context.Context) error {
	if err := g.engine.WaitReady(ctx); err != nil {
		return err
	}
	if err := g.rpc.Recover(ctx); err != nil {
		return err
	}
	g.rpc.SetReady(true)
	return nil
}

// NotReady lists why the gateway is not ready; empty when it is.
func (g *Gateway) NotReady() []string {
	var why []string
	if err := g.store.Ready(); err != nil {
		why = append(why, err.Error())
	}
	if !g.engine.Ready() {
		why = append(why, "the engine has partitions that are not live")
	}
	if err := g.source().Ready(); err != nil {
		why = append(why, err.Error())
	}
	return why
}

// Guarantees says in a few lines what is embedded, what is external, and what
// an acknowledgement means.
func (g *Gateway) Guarantees() []string {
	return []string{g.store.Guarantee(), g.source().Guarantee(), g.historyGuarantee()}
}
