package eventlog

import (
	"fmt"
	"log/slog"
	"path/filepath"
	"strings"
	"time"

	"github.com/nats-io/nats-server/v2/server"
	"github.com/nats-io/nats.go"

	"touchpoint/gateway"
)

// maxPayload is the largest message that the embedded server takes.
const maxPayload = 8 << 20

// headerRoom is what the headers of an append take of a message, at most.
const headerRoom = 512

// startServer starts the embedded server. It listens nowhere and syncs every
// write before it answers.
func startServer(o *Options) (*server.Server, error) {
	s, err := server.NewServer(&server.Options{
		ServerName:         o.Name,
		DontListen:         true,
		JetStream:          true,
		StoreDir:           filepath.Join(o.Dir, "nats"),
		SyncAlways:         true,
		JetStreamMaxMemory: 1 << 30,
		JetStreamMaxStore:  1 << 50, // the streams have limits of their own
		MaxPayload:         maxPayload,
		NoSigs:             true,
	})
	if err != nil {
		return nil, gateway.Errorf(gateway.Invalid, "embedded log in %s: %w", o.Dir, err)
	}
	s.SetLoggerV2(serverLog{o.Logger}, false, false, false)
	s.Start()
	if !s.ReadyForConnections(30*time.Second) || !s.JetStreamEnabled() {
		s.Shutdown()
		return nil, gateway.Errorf(gateway.Unavailable, "embedded log in %s did not start within 30s", o.Dir)
	}
	return s, nil
}

// connect opens a connection, to the embedded server if there is one. A
// connection never buffers while it is broken: an append then fails at once,
// instead of being sent at some later time.
func connect(o *Options, s *server.Server) (*nats.Conn, error) {
	opts := []nats.Option{
		nats.Name(o.Name + " " + o.Owner),
		nats.MaxReconnects(-1), nats.ReconnectBufSize(-1),
		nats.ReconnectWait(200 * time.Millisecond), nats.ReconnectJitter(50*time.Millisecond, 50*time.Millisecond),
		nats.PingInterval(5 * time.Second), nats.MaxPingsOutstanding(2),
		nats.NoCallbacksAfterClientClose(),
		nats.ErrorHandler(func(_ *nats.Conn, _ *nats.Subscription, err error) {
			o.Logger.Warn("log: connection reports", "error", err)
		}),
	}
	url := strings.Join(o.URLs, ",")
	if s != nil {
		url = ""
		opts = append(opts, nats.InProcessServer(s))
	}
	if o.Username != "" {
		opts = append(opts, nats.UserInfo(o.Username, o.Password))
	}
	if o.Credentials != "" {
		opts = append(opts, nats.UserCredentials(o.Credentials))
	}
	if o.TLS != nil {
		opts = append(opts, nats.Secure(o.TLS))
	}
	nc, err := nats.Connect(url, opts...)
	if err != nil {
		return nil, gateway.Errorf(gateway.Unavailable, "NATS does not answer: %w", err)
	}
	return nc, nil
}

// serverLog hands the server's lines to slog. Its notices are no news to an
// operator of the gateway.
type serverLog struct{ l *slog.Logger }

func (s serverLog) Noticef(f string, a ...any) { s.l.Debug("log server: " + fmt.Sprintf(f, a...)) }
func (s serverLog) Warnf(f string, a ...any)   { s.l.Warn("log server: " + fmt.Sprintf(f, a...)) }
func (s serverLog) Fatalf(f string, a ...any)  { s.l.Error("log server: " + fmt.Sprintf(f, a...)) }
func (s serverLog) Errorf(f string, a ...any)  { s.l.Error("log server: " + fmt.Sprintf(f, a...)) }
func (s serverLog) Debugf(f string, a ...any)  { s.l.Debug("log server: " + fmt.Sprintf(f, a...)) }
func (s serverLog) Tracef(f string, a ...any)  {}
