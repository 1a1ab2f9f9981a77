package crashtest

import (
	"bytes"
	"context"
	"fmt"
	"math/rand/v2"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"google.golang.org/grpc"
	"google.golang.org/grpc/credentials/insecure"
	healthpb "google.golang.org/grpc/health/grpc_health_v1"
)

// build makes the command with failpoints, once.
var build = sync.OnceValues(func() (string, error) {
	dir, err := os.MkdirTemp("", "touchpoint-crash")
	if err != nil {
		return "", err
	}
	path := filepath.Join(dir, "touchpoint")
	out, err := exec.Command("go", "build", "-tags", "failpoints", "-o", path, "touchpoint/cmd/touchpoint").CombinedOutput()
	if err != nil {
		return "", fmt.Errorf("%w: %s", err, out)
	}
	return path, nil
})

func TestMain(m *testing.M) {
	path, err := build() // now, since it takes from the time of no test
	code := m.Run()
	if err == nil {
		os.RemoveAll(filepath.Dir(path))
	}
	os.Exit(code)
}

// gatewayProcess is a gateway that is killed and started again on one
// directory and the same ports.
type gatewayProcess struct {
	t                *testing.T
	dir, config      string
	mqtt, grpc, http string

	cmd    *exec.Cmd
	output *bytes.Buffer
	exited chan struct{}
	conn   *grpc.ClientConn
}

func newGateway(t *testing.T, extra string) *gatewayProcess {
	g := &gatewayProcess{t: t, dir: t.TempDir(), mqtt: freeAddr(t), grpc: freeAddr(t), http: freeAddr(t)}
	g.config = filepath.Join(g.dir, "touchpoint.yaml")
	text := fmt.Sprintf("data: %s\ngrpc: {listen: '%s'}\nhttp: {listen: '%s'}\nlog: {snapshot_every: 1s}\n", filepath.Join(g.dir, "data"), g.grpc, g.http)
	if extra == "" {
		extra = fmt.Sprintf("mqtt: {listen: '%s'}\n", g.mqtt)
	}
	if err := os.WriteFile(g.config, []byte(text+extra), 0o600); err != nil {
		t.Fatal(err)
	}
	conn, err := grpc.NewClient("passthrough:///"+g.grpc, grpc.WithTransportCredentials(insecure.NewCredentials()),
		grpc.WithDefaultCallOptions(grpc.WaitForReady(true)), grpc.WithConnectParams(grpc.ConnectParams{MinConnectTimeout: time.Second}))
	if err != nil {
		t.Fatal(err)
	}
	g.conn = conn
	t.Cleanup(func() {
		conn.Close()
		g.kill()
		if t.Failed() && g.output != nil {
			if keep := os.Getenv("TOUCHPOINT_KEEP"); keep != "" {
				_ = os.CopyFS(keep, os.DirFS(g.dir))
			}
			t.Logf("the gateway's last output:\n%s", tail(g.output.String()))
		}
	})
	return g
}

func tail(s string) string { return s[max(0, len(s)-4000):] }

// freeAddr stays below the ports that outgoing connections get: a device that
// dials a port which is down could else be connected to itself.
func freeAddr(t *testing.T) string {
	for range 100 {
		l, err := net.Listen("tcp", fmt.Sprintf("127.0.0.1:%d", 20_000+rand.IntN(10_000)))
		if err == nil {
			defer l.Close()
			return l.Addr().String()
		}
	}
	t.Fatal("no free port")
	return ""
}

// start runs the gateway; failpoint is "" or "name:hits".
func (g *gatewayProcess) start(failpoint string) {
	g.t.Helper()
	path, err := build()
	if err != nil {
		g.t.Fatal(err)
	}
	g.cmd, g.output, g.exited = exec.Command(path, "serve", "--config", g.config), &bytes.Buffer{}, make(chan struct{})
	g.cmd.Stdout, g.cmd.Stderr = g.output, g.output
	g.cmd.Env = append(os.Environ(), "TOUCHPOINT_FAILPOINT="+failpoint)
	if err := g.cmd.Start(); err != nil {
		g.t.Fatal(err)
	}
	go func(cmd *exec.Cmd, exited chan struct{}) {
		cmd.Wait()
		close(exited)
	}(g.cmd, g.exited)
}

// ready waits until the gateway says that it is.
func (g *gatewayProcess) ready(ctx context.Context) bool {
	health := healthpb.NewHealthClient(g.conn)
	for ctx.Err() == nil {
		select {
		case <-g.exited:
			return false
		default:
		}
		g.conn.Connect()
		try, cancel := context.WithTimeout(ctx, 500*time.Millisecond)
		resp, err := health.Check(try, &healthpb.HealthCheckRequest{})
		cancel()
		if err == nil && resp.Status == healthpb.HealthCheckResponse_SERVING {
			return true
		}
		pause(ctx, 20*time.Millisecond)
	}
	return false
}

// kill is kill -9.
func (g *gatewayProcess) kill() {
	if g.cmd == nil || g.cmd.Process == nil {
		return
	}
	_ = g.cmd.Process.Signal(syscall.SIGKILL)
	<-g.exited
}

// died waits until the failpoint has killed the process and proves that it was
// the failpoint.
func (g *gatewayProcess) died(ctx context.Context, failpoint string) bool {
	select {
	case <-g.exited:
	case <-ctx.Done():
		return false
	}
	name, _, _ := strings.Cut(failpoint, ":")
	return strings.Contains(g.output.String(), "failpoint "+name)
}
