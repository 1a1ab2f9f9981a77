package rpc_test

import (
	"fmt"
	"testing"

	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/status"
	"google.golang.org/protobuf/proto"
	"google.golang.org/protobuf/types/known/timestamppb"

	"touchpoint/gateway"
	pb "touchpoint/proto/touchpoint/v1"
)

func brew(n int) *pb.EventInput {
	return &pb.EventInput{Id: fmt.Sprint("brew-", n), Type: "brew_finished", Device: deviceRef("SN-1"),
		OccurredAt: timestamppb.New(start.Time()), Properties: map[string]*pb.PropertyValue{
			"water_ml": {Value: &pb.PropertyValue_Int{Int: int64(30 + n)}}, "hot": {Value: &pb.PropertyValue_Bool{Bool: true}},
			"temp_c": {Value: &pb.PropertyValue_Double{Double: 91.5}}, "drink": {Value: &pb.PropertyValue_String_{String_: "espresso"}}}}
}

func TestRecordEventsAnswersForEachItem(t *testing.T) {
	w := newWorld()
	conn, _ := w.serve(t, nil)
	api, ctx := pb.NewEventServiceClient(conn), testContext(t)
	ahead := brew(2)
	ahead.OccurredAt = day(1)
	visit := &pb.EventInput{Type: "shop_visit", Customer: customerRef("nobody")}
	resp, err := api.RecordEvents(ctx, &pb.RecordEventsRequest{Events: []*pb.EventInput{
		brew(1), {Type: "Brew!", Device: deviceRef("SN-1")}, ahead, visit, nil, {Type: "on", Device: deviceRef("SN-1"), Customer: customerRef("K-1")},
	}})
	if err != nil {
		t.Fatal(err)
	}
	want := []struct {
		status pb.EventStatus
		field  string
	}{{pb.EventStatus_EVENT_STATUS_STORED, ""}, {pb.EventStatus_EVENT_STATUS_INVALID, "type"}, {pb.EventStatus_EVENT_STATUS_STORED, ""},
		{pb.EventStatus_EVENT_STATUS_INVALID, "customer"}, {pb.EventStatus_EVENT_STATUS_INVALID, "type"}, {pb.EventStatus_EVENT_STATUS_INVALID, "customer"}}
	for i, r := range resp.Results {
		if int(r.Index) != i || r.Status != want[i].status {
			t.Errorf("result %d: %v", i, r)
		}
		if want[i].field != "" && r.Violations[0].Field != want[i].field {
			t.Errorf("result %d is about %v, want %s", i, r.Violations, want[i].field)
		}
	}
	if len(resp.Positions) != 1 || resp.Positions[0].Seq != 2 {
		t.Errorf("positions %v, want the highest of one partition", resp.Positions)
	}
	if e := w.events[1].Event; e.OccurredAt != start || e.DeviceTime == start || e.ReceivedAt != start {
		t.Errorf("a clock that runs ahead was believed: %v, %v", e.OccurredAt, e.DeviceTime)
	}
	list, err := api.ListEvents(ctx, &pb.ListEventsRequest{AtLeast: resp.Positions})
	if err != nil {
		t.Fatal(err)
	}
	if got := list.Events[0]; !proto.Equal(got.Properties["temp_c"], brew(1).Properties["temp_c"]) || got.Device.Serial != "SN-1" ||
		!proto.Equal(got.Properties["water_ml"], brew(1).Properties["water_ml"]) || got.Id != "brew-1" {
		t.Errorf("read back %v", got)
	}
	if len(w.awaited) != 1 {
		t.Errorf("awaited %v, want the position of the write", w.awaited)
	}
}

func TestRecordEventsWhenTheLogRefuses(t *testing.T) {
	w := newWorld()
	conn, _ := w.serve(t, nil)
	api, ctx := pb.NewEventServiceClient(conn), testContext(t)
	w.refuse = func(in gateway.Input) error {
		if in.Event.ID == "brew-2" {
			return gateway.Errorf(gateway.Exhausted, "the log is at 90 %% of its size")
		}
		return nil
	}
	resp, err := api.RecordEvents(ctx, &pb.RecordEventsRequest{Events: []*pb.EventInput{brew(1), brew(2)}})
	if err != nil {
		t.Fatal(err)
	}
	if r := resp.Results[1]; resp.Results[0].Status != pb.EventStatus_EVENT_STATUS_STORED || r.Status != pb.EventStatus_EVENT_STATUS_RETRY ||
		r.Error != "the log is at 90 % of its size" {
		t.Errorf("results %v", resp.Results)
	}
	_, err = api.RecordEvents(ctx, &pb.RecordEventsRequest{Events: []*pb.EventInput{brew(2)}})
	if status.Code(err) != codes.ResourceExhausted {
		t.Errorf("nothing stored: %v, want ResourceExhausted", err)
	}
}

func TestRecordEventsStreamNumbersThrough(t *testing.T) {
	w := newWorld()
	conn, _ := w.serve(t, nil)
	stream, err := pb.NewEventServiceClient(conn).RecordEventsStream(testContext(t))
	if err != nil {
		t.Fatal(err)
	}
	for b := range 3 {
		if err := stream.Send(&pb.RecordEventsStreamRequest{Events: []*pb.EventInput{brew(2 * b), {Type: "?"}}}); err != nil {
			t.Fatal(err)
		}
	}
	resp, err := stream.CloseAndRecv()
	if err != nil {
		t.Fatal(err)
	}
	if len(resp.Results) != 6 || resp.Results[5].Index != 5 || resp.Results[5].Status != pb.EventStatus_EVENT_STATUS_INVALID ||
		resp.Results[4].Status != pb.EventStatus_EVENT_STATUS_STORED || resp.Positions[0].Seq != 3 {
		t.Errorf("results %v, positions %v", resp.Results, resp.Positions)
	}
}

func TestEventsWithoutIdentityAreKnownByContent(t *testing.T) {
	w := newWorld()
	conn, _ := w.serve(t, nil)
	a, b := brew(1), brew(2)
	a.Id, b.Id = "", ""
	if _, err := pb.NewEventServiceClient(conn).RecordEvents(testContext(t), &pb.RecordEventsRequest{Events: []*pb.EventInput{a, proto.Clone(a).(*pb.EventInput), b}}); err != nil {
		t.Fatal(err)
	}
	h := []uint64{w.events[0].Event.PayloadHash, w.events[1].Event.PayloadHash, w.events[2].Event.PayloadHash}
	if h[0] == 0 || h[0] != h[1] || h[0] == h[2] {
		t.Errorf("hashes %v: the same content must hash the same, other content not", h)
	}
}

func TestPagesBelongToTheirQuery(t *testing.T) {
	w := newWorld()
	conn, _ := w.serve(t, nil)
	api, ctx := pb.NewEventServiceClient(conn), testContext(t)
	var inputs []*pb.EventInput
	for n := range 5 {
		inputs = append(inputs, brew(n))
	}
	if _, err := api.RecordEvents(ctx, &pb.RecordEventsRequest{Events: inputs}); err != nil {
		t.Fatal(err)
	}
	req := &pb.ListEventsRequest{Filter: &pb.EventFilter{Types: []string{"brew_finished"}}, PageSize: 2}
	var ids []string
	for {
		resp, err := api.ListEvents(ctx, req)
		if err != nil {
			t.Fatal(err)
		}
		for _, e := range resp.Events {
			ids = append(ids, e.Id)
		}
		if resp.NextPageToken == "" {
			break
		}
		req.PageToken, req.PageSize = resp.NextPageToken, 3 // the size may change
	}
	if fmt.Sprint(ids) != "[brew-0 brew-1 brew-2 brew-3 brew-4]" {
		t.Errorf("read %v", ids)
	}
	req.Filter.Types[0] = "brew_started"
	_, err := api.ListEvents(ctx, req)
	wantStatus(t, err, codes.InvalidArgument, "page_token", "does not belong to this query")
	// The same token for another call.
	_, err = pb.NewCustomerServiceClient(conn).ListDecisions(ctx, &pb.ListDecisionsRequest{PageToken: req.PageToken})
	wantStatus(t, err, codes.InvalidArgument, "page_token", "does not belong to this query")
}

func TestAggregate(t *testing.T) {
	w := newWorld()
	conn, _ := w.serve(t, nil)
	resp, err := pb.NewEventServiceClient(conn).AggregateEvents(testContext(t), &pb.AggregateEventsRequest{
		Function: pb.AggregateFunction_AGGREGATE_FUNCTION_COUNT, Filter: week()})
	if err != nil || len(resp.Windows) != 1 {
		t.Fatal(resp, err)
	}
}
