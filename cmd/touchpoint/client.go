package main

import (
	"bytes"
	"context"
	"crypto/tls"
	"crypto/x509"
	"encoding/json"
	"fmt"
	"io"
	"os"
	"strings"
	"time"

	"google.golang.org/grpc"
	"google.golang.org/grpc/credentials"
	"google.golang.org/grpc/credentials/insecure"
	"google.golang.org/grpc/metadata"
	"google.golang.org/protobuf/encoding/protojson"
	"google.golang.org/protobuf/proto"
)

// client is what the subcommands that talk to a gateway share.
type client struct {
	addr, token, ca string
	tls, asJSON     bool
	timeout         time.Duration

	in   io.Reader
	out  io.Writer
	conn *grpc.ClientConn
}

// dial returns the connection to the gateway. gRPC connects on the first call.
func (c *client) dial() (*grpc.ClientConn, error) {
	if c.conn != nil {
		return c.conn, nil
	}
	creds, err := c.credentials()
	if err != nil {
		return nil, err
	}
	conn, err := grpc.NewClient("passthrough:///"+c.addr, grpc.WithTransportCredentials(creds),
		grpc.WithDefaultCallOptions(grpc.MaxCallRecvMsgSize(64<<20)))
	if err != nil {
		return nil, fmt.Errorf("--addr: %w", err)
	}
	c.conn = conn
	return conn, nil
}

func (c *client) credentials() (credentials.TransportCredentials, error) {
	if !c.tls && c.ca == "" {
		return insecure.NewCredentials(), nil
	}
	cfg := &tls.Config{MinVersion: tls.VersionTLS12}
	if c.ca != "" {
		pem, err := os.ReadFile(c.ca)
		if err != nil {
			return nil, fmt.Errorf("--ca: %w", err)
		}
		cfg.RootCAs = x509.NewCertPool()
		if !cfg.RootCAs.AppendCertsFromPEM(pem) {
			return nil, fmt.Errorf("--ca: %s holds no PEM certificate", c.ca)
		}
	}
	return credentials.NewTLS(cfg), nil
}

func (c *client) close() {
	if c.conn != nil {
		c.conn.Close()
	}
}

// authorized adds the token to the calls made with a context.
func (c *client) authorized(ctx context.Context) context.Context {
	token := c.token
	if token == "" {
		token = os.Getenv("TOUCHPOINT_TOKEN")
	}
	if token == "" {
		return ctx
	}
	return metadata.AppendToOutgoingContext(ctx, "authorization", "Bearer "+strings.TrimSpace(token))
}

// within bounds a unary call.
func (c *client) within(ctx context.Context) (context.Context, context.CancelFunc) {
	return context.WithTimeout(c.authorized(ctx), c.timeout)
}

// printJSON prints one message for machines.
func (c *client) printJSON(m proto.Message) error {
	var text bytes.Buffer
	data, err := protojson.Marshal(m)
	if err == nil {
		err = json.Indent(&text, data, "", "  ") // protojson's own spaces vary from build to build
	}
	if err == nil {
		_, err = fmt.Fprintln(c.out, text.String())
	}
	return err
}

// printLine prints one message for machines on one line, for endless outputs.
func (c *client) printLine(m proto.Message) error {
	var text bytes.Buffer
	data, err := protojson.Marshal(m)
	if err == nil {
		err = json.Compact(&text, data)
	}
	if err == nil {
		_, err = fmt.Fprintln(c.out, text.String())
	}
	return err
}

// show prints an answer: as JSON where that is wanted, else with human.
func show[T proto.Message](c *client, resp T, err error, human func(T)) error {
	switch {
	case err != nil:
		return err
	case c.asJSON:
		return c.printJSON(resp)
	}
	human(resp)
	return nil
}
