package rpc

import (
	"context"
	"errors"
	"fmt"
	"io"
	"slices"
	"time"

	"github.com/cespare/xxhash/v2"
	"google.golang.org/grpc"
	"google.golang.org/protobuf/proto"

	"touchpoint/gateway"
	pb "touchpoint/proto/touchpoint/v1"
)

// maxAhead is how far a device's clock may run ahead before its time is not
// believed.
const maxAhead = 5 * time.Minute

type eventService struct {
	pb.UnimplementedEventServiceServer
	*base
}

// RecordEvents stores a batch.
func (s *eventService) RecordEvents(ctx context.Context, req *pb.RecordEventsRequest) (*pb.RecordEventsResponse, error) {
	var c checker
	if !c.count("events", len(req.Events), 1, maxBatch) {
		return nil, c.err()
	}
	var at highest
	results, err := s.record(ctx, req.Events, 0, &at)
	if err != nil {
		return nil, err
	}
	return &pb.RecordEventsResponse{Results: results, Positions: at.messages()}, nil
}

// RecordEventsStream stores batch after batch. It reads the next one when the
// last is durable, so that flow control slows the client to the log's pace.
func (s *eventService) RecordEventsStream(stream grpc.ClientStreamingServer[pb.RecordEventsStreamRequest, pb.RecordEventsStreamResponse]) error {
	resp := &pb.RecordEventsStreamResponse{}
	var at highest
	for {
		req, err := stream.Recv()
		if errors.Is(err, io.EOF) {
			resp.Positions = at.messages()
			return stream.SendAndClose(resp)
		}
		if err != nil {
			return err
		}
		var c checker
		n := len(resp.Results)
		c.count("events", len(req.Events), 1, maxBatch)
		if n+len(req.Events) > maxStream {
			c.fail("events", "the stream has more than %d; end it and open another one", maxStream)
		}
		if err := c.err(); err != nil {
			return err
		}
		results, err := s.record(stream.Context(), req.Events, n, &at)
		if err != nil {
			return err
		}
		resp.Results = append(resp.Results, results...)
	}
}

// record stores what is valid of a batch whose first event has index first.
// It fails as a whole only when nothing of it could be stored.
func (s *eventService) record(ctx context.Context, inputs []*pb.EventInput, first int, at *highest) ([]*pb.EventResult, error) {
	results := make([]*pb.EventResult, len(inputs))
	events := make([]gateway.Event, 0, len(inputs))
	origin := make([]int, 0, len(inputs)) // index into inputs of each event
	now := s.Clock.Now()
	for i, in := range inputs {
		results[i] = &pb.EventResult{Index: int32(first + i)}
		e, err := s.event(ctx, in, now)
		switch {
		case err == nil:
			events, origin = append(events, e), append(origin, i)
		case isRefusal(err):
			results[i].Status, results[i].Violations = pb.EventStatus_EVENT_STATUS_INVALID, refusal(err)
		default:
			return nil, err
		}
	}
	if len(events) == 0 {
		return results, nil
	}
	if err := s.Vault.Sync(ctx); err != nil {
		return nil, err
	}
	positions, errs := s.Intake.Record(ctx, events)
	return results, settle(results, origin, positions, errs, at)
}

// settle writes what became of the appended events into their results.
func settle(results []*pb.EventResult, origin []int, positions []gateway.Position, errs []error, at *highest) error {
	stored := 0
	var last error
	for k, i := range origin {
		var err error
		if errs != nil {
			err = errs[k]
		}
		switch {
		case err == nil:
			results[i].Status = pb.EventStatus_EVENT_STATUS_STORED
			at.add(positions[k])
			stored++
		case isRefusal(err):
			results[i].Status, results[i].Violations = pb.EventStatus_EVENT_STATUS_INVALID, refusal(err)
			stored++ // an answer, too: nothing to send again
		default:
			last = err
			results[i].Status = pb.EventStatus_EVENT_STATUS_RETRY
			results[i].Error = retryText(err)
		}
	}
	if stored == 0 {
		return last
	}
	return nil
}

// isRefusal reports an error that is about one item, not about the call.
func isRefusal(err error) bool {
	k := gateway.KindOf(err)
	return k == gateway.Invalid || k == gateway.NotFound
}

func refusal(err error) []*pb.FieldViolation {
	var gerr *gateway.Error
	errors.As(err, &gerr)
	return violations(&gateway.Error{Kind: gateway.Invalid, Text: gerr.Text, Violations: gerr.Violations, Err: gerr.Err})
}

func retryText(err error) string {
	if gateway.KindOf(err) == gateway.Internal {
		return "internal error; the gateway's log tells more"
	}
	return err.Error()
}

// event checks one event and resolves whose it is.
func (s *eventService) event(ctx context.Context, in *pb.EventInput, now gateway.Instant) (gateway.Event, error) {
	var c checker
	c.text("id", in.GetId(), maxEventID)
	c.eventType("type", in.GetType())
	c.device("device", in.GetDevice(), false)
	c.customer("customer", in.GetCustomer(), false)
	if in.GetDevice() == nil && in.GetCustomer() == nil {
		c.fail("device", "is required, or a customer for a touchpoint without a device")
	}
	if in.GetDevice() != nil && in.GetCustomer() != nil {
		c.fail("customer", "must be absent with a device: whose device it was at that time is known to the gateway")
	}
	e := gateway.Event{
		ID: in.GetId(), Type: in.GetType(), Boot: in.GetBoot(), Seq: in.GetSeq(), HasSeq: in.Seq != nil,
		DeviceTime: c.instant("occurred_at", in.GetOccurredAt()), ReceivedAt: now, Source: gateway.SourceGRPC,
		Properties: c.properties("properties", in.GetProperties()),
	}
	if err := c.err(); err != nil {
		return e, err
	}
	e.OccurredAt = e.DeviceTime
	if e.OccurredAt == 0 || e.OccurredAt > now.Add(maxAhead) {
		e.OccurredAt = now
	}
	if e.ID == "" && !e.HasSeq {
		e.PayloadHash = payloadHash(in)
	}
	var err error
	if in.Customer != nil {
		e.Customer, err = s.findCustomer(ctx, "customer", in.Customer)
	} else {
		e.Device, e.Product, err = s.device(ctx, in.Device)
	}
	return e, err
}

// payloadHash identifies an event that has neither an id nor a number.
func payloadHash(in *pb.EventInput) uint64 {
	text, err := proto.MarshalOptions{Deterministic: true}.Marshal(in)
	if err != nil {
		return 0 // a message that came over the wire always marshals
	}
	return xxhash.Sum64(text)
}

// ListEvents reads a page of the history.
func (s *eventService) ListEvents(ctx context.Context, req *pb.ListEventsRequest) (*pb.ListEventsResponse, error) {
	var c checker
	q := EventQuery{EventFilter: c.filter(req.GetFilter()), NewestFirst: req.NewestFirst, Limit: c.pageSize(req.PageSize)}
	at := c.positions(req.AtLeast, s.Partitions)
	if err := c.err(); err != nil {
		return nil, err
	}
	var err error
	if q.Cursor, err = s.cursor(req, req.PageToken); err != nil {
		return nil, err
	}
	if err := s.resolveFilter(ctx, req.GetFilter(), &q.EventFilter); err != nil {
		return nil, err
	}
	if err := s.await(ctx, s.History, at); err != nil {
		return nil, err
	}
	page, err := s.History.Events(ctx, q)
	if err != nil {
		return nil, err
	}
	resp := &pb.ListEventsResponse{NextPageToken: s.token(req, page.Next)}
	for _, row := range page.Items {
		resp.Events = append(resp.Events, s.eventMessage(ctx, row))
	}
	return resp, nil
}

// filter checks a filter; whom it names is resolved later.
func (c *checker) filter(f *pb.EventFilter) EventFilter {
	c.device("filter.device", f.GetDevice(), false)
	c.customer("filter.customer", f.GetCustomer(), false)
	if c.count("filter.types", len(f.GetTypes()), 0, maxFilter) {
		for i, t := range f.GetTypes() {
			c.eventType(fmt.Sprintf("filter.types[%d]", i), t)
		}
	}
	if f.GetProduct() != "" {
		c.level("filter.product", f.Product)
	}
	out := EventFilter{Product: f.GetProduct(), Types: f.GetTypes()}
	out.From, out.To = c.interval("filter.", f.GetFrom(), f.GetTo())
	return out
}

func (s *eventService) resolveFilter(ctx context.Context, f *pb.EventFilter, q *EventFilter) (err error) {
	if q.Device, err = s.findDevice(ctx, "filter.device", f.GetDevice()); err != nil {
		return err
	}
	q.Customer, err = s.findCustomer(ctx, "filter.customer", f.GetCustomer())
	return err
}

func (s *eventService) eventMessage(ctx context.Context, row EventRow) *pb.Event {
	e := row.Event
	m := &pb.Event{
		Id: e.ID, Type: e.Type, Device: s.deviceRef(ctx, e.Device), CustomerId: row.Customer.String(),
		OccurredAt: stamp(e.OccurredAt), ReceivedAt: stamp(e.ReceivedAt), AppliedAt: stamp(row.AppliedAt),
		Boot: e.Boot, Properties: propertyMap(e.Properties), Position: position(row.Position), TooOld: row.TooOld,
	}
	if e.HasSeq {
		m.Seq = &e.Seq
	}
	return m
}

var aggregateNames = map[pb.AggregateFunction]string{
	pb.AggregateFunction_AGGREGATE_FUNCTION_COUNT: "count",
	pb.AggregateFunction_AGGREGATE_FUNCTION_SUM:   "sum",
	pb.AggregateFunction_AGGREGATE_FUNCTION_MEAN:  "mean",
	pb.AggregateFunction_AGGREGATE_FUNCTION_MIN:   "min",
	pb.AggregateFunction_AGGREGATE_FUNCTION_MAX:   "max",
	pb.AggregateFunction_AGGREGATE_FUNCTION_LAST:  "last",
}

var groupNames = map[pb.EventGroup]string{
	pb.EventGroup_EVENT_GROUP_DEVICE:   "device",
	pb.EventGroup_EVENT_GROUP_CUSTOMER: "customer",
	pb.EventGroup_EVENT_GROUP_TYPE:     "type",
	pb.EventGroup_EVENT_GROUP_PRODUCT:  "product",
}

// AggregateEvents computes numbers over windows.
func (s *eventService) AggregateEvents(ctx context.Context, req *pb.AggregateEventsRequest) (*pb.AggregateEventsResponse, error) {
	var c checker
	q := c.aggregate(req)
	at := c.positions(req.AtLeast, s.Partitions)
	if err := c.err(); err != nil {
		return nil, err
	}
	if err := s.resolveFilter(ctx, req.GetFilter(), &q.EventFilter); err != nil {
		return nil, err
	}
	if err := s.await(ctx, s.History, at); err != nil {
		return nil, err
	}
	windows, err := s.History.Aggregate(ctx, q)
	if err != nil {
		return nil, err
	}
	resp := &pb.AggregateEventsResponse{}
	for _, w := range windows {
		resp.Windows = append(resp.Windows, &pb.AggregateWindow{Start: stamp(w.Start), Value: w.Value, Count: w.Count,
			Device: s.deviceRef(ctx, w.Device), CustomerId: w.Customer.String(), Type: w.Type, Product: w.Product})
	}
	return resp, nil
}

func (c *checker) aggregate(req *pb.AggregateEventsRequest) AggregateQuery {
	q := AggregateQuery{EventFilter: c.filter(req.GetFilter()), Property: req.Property}
	name, ok := aggregateNames[req.Function]
	if !ok {
		c.fail("function", "is required: COUNT, SUM, MEAN, MIN, MAX or LAST")
	}
	q.Function = name
	if ok && name != "count" {
		c.required("property", req.Property, maxPropertyKey)
	} else {
		c.text("property", req.Property, maxPropertyKey)
	}
	for i, g := range req.GroupBy {
		group, ok := groupNames[g]
		if !ok || slices.Contains(q.Groups, group) {
			c.fail(fmt.Sprintf("group_by[%d]", i), "must be DEVICE, CUSTOMER, TYPE or PRODUCT, each once")
			continue
		}
		q.Groups = append(q.Groups, group)
	}
	if q.From == 0 {
		c.fail("filter.from", "is required")
	}
	if q.To == 0 {
		c.fail("filter.to", "is required")
	}
	q.Window = c.duration("window", req.Window, 0, time.Second, 10*366*24*time.Hour)
	if q.Window > 0 && q.To > q.From && int64(q.To.Sub(q.From)/q.Window) > maxWindows {
		c.fail("window", "is too short: more than %d windows fit between filter.from and filter.to", maxWindows)
	}
	return q
}
