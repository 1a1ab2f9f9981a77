package e2e

import (
	"bytes"
	"context"
	"fmt"
	"log/slog"
	"math/rand/v2"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"sync"
	"syscall"
	"testing"
	"time"

	"google.golang.org/grpc"
	"google.golang.org/grpc/credentials/insecure"
	healthpb "google.golang.org/grpc/health/grpc_health_v1"
	"google.golang.org/protobuf/types/known/timestamppb"

	"touchpoint/gateway/app"
	pb "touchpoint/proto/touchpoint/v1"
)

// patience bounds what a test waits for: generous, since machines are busy.
const patience = 40 * time.Second

// api is a client of a gateway, over restarts of it.
type api struct {
	t   *testing.T
	ctx context.Context

	conn      *grpc.ClientConn
	customers pb.CustomerServiceClient
	journeys  pb.JourneyServiceClient
	events    pb.EventServiceClient
	messages  pb.MessageServiceClient
	letters   pb.DeadLetterServiceClient
	clock     pb.ClockServiceClient
	status    pb.StatusServiceClient
	audit     pb.AuditServiceClient
}

func newAPI(t *testing.T, addr string) api {
	t.Helper()
	conn, err := grpc.NewClient("passthrough:///"+addr, grpc.WithTransportCredentials(insecure.NewCredentials()),
		grpc.WithDefaultCallOptions(grpc.WaitForReady(true)), grpc.WithConnectParams(grpc.ConnectParams{MinConnectTimeout: time.Second}))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { conn.Close() })
	ctx, cancel := context.WithTimeout(t.Context(), 80*time.Second)
	t.Cleanup(cancel)
	return api{
		t: t, ctx: ctx, conn: conn,
		customers: pb.NewCustomerServiceClient(conn), journeys: pb.NewJourneyServiceClient(conn),
		events: pb.NewEventServiceClient(conn), messages: pb.NewMessageServiceClient(conn),
		letters: pb.NewDeadLetterServiceClient(conn), clock: pb.NewClockServiceClient(conn),
		status: pb.NewStatusServiceClient(conn), audit: pb.NewAuditServiceClient(conn),
	}
}

// must ends the test on an error of a call.
func must[T any](t *testing.T) func(T, error) T {
	return func(v T, err error) T {
		t.Helper()
		if err != nil {
			t.Fatal(err)
		}
		return v
	}
}

// eventually waits until a condition holds.
func eventually(t *testing.T, what string, holds func() bool) {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), patience)
	defer cancel()
	for !holds() {
		if ctx.Err() != nil {
			t.Fatalf("waited %v for: %s", patience, what)
		}
		pause(ctx, 10*time.Millisecond)
	}
}

// customer creates or changes a customer and returns his internal id.
func (a *api) customer(external string, change ...func(*pb.Customer)) string {
	a.t.Helper()
	c := &pb.Customer{ExternalId: external, Locale: "en"}
	for _, f := range change {
		f(c)
	}
	return must[*pb.UpsertCustomerResponse](a.t)(a.customers.UpsertCustomer(a.ctx, &pb.UpsertCustomerRequest{Customer: c})).CustomerId
}

func consented(purpose string) func(*pb.Customer) {
	return func(c *pb.Customer) {
		c.Consents = append(c.Consents, &pb.Consent{Purpose: purpose, Granted: true, Source: "test"})
	}
}

func deviceRef(serial string) *pb.DeviceRef { return &pb.DeviceRef{Product: product, Serial: serial} }

func customerRef(external string) *pb.CustomerRef { return &pb.CustomerRef{ExternalId: external} }

// bind gives a device to a customer.
func (a *api) bind(serial, external string) *pb.BindDeviceResponse {
	a.t.Helper()
	return must[*pb.BindDeviceResponse](a.t)(a.customers.BindDevice(a.ctx, &pb.BindDeviceRequest{Customer: customerRef(external), Device: deviceRef(serial)}))
}

// publish makes journeys live on every partition.
func (a *api) publish(definitions ...string) {
	a.t.Helper()
	for _, text := range definitions {
		made := must[*pb.CreateJourneyResponse](a.t)(a.journeys.CreateJourney(a.ctx, &pb.CreateJourneyRequest{
			Definition: &pb.JourneyDefinition{Form: &pb.JourneyDefinition_Yaml{Yaml: text}}}))
		must[*pb.PublishJourneyResponse](a.t)(a.journeys.PublishJourney(a.ctx, &pb.PublishJourneyRequest{Name: made.Journey.Name}))
	}
}

// now returns the end of the event log: a read that names it shows all that was
// decided until here.
func (a *api) now() (all []*pb.Position) {
	a.t.Helper()
	for _, p := range must[*pb.GetStatusResponse](a.t)(a.status.GetStatus(a.ctx, &pb.GetStatusRequest{})).Partitions {
		if p.LastEvent > 0 {
			all = append(all, &pb.Position{Partition: p.Partition, Seq: p.LastEvent})
		}
	}
	return all
}

// listMessages reads all messages that match.
func (a *api) listMessages(req *pb.ListMessagesRequest) (all []*pb.Message) {
	a.t.Helper()
	req.PageSize = 1000
	for req.PageToken = ""; ; {
		resp := must[*pb.ListMessagesResponse](a.t)(a.messages.ListMessages(a.ctx, req))
		all = append(all, resp.Messages...)
		if req.PageToken = resp.NextPageToken; req.PageToken == "" {
			return all
		}
	}
}

// listEvents reads all events that match.
func (a *api) listEvents(filter *pb.EventFilter) (all []*pb.Event) {
	a.t.Helper()
	req := &pb.ListEventsRequest{Filter: filter, PageSize: 1000}
	for {
		resp := must[*pb.ListEventsResponse](a.t)(a.events.ListEvents(a.ctx, req))
		all = append(all, resp.Events...)
		if req.PageToken = resp.NextPageToken; req.PageToken == "" {
			return all
		}
	}
}

// advance moves a virtual clock.
func (a *api) advance(to time.Time) {
	a.t.Helper()
	must[*pb.AdvanceClockResponse](a.t)(a.clock.AdvanceClock(a.ctx, &pb.AdvanceClockRequest{To: timestamppb.New(to)}))
}

// displayed waits until a device has shown messages and the gateway knows.
func (a *api) displayed(m *machine, want int) {
	a.t.Helper()
	eventually(a.t, fmt.Sprintf("%d messages shown by %s", want, m.serial), func() bool {
		n, reported := m.displays()
		return n >= want && reported
	})
	eventually(a.t, fmt.Sprintf("%d messages of %s known as displayed", want, m.serial), func() bool {
		return len(a.listMessages(&pb.ListMessagesRequest{Device: deviceRef(m.serial), States: []pb.MessageState{pb.MessageState_MESSAGE_STATE_DISPLAYED}})) >= want
	})
}

// logBuffer keeps all that is logged.
type logBuffer struct {
	mu  sync.Mutex
	buf bytes.Buffer
}

// Write implements io.Writer.
func (b *logBuffer) Write(p []byte) (int, error) {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.buf.Write(p)
}

func (b *logBuffer) text() string {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.buf.String()
}

func (b *logBuffer) tail() string {
	s := b.text()
	return s[max(0, len(s)-4000):]
}

// inside is a gateway in this process.
type inside struct {
	api
	cfg  app.Config
	logs logBuffer
	app  *app.Gateway
}

// start runs a gateway until the test ends.
func start(t *testing.T, change func(*app.Config)) *inside {
	t.Helper()
	cfg := app.Default()
	cfg.Data = filepath.Join(t.TempDir(), "data")
	cfg.MQTT.Listen, cfg.GRPC.Listen, cfg.HTTP.Listen = freeAddr(t), freeAddr(t), freeAddr(t)
	if change != nil {
		change(&cfg)
	}
	g := &inside{cfg: cfg, api: newAPI(t, cfg.GRPC.Listen)}
	t.Cleanup(func() {
		g.stop()
		if t.Failed() {
			t.Logf("the gateway's last log:\n%s", g.logs.tail())
		}
	})
	g.start()
	return g
}

func (g *inside) start() {
	g.t.Helper()
	gw, err := app.New(g.ctx, g.cfg, slog.New(slog.NewTextHandler(&g.logs, &slog.HandlerOptions{Level: slog.LevelDebug})))
	if err != nil {
		g.t.Fatal(err)
	}
	g.app = gw
}

// stop drains and closes; the gateway can be started again.
func (g *inside) stop() {
	if g.app == nil {
		return
	}
	ctx, cancel := context.WithTimeout(context.Background(), patience)
	defer cancel()
	if err := g.app.Close(ctx); err != nil {
		g.t.Errorf("close: %v", err)
	}
	g.app = nil
}

// power connects a machine to the gateway's broker.
func (g *inside) power(serial string) *machine { return powerOn(g.t, g.app.Addrs().MQTT, serial) }

// freeAddr returns an address that nobody listens on. It lies below the ports
// that the kernel gives to outgoing connections: one of those may take the port
// while a gateway is down, or even connect to itself.
func freeAddr(t *testing.T) string {
	t.Helper()
	for range 100 {
		l, err := net.Listen("tcp", fmt.Sprintf("127.0.0.1:%d", 12_000+rand.IntN(18_000)))
		if err == nil {
			defer l.Close()
			return l.Addr().String()
		}
	}
	t.Fatal("no free port")
	return ""
}

// build makes the command, once.
var build = sync.OnceValues(func() (string, error) {
	dir, err := os.MkdirTemp("", "touchpoint-e2e")
	if err != nil {
		return "", err
	}
	path := filepath.Join(dir, "touchpoint")
	out, err := exec.Command("go", "build", "-o", path, "touchpoint/cmd/touchpoint").CombinedOutput()
	if err != nil {
		return "", fmt.Errorf("%w: %s", err, out)
	}
	built = dir
	return path, nil
})

var built string // the directory of the command, when it was built

func TestMain(m *testing.M) {
	code := m.Run()
	if built != "" {
		os.RemoveAll(built)
	}
	os.Exit(code)
}

// outside is a gateway in a process of its own.
type outside struct {
	api
	dir, mqtt, grpc string
	wrap            []string // a program that runs the command, with arguments
	cmd             *exec.Cmd
	logs            logBuffer
	exited          chan struct{}
}

// startOutside runs the command with a configuration until the test ends.
func startOutside(t *testing.T, extra string, wrap ...string) *outside {
	t.Helper()
	must[string](t)(build()) // before the time of the test begins
	g := &outside{dir: t.TempDir(), mqtt: freeAddr(t), grpc: freeAddr(t), wrap: wrap}
	g.api = newAPI(t, g.grpc)
	text := fmt.Sprintf("data: %s\ngrpc: {listen: '%s'}\nhttp: {listen: '%s'}\nmqtt: {listen: '%s'}\n%s",
		filepath.Join(g.dir, "data"), g.grpc, freeAddr(t), g.mqtt, extra)
	if err := os.WriteFile(filepath.Join(g.dir, "touchpoint.yaml"), []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		g.end(syscall.SIGKILL)
		if t.Failed() {
			t.Logf("the gateway's last output:\n%s", g.logs.tail())
		}
	})
	g.start()
	return g
}

// start runs the command and waits until it is ready.
func (g *outside) start() {
	g.t.Helper()
	path := must[string](g.t)(build())
	line := append(append([]string{}, g.wrap...), path, "serve", "--log-level", "debug", "--config", filepath.Join(g.dir, "touchpoint.yaml"))
	g.cmd, g.exited = exec.Command(line[0], line[1:]...), make(chan struct{})
	g.cmd.Stdout, g.cmd.Stderr = &g.logs, &g.logs
	g.cmd.SysProcAttr = &syscall.SysProcAttr{Setpgid: true} // a signal reaches the wrapped command, too
	if err := g.cmd.Start(); err != nil {
		g.t.Fatal(err)
	}
	go func(cmd *exec.Cmd, exited chan struct{}) {
		_ = cmd.Wait()
		close(exited)
	}(g.cmd, g.exited)
	health := healthpb.NewHealthClient(g.conn)
	eventually(g.t, "a ready gateway", func() bool {
		select {
		case <-g.exited:
			g.t.Fatal("the gateway ended")
		default:
		}
		g.conn.Connect()
		try, cancel := context.WithTimeout(g.ctx, 500*time.Millisecond)
		defer cancel()
		resp, err := health.Check(try, &healthpb.HealthCheckRequest{})
		return err == nil && resp.Status == healthpb.HealthCheckResponse_SERVING
	})
}

// end sends a signal to the gateway and waits until it is gone.
func (g *outside) end(sig syscall.Signal) {
	if g.cmd == nil {
		return
	}
	_ = syscall.Kill(-g.cmd.Process.Pid, sig)
	<-g.exited
	g.cmd = nil
}
