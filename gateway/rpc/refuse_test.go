package rpc_test

import (
	"context"
	"fmt"
	"strings"
	"testing"
	"time"

	"google.golang.org/genproto/googleapis/rpc/errdetails"
	"google.golang.org/grpc"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/status"
	"google.golang.org/protobuf/proto"
	"google.golang.org/protobuf/types/known/durationpb"
	"google.golang.org/protobuf/types/known/fieldmaskpb"
	"google.golang.org/protobuf/types/known/structpb"
	"google.golang.org/protobuf/types/known/timestamppb"

	"touchpoint/gateway"
	pb "touchpoint/proto/touchpoint/v1"
)

// TestRefused sends wrong requests and compares what a caller would see: the
// code, and field and text of a violation.
func TestRefused(t *testing.T) {
	w := newWorld()
	conn, _ := w.serve(t, nil)
	events, journeys := pb.NewEventServiceClient(conn), pb.NewJourneyServiceClient(conn)
	messages, customers := pb.NewMessageServiceClient(conn), pb.NewCustomerServiceClient(conn)
	letters, clocks := pb.NewDeadLetterServiceClient(conn), pb.NewClockServiceClient(conn)
	ctx := testContext(t)
	if _, err := customers.UpsertCustomer(ctx, &pb.UpsertCustomerRequest{Customer: &pb.Customer{ExternalId: "K-1"}}); err != nil {
		t.Fatal(err)
	}
	if _, err := journeys.CreateJourney(ctx, &pb.CreateJourneyRequest{Definition: yamlText("name: welcome\n")}); err != nil {
		t.Fatal(err)
	}
	if _, err := journeys.CreateJourney(ctx, &pb.CreateJourneyRequest{Definition: yamlText("name: broken\nsteps:\n- id: pause\n  wait: soon\n")}); err != nil {
		t.Fatal(err)
	}
	k1, long := customerRef("K-1"), strings.Repeat("x", 300)
	upsert := func(c *pb.Customer, paths ...string) func(context.Context) error {
		if c != nil && c.ExternalId == "" && c.Id == "" {
			c.ExternalId = "K-1"
		}
		req := &pb.UpsertCustomerRequest{Customer: c, UpdateMask: &fieldmaskpb.FieldMask{Paths: paths}}
		return call(customers.UpsertCustomer, req)
	}
	tests := []struct {
		name  string
		call  func(context.Context) error
		code  codes.Code
		field string
		text  string
	}{
		{"no events", call(events.RecordEvents, &pb.RecordEventsRequest{}), codes.InvalidArgument, "events", "has 0 entries; allowed are 1 to 1000"},
		{"too many events", call(events.RecordEvents, &pb.RecordEventsRequest{Events: make([]*pb.EventInput, 1001)}), codes.InvalidArgument, "events", "has 1001 entries; allowed are 1 to 1000"},
		{"page too large", call(events.ListEvents, &pb.ListEventsRequest{PageSize: 1001}), codes.InvalidArgument, "page_size", "is 1001; allowed are 1 to 1000, or 0 for 100"},
		{"page negative", call(messages.ListMessages, &pb.ListMessagesRequest{PageSize: -1}), codes.InvalidArgument, "page_size", "is -1; allowed are 1 to 1000"},
		{"token of nobody", call(events.ListEvents, &pb.ListEventsRequest{PageToken: "!!"}), codes.InvalidArgument, "page_token", "is no token of this gateway"},
		{"token altered", call(customers.ListDecisions, &pb.ListDecisionsRequest{PageToken: strings.Repeat("A", 40)}), codes.InvalidArgument, "page_token", "does not belong to this query"},
		{"filter from after to", call(events.ListEvents, &pb.ListEventsRequest{Filter: &pb.EventFilter{From: day(2), To: day(1)}}), codes.InvalidArgument, "filter.to", "must be after filter.from"},
		{"filter type", call(events.ListEvents, &pb.ListEventsRequest{Filter: &pb.EventFilter{Types: []string{"on", "Brew Finished"}}}), codes.InvalidArgument, "filter.types[1]", "lower-case letters"},
		{"filter types", call(events.ListEvents, &pb.ListEventsRequest{Filter: &pb.EventFilter{Types: make([]string, 21)}}), codes.InvalidArgument, "filter.types", "has 21 entries; allowed are 0 to 20"},
		{"filter product", call(events.ListEvents, &pb.ListEventsRequest{Filter: &pb.EventFilter{Product: "a+b"}}), codes.InvalidArgument, "filter.product", "no level of a topic"},
		{"filter year", call(events.ListEvents, &pb.ListEventsRequest{Filter: &pb.EventFilter{From: &timestamppb.Timestamp{Seconds: 1}}}), codes.InvalidArgument, "filter.from", "from the year 2000 to 2099"},
		{"filter half a device", call(events.ListEvents, &pb.ListEventsRequest{Filter: &pb.EventFilter{Device: &pb.DeviceRef{Product: "barista-3"}}}), codes.InvalidArgument, "filter.device.serial", "is required"},
		{"filter unknown device", call(events.ListEvents, &pb.ListEventsRequest{Filter: &pb.EventFilter{Device: deviceRef("nobody")}}), codes.NotFound, "filter.device", "no event came from this device"},
		{"filter unknown customer", call(events.ListEvents, &pb.ListEventsRequest{Filter: &pb.EventFilter{Customer: customerRef("nobody")}}), codes.NotFound, "filter.customer", "no customer has this external_id"},
		{"at_least partition", call(events.ListEvents, &pb.ListEventsRequest{AtLeast: []*pb.Position{{Partition: 9}}}), codes.InvalidArgument, "at_least[0].partition", "is 9; the gateway has partitions 0 to 3"},
		{"aggregate nothing", call(events.AggregateEvents, &pb.AggregateEventsRequest{}), codes.InvalidArgument, "function", "is required: COUNT"},
		{"aggregate without from", call(events.AggregateEvents, &pb.AggregateEventsRequest{Function: pb.AggregateFunction_AGGREGATE_FUNCTION_COUNT}), codes.InvalidArgument, "filter.from", "is required"},
		{"aggregate without property", call(events.AggregateEvents, &pb.AggregateEventsRequest{Function: pb.AggregateFunction_AGGREGATE_FUNCTION_SUM, Filter: week()}), codes.InvalidArgument, "property", "is required"},
		{"aggregate too fine", call(events.AggregateEvents, &pb.AggregateEventsRequest{Function: pb.AggregateFunction_AGGREGATE_FUNCTION_COUNT, Filter: week(), Window: durationpb.New(time.Second)}), codes.InvalidArgument, "window", "more than 10000 windows"},
		{"aggregate window too short", call(events.AggregateEvents, &pb.AggregateEventsRequest{Function: pb.AggregateFunction_AGGREGATE_FUNCTION_COUNT, Filter: week(), Window: durationpb.New(time.Millisecond)}), codes.InvalidArgument, "window", "must be a duration from 1s"},
		{"aggregate group twice", call(events.AggregateEvents, &pb.AggregateEventsRequest{Function: pb.AggregateFunction_AGGREGATE_FUNCTION_COUNT, Filter: week(), GroupBy: []pb.EventGroup{1, 1}}), codes.InvalidArgument, "group_by[1]", "each once"},

		{"create nothing", call(journeys.CreateJourney, &pb.CreateJourneyRequest{}), codes.InvalidArgument, "definition", "is required: yaml or structured"},
		{"create huge", call(journeys.CreateJourney, &pb.CreateJourneyRequest{Definition: yamlText(strings.Repeat("x", 300_000))}), codes.InvalidArgument, "definition", "has 300000 bytes; allowed are at most 262144"},
		{"create nameless", call(journeys.CreateJourney, &pb.CreateJourneyRequest{Definition: yamlText("purpose: service\n")}), codes.InvalidArgument, "name", "line 1: is missing"},
		{"create bad name", call(journeys.CreateJourney, &pb.CreateJourneyRequest{Definition: yamlText("name: Hello World\n")}), codes.InvalidArgument, "definition.name", "must be 1 to 64 lower-case letters"},
		{"create twice", call(journeys.CreateJourney, &pb.CreateJourneyRequest{Definition: yamlText("name: welcome\n")}), codes.FailedPrecondition, "definition", `a journey "welcome" exists already`},
		{"create not YAML", call(journeys.CreateJourney, &pb.CreateJourneyRequest{Definition: yamlText("\t: : [")}), codes.InvalidArgument, "name", "is missing"},
		{"update unknown", call(journeys.UpdateJourney, &pb.UpdateJourneyRequest{Definition: yamlText("name: nobody\n")}), codes.NotFound, "name", `no journey "nobody" exists`},
		{"update other revision", call(journeys.UpdateJourney, &pb.UpdateJourneyRequest{Definition: yamlText("name: welcome\n"), Revision: 7}), codes.FailedPrecondition, "", "is at revision 1, not 7"},
		{"validate nothing", call(journeys.ValidateJourney, &pb.ValidateJourneyRequest{}), codes.InvalidArgument, "definition", "is required"},
		{"publish nothing", call(journeys.PublishJourney, &pb.PublishJourneyRequest{}), codes.InvalidArgument, "name", "is required"},
		{"publish unknown", call(journeys.PublishJourney, &pb.PublishJourneyRequest{Name: "nobody"}), codes.NotFound, "name", "no journey"},
		{"publish broken", call(journeys.PublishJourney, &pb.PublishJourneyRequest{Name: "broken"}), codes.InvalidArgument, "steps[0].wait", `line 4, step "pause": "soon" is no duration`},
		{"publish policy", call(journeys.PublishJourney, &pb.PublishJourneyRequest{Name: "welcome", Existing: 99}), codes.InvalidArgument, "existing", "must be IGNORE or ENROLL"},
		{"publish running", call(journeys.PublishJourney, &pb.PublishJourneyRequest{Name: "welcome", Running: 99}), codes.InvalidArgument, "running", "must be PIN, MIGRATE or RESTART"},
		{"pause a draft", call(journeys.PauseJourney, &pb.PauseJourneyRequest{Name: "welcome"}), codes.FailedPrecondition, "", "is in state draft"},
		{"resume bad name", call(journeys.ResumeJourney, &pb.ResumeJourneyRequest{Name: "A B"}), codes.InvalidArgument, "name", "lower-case"},
		{"get unknown version", call(journeys.GetJourney, &pb.GetJourneyRequest{Name: "welcome", Version: 4}), codes.NotFound, "version", "has no version 4"},
		{"trigger nobody", call(journeys.TriggerJourney, &pb.TriggerJourneyRequest{Name: "welcome", Key: "k"}), codes.InvalidArgument, "customer", "is required: external_id or id"},
		{"trigger without key", call(journeys.TriggerJourney, &pb.TriggerJourneyRequest{Name: "welcome", Customer: k1}), codes.InvalidArgument, "key", "is required"},
		{"trigger unknown journey", call(journeys.TriggerJourney, &pb.TriggerJourneyRequest{Name: "nobody", Customer: k1, Key: "k"}), codes.NotFound, "name", "no journey"},
		{"trigger too many properties", call(journeys.TriggerJourney, &pb.TriggerJourneyRequest{Name: "welcome", Customer: k1, Key: "k", Properties: properties(65)}), codes.InvalidArgument, "properties", "has 65 entries; allowed are 0 to 64"},

		{"message id", call(messages.ListMessages, &pb.ListMessagesRequest{MessageId: "m_1"}), codes.InvalidArgument, "message_id", `must be "m_" and 26 characters`},
		{"message state", call(messages.ListMessages, &pb.ListMessagesRequest{States: []pb.MessageState{99}}), codes.InvalidArgument, "states[0]", "is no state"},
		{"receipt nothing", call(messages.ReportReceipt, &pb.ReportReceiptRequest{}), codes.InvalidArgument, "message_id", "is required"},
		{"receipt decided", call(messages.ReportReceipt, &pb.ReportReceiptRequest{MessageId: messageID.String(), State: pb.MessageState_MESSAGE_STATE_DECIDED}), codes.InvalidArgument, "state", "must be DELIVERED, DISPLAYED"},
		{"receipt channel", call(messages.ReportReceipt, &pb.ReportReceiptRequest{MessageId: messageID.String(), State: 7, Channel: "pigeon"}), codes.InvalidArgument, "channel", "must be one of product, stream, webhook, email"},
		{"receipt detail", call(messages.ReportReceipt, &pb.ReportReceiptRequest{MessageId: messageID.String(), State: 7, Detail: long}), codes.InvalidArgument, "detail", "has 300 bytes; allowed are at most 256"},

		{"upsert nobody", call(customers.UpsertCustomer, &pb.UpsertCustomerRequest{}), codes.InvalidArgument, "customer", "is required"},
		{"upsert long number", upsert(&pb.Customer{ExternalId: long}), codes.InvalidArgument, "customer.external_id", "at most 256"},
		{"upsert two names", upsert(&pb.Customer{ExternalId: "K-1", Id: "c_0000000000001"}), codes.InvalidArgument, "customer", "give one of them"},
		{"upsert bad id", upsert(&pb.Customer{Id: "K-1"}), codes.InvalidArgument, "customer.id", "goes into external_id"},
		{"upsert unknown id", upsert(&pb.Customer{Id: gateway.CustomerID(5).String()}), codes.NotFound, "customer.id", "no customer has this id"},
		{"upsert locale", upsert(&pb.Customer{Locale: "German"}), codes.InvalidArgument, "customer.locale", "de-DE"},
		{"upsert zone", upsert(&pb.Customer{TimeZone: "Mars/Base"}), codes.InvalidArgument, "customer.time_zone", "Europe/Berlin"},
		{"upsert machine zone", upsert(&pb.Customer{TimeZone: "Local"}), codes.InvalidArgument, "customer.time_zone", "Europe/Berlin"},
		{"upsert country", upsert(&pb.Customer{Country: "de"}), codes.InvalidArgument, "customer.country", "upper-case"},
		{"upsert channel", upsert(&pb.Customer{Channels: []string{"pigeon"}}), codes.InvalidArgument, "customer.channels[0]", "must be one of"},
		{"upsert channel twice", upsert(&pb.Customer{Channels: []string{"product", "product"}}), codes.InvalidArgument, "customer.channels[1]", "twice"},
		{"upsert cap", upsert(&pb.Customer{Cap: &pb.CustomerCap{Count: -1}}), codes.InvalidArgument, "customer.cap.count", "allowed are 0 to 1000"},
		{"upsert quiet hours", upsert(&pb.Customer{QuietHours: []*pb.QuietHours{{From: "22", To: "07:00"}}}), codes.InvalidArgument, "customer.quiet_hours[0].from", "must be a time of day such as 21:30"},
		{"upsert empty quiet hours", upsert(&pb.Customer{QuietHours: []*pb.QuietHours{{From: "22:00", To: "22:00"}}}), codes.InvalidArgument, "customer.quiet_hours[0].to", "equals from"},
		{"upsert day of quiet hours", upsert(&pb.Customer{QuietHours: []*pb.QuietHours{{From: "22:00", To: "07:00", Days: []string{"friday"}}}}), codes.InvalidArgument, "customer.quiet_hours[0].days", "must be mon"},
		{"upsert cap window", upsert(&pb.Customer{Cap: &pb.CustomerCap{Count: 1}}), codes.InvalidArgument, "customer.cap.window", "is required with a count"},
		{"upsert mask", upsert(&pb.Customer{}, "shoe_size"), codes.InvalidArgument, "update_mask", "paths are locale, time_zone"},
		{"upsert e-mail", upsert(&pb.Customer{Profile: &pb.Profile{Email: "Mara <mara@example.com>"}}), codes.InvalidArgument, "customer.profile.email", "without a name"},
		{"upsert phone", upsert(&pb.Customer{Profile: &pb.Profile{Phone: "030 123"}}), codes.InvalidArgument, "customer.profile.phone", "E.164"},
		{"upsert extra", upsert(&pb.Customer{Profile: &pb.Profile{Extra: map[string]string{"Nick Name": "x"}}}), codes.InvalidArgument, "customer.profile.extra", "has a name that is not"},
		{"upsert consent", upsert(&pb.Customer{Consents: []*pb.Consent{{Purpose: "spam"}}}), codes.InvalidArgument, "customer.consents[0].purpose", "must be service, marketing, safety, or data:"},
		{"consent nothing", call(customers.SetConsent, &pb.SetConsentRequest{}), codes.InvalidArgument, "purpose", "is required: service"},
		{"consent future", call(customers.SetConsent, &pb.SetConsentRequest{Customer: k1, Purpose: "marketing", At: day(9)}), codes.InvalidArgument, "at", "is in the future"},
		{"consent source", call(customers.SetConsent, &pb.SetConsentRequest{Customer: k1, Purpose: "marketing", Source: long}), codes.InvalidArgument, "source", "at most 128"},
		{"consent unknown", call(customers.SetConsent, &pb.SetConsentRequest{Customer: customerRef("nobody"), Purpose: "marketing"}), codes.NotFound, "customer", "no customer has this external_id"},
		{"erase unknown", call(customers.EraseCustomer, &pb.EraseCustomerRequest{Customer: customerRef("nobody")}), codes.NotFound, "customer", "no customer"},
		{"get too many decisions", call(customers.GetCustomer, &pb.GetCustomerRequest{Customer: k1, Decisions: proto.Int32(900)}), codes.InvalidArgument, "decisions", "allowed are 0 to 200"},
		{"bind nothing", call(customers.BindDevice, &pb.BindDeviceRequest{}), codes.InvalidArgument, "device", "is required: product and serial, or id"},
		{"bind wildcard", call(customers.BindDevice, &pb.BindDeviceRequest{Device: deviceRef("a/#"), Customer: k1}), codes.InvalidArgument, "device.serial", "no level of a topic"},
		{"bind role", call(customers.BindDevice, &pb.BindDeviceRequest{Device: deviceRef("1"), Customer: k1, Role: 9}), codes.InvalidArgument, "role", "OWNER, USER, PAYER, DEALER or STAFF"},
		{"bind future", call(customers.BindDevice, &pb.BindDeviceRequest{Device: deviceRef("1"), Customer: k1, At: day(9)}), codes.InvalidArgument, "at", "is in the future"},
		{"unbind unknown", call(customers.UnbindDevice, &pb.UnbindDeviceRequest{Device: deviceRef("nobody")}), codes.NotFound, "device", "bound to nobody"},
		{"device id", call(customers.ListDevices, &pb.ListDevicesRequest{Device: &pb.DeviceRef{Id: "x"}}), codes.InvalidArgument, "device.id", `must be "d_"`},
		{"decision kind", call(customers.ListDecisions, &pb.ListDecisionsRequest{Kinds: []pb.DecisionKind{99}}), codes.InvalidArgument, "kinds[0]", "is no kind"},
		{"decision reasons", call(customers.ListDecisions, &pb.ListDecisionsRequest{Reasons: make([]string, 21)}), codes.InvalidArgument, "reasons", "has 21 entries; allowed are 0 to 20"},

		{"replay nothing", call(letters.ReplayDeadLetters, &pb.ReplayDeadLettersRequest{}), codes.InvalidArgument, "ids", "has 0 entries; allowed are 1 to 1000"},
		{"replay both", call(letters.ReplayDeadLetters, &pb.ReplayDeadLettersRequest{All: true, Ids: []string{"1"}}), codes.InvalidArgument, "ids", "must be empty with all"},
		{"advance nowhere", call(clocks.AdvanceClock, &pb.AdvanceClockRequest{}), codes.InvalidArgument, "to", "is required"},
		{"advance back", call(clocks.AdvanceClock, &pb.AdvanceClockRequest{To: timestamppb.New(start.Time().Add(-time.Second))}), codes.InvalidArgument, "to", "time never goes back"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) { wantStatus(t, tt.call(ctx), tt.code, tt.field, tt.text) })
	}
	if len(tests) < 50 {
		t.Errorf("%d refusals are too few", len(tests))
	}
	if log := w.logs.String(); strings.Contains(log, "mara@example.com") || strings.Contains(log, "K-1") {
		t.Error("the log holds a personal value")
	}
}

// wantStatus compares an error with what a caller should see.
func wantStatus(t *testing.T, err error, code codes.Code, field, text string) {
	t.Helper()
	st := status.Convert(err)
	if st.Code() != code {
		t.Fatalf("code %v (%s), want %v", st.Code(), st.Message(), code)
	}
	var seen []string
	informed := false
	for _, d := range st.Details() {
		switch d := d.(type) {
		case *errdetails.BadRequest:
			for _, v := range d.FieldViolations {
				seen = append(seen, v.Field+": "+v.Description)
				if v.Field == field && strings.Contains(v.Description, text) {
					return
				}
			}
		case *errdetails.ErrorInfo:
			informed = d.Domain == "touchpoint" && d.Reason != ""
		}
	}
	if !informed {
		t.Error("no ErrorInfo")
	}
	if field == "" && strings.Contains(st.Message(), text) {
		return
	}
	t.Errorf("got %q, violations %q; want %s: …%s…", st.Message(), seen, field, text)
}

func call[Req, Resp any](f func(context.Context, *Req, ...grpc.CallOption) (*Resp, error), req *Req) func(context.Context) error {
	return func(ctx context.Context) error {
		_, err := f(ctx, req)
		return err
	}
}

func yamlText(text string) *pb.JourneyDefinition {
	return &pb.JourneyDefinition{Form: &pb.JourneyDefinition_Yaml{Yaml: text}}
}

func structured(t *testing.T, m map[string]any) *pb.JourneyDefinition {
	s, err := structpb.NewStruct(m)
	if err != nil {
		t.Fatal(err)
	}
	return &pb.JourneyDefinition{Form: &pb.JourneyDefinition_Structured{Structured: s}}
}

func day(n int) *timestamppb.Timestamp {
	return timestamppb.New(start.Time().AddDate(0, 0, n))
}

func week() *pb.EventFilter { return &pb.EventFilter{From: day(-7), To: day(0)} }

func properties(n int) map[string]*pb.PropertyValue {
	m := make(map[string]*pb.PropertyValue)
	for i := range n {
		m[fmt.Sprint("p", i)] = &pb.PropertyValue{}
	}
	return m
}
