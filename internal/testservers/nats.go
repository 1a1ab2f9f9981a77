package testservers

import (
	"cmp"
	"context"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"
)

// NATSOptions are the settings of a NATS server with JetStream.
type NATSOptions struct {
	// Nodes is the size of the cluster, 1 when 0.
	Nodes int
	// SyncAlways has every write of JetStream reach the disk before its ack.
	SyncAlways bool
	// MaxFileStore is what streams may reserve, however full the disk is; 1TB
	// when empty.
	MaxFileStore string
	// Extra is further text of the configuration file of each node.
	Extra string
}

// NATSServer is one running node.
type NATSServer struct {
	server
	Name string
	Addr string
	URL  string
	// Dir holds the configuration and JetStream's store.
	Dir string
}

// NATS starts a single NATS server with JetStream.
func NATS(t testing.TB, o NATSOptions) *NATSServer {
	t.Helper()
	o.Nodes = 1
	return NATSCluster(t, o)[0]
}

// NATSCluster starts a cluster of NATS servers with JetStream and returns when
// each node answers; the cluster elects its leader after that.
func NATSCluster(t testing.TB, o NATSOptions) []*NATSServer {
	t.Helper()
	path := program(t, "nats-server", findNATS)
	nodes := make([]*NATSServer, max(o.Nodes, 1))
	routes := make([]string, len(nodes))
	for i := range routes {
		port, err := freePort()
		if err != nil {
			t.Fatalf("testservers: %v", err)
		}
		routes[i] = fmt.Sprintf("nats-route://127.0.0.1:%d", port)
	}
	for i := range nodes {
		s := &NATSServer{Dir: t.TempDir(), Name: fmt.Sprintf("node-%d", i+1)}
		config := filepath.Join(s.Dir, "nats.conf")
		s.server = server{
			t: t, path: path,
			args:  func() []string { return []string{"-c", config} },
			ready: func(ctx context.Context) error { return dialable(s.Addr)(ctx) },
		}
		s.run(func() error {
			port, err := freePort()
			if err != nil {
				return err
			}
			s.Addr = fmt.Sprintf("127.0.0.1:%d", port)
			s.URL = "nats://" + s.Addr
			return os.WriteFile(config, []byte(o.text(s, routes, i)), 0o600)
		})
		nodes[i] = s
	}
	return nodes
}

func (o NATSOptions) text(s *NATSServer, routes []string, i int) string {
	var b strings.Builder
	fmt.Fprintf(&b, "server_name: %s\nlisten: %q\n", s.Name, s.Addr)
	fmt.Fprintf(&b, "jetstream { store_dir: %q, max_file_store: %s", filepath.Join(s.Dir, "jetstream"), cmp.Or(o.MaxFileStore, "1TB"))
	if o.SyncAlways {
		b.WriteString(", sync_interval: always")
	}
	b.WriteString(" }\n")
	if len(routes) > 1 {
		fmt.Fprintf(&b, "cluster { name: test, listen: %q, routes: [%s] }\n",
			strings.TrimPrefix(routes[i], "nats-route://"), strings.Join(routes, ", "))
	}
	b.WriteString(o.Extra)
	return b.String()
}
