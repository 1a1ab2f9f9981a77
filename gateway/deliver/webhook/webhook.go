package webhook

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/netip"
	"net/url"
	"strconv"
	"strings"
	"sync/atomic"
	"syscall"
	"time"

	standardwebhooks "github.com/standard-webhooks/standard-webhooks/libraries/go"

	"touchpoint/gateway"
	"touchpoint/gateway/deliver"
)

// Channel hands messages to one endpoint.
type Channel struct {
	opts    Options
	host    string
	signers []*standardwebhooks.Webhook
	client  *http.Client
	closed  atomic.Bool
}

// maxAnswer is how much of an answer is read, so that the connection can be
// used again.
const maxAnswer = 64 << 10

// maxRetryAfter bounds what an endpoint may ask for.
const maxRetryAfter = 24 * time.Hour

// New makes the channel.
func New(o Options) (*Channel, error) {
	if err := o.Validate(); err != nil {
		return nil, err
	}
	c := &Channel{opts: o}
	u, _ := url.Parse(o.URL) // validated
	c.host = u.Host
	for _, s := range o.Secrets {
		w, err := signer(s)
		if err != nil {
			return nil, err
		}
		c.signers = append(c.signers, w)
	}
	transport := o.Transport
	if transport == nil {
		transport = c.transport()
	}
	c.client = &http.Client{Transport: transport, Timeout: o.Timeout,
		CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse }}
	return c, nil
}

func (c *Channel) transport() *http.Transport {
	dialer := &net.Dialer{Timeout: 5 * time.Second, ControlContext: c.allowAddress}
	return &http.Transport{
		DialContext: dialer.DialContext, ForceAttemptHTTP2: true, TLSHandshakeTimeout: 5 * time.Second,
		MaxIdleConnsPerHost: 32, IdleConnTimeout: 90 * time.Second, MaxResponseHeaderBytes: 32 << 10,
	}
}

// allowAddress looks at the address itself, after the name was resolved.
func (c *Channel) allowAddress(_ context.Context, _, address string, _ syscall.RawConn) error {
	ap, err := netip.ParseAddrPort(address)
	if err != nil {
		return err
	}
	a := ap.Addr().Unmap()
	switch {
	case a.IsLinkLocalUnicast(), a.IsMulticast(), a.IsUnspecified():
		return errors.New("the address is not allowed for webhooks")
	case c.opts.DenyPrivate && (a.IsPrivate() || a.IsLoopback()):
		return errors.New("private addresses are not allowed for webhooks")
	}
	return nil
}

// HandOver implements deliver.Channel.
func (c *Channel) HandOver(ctx context.Context, out *deliver.Outgoing) error {
	if c.closed.Load() {
		return c.errClosed()
	}
	body, err := c.message(ctx, out)
	if err != nil {
		return err
	}
	return c.post(ctx, out.Message.ID.String(), body)
}

// Withdraw implements deliver.Withdrawer: the receiver is told not to show what
// he has not shown yet.
func (c *Channel) Withdraw(ctx context.Context, m *gateway.Message) error {
	if c.closed.Load() {
		return nil
	}
	body, err := c.withdrawal(m)
	if err != nil {
		return err
	}
	return c.post(ctx, withdrawalID(m), body)
}

// Closed says whether the endpoint has answered 410; Reopen sends to it again.
func (c *Channel) Closed() bool { return c.closed.Load() }

// Reopen sends to the endpoint again after a 410.
func (c *Channel) Reopen() { c.closed.Store(false) }

func (c *Channel) errClosed() error {
	return gateway.Errorf(gateway.PermissionDenied, "the endpoint %s has closed: it answered 410", c.host)
}

func (c *Channel) post(ctx context.Context, id string, body []byte) error {
	req, err := http.NewRequestWithContext(ctx, http.MethodPost, c.opts.URL, bytes.NewReader(body))
	if err != nil {
		return gateway.Errorf(gateway.Invalid, "the endpoint's URL cannot be used")
	}
	if err := c.sign(req.Header, id, time.Now(), body); err != nil {
		return err
	}
	req.Header.Set("Content-Type", "application/cloudevents+json; charset=utf-8")
	req.Header.Set("User-Agent", "touchpoint")
	resp, err := c.client.Do(req)
	if err != nil {
		return c.netError(err)
	}
	defer resp.Body.Close()
	_, _ = io.Copy(io.Discard, io.LimitReader(resp.Body, maxAnswer))
	return c.answer(resp)
}

// sign takes the wall clock: the receiver compares the time with his own.
func (c *Channel) sign(h http.Header, id string, at time.Time, body []byte) error {
	var signatures []string
	for _, s := range c.signers {
		sig, err := s.Sign(id, at, body)
		if err != nil {
			return gateway.Errorf(gateway.Internal, "the message cannot be signed")
		}
		signatures = append(signatures, sig)
	}
	h.Set(standardwebhooks.HeaderWebhookID, id)
	h.Set(standardwebhooks.HeaderWebhookTimestamp, strconv.FormatInt(at.Unix(), 10))
	h.Set(standardwebhooks.HeaderWebhookSignature, strings.Join(signatures, " "))
	return nil
}

// answer tells what a status means. What says that this very message is wrong
// is final; what may be the endpoint's own trouble, a missing page in the midst
// of a deployment included, is tried again until the message expires.
func (c *Channel) answer(resp *http.Response) error {
	code := resp.StatusCode
	err := gateway.Errorf(gateway.Unavailable, "the endpoint %s answered %d", c.host, code)
	switch {
	case code >= 200 && code < 300:
		return nil
	case code == http.StatusGone:
		if !c.closed.Swap(true) {
			c.opts.Logger.Warn("webhook: the endpoint has closed and gets nothing more", "host", c.host)
		}
		return c.errClosed()
	case code >= 300 && code < 400:
		err.Kind = gateway.Invalid
		err.Err = fmt.Errorf("the endpoint %s answered %d: redirects are not followed, configure the final URL", c.host, code)
		return err
	case code == http.StatusBadRequest, code == http.StatusRequestEntityTooLarge,
		code == http.StatusUnsupportedMediaType, code == http.StatusUnprocessableEntity:
		err.Kind = gateway.Invalid
		return err
	case code == http.StatusTooManyRequests:
		err.Kind = gateway.Exhausted
	}
	if after := c.retryAfter(resp); after > 0 {
		return deliver.Later(err, after)
	}
	return err
}

// retryAfter reads seconds or an HTTP date.
func (c *Channel) retryAfter(resp *http.Response) time.Duration {
	if resp.StatusCode != http.StatusTooManyRequests && resp.StatusCode != http.StatusServiceUnavailable {
		return 0
	}
	text := resp.Header.Get("Retry-After")
	if s, err := strconv.ParseInt(text, 10, 64); err == nil {
		return min(time.Duration(max(0, min(s, 1<<31)))*time.Second, maxRetryAfter)
	}
	if at, err := http.ParseTime(text); err == nil {
		return min(max(0, time.Until(at)), maxRetryAfter)
	}
	return 0
}

// netError keeps the URL out of the text: its path and query may be a secret.
func (c *Channel) netError(err error) error {
	var ue *url.Error
	kind := gateway.OutcomeUnknown
	if errors.As(err, &ue) {
		err = ue.Err
	}
	var op *net.OpError
	if errors.As(err, &op) && op.Op == "dial" {
		kind = gateway.Unavailable // nothing was sent
	}
	return gateway.Errorf(kind, "the endpoint %s cannot be reached: %w", c.host, err)
}
