package mqtt_test

import (
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"crypto/x509/pkix"
	"fmt"
	"log/slog"
	"math/big"
	"net"
	"strings"
	"testing"
	"time"

	"touchpoint/devices"
	"touchpoint/gateway/clock"
	"touchpoint/gateway/mqtt"
)

func withUsers(o *mqtt.BrokerOptions) {
	o.Users = []mqtt.User{
		{Name: "dev1", Password: "planted-secret",
			Publish:   []string{"touchpoint/v1/+/{username}/#"},
			Subscribe: []string{"touchpoint/v1/+/{username}/messages", "news/#"}},
		{Name: "operator", Password: "other"},
	}
}

func TestUsers(t *testing.T) {
	b := startBroker(t, newHold(), withUsers)
	for _, c := range []struct {
		user, password string
		ok             bool
	}{
		{"dev1", "planted-secret", true}, {"operator", "other", true}, {"dev1", "other", false},
		{"dev2", "planted-secret", false}, {"", "", false}, {"dev1", "planted-secret2", false},
	} {
		p := tryRaw(t, b.Addr().String(), "c-"+c.user, rawOptions{user: c.user, password: c.password}).expect(2)
		if got := p.body[1] == 0; got != c.ok {
			t.Errorf("%q with %q: code %d", c.user, c.password, p.body[1])
		}
	}
	if n := b.Stats().Refused; n != 4 {
		t.Errorf("refused %d", n)
	}
}

func TestTopicRights(t *testing.T) {
	h := newHold()
	b := startBroker(t, h, withUsers)
	for _, c := range []struct {
		user, filter string
		ok           bool
	}{
		{"dev1", "touchpoint/v1/coffee/dev1/messages", true},
		{"dev1", "touchpoint/v1/+/dev1/messages", true},
		{"dev1", "touchpoint/v1/+/dev2/messages", false},
		{"dev1", "touchpoint/v1/+/+/messages", false},
		{"dev1", "touchpoint/v1/coffee/dev1/messages/hello", false},
		{"dev1", "touchpoint/#", false},
		{"dev1", "#", false},
		{"dev1", "news", true},
		{"dev1", "news/today", true},
		{"dev1", "news/+/x", true},
		{"dev1", "news/#", true},
		{"dev1", "$share/g/news/#", true},
		{"dev1", "$share/g/touchpoint/#", false},
		{"operator", "#", true},
		{"operator", "touchpoint/v1/+/+/messages", true},
	} {
		password := map[string]string{"dev1": "planted-secret", "operator": "other"}[c.user]
		r := dialRaw(t, b.Addr().String(), "c-"+c.user, rawOptions{user: c.user, password: password})
		r.send(0x82, append(text([]byte{0, 1}, c.filter), 1))
		if got := r.expect(9).body[2] != 0x80; got != c.ok {
			t.Errorf("%s subscribes to %s: %t", c.user, c.filter, got)
		}
		_ = r.conn.Close()
	}
	dev := dialRaw(t, b.Addr().String(), "c-dev1", rawOptions{user: "dev1", password: "planted-secret"})
	dev.publish(1, 1, topicOf("dev1"), "mine")
	h.next(t).ack(true)
	dev.expect(4)
	dev.publish(1, 2, topicOf("dev2"), "not mine")
	dev.expectEnd()
	h.nothing(t)
	forger := dialRaw(t, b.Addr().String(), "c-dev1", rawOptions{user: "dev1", password: "planted-secret", will: topicOf("dev2"), willText: "not mine"})
	_ = forger.conn.Close()
	h.nothing(t)
}

func TestOnlyTheGatewayWritesToDevices(t *testing.T) {
	for _, with := range []func(*mqtt.BrokerOptions){nil, withUsers} {
		b := startBroker(t, newHold(), func(o *mqtt.BrokerOptions) {
			if with != nil {
				with(o)
			}
			o.IsDownlink = devices.IsDownlink
		})
		const topic = "touchpoint/v1/coffee/dev1/messages"
		o := rawOptions{user: "operator", password: "other"}
		dev := dialRaw(t, b.Addr().String(), "dev", o)
		dev.send(0x82, append(text([]byte{0, 1}, topic), 1))
		dev.expect(9)
		forger := dialRaw(t, b.Addr().String(), "forger", o)
		forger.publish(1, 1, topic, "forged")
		forger.expectEnd()
		if err := b.Publish(t.Context(), topic, []byte("true"), 1); err != nil {
			t.Fatal(err)
		}
		if p := dev.expect(3); p.payload() != "true" {
			t.Errorf("the device is given %q", p.payload())
		}
	}
}

func TestLogsHoldNothingOfADevice(t *testing.T) {
	var log lines
	h := newHold()
	b := startBroker(t, h, func(o *mqtt.BrokerOptions) {
		withUsers(o)
		o.Logger = slog.New(slog.NewTextHandler(&log, &slog.HandlerOptions{Level: slog.LevelDebug}))
	})
	tryRaw(t, b.Addr().String(), "planted-client", rawOptions{user: "planted-user", password: "planted-wrong"}).expect(2)
	c := dialRaw(t, b.Addr().String(), "planted-client", rawOptions{user: "dev1", password: "planted-secret", will: "planted/will", willText: "planted-text"})
	c.publish(1, 1, topicOf("dev1"), "planted-payload")
	h.next(t).ack(true)
	c.expect(4)
	c.publish(1, 2, "planted/topic", "planted-payload") // no right: closed
	c.expectEnd()
	d := dialRaw(t, b.Addr().String(), "planted-client", rawOptions{user: "dev1", password: "planted-secret"})
	d.send(0x10, []byte{0, 4, 'M', 'Q', 'T', 'T', 4, 2, 0, 0, 0, 7, 'p', 'l', 'a', 'n', 't', 'e', 'd'}) // a second CONNECT
	d.expectEnd()
	until(t, "the ends are logged", func() bool { return strings.Count(log.String(), "client disconnected") >= 2 })
	if _ = b.Close(); strings.Contains(log.String(), "planted") {
		t.Errorf("the log holds what a device sent:\n%s", log.String())
	}
	if s := fmt.Sprintf("%v %+v %#v", mqtt.Secret("planted"), mqtt.User{Password: "planted"}, mqtt.Secret("planted")); strings.Contains(s, "planted") {
		t.Error(s)
	}
}

func TestOrdinaryTopicsAreThoseOfABroker(t *testing.T) {
	b := startBroker(t, newHold(), nil)
	pub := dialRaw(t, b.Addr().String(), "pub", rawOptions{})
	pub.send(0x33, append(append(text(nil, "home/door"), 0, 1), "open"...)) // retained
	pub.expect(4)
	sub := dialRaw(t, b.Addr().String(), "sub", rawOptions{keep: true})
	sub.send(0x82, append(text([]byte{0, 1}, "home/#"), 1))
	sub.expect(9)
	if p := sub.expect(3); p.payload() != "open" || p.head&1 != 1 {
		t.Errorf("retained %q", p.payload())
	} else {
		sub.send(0x40, []byte{byte(p.id() >> 8), byte(p.id())})
	}
	sub.send(0xe0, nil) // DISCONNECT: the session stays
	sub.expectEnd()
	pub.publish(1, 2, "home/door", "shut")
	pub.expect(4)
	sub = dialRaw(t, b.Addr().String(), "sub", rawOptions{keep: true})
	if p := sub.expect(3); p.payload() != "shut" {
		t.Errorf("after a reconnect %q", p.payload())
	}
}

func TestTLS(t *testing.T) {
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	template := &x509.Certificate{SerialNumber: big.NewInt(1), Subject: pkix.Name{CommonName: "broker"}, NotBefore: time.Now().Add(-time.Hour),
		NotAfter: time.Now().Add(time.Hour), IPAddresses: []net.IP{net.IPv4(127, 0, 0, 1)}, IsCA: true, BasicConstraintsValid: true}
	der, err := x509.CreateCertificate(rand.Reader, template, template, &key.PublicKey, key)
	if err != nil {
		t.Fatal(err)
	}
	leaf, err := x509.ParseCertificate(der)
	if err != nil {
		t.Fatal(err)
	}
	pool := x509.NewCertPool()
	pool.AddCert(leaf)
	events := newCollect()
	b := startBroker(t, events, func(o *mqtt.BrokerOptions) {
		o.TLS = &tls.Config{Certificates: []tls.Certificate{{Certificate: [][]byte{der}, PrivateKey: key}}}
	})
	s, err := mqtt.Connect(mqtt.SessionsOptions{Brokers: []string{"ssl://" + b.Addr().String()}, TLS: &tls.Config{RootCAs: pool},
		ClientID: "gw", Filters: []string{"other/+/events"}, Handler: newCollect(), Clock: clock.Wall(), MarkerEvery: 50 * time.Millisecond})
	if err != nil {
		t.Fatal(err)
	}
	defer s.Close()
	drained(t, s)
	until(t, "ready", func() bool { return s.Ready() == nil })
	if err := s.Publish(t.Context(), topicOf("dev1"), []byte("through TLS"), 1); err != nil {
		t.Fatal(err)
	}
	events.wait(t, 1)
}

func TestOptions(t *testing.T) {
	broker := func(o mqtt.BrokerOptions) error { return o.Validate() }
	good := mqtt.BrokerOptions{Listen: "127.0.0.1:0", Handler: newHold(), IsUplink: isEvents, Clock: clock.Wall()}
	for _, c := range []struct {
		change func(*mqtt.BrokerOptions)
		want   string
	}{
		{func(o *mqtt.BrokerOptions) { o.Listen = "" }, "mqtt.listen: is missing: use an address such as 127.0.0.1:1883"},
		{func(o *mqtt.BrokerOptions) { o.Clock = nil }, "mqtt: handler, uplink topics and clock are required"},
		{func(o *mqtt.BrokerOptions) { o.MaxPacketBytes = 1 }, "mqtt.max_packet_bytes: is 1: must be from 1 KiB to 64 MiB"},
		{func(o *mqtt.BrokerOptions) { o.MaxClients = -1 }, "mqtt.max_clients: is -1: must be positive"},
		{func(o *mqtt.BrokerOptions) { o.MaxSession = 1 }, "mqtt.max_session: is 1ns: must be from 1s to 365 days"},
		{func(o *mqtt.BrokerOptions) { o.MaxQueued = 70000 }, "mqtt.max_queued: is 70000: must be from 1 to 65535"},
		{func(o *mqtt.BrokerOptions) { o.ClientInflight = -1 }, "mqtt.client_inflight: is -1: must be from 1 to 65535"},
		{func(o *mqtt.BrokerOptions) { o.Grace = -1 }, "mqtt.grace: must not be negative"},
		{func(o *mqtt.BrokerOptions) { o.Users = []mqtt.User{{Name: "a"}} }, "mqtt.users[0]: needs username and password"},
		{func(o *mqtt.BrokerOptions) {
			o.Users = []mqtt.User{{Name: "a", Password: "x"}, {Name: "a", Password: "y"}}
		}, `mqtt.users[1].username: "a" occurs twice`},
		{func(o *mqtt.BrokerOptions) {
			o.Users = []mqtt.User{{Name: "a", Password: "x", Publish: []string{"a/#/b"}}}
		}, `mqtt.users[0]: topic filter "a/#/b": # is allowed at the end only`},
		{func(o *mqtt.BrokerOptions) {
			o.Users = []mqtt.User{{Name: "a", Password: "x", Subscribe: []string{"a/b+"}}}
		}, `mqtt.users[0]: topic filter "a/b+": + and # stand for a whole level`},
	} {
		o := good
		c.change(&o)
		if err := broker(o); err == nil || err.Error() != c.want {
			t.Errorf("got  %v\nwant %s", err, c.want)
		}
	}
	sessions := mqtt.SessionsOptions{Brokers: []string{"tcp://127.0.0.1:1"}, ClientID: "gw", Filters: []string{"a"}, Handler: newHold(), Clock: clock.Wall()}
	for _, c := range []struct {
		change func(*mqtt.SessionsOptions)
		want   string
	}{
		{func(o *mqtt.SessionsOptions) { o.Brokers = nil }, "mqtt.brokers: is empty"},
		{func(o *mqtt.SessionsOptions) { o.Brokers = []string{"tcp://a:1", "http://b:1"} }, `mqtt.brokers[1]: scheme "http": allowed are tcp, ssl, mqtt, mqtts, ws and wss`},
		{func(o *mqtt.SessionsOptions) { o.Brokers = []string{"broker"} }, "mqtt.brokers[0]: is no URL of the form tcp://host:port"},
		{func(o *mqtt.SessionsOptions) { o.ClientID = "" }, "mqtt.client_id: must be a name of 1 to 100 characters without / + # $ and space"},
		{func(o *mqtt.SessionsOptions) { o.Filters = nil }, "mqtt: filters, handler and clock are required"},
		{func(o *mqtt.SessionsOptions) { o.Group = "a/b" }, `mqtt.share_group: "a/b": / + # and space are not allowed`},
		{func(o *mqtt.SessionsOptions) { o.Connections = 65; o.Group = "g" }, "mqtt.connections: is 65: must be from 1 to 64"},
		{func(o *mqtt.SessionsOptions) { o.Connections = 3 }, "mqtt.connections: 3 connections need mqtt.share_group, else each event would come 3 times"},
		{func(o *mqtt.SessionsOptions) { o.Window = -1 }, "mqtt.window: is -1: must be from 1 to 65535"},
		{func(o *mqtt.SessionsOptions) { o.QueueSize = 10 }, "mqtt.queue_size: is 10: must hold the window of 20"},
	} {
		o := sessions
		c.change(&o)
		if err := o.Validate(); err == nil || err.Error() != c.want {
			t.Errorf("got  %v\nwant %s", err, c.want)
		}
	}
}
