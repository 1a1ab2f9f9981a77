package webhook

import (
	"context"
	"log/slog"
	"net/http"
	"net/netip"
	"net/url"
	"slices"
	"strings"
	"time"

	standardwebhooks "github.com/standard-webhooks/standard-webhooks/libraries/go"

	"touchpoint/gateway"
)

// Names finds the names by which the receiver knows a customer and a device.
type Names interface {
	CustomerName(ctx context.Context, c gateway.CustomerID) (gateway.Personal, error)
	DeviceName(ctx context.Context, d gateway.DeviceID) (product, serial string, err error)
}

// Options of one endpoint.
type Options struct {
	// URL must be https unless the host is a loopback one or AllowHTTP is set:
	// the body is personal.
	URL       string
	AllowHTTP bool
	// Secrets are Standard Webhooks secrets ("whsec_…"). The body is signed with
	// each, so that a receiver can change his.
	Secrets []gateway.Personal
	// Source is the CloudEvents source, such as the installation's name.
	Source string
	// Names may be nil: then the receiver gets internal ids alone.
	Names Names
	// AllowedHosts, when given, are the only hosts that URL may name.
	AllowedHosts []string
	// DenyPrivate refuses addresses of private and loopback networks, looked at
	// when the connection is made, so that a name cannot point elsewhere later.
	// Link-local addresses are always refused.
	DenyPrivate bool
	// Timeout bounds one request; 10 s by default.
	Timeout time.Duration
	Logger  *slog.Logger
	// Transport replaces the network in tests.
	Transport http.RoundTripper
}

// Validate fills defaults and names the first wrong key.
func (o *Options) Validate() error {
	u, err := url.Parse(o.URL)
	switch {
	case err != nil || u.Host == "":
		return gateway.InvalidField("webhook.url", "is no absolute URL")
	case u.Scheme != "https" && u.Scheme != "http":
		return gateway.InvalidField("webhook.url", "must begin with https://")
	case u.Scheme == "http" && !o.AllowHTTP && !loopback(u.Hostname()):
		return gateway.InvalidField("webhook.url", "must begin with https://, since messages are personal")
	case u.User != nil:
		return gateway.InvalidField("webhook.url", "must not hold a user or password; the signature authenticates")
	case len(o.AllowedHosts) > 0 && !slices.ContainsFunc(o.AllowedHosts, func(h string) bool { return strings.EqualFold(h, u.Hostname()) }):
		return gateway.InvalidField("webhook.url", "names the host %q, which is not among the allowed ones", u.Hostname())
	case len(o.Secrets) == 0:
		return gateway.InvalidField("webhook.secret", "is required")
	case o.Timeout < 0:
		return gateway.InvalidField("webhook.timeout", "%v is negative", o.Timeout)
	}
	for _, s := range o.Secrets {
		if _, err := signer(s); err != nil {
			return err
		}
	}
	if o.Timeout == 0 {
		o.Timeout = 10 * time.Second
	}
	if o.Source == "" {
		o.Source = "touchpoint"
	}
	if o.Logger == nil {
		o.Logger = slog.New(slog.DiscardHandler)
	}
	return nil
}

func signer(secret gateway.Personal) (*standardwebhooks.Webhook, error) {
	s, err := standardwebhooks.NewWebhook(secret.Reveal())
	if err != nil || len(strings.TrimPrefix(secret.Reveal(), "whsec_")) < 32 {
		return nil, gateway.InvalidField("webhook.secret", `is no Standard Webhooks secret: "whsec_" and the base64 of at least 24 random bytes`)
	}
	return s, nil
}

func loopback(host string) bool {
	if host == "localhost" {
		return true
	}
	a, err := netip.ParseAddr(host)
	return err == nil && a.IsLoopback()
}
