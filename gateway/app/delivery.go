package app

import (
	"context"
	"errors"

	"touchpoint/gateway"
	"touchpoint/gateway/deliver"
	"touchpoint/gateway/deliver/device"
	"touchpoint/gateway/deliver/render"
)

// openDelivery makes the channels that the configuration has and delivery
// over them.
func (g *Gateway) openDelivery(ctx context.Context) error {
	g.templates = newTemplates(func(journey string, version uint32, err error) {
		g.log.Error("a published definition does not compile: its messages cannot be rendered", "journey", journey, "version", version, "error", err)
	})
	err := g.directory.Definitions(ctx, func(journey string, version uint32, text []byte) error {
		g.templates.add(journey, version, text)
		return nil
	})
	if err != nil {
		return err
	}
	g.renderer, err = render.New(render.Options{Templates: g.templates, Personal: g.vault})
	if err != nil {
		return err
	}
	g.product, err = device.New(device.Options{
		Publisher: downlink{g}, Names: g.vault, Clock: g.clock, Logger: g.log, TTL: g.cfg.MQTT.Presence,
		Connected: g.connected,
	})
	if err != nil {
		return err
	}
	routes, err := g.routes(ctx)
	if err != nil {
		return err
	}
	g.delivery, err = deliver.New(deliver.Options{
		Clock: g.clock, Submit: g.intake, Renderer: g.renderer, Routes: routes, Logger: g.log,
	})
	if err != nil {
		return err
	}
	g.onClose("delivery", g.delivery.Drain)
	return nil
}

// connected asks the embedded broker whether a device is there; an external
// one tells nobody.
func (g *Gateway) connected(topic string) bool {
	broker, ok := g.source().(embedded)
	return ok && broker.Connected(topic)
}

// downlink publishes to devices over whatever source of MQTT there is. A
// device without a session is absent, not gone for good.
type downlink struct{ g *Gateway }

func (d downlink) Publish(ctx context.Context, topic string, payload []byte, qos byte) error {
	err := d.g.source().Publish(ctx, topic, payload, qos)
	if err != nil && gateway.KindOf(err) == gateway.NotFound {
		return errors.Join(deliver.ErrAbsent, err)
	}
	return err
}

// presence passes what intake sees of devices on to the product channel.
type presence struct{ g *Gateway }

func (p presence) Seen(d gateway.DeviceID, _, _ string) { p.g.product.Uplink(d) }

func (p presence) Hello(d gateway.DeviceID, _, _ string, shown []gateway.MessageID) {
	p.g.product.Hello(d, shown)
}
