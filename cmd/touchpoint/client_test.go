package main

import (
	"bytes"
	"context"
	"errors"
	"flag"
	"fmt"
	"io"
	"net"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"golang.org/x/tools/txtar"
	"google.golang.org/genproto/googleapis/rpc/errdetails"
	"google.golang.org/grpc"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/metadata"
	"google.golang.org/grpc/status"
	"google.golang.org/protobuf/proto"
	"google.golang.org/protobuf/types/known/timestamppb"

	pb "touchpoint/proto/touchpoint/v1"
)

var update = flag.Bool("update", false, "rewrite the expected output in testdata")

// TestClient runs the command lines of testdata/*.txtar against a gateway that
// gives fixed answers. A script has lines "$ arguments", each followed by what
// the terminal shows and, when it is not 0, the exit code. The other files of
// an archive are there to be read.
func TestClient(t *testing.T) {
	scripts, err := filepath.Glob("testdata/*.txtar")
	if err != nil || len(scripts) == 0 {
		t.Fatal("no scripts", err)
	}
	t.Setenv("TOUCHPOINT_TOKEN", "")
	home, err := os.Getwd() // scripts run elsewhere
	if err != nil {
		t.Fatal(err)
	}
	for _, name := range scripts {
		t.Run(strings.TrimSuffix(filepath.Base(name), ".txtar"), func(t *testing.T) {
			archive, err := txtar.ParseFile(name)
			if err != nil {
				t.Fatal(err)
			}
			t.Setenv("TOUCHPOINT_ADDR", serveFixed(t))
			got := playScript(t, archive)
			if *update {
				archive.Files[0].Data = []byte(got)
				if err := os.WriteFile(filepath.Join(home, name), txtar.Format(archive), 0o644); err != nil {
					t.Fatal(err)
				}
				return
			}
			if want := string(archive.Files[0].Data); got != want {
				t.Errorf("go test -update shows the difference\ngot:\n%s\nwant:\n%s", got, want)
			}
		})
	}
}

// playScript runs a script and returns it with what came out.
func playScript(t *testing.T, archive *txtar.Archive) string {
	t.Helper()
	dir := t.TempDir()
	for _, f := range archive.Files[1:] {
		if err := os.WriteFile(filepath.Join(dir, f.Name), f.Data, 0o600); err != nil {
			t.Fatal(err)
		}
	}
	t.Chdir(dir)
	ctx, cancel := context.WithTimeout(context.Background(), 20*time.Second)
	defer cancel()
	var shown strings.Builder
	for line := range strings.SplitSeq(string(archive.Files[0].Data), "\n") {
		args, ok := strings.CutPrefix(line, "$ ")
		if !ok {
			continue
		}
		var terminal bytes.Buffer
		code := run(ctx, words(args), strings.NewReader("yes\n"), &terminal, &terminal)
		fmt.Fprintf(&shown, "$ %s\n%s", args, strings.ReplaceAll(terminal.String(), os.Getenv("TOUCHPOINT_ADDR"), "ADDRESS"))
		if code != 0 {
			fmt.Fprintf(&shown, "[exit %d]\n", code)
		}
		shown.WriteString("\n")
	}
	return shown.String()
}

// words splits a command line at spaces; single quotes keep words together.
func words(line string) []string {
	var out []string
	for i, part := range strings.Split(line, "'") {
		if i%2 == 1 {
			out = append(out, part)
			continue
		}
		out = append(out, strings.Fields(part)...)
	}
	return out
}

// fixed is a gateway that gives fixed answers.
type fixed struct {
	pb.UnimplementedEventServiceServer
	pb.UnimplementedJourneyServiceServer
	pb.UnimplementedMessageServiceServer
	pb.UnimplementedCustomerServiceServer
	pb.UnimplementedGroupServiceServer
	pb.UnimplementedDeadLetterServiceServer
	pb.UnimplementedClockServiceServer
	pb.UnimplementedStatusServiceServer
	pb.UnimplementedBrakeServiceServer
}

func serveFixed(t *testing.T) string {
	t.Helper()
	lis, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	s := grpc.NewServer()
	f := &fixed{}
	pb.RegisterEventServiceServer(s, f)
	pb.RegisterJourneyServiceServer(s, f)
	pb.RegisterMessageServiceServer(s, f)
	pb.RegisterCustomerServiceServer(s, f)
	pb.RegisterGroupServiceServer(s, f)
	pb.RegisterDeadLetterServiceServer(s, f)
	pb.RegisterClockServiceServer(s, f)
	pb.RegisterStatusServiceServer(s, f)
	pb.RegisterBrakeServiceServer(s, f)
	go func() { _ = s.Serve(lis) }() // ends with Stop
	t.Cleanup(s.Stop)
	return lis.Addr().String()
}

var noon = timestamppb.New(time.Date(2026, 5, 1, 12, 0, 0, 0, time.UTC))

const customerID, deviceID, messageID = "c_00k2v8m1q4w3e", "d_00k2v8m1q4w3e", "m_00k2v8m1q4w3e00k2v8m1q4w3e"

var machine = &pb.DeviceRef{Product: "barista-3", Serial: "SN-000042", Id: deviceID}

func text(s string) *pb.PropertyValue {
	return &pb.PropertyValue{Value: &pb.PropertyValue_String_{String_: s}}
}

func number(n int64) *pb.PropertyValue {
	return &pb.PropertyValue{Value: &pb.PropertyValue_Int{Int: n}}
}

func (*fixed) CreateJourney(_ context.Context, req *pb.CreateJourneyRequest) (*pb.CreateJourneyResponse, error) {
	resp := &pb.CreateJourneyResponse{Journey: &pb.Journey{Name: "welcome", DraftRevision: 1}}
	if strings.Contains(req.Definition.GetYaml(), "wait: soon") {
		resp.Violations = []*pb.FieldViolation{{Field: "steps[0].wait", Step: "pause", Line: 4, Text: `"soon" is no duration such as 24h`}}
	}
	return resp, nil
}

func (*fixed) UpdateJourney(context.Context, *pb.UpdateJourneyRequest) (*pb.UpdateJourneyResponse, error) {
	st, _ := status.New(codes.FailedPrecondition, `the draft of "welcome" is at revision 4, not 3: somebody changed it; read it and try again`).
		WithDetails(&errdetails.ErrorInfo{Reason: "CONFLICT", Domain: "touchpoint"})
	return nil, st.Err()
}

func (*fixed) ValidateJourney(context.Context, *pb.ValidateJourneyRequest) (*pb.ValidateJourneyResponse, error) {
	return &pb.ValidateJourneyResponse{Valid: true, Name: "welcome"}, nil
}

func (*fixed) PublishJourney(_ context.Context, req *pb.PublishJourneyRequest) (*pb.PublishJourneyResponse, error) {
	if req.Running != pb.RunningPolicy_RUNNING_POLICY_MIGRATE {
		st, _ := status.New(codes.InvalidArgument, "wrong").WithDetails(&errdetails.BadRequest{FieldViolations: []*errdetails.BadRequest_FieldViolation{
			{Field: "steps[0].wait", Description: `line 4, step "pause": "soon" is no duration such as 24h`}, {Field: "purpose", Description: "is missing"}}})
		return nil, st.Err()
	}
	if req.ExistingPerDay == 500 {
		return &pb.PublishJourneyResponse{Version: 2, EffectiveAt: noon, Filling: true, FillingDetail: "history is being read"}, nil
	}
	return &pb.PublishJourneyResponse{Version: 2, EffectiveAt: noon}, nil
}

func (*fixed) PreviewPublish(_ context.Context, req *pb.PreviewPublishRequest) (*pb.PreviewPublishResponse, error) {
	return &pb.PreviewPublishResponse{Meet: 1204, Reasons: map[string]int64{"enrolled": 1100, "no_consent": 104}, Steps: []*pb.PreviewStep{
		{Version: 1, Step: "remind", Count: 211, Outcome: "goes_on", Target: "remind"},
		{Version: 1, Step: "thank", Count: 3, Outcome: "pinned", Target: "thank"}}, MissingPartitions: []int32{3}}, nil
}

func (*fixed) PauseJourney(_ context.Context, req *pb.PauseJourneyRequest) (*pb.PauseJourneyResponse, error) {
	if !req.Withdraw {
		return nil, status.Error(codes.Unimplemented, "method PauseJourney not implemented")
	}
	return &pb.PauseJourneyResponse{EffectiveAt: noon}, nil
}

func (*fixed) SetBrake(_ context.Context, req *pb.SetBrakeRequest) (*pb.SetBrakeResponse, error) {
	return &pb.SetBrakeResponse{Since: noon}, nil
}

func (*fixed) GetBrake(context.Context, *pb.GetBrakeRequest) (*pb.GetBrakeResponse, error) {
	return &pb.GetBrakeResponse{On: true, Reason: "wrong prices", Since: noon, By: "operations"}, nil
}

func (*fixed) GetJourney(_ context.Context, req *pb.GetJourneyRequest) (*pb.GetJourneyResponse, error) {
	return &pb.GetJourneyResponse{Journey: &pb.Journey{Name: req.Name, Purpose: "service", State: pb.JourneyState_JOURNEY_STATE_PUBLISHED,
		Version: 2, DraftRevision: 5, ChangedAt: noon, Counts: &pb.JourneyCounts{Entered: 1204, Active: 311, Converted: 97,
			Messages: map[string]int64{"displayed": 812, "held_out": 80}, Steps: map[string]int64{"remind": 211, "a_day": 100}},
		Definition: &pb.JourneyDefinition{Form: &pb.JourneyDefinition_Yaml{Yaml: "name: welcome\n"}}}}, nil
}

func (*fixed) GetEffect(_ context.Context, req *pb.GetEffectRequest) (*pb.GetEffectResponse, error) {
	if req.Split != "" {
		return &pb.GetEffectResponse{Alpha: 0.05, Arms: []*pb.EffectArm{{Arm: "cool", Enrolled: 4010, Exposed: 3900, Converted: 401, Rate: 0.1},
			{Arm: "warm", Enrolled: 3990, Exposed: 3870, Converted: 403, Rate: 0.101}}, Comparisons: []*pb.EffectComparison{{Arm: "warm", Base: "cool",
			Difference: 0.001, Low: -0.02, High: 0.022, Margin: 0.05, Verdict: pb.EffectVerdict_EFFECT_VERDICT_NO_EFFECT_SHOWN}}}, nil
	}
	if req.Version == 2 {
		return &pb.GetEffectResponse{Alpha: 0.05, Arms: []*pb.EffectArm{{Arm: "holdout"}, {Arm: "treated", Enrolled: 40, Exposed: 38, Converted: 4, Rate: 0.105}},
			Comparisons: []*pb.EffectComparison{{Arm: "treated", Base: "holdout", Low: -1, High: 1, MissingUnits: 12, MissingBaseUnits: 50,
				Verdict: pb.EffectVerdict_EFFECT_VERDICT_TOO_LITTLE_DATA}}}, nil
	}
	return &pb.GetEffectResponse{Alpha: 0.05, Mixed: 3, Arms: []*pb.EffectArm{{Arm: "holdout", Enrolled: 1013, Exposed: 960, Converted: 106, Rate: 0.1104},
		{Arm: "treated", Enrolled: 9120, Exposed: 8733, Converted: 1384, Rate: 0.1585}}, Comparisons: []*pb.EffectComparison{{Arm: "treated", Base: "holdout",
		Difference: 0.0481, Low: 0.0104, High: 0.0857, Margin: 0.05, Verdict: pb.EffectVerdict_EFFECT_VERDICT_BETTER}}}, nil
}

func (*fixed) ListJourneys(_ context.Context, req *pb.ListJourneysRequest) (*pb.ListJourneysResponse, error) {
	j := &pb.Journey{Name: "welcome" + req.PageToken, Purpose: "service", State: pb.JourneyState_JOURNEY_STATE_PAUSED, Version: 2}
	resp := &pb.ListJourneysResponse{Journeys: []*pb.Journey{j}}
	if req.PageToken == "" {
		resp.NextPageToken = "-two"
	} else {
		j.PausedBy = "3120 messages in 1d, forecast 1000 times 3"
	}
	return resp, nil
}

func (*fixed) TriggerJourney(_ context.Context, req *pb.TriggerJourneyRequest) (*pb.TriggerJourneyResponse, error) {
	if req.Customer.GetExternalId() == "K-1" {
		return &pb.TriggerJourneyResponse{Reason: "no_consent"}, nil
	}
	return &pb.TriggerJourneyResponse{Reason: "enrolled", EnrollmentId: "e_00k2v8m1q4w3e00k2v8m1q4w3e"}, nil
}

func (*fixed) UpsertCustomer(ctx context.Context, req *pb.UpsertCustomerRequest) (*pb.UpsertCustomerResponse, error) {
	if md, _ := metadata.FromIncomingContext(ctx); len(md.Get("authorization")) == 0 {
		return nil, status.Error(codes.Unauthenticated, `no token: send the metadata "authorization: Bearer <token>"`)
	}
	c := req.Customer
	if slices.Equal(req.GetUpdateMask().GetPaths(), []string{"quiet_hours"}) && len(c.QuietHours) == 0 {
		return &pb.UpsertCustomerResponse{CustomerId: "c_00k2v8m1q4w3e"}, nil
	}
	if q := c.QuietHours; len(q) != 1 || q[0].From != "21:00" || q[0].To != "09:30" || !slices.Equal(q[0].Days, []string{"fri", "sat"}) {
		return nil, status.Errorf(codes.Internal, "quiet hours %v", q)
	}
	if c.Cap.GetWindow().AsDuration() != 7*24*time.Hour || c.Profile.GetExtra()["nickname"] != "Mimi" || c.Consents[0].Channel != "product" ||
		c.Attributes["visits"].GetInt() != 3 || c.Attributes["plan"].GetString_() != "plus" {
		return nil, status.Errorf(codes.Internal, "got %v", req)
	}
	return &pb.UpsertCustomerResponse{CustomerId: customerID, Created: true, Positions: []*pb.Position{{Partition: 3, Seq: 1042}}}, nil
}

func (*fixed) GetCustomer(context.Context, *pb.GetCustomerRequest) (*pb.GetCustomerResponse, error) {
	return &pb.GetCustomerResponse{
		Customer: &pb.Customer{Id: customerID, ExternalId: "K-100042", Locale: "de-DE", Attributes: map[string]*pb.PropertyValue{"plan": text("plus")},
			Consents:  []*pb.Consent{{Purpose: "marketing", Channel: "product", Granted: true}, {Purpose: "service"}},
			ChangedAt: noon, Profile: &pb.Profile{FullName: "Mara Beispiel"}},
		Devices:     []*pb.Device{{Device: machine, CustomerId: customerID, Role: pb.DeviceRole_DEVICE_ROLE_OWNER, From: noon}},
		Enrollments: []*pb.Enrollment{{Journey: "welcome", Version: 2, Step: "a_day", Arm: "treated", Device: machine, EnteredAt: noon}},
		Decisions:   []*pb.Decision{capped},
		Memberships: []*pb.Membership{{GroupId: "g_00k2v8m1q4w3e", Role: "payer", From: noon}, {GroupId: "g_00k2v8m1q4w3f", From: noon, To: noon}},
	}, nil
}

var capped = &pb.Decision{At: noon, Kind: pb.DecisionKind_DECISION_KIND_SEND, Reason: "capped", Journey: "welcome", Version: 2, Step: "remind",
	CustomerId: customerID, EventId: "brew-7", Rule: "cap 2 per 168h", Values: map[string]*pb.PropertyValue{"sent": number(2)},
	Arm: "treated", Split: "short", GroupId: "g_00k2v8m1q4w3e", Mixed: true}

func (*fixed) JoinGroup(_ context.Context, req *pb.JoinGroupRequest) (*pb.JoinGroupResponse, error) {
	return &pb.JoinGroupResponse{CustomerId: "c_00k2v8m1q4w3e", GroupId: "g_00k2v8m1q4w3e", Position: &pb.Position{Partition: 2, Seq: 17}}, nil
}

func (*fixed) LeaveGroup(context.Context, *pb.LeaveGroupRequest) (*pb.LeaveGroupResponse, error) {
	return &pb.LeaveGroupResponse{Position: &pb.Position{Partition: 1, Seq: 18}}, nil
}

func (*fixed) GetGroup(context.Context, *pb.GetGroupRequest) (*pb.GetGroupResponse, error) {
	return &pb.GetGroupResponse{GroupId: "g_00k2v8m1q4w3e", ExternalId: "H-7", Members: []*pb.Membership{
		{CustomerId: "c_00k2v8m1q4w3e", ExternalId: "K-100042", GroupId: "g_00k2v8m1q4w3e", Role: "payer", From: noon},
		{CustomerId: "c_00k2v8m1q4w3f", GroupId: "g_00k2v8m1q4w3e", From: noon, To: noon}}}, nil
}

func (*fixed) ListDecisions(_ context.Context, req *pb.ListDecisionsRequest) (*pb.ListDecisionsResponse, error) {
	if req.Customer.GetExternalId() == "nobody" {
		return &pb.ListDecisionsResponse{}, nil
	}
	entered := &pb.Decision{At: noon, Kind: pb.DecisionKind_DECISION_KIND_ENTRY, Reason: "enrolled", Journey: "welcome", Version: 2, CustomerId: customerID}
	list := []*pb.Decision{proto.CloneOf(capped), entered}
	if req.Language != "" {
		list[0].Text = "told in " + req.Language + ": a cap"
		list[1].Text = "told in " + req.Language + ": an entry"
	}
	return &pb.ListDecisionsResponse{Decisions: list}, nil
}

func (*fixed) SetConsent(context.Context, *pb.SetConsentRequest) (*pb.SetConsentResponse, error) {
	return &pb.SetConsentResponse{Position: &pb.Position{Partition: 3, Seq: 1043}}, nil
}

func (*fixed) EraseCustomer(context.Context, *pb.EraseCustomerRequest) (*pb.EraseCustomerResponse, error) {
	return &pb.EraseCustomerResponse{Position: &pb.Position{Partition: 3, Seq: 1044}}, nil
}

func (*fixed) BindDevice(context.Context, *pb.BindDeviceRequest) (*pb.BindDeviceResponse, error) {
	return &pb.BindDeviceResponse{DeviceId: deviceID, CustomerId: customerID, Position: &pb.Position{Partition: 3, Seq: 7}}, nil
}

func (*fixed) UnbindDevice(context.Context, *pb.UnbindDeviceRequest) (*pb.UnbindDeviceResponse, error) {
	return nil, status.Error(codes.PermissionDenied, "the token's roles (reader) do not allow it")
}

func (*fixed) ListDevices(context.Context, *pb.ListDevicesRequest) (*pb.ListDevicesResponse, error) {
	return &pb.ListDevicesResponse{}, nil
}

func (*fixed) RecordEvents(_ context.Context, req *pb.RecordEventsRequest) (*pb.RecordEventsResponse, error) {
	resp := &pb.RecordEventsResponse{Positions: []*pb.Position{{Partition: 3, Seq: 8}}}
	for i, e := range req.Events {
		r := &pb.EventResult{Index: int32(i), Status: pb.EventStatus_EVENT_STATUS_STORED}
		if e.Type == "Brew" {
			r.Status, r.Violations = pb.EventStatus_EVENT_STATUS_INVALID, []*pb.FieldViolation{{Field: "type", Text: "must be lower-case"}}
		}
		resp.Results = append(resp.Results, r)
	}
	return resp, nil
}

func (*fixed) ListEvents(_ context.Context, req *pb.ListEventsRequest) (*pb.ListEventsResponse, error) {
	at := noon
	if f := req.Filter.GetFrom(); f != nil { // shows what --from became
		at = f
	}
	return &pb.ListEventsResponse{Events: []*pb.Event{{Id: "brew-7", Type: "brew_finished", Device: machine, CustomerId: customerID, OccurredAt: at,
		Properties: map[string]*pb.PropertyValue{"water_ml": number(38), "drink": text("espresso")}}}, NextPageToken: "more"}, nil
}

func (*fixed) AggregateEvents(context.Context, *pb.AggregateEventsRequest) (*pb.AggregateEventsResponse, error) {
	return &pb.AggregateEventsResponse{Windows: []*pb.AggregateWindow{{Start: noon, Value: 418, Count: 11, Product: "barista-3"}}}, nil
}

var shown = &pb.Message{Id: messageID, Journey: "welcome", Version: 2, Step: "hello", Channel: "product", CustomerId: customerID, Device: machine,
	State: pb.MessageState_MESSAGE_STATE_DISPLAYED, StateAt: noon, DecidedAt: noon,
	History: []*pb.MessageChange{{State: pb.MessageState_MESSAGE_STATE_DECIDED, At: noon}, {State: pb.MessageState_MESSAGE_STATE_DISPLAYED, At: noon}}}

func (*fixed) ListMessages(context.Context, *pb.ListMessagesRequest) (*pb.ListMessagesResponse, error) {
	return &pb.ListMessagesResponse{Messages: []*pb.Message{shown}}, nil
}

func (*fixed) WatchMessages(_ *pb.WatchMessagesRequest, stream grpc.ServerStreamingServer[pb.WatchMessagesResponse]) error {
	return errors.Join(stream.Send(&pb.WatchMessagesResponse{Message: shown}), stream.Send(&pb.WatchMessagesResponse{Message: shown, Skipped: 3}), io.EOF)
}

func (*fixed) ReportReceipt(context.Context, *pb.ReportReceiptRequest) (*pb.ReportReceiptResponse, error) {
	st, _ := status.New(codes.Unavailable, "the log is away").WithDetails(&errdetails.RetryInfo{})
	return nil, st.Err()
}

func (*fixed) ListDeadLetters(context.Context, *pb.ListDeadLettersRequest) (*pb.ListDeadLettersResponse, error) {
	return &pb.ListDeadLettersResponse{DeadLetters: []*pb.DeadLetter{{Id: "17", ReceivedAt: noon, Source: "mqtt",
		Topic: "touchpoint/v1/barista-3/SN-000042/events", Reason: "invalid", Error: "data.water_ml: must be a number", PayloadBytes: 48}}}, nil
}

func (*fixed) ReplayDeadLetters(context.Context, *pb.ReplayDeadLettersRequest) (*pb.ReplayDeadLettersResponse, error) {
	return &pb.ReplayDeadLettersResponse{Replayed: 1, Failures: []*pb.ReplayFailure{{Id: "18", Error: "data.water_ml: must be a number"}}}, nil
}

func (*fixed) GetClock(context.Context, *pb.GetClockRequest) (*pb.GetClockResponse, error) {
	return &pb.GetClockResponse{Now: noon, Virtual: true}, nil
}

func (*fixed) AdvanceClock(_ context.Context, req *pb.AdvanceClockRequest) (*pb.AdvanceClockResponse, error) {
	return &pb.AdvanceClockResponse{Now: req.To}, nil
}

func (*fixed) GetStatus(context.Context, *pb.GetStatusRequest) (*pb.GetStatusResponse, error) {
	return &pb.GetStatusResponse{Installation: "touchpoint", Version: "0.1.0", Ready: true, Now: noon,
		Guarantees: []string{"log: embedded, every record synced before its acknowledgement"},
		Partitions: []*pb.PartitionStatus{{Partition: 0, LastEvent: 1042, AppliedEvent: 1042, LastStep: 977, Now: noon, Observed: noon,
			Followers: map[string]uint64{"directory": 1042, "history": 1040}}}}, nil
}

func (*fixed) Explain(_ context.Context, req *pb.ExplainRequest) (*pb.ExplainResponse, error) {
	text := "welcome: not inside, and would not be let in now: the consent is missing."
	if req.Language == "de" {
		text = "welcome: nicht darin und käme jetzt auch nicht hinein: die Einwilligung fehlt."
	}
	return &pb.ExplainResponse{Verdict: "no_consent", At: req.At, Lines: []*pb.ExplainLine{{Mark: "→", Text: text}, {Mark: "✓", Text: "Version 2 is live."}}}, nil
}
