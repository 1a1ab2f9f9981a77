package rpc

import (
	"context"
	"crypto/rand"
	"crypto/tls"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"slices"
	"time"

	"google.golang.org/grpc"
	"google.golang.org/grpc/credentials"
	"google.golang.org/grpc/health"
	healthpb "google.golang.org/grpc/health/grpc_health_v1"
	"google.golang.org/grpc/keepalive"
	"google.golang.org/grpc/reflection"

	"touchpoint/gateway"
	pb "touchpoint/proto/touchpoint/v1"
)

// Options configure a Server. Ports are required unless they say otherwise.
type Options struct {
	Intake      Intake
	Vault       Vault
	Follower    Follower
	Customers   Customers
	Groups      Groups
	Tasks       Tasks
	Decisions   Decisions
	Messages    Messages
	Reports     JourneyReports
	History     History
	Journeys    Bucket
	Compile     Compile
	Consents    Consents
	Eraser      Eraser
	Stream      Stream // nil: the "stream" channel is off
	DeadLetters DeadLetters
	Clock       Clock
	Status      Status
	Fleet       Fleet // nil: no previews, nothing is filled
	Audit       AuditLog
	Backtests   Backtests
	Explainer   Explainer
	// Advance moves the virtual clock to t and returns when all that fell due is
	// decided and handed over; nil on the wall clock.
	Advance func(ctx context.Context, t gateway.Instant) error
	// Feed is where WatchMessages listens; New makes one when it is nil.
	Feed *Feed

	Partitions int
	// Channels are those that consents and customers may name.
	Channels []string
	// Tokens of the configuration; with none, every caller is an operator and
	// the listener must be on loopback.
	Tokens []Token
	// TLS is optional.
	TLS *tls.Config
	// PageKey authenticates page tokens; random when empty, so that tokens end
	// with the process.
	PageKey []byte
	// Timeout is the deadline of calls that set none, MaxTimeout bounds all.
	Timeout, MaxTimeout time.Duration
	// MaxMessage bounds a request in bytes.
	MaxMessage int
	// PublishLead is how far ahead of now a published version takes effect, so
	// that all partitions have it by then; 0 on a virtual clock.
	PublishLead time.Duration
	Logger      *slog.Logger
}

func (o Options) withDefaults() Options {
	if o.Feed == nil {
		o.Feed = NewFeed()
	}
	if o.Channels == nil {
		o.Channels = []string{"product", "stream", "webhook", "email"}
	}
	if o.Timeout == 0 {
		o.Timeout = 15 * time.Second
	}
	if o.MaxTimeout == 0 {
		o.MaxTimeout = 2 * time.Minute
	}
	if o.MaxMessage == 0 {
		o.MaxMessage = 4 << 20
	}
	if o.PublishLead == 0 {
		o.PublishLead = 300 * time.Millisecond
	}
	if len(o.PageKey) == 0 {
		o.PageKey = make([]byte, 32)
		rand.Read(o.PageKey) // never fails
	}
	return o
}

// Validate names every option that is missing or wrong.
func (o Options) Validate() error {
	var c checker
	ports := []struct {
		name string
		port any
	}{
		{"Intake", o.Intake}, {"Vault", o.Vault}, {"Follower", o.Follower}, {"Customers", o.Customers}, {"Groups", o.Groups}, {"Tasks", o.Tasks},
		{"Decisions", o.Decisions}, {"Messages", o.Messages}, {"Reports", o.Reports}, {"History", o.History},
		{"Journeys", o.Journeys}, {"Consents", o.Consents}, {"Eraser", o.Eraser}, {"DeadLetters", o.DeadLetters},
		{"Clock", o.Clock}, {"Status", o.Status}, {"Audit", o.Audit}, {"Backtests", o.Backtests},
	}
	for _, p := range ports {
		if p.port == nil {
			c.fail(p.name, "is missing")
		}
	}
	if o.Compile == nil {
		c.fail("Compile", "is missing")
	}
	if o.Logger == nil {
		c.fail("Logger", "is missing")
	}
	if o.Partitions < 1 {
		c.fail("Partitions", "is %d; at least 1", o.Partitions)
	}
	for i, t := range o.Tokens {
		field := fmt.Sprintf("auth.tokens[%d]", i)
		if len(t.Secret) < 16 {
			c.fail(field+".token", "is shorter than 16 characters")
		}
		for _, r := range t.Roles {
			if !slices.Contains(Roles(), r) {
				c.fail(field+".roles", "%q is unknown; roles are %s", r, joinRoles(Roles()))
			}
		}
		if len(t.Roles) == 0 {
			c.fail(field+".roles", "is empty; roles are %s", joinRoles(Roles()))
		}
	}
	return c.err()
}

// Server serves the API.
type Server struct {
	opt      Options
	grpc     *grpc.Server
	health   *health.Server
	journeys *journeyService
	brake    *brakeService
	stop     context.CancelFunc
}

// New makes a server; it answers NOT_SERVING to health checks until SetReady.
func New(opt Options) (*Server, error) {
	if err := opt.Validate(); err != nil {
		return nil, err
	}
	opt = opt.withDefaults()
	stopping, stop := context.WithCancel(context.Background())
	i := &interceptor{
		stopping: stopping,
		auth:     newAuthenticator(opt.Tokens), log: opt.Logger, timeout: opt.Timeout, longest: opt.MaxTimeout,
		// One advance may have thousands of timers to run.
		slow: map[string]time.Duration{pb.ClockService_AdvanceClock_FullMethodName: 10 * time.Minute},
	}
	serverOptions := []grpc.ServerOption{
		grpc.UnaryInterceptor(i.unary), grpc.StreamInterceptor(i.stream),
		grpc.MaxRecvMsgSize(opt.MaxMessage), grpc.MaxConcurrentStreams(1_000),
		grpc.KeepaliveEnforcementPolicy(keepalive.EnforcementPolicy{MinTime: 5 * time.Second, PermitWithoutStream: true}),
	}
	if opt.TLS != nil {
		serverOptions = append(serverOptions, grpc.Creds(credentials.NewTLS(opt.TLS)))
	}
	s := &Server{opt: opt, grpc: grpc.NewServer(serverOptions...), health: health.NewServer(), stop: stop}
	s.register()
	s.SetReady(false)
	return s, nil
}

func (s *Server) register() {
	b := &base{Options: s.opt, resolver: resolver{s.opt.Vault}, pager: pager{s.opt.PageKey}}
	s.journeys = &journeyService{base: b}
	pb.RegisterEventServiceServer(s.grpc, &eventService{base: b})
	pb.RegisterJourneyServiceServer(s.grpc, s.journeys)
	s.brake = &brakeService{journeyService: s.journeys}
	pb.RegisterBrakeServiceServer(s.grpc, s.brake)
	pb.RegisterMessageServiceServer(s.grpc, &messageService{base: b})
	pb.RegisterCustomerServiceServer(s.grpc, &customerService{base: b})
	pb.RegisterGroupServiceServer(s.grpc, &groupService{base: b})
	pb.RegisterTaskServiceServer(s.grpc, &taskService{base: b})
	pb.RegisterExportServiceServer(s.grpc, &exportService{base: b})
	pb.RegisterDeadLetterServiceServer(s.grpc, &deadLetterService{base: b})
	pb.RegisterClockServiceServer(s.grpc, &clockService{base: b})
	pb.RegisterStatusServiceServer(s.grpc, &statusService{base: b})
	pb.RegisterAuditServiceServer(s.grpc, &auditService{base: b})
	pb.RegisterBacktestServiceServer(s.grpc, &backtestService{base: b, journeys: s.journeys})
	healthpb.RegisterHealthServer(s.grpc, s.health)
	reflection.Register(s.grpc)
}

// Serve answers calls on a listener until Stop. Without tokens the listener
// must be on loopback.
func (s *Server) Serve(lis net.Listener) error {
	if len(s.opt.Tokens) == 0 {
		if err := RequireLoopback("grpc.listen", lis.Addr().String()); err != nil {
			return err
		}
	}
	return s.grpc.Serve(lis)
}

// SetReady tells health checks whether the gateway takes in, decides and
// delivers.
func (s *Server) SetReady(ready bool) {
	state := healthpb.HealthCheckResponse_NOT_SERVING
	if ready {
		state = healthpb.HealthCheckResponse_SERVING
	}
	s.health.SetServingStatus("", state)
	for name := range s.grpc.GetServiceInfo() {
		s.health.SetServingStatus(name, state)
	}
}

// Feed is where the follower of the log reports what changed, for WatchMessages.
func (s *Server) Feed() *Feed { return s.opt.Feed }

// Recover finishes publications that a crash cut off. Call it once when the
// log takes records.
func (s *Server) Recover(ctx context.Context) error {
	return errors.Join(s.journeys.recover(ctx), s.brake.recover(ctx))
}

// Stop lets running calls finish until ctx ends; streams are told to end.
func (s *Server) Stop(ctx context.Context) {
	s.health.Shutdown()
	s.stop()
	s.opt.Feed.Close()
	done := make(chan struct{})
	go func() {
		s.grpc.GracefulStop()
		close(done)
	}()
	select {
	case <-done:
	case <-ctx.Done():
		s.grpc.Stop() // ends the calls that still run
	}
}

// base is what the services share.
type base struct {
	Options
	resolver
	pager
}

// customerPartition is the partition in which a customer lives, as far as intake
// knows: should he be on the move, the command goes after him.
func (b *base) customerPartition(c gateway.CustomerID) int {
	return b.Intake.Home(c)
}

// homePartition is where a customer lives by himself.
func (b *base) homePartition(c gateway.CustomerID) int {
	return gateway.HomeOf(c, 0, b.Partitions)
}

// await checks and waits for the positions that a read names.
func (b *base) await(ctx context.Context, f Follower, at []gateway.Position) error {
	if len(at) == 0 {
		return nil
	}
	return f.Await(ctx, at)
}
