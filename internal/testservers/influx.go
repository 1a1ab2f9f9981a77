package testservers

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"path/filepath"
	"testing"
	"time"
)

// InfluxServer is a running InfluxDB that is set up: Token may do everything
// in Org, Bucket keeps points for ever.
type InfluxServer struct {
	server
	URL    string
	Org    string
	OrgID  string
	Bucket string
	Token  string
}

// Influx starts an InfluxDB 2.x.
func Influx(t testing.TB) *InfluxServer {
	t.Helper()
	s := &InfluxServer{Org: "touchpoint", Bucket: "history", Token: "token-of-the-test"}
	dir := t.TempDir()
	var addr string
	s.server = server{
		t:    t,
		path: program(t, "influxd", findInflux),
		args: func() []string {
			return []string{
				"--http-bind-address", addr,
				"--bolt-path", filepath.Join(dir, "influxd.bolt"),
				"--sqlite-path", filepath.Join(dir, "influxd.sqlite"),
				"--engine-path", filepath.Join(dir, "engine"),
				"--reporting-disabled", "--no-tasks", "--log-level", "warn",
			}
		},
		ready: func(ctx context.Context) error { return s.get(ctx, "/health") },
	}
	s.run(func() error {
		port, err := freePort()
		addr = fmt.Sprintf("127.0.0.1:%d", port)
		s.URL = "http://" + addr
		return err
	})
	s.setUp()
	return s
}

func (s *InfluxServer) setUp() {
	s.t.Helper()
	var answer struct {
		Org struct {
			ID string `json:"id"`
		} `json:"org"`
	}
	s.Call(http.MethodPost, "/api/v2/setup", map[string]any{
		"username": "tester", "password": "password-of-the-test",
		"org": s.Org, "bucket": s.Bucket, "token": s.Token, "retentionPeriodSeconds": 0,
	}, &answer)
	s.OrgID = answer.Org.ID
}

// NewBucket makes another bucket; points older than retention are refused by
// it, 0 keeps them for ever.
func (s *InfluxServer) NewBucket(name string, retention time.Duration) {
	s.t.Helper()
	rules := []map[string]any{}
	if retention > 0 {
		rules = append(rules, map[string]any{"type": "expire", "everySeconds": int(retention.Seconds())})
	}
	s.Call(http.MethodPost, "/api/v2/buckets", map[string]any{
		"orgID": s.OrgID, "name": name, "retentionRules": rules,
	}, nil)
}

// NewToken makes another token that may do what the first may, and returns its
// id and text.
func (s *InfluxServer) NewToken() (id, token string) {
	s.t.Helper()
	permissions := []map[string]any{}
	for _, kind := range []string{"buckets", "orgs"} {
		for _, action := range []string{"read", "write"} {
			permissions = append(permissions, map[string]any{
				"action": action, "resource": map[string]any{"type": kind, "orgID": s.OrgID},
			})
		}
	}
	var answer struct{ ID, Token string }
	s.Call(http.MethodPost, "/api/v2/authorizations", map[string]any{
		"orgID": s.OrgID, "permissions": permissions,
	}, &answer)
	return answer.ID, answer.Token
}

// RevokeToken makes a token of NewToken invalid.
func (s *InfluxServer) RevokeToken(id string) {
	s.t.Helper()
	s.Call(http.MethodDelete, "/api/v2/authorizations/"+id, nil, nil)
}

// Call sends a request with the server's token and decodes the answer into
// answer when that is not nil; an error ends the test.
func (s *InfluxServer) Call(method, path string, body, answer any) {
	s.t.Helper()
	var payload bytes.Buffer
	if body != nil {
		if err := json.NewEncoder(&payload).Encode(body); err != nil {
			s.t.Fatalf("testservers: %v", err)
		}
	}
	ctx, cancel := context.WithTimeout(context.Background(), startTimeout)
	defer cancel()
	req, err := http.NewRequestWithContext(ctx, method, s.URL+path, &payload)
	if err != nil {
		s.t.Fatalf("testservers: %v", err)
	}
	req.Header.Set("Authorization", "Token "+s.Token)
	resp, err := http.DefaultClient.Do(req)
	if err != nil {
		s.t.Fatalf("testservers: %v", err)
	}
	defer resp.Body.Close()
	text, err := io.ReadAll(resp.Body)
	if err != nil || resp.StatusCode >= 300 {
		s.t.Fatalf("testservers: %s %s: %s %s %v", method, path, resp.Status, text, err)
	}
	if answer != nil {
		if err := json.Unmarshal(text, answer); err != nil {
			s.t.Fatalf("testservers: %s %s: %v", method, path, err)
		}
	}
}

func (s *InfluxServer) get(ctx context.Context, path string) error {
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, s.URL+path, nil)
	if err != nil {
		return err
	}
	resp, err := http.DefaultClient.Do(req)
	if err != nil {
		return err
	}
	defer resp.Body.Close()
	if resp.StatusCode != http.StatusOK {
		return fmt.Errorf("%s answers %s", path, resp.Status)
	}
	return nil
}
