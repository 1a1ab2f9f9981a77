package app

import (
	"context"

	"touchpoint/gateway"
	"touchpoint/gateway/deliver"
	"touchpoint/gateway/deliver/stream"
	"touchpoint/gateway/deliver/webhook"
)

// routes are the channels by the names that journeys call them: the product
// itself, the stream for services, and each webhook of the configuration.
func (g *Gateway) routes(ctx context.Context) ([]deliver.Route, error) {
	var err error
	g.stream, err = stream.New(ctx, stream.Options{
		JetStream: g.store.JetStream(), Name: g.cfg.Name, Vault: g.vault, Clock: g.clock, Submit: g.intake,
		Replicas: g.cfg.Log.Replicas, Logger: g.log, Braked: func() bool { return g.delivery.Braked() },
		Allowed: func(c gateway.CustomerID, p gateway.Purpose, channel string) bool {
			return g.delivery.Allowed(c, p, channel)
		},
	})
	if err != nil {
		return nil, err
	}
	routes := []deliver.Route{{Name: "product", Channel: g.product}, {Name: "stream", Channel: g.stream}}
	for _, w := range g.cfg.Webhooks {
		c, err := webhook.New(webhook.Options{
			URL: w.URL, Secrets: []gateway.Personal{gateway.Personal(w.Secret)}, Source: g.cfg.Name, Names: g.vault, Logger: g.log,
		})
		if err != nil {
			return nil, err
		}
		routes = append(routes, deliver.Route{Name: w.Name, Channel: c})
	}
	for i := range routes {
		routes[i].GiveUpOnUnknown = g.cfg.giveUp(routes[i].Name)
	}
	return routes, nil
}

// giveUp reports whether a channel ends a message whose hand-over may or may
// not have happened. A device and a webhook know a message by its id; an e-mail
// that is sent twice is read twice.
func (c *Config) giveUp(channel string) bool {
	switch c.OnUnknown[channel] {
	case "give_up":
		return true
	case "resend":
		return false
	}
	return channel == "email"
}

// channels are the names that customers, consents and journeys may use.
func (g *Gateway) channels() []string { return g.cfg.channels() }

func (c *Config) channels() []string {
	names := []string{"product", "stream"}
	for _, w := range c.Webhooks {
		names = append(names, w.Name)
	}
	return names
}
