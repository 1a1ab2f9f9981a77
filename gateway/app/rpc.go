package app

import (
	"context"
	"errors"
	"fmt"
	"net"
	"slices"

	"touchpoint/gateway"
	"touchpoint/gateway/deliver/render"
	"touchpoint/gateway/journey"
	"touchpoint/gateway/rpc"
)

// Version of the gateway, set when a release is built.
var Version = "dev"

// openRPC serves the API.
func (g *Gateway) openRPC(ctx context.Context) error {
	drafts, err := g.store.Bucket(ctx, "journeys")
	if err != nil {
		return err
	}
	tlsConfig, err := tlsOf(g.cfg.GRPC.TLS, true)
	if err != nil {
		return err
	}
	read := customers{g.directory}
	g.tests = newBacktests(g)
	o := rpc.Options{
		Intake: g.intake, Vault: g.vault, Follower: g.directory, Customers: read, Groups: read, Tasks: tasks{g}, Decisions: read, Messages: read, Reports: read,
		History: series{g}, Journeys: drafts, Compile: g.compile, Consents: consents{g.delivery}, Eraser: eraser{g},
		Stream: services{g.stream}, DeadLetters: letters{g}, Clock: g.clock, Status: g, Fleet: fleet{g}, Audit: auditLog{g.store}, Backtests: g.tests, Explainer: explainer{g, g.tests},
		Partitions: g.cfg.Partitions, Channels: g.channels(), Tokens: tokens(g.cfg.Auth.Tokens), TLS: tlsConfig, PageKey: g.pageKey, Logger: g.log,
	}
	if g.clock.Virtual() {
		o.Advance = g.Advance
	}
	if g.rpc, err = rpc.New(o); err != nil {
		return err
	}
	lis, err := net.Listen("tcp", g.cfg.GRPC.Listen)
	if err != nil {
		return err
	}
	g.addrs.GRPC = lis.Addr().String()
	g.wg.Go(func() {
		if err := g.rpc.Serve(lis); err != nil {
			g.fail(fmt.Errorf("the API stopped: %w", err))
		}
	})
	g.onClose("API", func(ctx context.Context) error { g.rpc.Stop(ctx); return nil })
	return nil
}

func tokens(list []TokenConfig) []rpc.Token {
	var out []rpc.Token
	for _, t := range list {
		token := rpc.Token{Name: t.Name, Secret: t.Token}
		for _, r := range t.Roles {
			token.Roles = append(token.Roles, rpc.Role(r))
		}
		out = append(out, token)
	}
	return out
}

// compile checks a definition for publishing, its templates included.
func (g *Gateway) compile(text []byte) (rpc.JourneyInfo, error) {
	env := definitionEnv(g.channels(), g.registry)
	env.Segments, env.Stages = g.cfg.Rules.RuleNames()
	env.Traits = g.cfg.Rules.Traits
	def, err := journey.Compile(text, env)
	if def == nil {
		return rpc.JourneyInfo{}, err
	}
	info := rpc.JourneyInfo{Name: def.Name, Purpose: def.Purpose, Standalone: string(journey.Standalone(text, env.Traits))}
	if err != nil {
		return info, err
	}
	return info, checkTemplates(def)
}

// checkTemplates parses every text, so that a broken one fails here and not at
// the customer's.
func checkTemplates(def *journey.Definition) error {
	known := render.Known{Names: slices.Concat(def.ValueNames(), render.PersonalNames), Open: []string{"customer.extra"}}
	var v violations
	for id, locales := range def.Templates {
		for locale, text := range locales {
			for _, one := range render.Check(renderText(text), known) {
				one.Step, one.Field = id, "template."+locale+"."+one.Field
				v = append(v, one)
			}
		}
	}
	return v.err("template")
}

// eraser removes what does not follow the log, and waits for what does.
type eraser struct{ g *Gateway }

func (e eraser) Erase(ctx context.Context, c gateway.CustomerID, at []gateway.Position) error {
	return errors.Join(
		e.g.delivery.Erase(ctx, c),
		e.g.vault.Erase(ctx, c),
		e.g.follower.Await(ctx, at),
		e.g.history.DeleteCustomer(ctx, c),
	)
}

// Status implements rpc.Status.
func (g *Gateway) Status(ctx context.Context) (rpc.StatusReport, error) {
	r := rpc.StatusReport{Version: Version, Installation: g.cfg.Name, NotReady: g.NotReady(), Guarantees: g.Guarantees(),
		Alarms: g.Alarms(ctx)}
	followers := g.store.Followers()
	for _, s := range g.engine.Stats() {
		last, err := g.store.LastEventSeq(ctx, s.Partition)
		if err != nil {
			return r, err
		}
		p := rpc.PartitionReport{
			Partition: s.Partition, LastEvent: last, AppliedEvent: s.AppliedSeq, LastStep: s.Step,
			Now: s.Now, Observed: s.Observed, Followers: map[string]uint64{},
		}
		for name, positions := range followers {
			p.Followers[name] = positions[s.Partition].EventSeq
		}
		r.Partitions = append(r.Partitions, p)
	}
	return r, nil
}
