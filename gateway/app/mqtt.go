package app

import (
	"context"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"os"
	"strings"

	"touchpoint/devices"
	"touchpoint/gateway"
	"touchpoint/gateway/mqtt"
)

// source is where devices come in, embedded or external.
type source interface {
	// Observed is the time up to which intake is complete.
	Observed() gateway.Instant
	// Flush returns when everything published before has been taken in.
	Flush(ctx context.Context) error
	Publish(ctx context.Context, topic string, payload []byte, qos byte) error
	Guarantee() string
	Ready() error
}

// opened is a source that is open.
type opened struct{ source }

// source returns where devices come in. The engine and delivery run before it
// is open: until then nothing is observed and nothing goes down.
func (g *Gateway) source() source {
	if o := g.devices.Load(); o != nil {
		return o.source
	}
	return closed{}
}

// closed is a source that is not open yet.
type closed struct{}

func errClosed() error { return gateway.Errorf(gateway.Unavailable, "MQTT is not open yet") }

func (closed) Observed() gateway.Instant                           { return 0 }
func (closed) Flush(context.Context) error                         { return errClosed() }
func (closed) Publish(context.Context, string, []byte, byte) error { return errClosed() }
func (closed) Guarantee() string                                   { return "MQTT: not open yet" }
func (closed) Ready() error                                        { return errClosed() }

// openMQTT comes last on the way up: devices may speak when all else listens.
func (g *Gateway) openMQTT(ctx context.Context) error {
	tlsConfig, err := tlsOf(g.cfg.MQTT.TLS, len(g.cfg.MQTT.Brokers) == 0)
	if err != nil {
		return err
	}
	if len(g.cfg.MQTT.Brokers) > 0 {
		return g.openSessions(ctx, tlsConfig)
	}
	o := mqtt.BrokerOptions{
		Listen: g.cfg.MQTT.Listen, TLS: tlsConfig, Handler: g.intake, IsUplink: devices.IsUplink, IsDownlink: devices.IsDownlink,
		Clock: g.clock, Grace: g.cfg.MQTT.Grace, Logger: g.log,
	}
	for _, u := range g.cfg.MQTT.Users {
		o.Users = append(o.Users, mqtt.User{Name: u.Username, Password: mqtt.Secret(u.Password)})
	}
	broker, err := mqtt.StartBroker(o)
	if err != nil {
		return err
	}
	g.devices.Store(&opened{embedded{broker}})
	g.addrs.MQTT = broker.Addr().String()
	g.onClose("broker", func(context.Context) error { return broker.Close() })
	return nil
}

// embedded is the broker in this process: it is there as long as we are.
type embedded struct{ *mqtt.Broker }

func (embedded) Ready() error { return nil }

// tlsOf loads the PEM files of a listener (server) or of a connection.
func tlsOf(c TLSConfig, server bool) (*tls.Config, error) {
	if c == (TLSConfig{}) {
		return nil, nil
	}
	out := &tls.Config{MinVersion: tls.VersionTLS12}
	if c.Cert != "" {
		pair, err := tls.LoadX509KeyPair(c.Cert, c.Key)
		if err != nil {
			return nil, gateway.Errorf(gateway.Invalid, "tls.cert and tls.key: %w", err)
		}
		out.Certificates = []tls.Certificate{pair}
	}
	if c.CA == "" {
		return out, nil
	}
	pem, err := os.ReadFile(c.CA)
	if err != nil {
		return nil, gateway.Errorf(gateway.Invalid, "tls.ca: %w", err)
	}
	pool := x509.NewCertPool()
	if !pool.AppendCertsFromPEM(pem) {
		return nil, gateway.InvalidField("tls.ca", "holds no certificate in PEM")
	}
	if server {
		out.ClientCAs, out.ClientAuth = pool, tls.RequireAndVerifyClientCert
	} else {
		out.RootCAs = pool
	}
	return out, nil
}

// openSessions connects to the external broker.
func (g *Gateway) openSessions(_ context.Context, tlsConfig *tls.Config) error {
	c := g.cfg.MQTT
	id, err := g.replicaID()
	if err != nil {
		return err
	}
	sessions, err := mqtt.Connect(mqtt.SessionsOptions{
		Brokers: c.Brokers, Username: c.Username, Password: mqtt.Secret(c.Password), TLS: tlsConfig,
		ClientID: g.cfg.Name + "-" + id, Group: c.ShareGroup, Connections: c.Connections, Window: c.Window,
		Filters: devices.UplinkFilters(), IsUplink: devices.IsUplink, Handler: g.intake, Clock: g.clock,
		Grace: c.Grace, Logger: g.log,
	})
	if err != nil {
		return err
	}
	g.devices.Store(&opened{sessions})
	g.addrs.MQTT = c.Brokers[0]
	g.onClose("MQTT sessions", func(context.Context) error { return sessions.Close() })
	return nil
}

// replicaID names this process to the broker, which keeps the backlog of a
// session under it: it must stay the same over restarts and differ between
// replicas, so it lives in the data directory.
func (g *Gateway) replicaID() (string, error) {
	file := g.cfg.path("replica-id")
	if id, err := os.ReadFile(file); err == nil && len(id) > 0 {
		return string(id), nil
	}
	id := strings.ToLower(rand.Text()[:12])
	if err := os.WriteFile(file, []byte(id), 0o600); err != nil {
		return "", gateway.Errorf(gateway.Internal, "data: %w", err)
	}
	return id, nil
}
