package mqtt

import (
	"bufio"
	"crypto/tls"
	"net"
	"net/url"
	"time"

	paho "github.com/eclipse/paho.mqtt.golang"

	"touchpoint/gateway"
)

// clientOptions returns what all our connections have in common.
func (o *SessionsOptions) clientOptions(id string) *paho.ClientOptions {
	c := paho.NewClientOptions()
	for _, b := range o.Brokers {
		c.AddBroker(b)
	}
	c.SetClientID(id)
	c.SetUsername(o.Username)
	c.SetPassword(string(o.Password))
	c.SetTLSConfig(o.TLS)
	c.SetProtocolVersion(4)
	c.SetKeepAlive(o.KeepAlive)
	c.SetConnectTimeout(o.ConnectTimeout)
	c.SetWriteTimeout(o.ConnectTimeout)
	return c
}

// dial returns how to open a connection: buffered for reading, and collecting
// small writes, since paho reads and writes packet by packet.
func (o *SessionsOptions) dial(opened func(*conn)) paho.OpenConnectionFunc {
	return func(u *url.URL, _ paho.ClientOptions) (net.Conn, error) {
		raw, err := o.open(u)
		if err != nil {
			return nil, gateway.Errorf(gateway.Unavailable, "broker %s: %w", u.Host, err)
		}
		c := &conn{Conn: raw, reader: bufio.NewReaderSize(raw, 32<<10), delay: max(0, o.WriteDelay), lazy: true}
		if opened != nil {
			opened(c)
		}
		return c, nil
	}
}

func (o *SessionsOptions) open(u *url.URL) (net.Conn, error) {
	plain := *u
	plain.User = nil
	dialer := &net.Dialer{Timeout: o.ConnectTimeout, KeepAlive: 15 * time.Second}
	switch u.Scheme {
	case "ws":
		return paho.NewWebsocket(plain.String(), nil, o.ConnectTimeout, nil, nil)
	case "wss":
		return paho.NewWebsocket(plain.String(), o.TLS, o.ConnectTimeout, nil, nil)
	case "ssl", "tls", "mqtts":
		return tls.DialWithDialer(dialer, "tcp", u.Host, o.TLS)
	}
	return dialer.Dial("tcp", u.Host)
}
