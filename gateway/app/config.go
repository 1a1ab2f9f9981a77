package app

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"maps"
	"net"
	"net/url"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"time"

	"github.com/goccy/go-yaml"
	"github.com/goccy/go-yaml/ast"
	"github.com/goccy/go-yaml/parser"

	"touchpoint/gateway"
	"touchpoint/gateway/journey"
)

// Config is everything that `touchpoint serve` can be told. The zero value of
// a field means its default; see Default. Unknown keys are refused.
type Config struct {
	// Name of the installation: prefix of streams and buckets, so that several
	// installations may share a NATS cluster.
	Name string `yaml:"name"`
	// Data is the directory of everything embedded, and of the master key.
	Data string `yaml:"data"`
	// Partitions is fixed when the data directory is created. Two are best on a small
	// machine: each step and each batch costs a flush to disk, and fewer of them
	// carry more events; take 4 to 8 from a million customers on, 16 or more for a cluster.
	Partitions int `yaml:"partitions"`

	MQTT    MQTTConfig    `yaml:"mqtt"`
	Log     LogConfig     `yaml:"log"`
	History HistoryConfig `yaml:"history"`
	GRPC    ListenConfig  `yaml:"grpc"`
	HTTP    ListenConfig  `yaml:"http"`
	Auth    AuthConfig    `yaml:"auth"`
	Clock   ClockConfig   `yaml:"clock"`
	// Rules are the project's rules for all journeys: caps, quiet hours, holdout.
	Rules    journey.Config  `yaml:"rules"`
	Webhooks []WebhookConfig `yaml:"webhooks"`
	// OnUnknown says per channel what happens to a message when it is not known
	// whether its hand-over happened: resend (with the same id; the default) or
	// give_up (recorded as failed; the default for email).
	OnUnknown map[string]string `yaml:"on_unknown"`
	Vault     VaultConfig       `yaml:"vault"`
	// Products names a file of product profiles; without one every model is
	// taken as it comes.
	Products string `yaml:"products"`
}

// MQTTConfig chooses the embedded broker (no brokers given) or external ones.
type MQTTConfig struct {
	Listen      string    `yaml:"listen"`
	Brokers     []string  `yaml:"brokers"`
	Username    string    `yaml:"username"`
	Password    string    `yaml:"password"`
	TLS         TLSConfig `yaml:"tls"`
	ShareGroup  string    `yaml:"share_group"`
	Connections int       `yaml:"connections"`
	// Window is how many messages the broker sends unacknowledged (0 = 20).
	Window   int           `yaml:"window"`
	Users    []MQTTUser    `yaml:"users"`
	Grace    time.Duration `yaml:"grace"`
	Presence time.Duration `yaml:"presence"`
}

// MQTTUser may connect to the embedded broker.
type MQTTUser struct {
	Username string `yaml:"username"`
	Password string `yaml:"password"`
}

// TLSConfig names PEM files.
type TLSConfig struct {
	CA   string `yaml:"ca"`
	Cert string `yaml:"cert"`
	Key  string `yaml:"key"`
}

// LogConfig chooses the embedded log (no URLs given) or a NATS cluster.
type LogConfig struct {
	NATS        []string `yaml:"nats"`
	Username    string   `yaml:"username"`
	Password    string   `yaml:"password"`
	Credentials string   `yaml:"credentials"`
	Replicas    int      `yaml:"replicas"`
	MaxBytes    int64    `yaml:"max_bytes"`
	// SnapshotEvery is the time between two snapshots of the same partition.
	SnapshotEvery time.Duration `yaml:"snapshot_every"`
	// Keep is how long records stay after everyone has read them.
	Keep time.Duration `yaml:"keep"`
}

// HistoryConfig chooses the embedded store or InfluxDB.
type HistoryConfig struct {
	Influx *InfluxConfig `yaml:"influx"`
}

// InfluxConfig names an InfluxDB 2.x server.
type InfluxConfig struct {
	URL         string `yaml:"url"`
	Org         string `yaml:"org"`
	Bucket      string `yaml:"bucket"`
	Token       string `yaml:"token"`
	TokenFile   string `yaml:"token_file"`
	Measurement string `yaml:"measurement"`
	Gzip        bool   `yaml:"gzip"`
}

// ListenConfig is one listener.
type ListenConfig struct {
	Listen string    `yaml:"listen"`
	TLS    TLSConfig `yaml:"tls"`
}

// AuthConfig holds the bearer tokens. Without any, every listener must be on
// loopback.
type AuthConfig struct {
	Tokens []TokenConfig `yaml:"tokens"`
}

// TokenConfig is one bearer token and what it may do.
type TokenConfig struct {
	Name  string   `yaml:"name"`
	Token string   `yaml:"token"`
	Roles []string `yaml:"roles"`
}

// ClockConfig chooses the wall clock or virtual time: in lock-step, or at a pace.
type ClockConfig struct {
	Mode   string    `yaml:"mode"`   // "wall", "lockstep" or "paced"
	Origin time.Time `yaml:"origin"` // start of virtual time
}

// WebhookConfig is one endpoint of the webhook channel.
type WebhookConfig struct {
	Name   string `yaml:"name"`
	URL    string `yaml:"url"`
	Secret string `yaml:"secret"` // Standard Webhooks secret, "whsec_…"
}

// VaultConfig says where the master key is.
type VaultConfig struct {
	MasterKeyFile string `yaml:"master_key_file"`
	MasterKeyEnv  string `yaml:"master_key_env"`
}

// Default returns the settings of a gateway with everything embedded.
func Default() Config {
	return Config{
		Name: "touchpoint", Data: "touchpoint-data", Partitions: 2,
		MQTT:  MQTTConfig{Listen: "127.0.0.1:1883", Grace: 30 * time.Second, Presence: 10 * time.Minute},
		Log:   LogConfig{Replicas: 1, MaxBytes: 16 << 30, SnapshotEvery: time.Minute, Keep: 24 * time.Hour},
		GRPC:  ListenConfig{Listen: "127.0.0.1:7070"},
		HTTP:  ListenConfig{Listen: "127.0.0.1:7080"},
		Clock: ClockConfig{Mode: "wall"},
		Rules: journey.Config{Zone: "Europe/Berlin"},
	}
}

// Load reads a configuration file over the defaults. Unknown keys, wrong types
// and contradictions are errors that name the key.
func Load(path string) (Config, error) {
	data, err := os.ReadFile(path)
	if err != nil {
		return Config{}, gateway.Errorf(gateway.Invalid, "configuration: %w", err)
	}
	if len(data) > 1<<20 {
		return Config{}, gateway.Errorf(gateway.Invalid, "configuration %s: larger than 1 MiB", path)
	}
	cfg, err := Parse(data)
	if err != nil {
		return Config{}, fmt.Errorf("%s: %w", path, err)
	}
	return cfg, nil
}

// Parse reads configuration text over the defaults and validates it.
func Parse(data []byte) (Config, error) {
	cfg := Default()
	dec := yaml.NewDecoder(bytes.NewReader(data), yaml.Strict())
	switch err := dec.Decode(&cfg); {
	case errors.Is(err, io.EOF): // an empty file, which zeroes cfg
		cfg = Default()
	case err != nil:
		return Config{}, &gateway.Error{Kind: gateway.Invalid, Text: yamlError(data, err)}
	}
	if err := cfg.Validate(); err != nil {
		return Config{}, err
	}
	return cfg, nil
}

// yamlError keeps what a person needs: place and message, without the excerpt
// of the file, which may hold a secret. A value that does not parse comes
// without a place: it is the key that holds the text that the message quotes.
func yamlError(data []byte, err error) string {
	text := strings.TrimSpace(yaml.FormatError(err, false, false))
	quoted := quotedText.FindStringSubmatch(text)
	file, parseErr := parser.ParseBytes(data, 0)
	if strings.HasPrefix(text, "[") || quoted == nil || parseErr != nil {
		return text
	}
	find := finder{value: quoted[1]}
	for _, doc := range file.Docs {
		ast.Walk(&find, doc.Body)
	}
	if find.path == "" {
		return text
	}
	return find.path + ": " + text
}

var quotedText = regexp.MustCompile(`"([^"]*)"`)

// finder finds the key of a scalar value.
type finder struct{ value, path string }

// Visit implements ast.Visitor.
func (f *finder) Visit(n ast.Node) ast.Visitor {
	if s, ok := n.(ast.ScalarNode); ok && f.path == "" && fmt.Sprint(s.GetValue()) == f.value {
		f.path = strings.TrimPrefix(s.GetPath(), "$.")
	}
	return f
}

var nameText = regexp.MustCompile(`^[a-z][a-z0-9_-]{0,31}$`)

// Validate reports every setting that is wrong or contradicts another one.
func (c *Config) Validate() error {
	var v violations
	v.check(nameText.MatchString(c.Name), "name", "%q: 1–32 lower-case letters, digits, - and _, starting with a letter", c.Name)
	v.check(c.Data != "", "data", "is empty: name a directory")
	v.check(c.Partitions >= 1 && c.Partitions <= 256, "partitions", "%d: allowed are 1 to 256", c.Partitions)
	c.MQTT.validate(&v)
	c.Log.validate(&v)
	c.History.validate(&v)
	if err := c.Rules.WithDefaults().Validate(); err != nil {
		v.wrap("rules", err)
	}
	c.validateListeners(&v)
	c.Clock.validate(&v)
	for i, w := range c.Webhooks {
		key := fmt.Sprintf("webhooks[%d]", i)
		v.checkURL(key+".url", w.URL, "http", "https")
		for j, before := range c.Webhooks[:i] {
			v.check(before.Name != w.Name, key+".name", "%q is that of webhooks[%d], too", w.Name, j)
		}
		v.check(w.Name != "product" && w.Name != "stream", key+".name", "%q is a channel of the gateway itself: take another name", w.Name)
		v.check(w.Name != "", key+".name", "is empty: journeys name the endpoint by it")
		v.check(strings.HasPrefix(w.Secret, "whsec_"), key+".secret", "must start with whsec_ (Standard Webhooks)")
	}
	for _, channel := range slices.Sorted(maps.Keys(c.OnUnknown)) {
		key, what := "on_unknown."+channel, c.OnUnknown[channel]
		v.check(what == "resend" || what == "give_up", key, "%q: allowed are resend and give_up", what)
		known := channel == "product" || channel == "stream" || slices.ContainsFunc(c.Webhooks, func(w WebhookConfig) bool { return w.Name == channel })
		v.check(known, key, "is no channel: there are product, stream and the names of webhooks")
	}
	v.check(c.Vault.MasterKeyFile == "" || c.Vault.MasterKeyEnv == "", "vault", "master_key_file and master_key_env exclude each other")
	return v.err("configuration")
}

func (c *ClockConfig) validate(v *violations) {
	switch c.Mode {
	case "wall":
		v.check(c.Origin.IsZero(), "clock.origin", "only a virtual clock has an origin: remove it or set clock.mode to lockstep or paced")
	case "lockstep", "paced":
	default:
		v.add("clock.mode", "%q: allowed are wall, lockstep and paced", c.Mode)
	}
}

func (m *MQTTConfig) validate(v *violations) {
	if len(m.Brokers) > 0 {
		for i, b := range m.Brokers {
			v.checkURL(fmt.Sprintf("mqtt.brokers[%d]", i), b, "tcp", "ssl", "mqtt", "mqtts", "ws", "wss")
		}
		v.check(m.Listen == "" || m.Listen == Default().MQTT.Listen, "mqtt.listen", "is of the embedded broker: it has no meaning with mqtt.brokers")
		v.check(len(m.Users) == 0, "mqtt.users", "are of the embedded broker: they have no meaning with mqtt.brokers")
	} else {
		v.check(m.ShareGroup == "", "mqtt.share_group", "needs mqtt.brokers: the embedded broker hands events over directly")
		v.check(m.Connections == 0, "mqtt.connections", "needs mqtt.brokers")
		v.check(m.Username == "" && m.Password == "", "mqtt.username", "is for mqtt.brokers; users of the embedded broker are mqtt.users")
		v.checkListen("mqtt.listen", m.Listen)
	}
	v.check(m.Connections >= 0 && m.Connections <= 64, "mqtt.connections", "%d: allowed are 1 to 64 (0 = chosen by the broker's window)", m.Connections)
	v.check(m.Connections <= 1 || m.ShareGroup != "", "mqtt.connections", "%d connections need mqtt.share_group, else each event would come %d times", m.Connections, m.Connections)
	v.check(m.Password == "" || m.Username != "", "mqtt.username", "is missing, but mqtt.password is set")
	v.check(m.Grace >= 0, "mqtt.grace", "must not be negative")
	v.check(m.Presence > 0, "mqtt.presence", "must be positive")
	for i, u := range m.Users {
		v.check(u.Username != "" && u.Password != "", fmt.Sprintf("mqtt.users[%d]", i), "needs username and password")
	}
	m.TLS.validate(v, "mqtt.tls")
}

func (t TLSConfig) validate(v *violations, key string) {
	v.check((t.Cert == "") == (t.Key == ""), key, "cert and key belong together")
	for name, file := range map[string]string{"ca": t.CA, "cert": t.Cert, "key": t.Key} {
		if file != "" {
			_, err := os.Stat(file)
			v.check(err == nil, key+"."+name, "%q cannot be read", file)
		}
	}
}

func (l *LogConfig) validate(v *violations) {
	for i, u := range l.NATS {
		v.checkURL(fmt.Sprintf("log.nats[%d]", i), u, "nats", "tls", "ws", "wss")
	}
	if len(l.NATS) == 0 {
		v.check(l.Username == "" && l.Password == "" && l.Credentials == "", "log.username", "needs log.nats: the embedded log has no listener")
		v.check(l.Replicas == 1, "log.replicas", "%d needs log.nats: the embedded log is one node", l.Replicas)
	}
	v.check(l.Replicas == 1 || l.Replicas == 3 || l.Replicas == 5, "log.replicas", "%d: allowed are 1, 3 and 5", l.Replicas)
	v.check(l.MaxBytes >= 64<<20, "log.max_bytes", "%d: at least 67108864 (64 MiB)", l.MaxBytes)
	v.check(l.SnapshotEvery > 0, "log.snapshot_every", "must be positive")
	v.check(l.Keep >= 0, "log.keep", "must not be negative")
}

func (h *HistoryConfig) validate(v *violations) {
	i := h.Influx
	if i == nil {
		return
	}
	v.checkURL("history.influx.url", i.URL, "http", "https")
	v.check(i.Org != "", "history.influx.org", "is missing")
	v.check(i.Bucket != "", "history.influx.bucket", "is missing")
	v.check((i.Token == "") != (i.TokenFile == ""), "history.influx.token", "exactly one of token and token_file")
}

func (c *Config) validateListeners(v *violations) {
	v.checkListen("grpc.listen", c.GRPC.Listen)
	v.checkListen("http.listen", c.HTTP.Listen)
	c.GRPC.TLS.validate(v, "grpc.tls")
	c.HTTP.TLS.validate(v, "http.tls")
	for i, t := range c.Auth.Tokens {
		key := fmt.Sprintf("auth.tokens[%d]", i)
		v.check(len(t.Token) >= 16, key+".token", "is shorter than 16 characters")
		v.check(len(t.Roles) > 0, key+".roles", "is empty")
		for j, before := range c.Auth.Tokens[:i] {
			v.check(before.Token != t.Token, key+".token", "is that of auth.tokens[%d], too: who calls would be unclear", j)
		}
	}
	if len(c.Auth.Tokens) == 0 {
		v.checkLoopback("grpc.listen", c.GRPC.Listen, "auth.tokens")
		v.checkLoopback("http.listen", c.HTTP.Listen, "auth.tokens")
	}
	if len(c.MQTT.Brokers) == 0 && len(c.MQTT.Users) == 0 {
		v.checkLoopback("mqtt.listen", c.MQTT.Listen, "mqtt.users")
	}
}

// path returns a path below the data directory.
func (c *Config) path(elem ...string) string {
	return filepath.Join(append([]string{c.Data}, elem...)...)
}

// violations collects what is wrong, so that an operator sees all of it at once.
type violations []gateway.Violation

func (v *violations) add(field, format string, args ...any) {
	*v = append(*v, gateway.Violation{Field: field, Text: fmt.Sprintf(format, args...)})
}

// wrap takes over the violations of a part under its key.
func (v *violations) wrap(key string, err error) {
	var e *gateway.Error
	if !errors.As(err, &e) || len(e.Violations) == 0 {
		v.add(key, "%v", err)
		return
	}
	for _, one := range e.Violations {
		one.Field = key + "." + one.Field
		*v = append(*v, one)
	}
}

func (v *violations) check(ok bool, field, format string, args ...any) {
	if !ok {
		v.add(field, format, args...)
	}
}

// checkURL never shows the URL itself: it may hold a password.
func (v *violations) checkURL(field, text string, schemes ...string) {
	u, err := url.Parse(text)
	if err != nil || u.Host == "" {
		v.add(field, "is no URL of the form %s://host:port", schemes[0])
		return
	}
	for _, s := range schemes {
		if u.Scheme == s {
			return
		}
	}
	v.add(field, "scheme %q: allowed are %s", u.Scheme, strings.Join(schemes, ", "))
}

func (v *violations) checkListen(field, addr string) {
	_, _, err := net.SplitHostPort(addr)
	v.check(err == nil, field, "%q is no address of the form 127.0.0.1:7070", addr)
}

func (v *violations) checkLoopback(field, addr, need string) {
	host, _, err := net.SplitHostPort(addr)
	if err != nil {
		return // reported by checkListen
	}
	ip := net.ParseIP(host)
	v.check(host == "localhost" || ip != nil && ip.IsLoopback(), field,
		"%q is open to the network, but %s is not configured: set it, or listen on 127.0.0.1", addr, need)
}

func (v violations) err(text string) error {
	if len(v) == 0 {
		return nil
	}
	return &gateway.Error{Kind: gateway.Invalid, Text: text, Violations: v}
}
