package eventlog

import (
	"crypto/rand"
	"crypto/tls"
	"encoding/hex"
	"log/slog"
	"regexp"
	"time"

	"touchpoint/gateway"
)

// Options configure a log.
type Options struct {
	// Name of the installation; it begins the names of all streams, so that
	// several installations may share a cluster.
	Name string
	// Dir holds the embedded store. Either Dir or URLs is required.
	Dir string
	// URLs of an external NATS cluster, with how to get in.
	URLs        []string
	Username    string
	Password    string
	Credentials string // file
	TLS         *tls.Config
	// Partitions and Streams are fixed when the log is created.
	Partitions int
	Streams    int
	// VirtualClock and ClockOrigin are fixed when the log is created, too: a
	// log of virtual time is never continued in real time. An origin of 0 takes
	// the stored one.
	VirtualClock bool
	ClockOrigin  gateway.Instant
	// MaxBytes bounds EVENTS, and STEPS once more.
	MaxBytes int64
	// Replicas is the number of copies that an external cluster keeps.
	Replicas int
	// AppendTimeout bounds each request to the server.
	AppendTimeout time.Duration
	// Lease is how long the partitions of a dead process stay its own when
	// several processes share an external log.
	Lease time.Duration
	// Owner names this process among those that share the log; random if empty.
	Owner string
	// Logger gets no personal value; nil discards.
	Logger *slog.Logger
}

var (
	nameForm = regexp.MustCompile(`^[A-Za-z0-9][A-Za-z0-9_-]{0,39}$`)
	keyForm  = regexp.MustCompile(`^[A-Za-z0-9_=/-]+(\.[A-Za-z0-9_=/-]+)*$`)
)

// Validate fills defaults and names the first key that is wrong.
func (o *Options) Validate() error {
	o.fill()
	switch {
	case !nameForm.MatchString(o.Name):
		return gateway.InvalidField("name", "%q: allowed are 1 to 40 letters, digits, - and _", o.Name)
	case o.Dir == "" && len(o.URLs) == 0:
		return gateway.InvalidField("log.dir", "is missing: name a directory for the embedded log or the URLs of NATS")
	case o.Dir != "" && len(o.URLs) > 0:
		return gateway.InvalidField("log.nats", "and a directory exclude each other: the log is embedded or external")
	case o.Partitions < 1 || o.Partitions > 1024:
		return gateway.InvalidField("partitions", "%d: allowed are 1 to 1024", o.Partitions)
	case o.Streams < 1 || o.Streams > o.Partitions:
		return gateway.InvalidField("log.streams", "%d: allowed are 1 to the number of partitions (%d)", o.Streams, o.Partitions)
	case o.MaxBytes < 1<<20:
		return gateway.InvalidField("log.max_bytes", "%d: at least 1048576", o.MaxBytes)
	case o.Replicas < 1 || o.Replicas > 5:
		return gateway.InvalidField("log.replicas", "%d: allowed are 1 to 5", o.Replicas)
	case o.Replicas > 1 && o.Dir != "":
		return gateway.InvalidField("log.replicas", "%d needs an external cluster: the embedded log is one node", o.Replicas)
	case o.Lease < 100*time.Millisecond:
		return gateway.InvalidField("log.lease", "%v: at least 100ms", o.Lease)
	case !nameForm.MatchString(o.Owner):
		return gateway.InvalidField("log.owner", "%q: allowed are 1 to 40 letters, digits, - and _", o.Owner)
	}
	return nil
}

func (o *Options) fill() {
	if o.Name == "" {
		o.Name = "touchpoint"
	}
	if o.Partitions == 0 {
		o.Partitions = 16
	}
	if o.Streams == 0 {
		o.Streams = min(4, o.Partitions)
	}
	if o.MaxBytes == 0 {
		o.MaxBytes = 16 << 30
	}
	if o.Replicas == 0 {
		o.Replicas = 1
	}
	if o.AppendTimeout == 0 {
		o.AppendTimeout = 10 * time.Second
	}
	if o.Lease == 0 {
		o.Lease = 2 * time.Second
	}
	if o.Owner == "" {
		var b [8]byte
		_, _ = rand.Read(b[:])
		o.Owner = hex.EncodeToString(b[:])
	}
	if o.Logger == nil {
		o.Logger = slog.New(slog.DiscardHandler)
	}
}
