package rpc_test

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	"google.golang.org/genproto/googleapis/rpc/errdetails"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/health/grpc_health_v1"
	"google.golang.org/grpc/reflection/grpc_reflection_v1"
	"google.golang.org/grpc/status"
	"google.golang.org/protobuf/reflect/protoreflect"
	"google.golang.org/protobuf/types/known/timestamppb"

	"touchpoint/gateway"
	"touchpoint/gateway/clock"
	"touchpoint/gateway/rpc"
	pb "touchpoint/proto/touchpoint/v1"
)

// failingStatus answers with an error of the test's choice.
type failingStatus struct{ fail func(context.Context) error }

func (f failingStatus) Status(ctx context.Context) (rpc.StatusReport, error) {
	return rpc.StatusReport{}, f.fail(ctx)
}

func TestKindsBecomeCodes(t *testing.T) {
	var fail error
	w := newWorld()
	conn, _ := w.serve(t, func(o *rpc.Options) {
		o.Status = failingStatus{func(context.Context) error { return fail }}
	})
	api, ctx := pb.NewStatusServiceClient(conn), testContext(t)
	tests := []struct {
		err   error
		code  codes.Code
		retry bool
		text  string
	}{
		{gateway.Errorf(gateway.Internal, "secret detail"), codes.Internal, false, "internal error"},
		{errors.New("secret detail"), codes.Internal, false, "internal error"},
		{gateway.Errorf(gateway.Invalid, "wrong"), codes.InvalidArgument, false, "wrong"},
		{gateway.Errorf(gateway.NotFound, "gone"), codes.NotFound, false, "gone"},
		{gateway.Errorf(gateway.Conflict, "not now"), codes.FailedPrecondition, false, "not now"},
		{gateway.Errorf(gateway.Unauthenticated, "who"), codes.Unauthenticated, false, "who"},
		{gateway.Errorf(gateway.PermissionDenied, "no"), codes.PermissionDenied, false, "no"},
		{gateway.Errorf(gateway.Exhausted, "full"), codes.ResourceExhausted, true, "full"},
		{gateway.Errorf(gateway.Unavailable, "away"), codes.Unavailable, true, "away"},
		{gateway.Errorf(gateway.Fenced, "moved"), codes.Unavailable, true, "moved"},
		{fmt.Errorf("append: %w", gateway.Errorf(gateway.OutcomeUnknown, "perhaps")), codes.Unavailable, true, "perhaps"},
		{context.DeadlineExceeded, codes.DeadlineExceeded, false, "longer"},
		{status.Error(codes.DataLoss, "as it is"), codes.DataLoss, false, "as it is"},
	}
	for _, tt := range tests {
		fail = tt.err
		_, err := api.GetStatus(ctx, &pb.GetStatusRequest{})
		st := status.Convert(err)
		retry := slices.ContainsFunc(st.Details(), func(d any) bool { _, ok := d.(*errdetails.RetryInfo); return ok })
		if st.Code() != tt.code || retry != tt.retry || !strings.Contains(st.Message(), tt.text) || strings.Contains(st.Message(), "secret") {
			t.Errorf("%v became %v %q (retry %v)", tt.err, st.Code(), st.Message(), retry)
		}
	}
	if !strings.Contains(w.logs.String(), "secret detail") {
		t.Error("the log does not tell what the answer hides")
	}
}

func TestPanicIsOneCallsTrouble(t *testing.T) {
	w := newWorld()
	conn, _ := w.serve(t, func(o *rpc.Options) {
		o.Status = failingStatus{func(context.Context) error { panic("mara@example.com") }}
	})
	ctx := testContext(t)
	if _, err := pb.NewStatusServiceClient(conn).GetStatus(ctx, &pb.GetStatusRequest{}); status.Code(err) != codes.Internal {
		t.Errorf("a panic became %v", err)
	}
	if _, err := pb.NewClockServiceClient(conn).GetClock(ctx, &pb.GetClockRequest{}); err != nil {
		t.Errorf("the next call: %v", err)
	}
	if log := w.logs.String(); !strings.Contains(log, "panicked") || strings.Contains(log, "mara@") {
		t.Error("the log must tell of the panic, not its value")
	}
}

func TestCallsHaveADeadline(t *testing.T) {
	w := newWorld()
	conn, _ := w.serve(t, func(o *rpc.Options) {
		o.Timeout = time.Millisecond
		o.Status = failingStatus{func(ctx context.Context) error {
			<-ctx.Done()
			return ctx.Err()
		}}
	})
	_, err := pb.NewStatusServiceClient(conn).GetStatus(context.Background(), &pb.GetStatusRequest{})
	if status.Code(err) != codes.DeadlineExceeded {
		t.Errorf("a call that hangs: %v", err)
	}
}

func TestLargeRequestsAreRefused(t *testing.T) {
	w := newWorld()
	conn, _ := w.serve(t, func(o *rpc.Options) { o.MaxMessage = 1000 })
	_, err := pb.NewJourneyServiceClient(conn).ValidateJourney(testContext(t), &pb.ValidateJourneyRequest{Definition: yamlText(strings.Repeat("x", 2000))})
	if status.Code(err) != codes.ResourceExhausted {
		t.Errorf("%v", err)
	}
}

const (
	readerToken, operatorToken = "reader-0123456789abcdef", "operator-0123456789abcdef"
	publisherToken             = "publisher-0123456789abcdef"
	crmToken, serviceToken     = "crm-0123456789abcdef", "service-0123456789abcdef"
)

func tokens(o *rpc.Options) {
	o.Tokens = []rpc.Token{
		{Name: "dashboards", Secret: readerToken, Roles: []rpc.Role{rpc.RoleReader}},
		{Name: "marketing", Secret: publisherToken, Roles: []rpc.Role{rpc.RolePublisher}},
		{Name: "shop", Secret: crmToken, Roles: []rpc.Role{rpc.RoleCRM}},
		{Name: "cloud", Secret: serviceToken, Roles: []rpc.Role{rpc.RoleDeviceService}},
		{Name: "admin", Secret: operatorToken, Roles: []rpc.Role{rpc.RoleOperator}},
	}
}

// TestRoles calls every method with every token. The methods that a role must
// not call are refused before anything else is looked at.
func TestRoles(t *testing.T) {
	w := newWorld()
	conn, _ := w.serve(t, tokens)
	want := map[string]string{ // roles by first letter: r, p, c, d
		"RecordEvents": "cd", "RecordEventsStream": "cd", "ListEvents": "rpc", "AggregateEvents": "rpc",
		"CreateJourney": "p", "UpdateJourney": "p", "ValidateJourney": "rp", "PublishJourney": "p", "PauseJourney": "p", "DryRunJourney": "p", "StopDryRun": "p", "PreviewPublish": "rp", "SetBrake": "", "GetBrake": "rp",
		"ResumeJourney": "p", "GetJourney": "rp", "GetEffect": "rp", "ListJourneys": "rp", "TriggerJourney": "pc",
		"ListMessages": "rpc", "WatchMessages": "rpc", "SubscribeMessages": "d", "ReportReceipt": "cd",
		"UpsertCustomer": "c", "GetCustomer": "rpc", "SetConsent": "c", "EraseCustomer": "c", "BindDevice": "cd",
		"JoinGroup": "c", "LeaveGroup": "c", "GetGroup": "rpc", "ListTasks": "c", "CompleteTask": "c",
		"UnbindDevice": "cd", "ListDevices": "rpc", "ListDecisions": "rpc", "Explain": "rpc",
		"ListDeadLetters": "", "ReplayDeadLetters": "", "GetClock": "rpcd", "AdvanceClock": "", "GetStatus": "rp",
		"ReadArrivals": "", "ReadSteps": "", "ReadHistory": "",
	}
	secrets := map[string]string{"r": readerToken, "p": publisherToken, "c": crmToken, "d": serviceToken, "o": operatorToken}
	seen := 0
	for _, file := range []protoreflect.FileDescriptor{pb.File_touchpoint_v1_events_proto, pb.File_touchpoint_v1_journeys_proto,
		pb.File_touchpoint_v1_messages_proto, pb.File_touchpoint_v1_customers_proto, pb.File_touchpoint_v1_groups_proto, pb.File_touchpoint_v1_tasks_proto, pb.File_touchpoint_v1_admin_proto} {
		for i := range file.Services().Len() {
			service := file.Services().Get(i)
			for k := range service.Methods().Len() {
				method := service.Methods().Get(k)
				seen++
				allowed, known := want[string(method.Name())]
				if !known {
					t.Errorf("nobody says who may call %s", method.FullName())
				}
				for letter, secret := range secrets {
					code := probe(t, conn, withToken(testContext(t), secret), method)
					if ok := letter == "o" || strings.Contains(allowed, letter); ok == (code == codes.PermissionDenied) {
						t.Errorf("%s with role %s: %v", method.Name(), letter, code)
					}
				}
				if code := probe(t, conn, testContext(t), method); code != codes.Unauthenticated {
					t.Errorf("%s without a token: %v", method.Name(), code)
				}
			}
		}
	}
	if seen != len(want) {
		t.Errorf("%d methods, %d in the table", seen, len(want))
	}
}

func TestWrongTokens(t *testing.T) {
	w := newWorld()
	conn, _ := w.serve(t, tokens)
	for _, token := range []string{"", "nobody", readerToken + "x", readerToken[1:]} {
		_, err := pb.NewClockServiceClient(conn).GetClock(withToken(testContext(t), token), &pb.GetClockRequest{})
		if status.Code(err) != codes.Unauthenticated {
			t.Errorf("token %q: %v", token, err)
		}
	}
	if log := w.logs.String(); strings.Contains(log, readerToken) {
		t.Error("the log holds a token")
	}
}

func TestPersonalDataNeedsARole(t *testing.T) {
	w := newWorld()
	conn, _ := w.serve(t, tokens)
	api := pb.NewCustomerServiceClient(conn)
	shop, reader := withToken(testContext(t), crmToken), withToken(testContext(t), readerToken)
	resp, err := api.UpsertCustomer(shop, &pb.UpsertCustomerRequest{Customer: &pb.Customer{ExternalId: "K-1", Profile: &pb.Profile{GivenName: "Mara"}}})
	if err != nil {
		t.Fatal(err)
	}
	byID := &pb.CustomerRef{Id: resp.CustomerId}
	if _, err := api.GetCustomer(reader, &pb.GetCustomerRequest{Customer: byID, WithProfile: true}); status.Code(err) != codes.PermissionDenied {
		t.Errorf("a reader asked for names: %v", err)
	}
	got, err := api.GetCustomer(reader, &pb.GetCustomerRequest{Customer: byID})
	if err != nil || got.Customer.ExternalId != "" || got.Customer.Profile != nil {
		t.Errorf("a reader sees %v, %v", got, err)
	}
	got, err = api.GetCustomer(shop, &pb.GetCustomerRequest{Customer: byID, WithProfile: true})
	if err != nil || got.Customer.ExternalId != "K-1" || got.Customer.Profile.GivenName != "Mara" {
		t.Errorf("the shop sees %v, %v", got, err)
	}
}

func TestHealthAndReflection(t *testing.T) {
	w := newWorld()
	conn, server := w.serve(t, tokens)
	ctx := testContext(t)
	check := func(want grpc_health_v1.HealthCheckResponse_ServingStatus) {
		t.Helper()
		resp, err := grpc_health_v1.NewHealthClient(conn).Check(ctx, &grpc_health_v1.HealthCheckRequest{Service: "touchpoint.v1.EventService"})
		if err != nil || resp.Status != want {
			t.Errorf("health %v, %v", resp, err)
		}
	}
	check(grpc_health_v1.HealthCheckResponse_NOT_SERVING)
	server.SetReady(true)
	check(grpc_health_v1.HealthCheckResponse_SERVING)
	stream, err := grpc_reflection_v1.NewServerReflectionClient(conn).ServerReflectionInfo(withToken(ctx, readerToken))
	if err != nil {
		t.Fatal(err)
	}
	if err := stream.Send(&grpc_reflection_v1.ServerReflectionRequest{MessageRequest: &grpc_reflection_v1.ServerReflectionRequest_ListServices{}}); err != nil {
		t.Fatal(err)
	}
	resp, err := stream.Recv()
	if err != nil || len(resp.GetListServicesResponse().GetService()) < 8 {
		t.Errorf("reflection %v, %v", resp, err)
	}
}

func TestStopEndsStreams(t *testing.T) {
	w := newWorld()
	conn, server := w.serve(t, nil)
	ctx := testContext(t)
	watch, err := pb.NewMessageServiceClient(conn).WatchMessages(ctx, &pb.WatchMessagesRequest{})
	if err != nil {
		t.Fatal(err)
	}
	subscribe, err := pb.NewMessageServiceClient(conn).SubscribeMessages(ctx)
	if err != nil {
		t.Fatal(err)
	}
	if err := subscribe.Send(&pb.SubscribeMessagesRequest{Action: &pb.SubscribeMessagesRequest_Open{Open: &pb.SubscribeOpen{Consumer: "a"}}}); err != nil {
		t.Fatal(err)
	}
	for _, header := range []func() error{
		func() error { _, err := watch.Header(); return err },
		func() error { _, err := subscribe.Header(); return err },
	} {
		if err := header(); err != nil {
			t.Fatal(err)
		}
	}
	server.Stop(ctx)
	_, werr := watch.Recv()
	_, serr := subscribe.Recv()
	if status.Code(werr) != codes.Unavailable || status.Code(serr) != codes.Unavailable {
		t.Errorf("after the stop: watch %v, subscribe %v", werr, serr)
	}
}

func TestClock(t *testing.T) {
	w := newWorld()
	conn, _ := w.serve(t, nil)
	api, ctx := pb.NewClockServiceClient(conn), testContext(t)
	resp, err := api.AdvanceClock(ctx, &pb.AdvanceClockRequest{To: day(1)})
	if err != nil || resp.Now.AsTime() != day(1).AsTime() || len(w.advanced) != 1 {
		t.Errorf("advanced to %v, %v", resp, err)
	}
	wall := newWorld()
	conn, _ = wall.serve(t, func(o *rpc.Options) { o.Clock = clock.Wall() })
	_, err = pb.NewClockServiceClient(conn).AdvanceClock(ctx, &pb.AdvanceClockRequest{To: timestamppb.Now()})
	wantStatus(t, err, codes.FailedPrecondition, "", "runs on the wall clock")
}

func TestDeadLettersAndStatus(t *testing.T) {
	w := newWorld()
	for n := range 3 {
		w.letters = append(w.letters, rpc.DeadLetter{ID: fmt.Sprint(16 + n), ReceivedAt: start, Reason: "invalid"})
	}
	conn, _ := w.serve(t, nil)
	ctx := testContext(t)
	replayed, err := pb.NewDeadLetterServiceClient(conn).ReplayDeadLetters(ctx, &pb.ReplayDeadLettersRequest{All: true})
	if err != nil || replayed.Replayed != 2 || len(replayed.Failures) != 1 || replayed.Failures[0].Id != "18" {
		t.Errorf("replayed %v, %v", replayed, err)
	}
	st, err := pb.NewStatusServiceClient(conn).GetStatus(ctx, &pb.GetStatusRequest{})
	if err != nil || st.Ready || st.Partitions[0].LastEvent != 7 || st.Now.AsTime() != start.Time() {
		t.Errorf("status %v, %v", st, err)
	}
}

func TestAudit(t *testing.T) {
	w := newWorld()
	conn, _ := w.serve(t, nil)
	ctx := testContext(t)
	if _, err := pb.NewEventServiceClient(conn).RecordEvents(ctx, &pb.RecordEventsRequest{Events: []*pb.EventInput{brew(7)}}); err != nil {
		t.Fatal(err)
	}
	w.addMessage(messageID, 77, gateway.MessageHandedOver)
	api := pb.NewAuditServiceClient(conn)
	arrivals, err := api.ReadArrivals(ctx, &pb.ReadArrivalsRequest{Partition: int32(w.Holder(1))})
	if err != nil {
		t.Fatal(err)
	}
	got, err := arrivals.Recv()
	if err != nil || got.Arrivals[0].Kind != "event" || got.Arrivals[0].EventId != "brew-7" || got.Arrivals[0].Device.Serial != "SN-1" {
		t.Errorf("arrival %v, %v", got, err)
	}
	steps, err := api.ReadSteps(ctx, &pb.ReadStepsRequest{Partition: 1})
	if err != nil {
		t.Fatal(err)
	}
	step, err := steps.Recv()
	if err != nil || step.Dispositions[0] != 1 || step.Messages[0].Cause != "brew-7" {
		t.Errorf("step %v, %v", step, err)
	}
	none, err := api.ReadSteps(ctx, &pb.ReadStepsRequest{Partition: 9})
	if err != nil {
		t.Fatal(err)
	}
	_, err = none.Recv()
	wantStatus(t, err, codes.InvalidArgument, "partition", "has partitions 0 to 3")
}

func TestOptionsAreChecked(t *testing.T) {
	if _, err := rpc.New(rpc.Options{}); err == nil || !strings.Contains(err.Error(), "Intake: is missing") || !strings.Contains(err.Error(), "Logger") {
		t.Errorf("no options: %v", err)
	}
	o := newWorld().options()
	o.Tokens = []rpc.Token{{Secret: "short", Roles: []rpc.Role{"king"}}}
	if _, err := rpc.New(o); err == nil || !strings.Contains(err.Error(), "auth.tokens[0].token: is shorter") || !strings.Contains(err.Error(), `"king" is unknown`) {
		t.Errorf("bad tokens: %v", err)
	}
}

func TestRequireLoopback(t *testing.T) {
	for addr, ok := range map[string]bool{"127.0.0.1:7070": true, "[::1]:7070": true, "localhost:0": true,
		"0.0.0.0:7070": false, ":7070": false, "192.0.2.1:7070": false, "gateway.example.com:1": false, "7070": false} {
		if err := rpc.RequireLoopback("grpc.listen", addr); (err == nil) != ok {
			t.Errorf("%s: %v", addr, err)
		} else if err != nil && !strings.Contains(err.Error(), "grpc.listen") {
			t.Errorf("%s: the error does not name the key: %v", addr, err)
		}
	}
}
