package testservers

import (
	"context"
	"fmt"
	"os"
	"path/filepath"
	"testing"
)

// MosquittoOptions are the settings of a Mosquitto; the zero value is an open
// broker that keeps its sessions over a restart.
type MosquittoOptions struct {
	// Volatile drops sessions and queued messages when the broker ends.
	Volatile bool
	// MaxInflight is the window of un-acknowledged messages per client;
	// 0 leaves Mosquitto's default of 20.
	MaxInflight int
	// MaxQueued is how many messages wait per client; 0 means without limit.
	MaxQueued int
	// User and Password are required of clients when User is set.
	User, Password string
	// CertFile, KeyFile and CAFile make the listener speak TLS; a CAFile alone
	// is not enough. RequireCert demands a client certificate.
	CertFile, KeyFile, CAFile string
	RequireCert               bool
	// Extra are further lines of the configuration file.
	Extra []string
}

// MosquittoServer is a running Mosquitto.
type MosquittoServer struct {
	server
	// Addr is host:port; URL is what an MQTT client is given.
	Addr string
	URL  string
	// Dir holds the configuration and the persisted sessions.
	Dir string
}

// Mosquitto starts a Mosquitto.
func Mosquitto(t testing.TB, o MosquittoOptions) *MosquittoServer {
	t.Helper()
	s := &MosquittoServer{Dir: t.TempDir()}
	config := filepath.Join(s.Dir, "mosquitto.conf")
	s.server = server{
		t:    t,
		path: program(t, "mosquitto", func() (string, error) { return findProgram("TOUCHPOINT_TEST_MOSQUITTO", "mosquitto") }),
		args: func() []string { return []string{"-c", config} },
		ready: func(ctx context.Context) error {
			return dialable(s.Addr)(ctx)
		},
	}
	s.run(func() error {
		port, err := freePort()
		if err != nil {
			return err
		}
		s.Addr = fmt.Sprintf("127.0.0.1:%d", port)
		s.URL = "tcp://" + s.Addr
		if o.CertFile != "" {
			s.URL = "ssl://" + s.Addr
		}
		text, err := o.text(s.Dir, port)
		if err != nil {
			return err
		}
		return os.WriteFile(config, []byte(text), 0o600)
	})
	return s
}

func (o MosquittoOptions) text(dir string, port int) (string, error) {
	// As root, Mosquitto would become another user who may not read the test's
	// directory.
	text := fmt.Sprintf("user root\nlistener %d 127.0.0.1\nmax_queued_messages %d\n", port, o.MaxQueued)
	if o.MaxInflight > 0 {
		text += fmt.Sprintf("max_inflight_messages %d\n", o.MaxInflight)
	}
	if o.CertFile != "" {
		text += fmt.Sprintf("certfile %s\nkeyfile %s\n", o.CertFile, o.KeyFile)
		if o.CAFile != "" {
			text += fmt.Sprintf("cafile %s\n", o.CAFile)
		}
		text += fmt.Sprintf("require_certificate %t\n", o.RequireCert)
	}
	if o.User != "" {
		path := filepath.Join(dir, "passwords")
		if err := writePasswords(path, o.User, o.Password); err != nil {
			return "", err
		}
		text += fmt.Sprintf("allow_anonymous false\npassword_file %s\n", path)
	} else {
		text += "allow_anonymous true\n"
	}
	if !o.Volatile {
		text += fmt.Sprintf("persistence true\npersistence_location %s/\n", dir)
	}
	for _, line := range o.Extra {
		text += line + "\n"
	}
	return text, nil
}
