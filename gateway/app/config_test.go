package app

import (
	"strings"
	"testing"
)

func TestParseRefusesBadSettings(t *testing.T) {
	const influx = "history: {influx: {url: 'http://127.0.0.1:8086', org: o, bucket: b, token: t}}"
	for _, tt := range []struct{ name, yaml, want string }{
		{"unknown key", "nmae: x", "nmae"},
		{"unknown nested key", "mqtt: {listn: '127.0.0.1:1883'}", "listn"},
		{"wrong type", "partitions: many", "int"},
		{"not yaml", "a: [", "sequence"},
		{"name", "name: Big Name", `name: "Big Name": 1–32 lower-case`},
		{"data", "data: ''", "data: is empty"},
		{"partitions low", "partitions: 0", "partitions: 0: allowed are 1 to 256"},
		{"partitions high", "partitions: 999", "partitions: 999: allowed are 1 to 256"},
		{"broker scheme", "mqtt: {brokers: ['http://a:1']}", `mqtt.brokers[0]: scheme "http": allowed are tcp`},
		{"broker no host", "mqtt: {brokers: ['foo']}", "mqtt.brokers[0]: is no URL of the form tcp://host:port"},
		{"users with brokers", "mqtt: {brokers: ['tcp://a:1'], users: [{username: u, password: p}]}", "mqtt.users: are of the embedded broker"},
		{"share group alone", "mqtt: {share_group: g}", "mqtt.share_group: needs mqtt.brokers"},
		{"connections alone", "mqtt: {connections: 2}", "mqtt.connections: needs mqtt.brokers"},
		{"connections without group", "mqtt: {brokers: ['tcp://a:1'], connections: 4}", "each event would come 4 times"},
		{"username embedded", "mqtt: {username: u}", "users of the embedded broker are mqtt.users"},
		{"password alone", "mqtt: {brokers: ['tcp://a:1'], password: p}", "mqtt.username: is missing"},
		{"presence", "mqtt: {presence: -1s}", "mqtt.presence: must be positive"},
		{"user without password", "mqtt: {users: [{username: u}]}", "mqtt.users[0]: needs username and password"},
		{"mqtt listen", "mqtt: {listen: nowhere}", "mqtt.listen: \"nowhere\" is no address"},
		{"mqtt open", "mqtt: {listen: '0.0.0.0:1883'}", "mqtt.listen: \"0.0.0.0:1883\" is open to the network, but mqtt.users is not configured"},
		{"tls half", "mqtt: {tls: {cert: a.pem}}", "mqtt.tls: cert and key belong together"},
		{"tls missing file", "mqtt: {tls: {ca: /nonexistent.pem}}", `mqtt.tls.ca: "/nonexistent.pem" cannot be read`},
		{"nats scheme", "log: {nats: ['http://a:4222']}", `log.nats[0]: scheme "http"`},
		{"replicas embedded", "log: {replicas: 3}", "log.replicas: 3 needs log.nats"},
		{"replicas even", "log: {nats: ['nats://a:1'], replicas: 2}", "log.replicas: 2: allowed are 1, 3 and 5"},
		{"nats user embedded", "log: {username: u}", "log.username: needs log.nats"},
		{"max bytes", "log: {max_bytes: 10}", "log.max_bytes: 10: at least 67108864"},
		{"snapshot", "log: {snapshot_every: 0s}", "log.snapshot_every: must be positive"},
		{"influx url", "history: {influx: {url: 'ftp://a', org: o, bucket: b, token: t}}", `history.influx.url: scheme "ftp"`},
		{"influx org", "history: {influx: {url: 'http://a', bucket: b, token: t}}", "history.influx.org: is missing"},
		{"influx bucket", "history: {influx: {url: 'http://a', org: o, token: t}}", "history.influx.bucket: is missing"},
		{"influx no token", "history: {influx: {url: 'http://a', org: o, bucket: b}}", "exactly one of token and token_file"},
		{"grpc listen", "grpc: {listen: x}", "grpc.listen"},
		{"grpc open", "grpc: {listen: ':7070'}", "auth.tokens is not configured"},
		{"http open", "http: {listen: '0.0.0.0:7080'}", "http.listen"},
		{"short token", "auth: {tokens: [{name: a, token: short, roles: [reader]}]}", "auth.tokens[0].token: is shorter than 16"},
		{"no roles", "auth: {tokens: [{name: a, token: 0123456789abcdef}]}", "auth.tokens[0].roles: is empty"},
		{"clock mode", "clock: {mode: fast}", `clock.mode: "fast": allowed are wall, lockstep and paced`},
		{"clock origin", "clock: {origin: 2026-01-01T00:00:00Z}", "clock.origin: only a virtual clock"},
		{"zone", "rules: {zone: Mars/Base}", `rules.zone: "Mars/Base" is no time zone`},
		{"cap name", "rules: {caps: [{max: 1, per: 1h}]}", "rules.caps[0].name: is missing"},
		{"cap count", "rules: {caps: [{name: a, max: 0, per: 1h}]}", "rules.caps[0].max: 0 is not at least 1"},
		{"cap window", "rules: {caps: [{name: a, max: 1}]}", "rules.caps[0].per: is missing"},
		{"cap calendar", "rules: {caps: [{name: a, max: 1, calendar: year}]}", `rules.caps[0].calendar: "year"`},
		{"cap both", "rules: {caps: [{name: a, max: 1, calendar: day, per: 1d}]}", "excludes per"},
		{"cap duration", "rules: {caps: [{name: a, max: 1, per: soon}]}", `"soon" is no duration`},
		{"quiet from", "rules: {quiet_hours: [{from: '25:00', to: '07:00'}]}", `"25:00" is no time of day`},
		{"quiet empty", "rules: {quiet_hours: [{from: '22:00', to: '22:00'}]}", "equals from"},
		{"quiet hit", "rules: {quiet_hours: [{from: '22:00', to: '07:00', on_hit: drop}]}", `on_hit: "drop" is not hold or discard`},
		{"holdout", "rules: {holdout: {marketing: 180}}", "rules.holdout.marketing: 180"},
		{"webhook url", "webhooks: [{name: a, url: x, secret: whsec_a}]", "webhooks[0].url: is no URL"},
		{"webhook name", "webhooks: [{url: 'http://127.0.0.1:1', secret: whsec_a}]", "webhooks[0].name: is empty"},
		{"webhook secret", "webhooks: [{name: a, url: 'http://127.0.0.1:1', secret: x}]", "webhooks[0].secret: must start with whsec_"},
		{"cap duration's key", "rules: {caps: [{name: a, max: 1, per: soon}]}", `rules.caps[0].per: "soon" is no duration`},
		{"quiet hours' key", "rules: {quiet_hours: [{from: '25:00', to: '07:00'}]}", `rules.quiet_hours[0].from: "25:00" is no time of day`},
		{"duration's key", "mqtt: {presence: abc}", `mqtt.presence: time: invalid duration "abc"`},
		{"listen with brokers", "mqtt: {brokers: ['tcp://a:1'], listen: '127.0.0.1:1'}", "mqtt.listen: is of the embedded broker"},
		{"token twice", "auth: {tokens: [{name: a, token: 0123456789abcdef, roles: [reader]}, {name: b, token: 0123456789abcdef, roles: [operator]}]}", "auth.tokens[1].token: is that of auth.tokens[0]"},
		{"webhook twice", "webhooks: [{name: a, url: 'https://a.test', secret: whsec_a}, {name: a, url: 'https://b.test', secret: whsec_b}]", `webhooks[1].name: "a" is that of webhooks[0]`},
		{"webhook product", "webhooks: [{name: product, url: 'https://a.test', secret: whsec_a}]", `webhooks[0].name: "product" is a channel`},
		{"on unknown", "on_unknown: {product: drop}", `on_unknown.product: "drop": allowed are resend and give_up`},
		{"on unknown of no channel", "on_unknown: {fax: resend}", `on_unknown.fax: is no channel`},
		{"two keys", "vault: {master_key_file: a, master_key_env: b}", "master_key_file and master_key_env exclude each other"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			_, err := Parse([]byte(tt.yaml))
			if err == nil {
				t.Fatalf("accepted %s", tt.yaml)
			}
			if !strings.Contains(err.Error(), tt.want) {
				t.Errorf("error\n  %v\ndoes not contain\n  %s", err, tt.want)
			}
		})
	}
	if _, err := Parse([]byte(influx)); err != nil {
		t.Errorf("good settings refused: %v", err)
	}
	if _, err := Parse(nil); err != nil {
		t.Errorf("defaults refused: %v", err)
	}
}

func TestErrorsShowNoSecret(t *testing.T) {
	_, err := Parse([]byte("mqtt: {brokers: ['http://user:planted-secret@a:1']}\nlog: {password: planted-secret}\nbad: planted-secret"))
	if err == nil || strings.Contains(err.Error(), "planted-secret") {
		t.Errorf("error shows a secret or is missing: %v", err)
	}
}

// A master key that was to come from a variable never comes from elsewhere.
func TestMasterKeyVariableMustBeSet(t *testing.T) {
	cfg := Default()
	cfg.Data, cfg.Vault.MasterKeyEnv = t.TempDir(), "TOUCHPOINT_TEST_NO_SUCH_KEY"
	if _, err := cfg.masterKeySource(); err == nil || !strings.Contains(err.Error(), "vault.master_key_env: the variable TOUCHPOINT_TEST_NO_SUCH_KEY is not set") {
		t.Errorf("%v", err)
	}
}
