package rpc

import (
	"context"
	"fmt"

	"google.golang.org/grpc"

	"touchpoint/gateway"
	pb "touchpoint/proto/touchpoint/v1"
)

type deadLetterService struct {
	pb.UnimplementedDeadLetterServiceServer
	*base
}

// ListDeadLetters reads a page of dead letters.
func (s *deadLetterService) ListDeadLetters(ctx context.Context, req *pb.ListDeadLettersRequest) (*pb.ListDeadLettersResponse, error) {
	var c checker
	limit := c.pageSize(req.PageSize)
	if err := c.err(); err != nil {
		return nil, err
	}
	cursor, err := s.cursor(req, req.PageToken)
	if err != nil {
		return nil, err
	}
	page, err := s.DeadLetters.DeadLetters(ctx, cursor, limit, req.WithPayload)
	if err != nil {
		return nil, err
	}
	resp := &pb.ListDeadLettersResponse{NextPageToken: s.token(req, page.Next)}
	for _, d := range page.Items {
		resp.DeadLetters = append(resp.DeadLetters, &pb.DeadLetter{Id: d.ID, ReceivedAt: stamp(d.ReceivedAt), Source: d.Source,
			Topic: d.Topic, Reason: d.Reason, Error: d.Error, PayloadBytes: int64(d.Bytes), Payload: d.Payload, Attempts: int32(d.Attempts)})
	}
	return resp, nil
}

// ReplayDeadLetters takes dead letters in again.
func (s *deadLetterService) ReplayDeadLetters(ctx context.Context, req *pb.ReplayDeadLettersRequest) (*pb.ReplayDeadLettersResponse, error) {
	var c checker
	switch {
	case req.All && len(req.Ids) > 0:
		c.fail("ids", "must be empty with all")
	case !req.All:
		c.count("ids", len(req.Ids), 1, maxBatch)
	}
	for i, id := range req.Ids {
		c.required(fmt.Sprintf("ids[%d]", i), id, maxName)
	}
	if err := c.err(); err != nil {
		return nil, err
	}
	ids := req.Ids
	if req.All {
		var err error
		if ids, err = s.all(ctx); err != nil {
			return nil, err
		}
	}
	resp := &pb.ReplayDeadLettersResponse{}
	for _, id := range ids {
		switch err := s.DeadLetters.Replay(ctx, id); {
		case err == nil:
			resp.Replayed++
		case isRefusal(err) || gateway.KindOf(err) == gateway.Conflict:
			resp.Failures = append(resp.Failures, &pb.ReplayFailure{Id: id, Error: err.Error()})
		default:
			return nil, err
		}
	}
	return resp, nil
}

// all lists the ids that are there now.
func (s *deadLetterService) all(ctx context.Context) ([]string, error) {
	var ids []string
	cursor := ""
	for {
		page, err := s.DeadLetters.DeadLetters(ctx, cursor, maxPage, false)
		if err != nil {
			return nil, err
		}
		for _, d := range page.Items {
			ids = append(ids, d.ID)
		}
		if cursor = page.Next; cursor == "" {
			return ids, nil
		}
	}
}

type clockService struct {
	pb.UnimplementedClockServiceServer
	*base
}

// GetClock reads the gateway's time.
func (s *clockService) GetClock(context.Context, *pb.GetClockRequest) (*pb.GetClockResponse, error) {
	return &pb.GetClockResponse{Now: stamp(s.Clock.Now()), Virtual: s.Clock.Virtual(), Paced: s.Clock.Virtual() && !s.Clock.LockStep()}, nil
}

// AdvanceClock moves the virtual clock.
func (s *clockService) AdvanceClock(ctx context.Context, req *pb.AdvanceClockRequest) (*pb.AdvanceClockResponse, error) {
	if !s.Clock.Virtual() || s.Advance == nil {
		return nil, gateway.Errorf(gateway.Conflict, "the gateway runs on the wall clock; start it with clock.mode: lockstep or paced to move time by hand")
	}
	var c checker
	to := c.instant("to", req.To)
	switch {
	case req.Settle && req.To != nil:
		c.fail("settle", "moves no clock: leave out to")
	case !req.Settle && req.To == nil:
		c.fail("to", "is required")
	}
	if now := s.Clock.Now(); to != 0 && to < now {
		c.fail("to", "is before the clock's present time %v: time never goes back", now)
	}
	if err := c.err(); err != nil {
		return nil, err
	}
	if err := s.Advance(ctx, to); err != nil {
		return nil, err
	}
	return &pb.AdvanceClockResponse{Now: stamp(s.Clock.Now())}, nil
}

type statusService struct {
	pb.UnimplementedStatusServiceServer
	*base
}

// GetStatus reads the positions of everything.
func (s *statusService) GetStatus(ctx context.Context, _ *pb.GetStatusRequest) (*pb.GetStatusResponse, error) {
	r, err := s.Status.Status(ctx)
	if err != nil {
		return nil, err
	}
	resp := &pb.GetStatusResponse{Version: r.Version, Installation: r.Installation, Ready: len(r.NotReady) == 0,
		NotReady: r.NotReady, Guarantees: r.Guarantees, Alarms: r.Alarms, Now: stamp(s.Clock.Now())}
	for _, p := range r.Partitions {
		resp.Partitions = append(resp.Partitions, &pb.PartitionStatus{Partition: int32(p.Partition), LastEvent: p.LastEvent,
			AppliedEvent: p.AppliedEvent, LastStep: p.LastStep, Now: stamp(p.Now), Observed: stamp(p.Observed), Followers: p.Followers})
	}
	return resp, nil
}

type auditService struct {
	pb.UnimplementedAuditServiceServer
	*base
}

func (s *auditService) partition(n int32) error {
	var c checker
	if n < 0 || int(n) >= s.Partitions {
		c.fail("partition", "is %d; the gateway has partitions 0 to %d", n, s.Partitions-1)
	}
	return c.err()
}

// ReadArrivals streams the event log of a partition.
func (s *auditService) ReadArrivals(req *pb.ReadArrivalsRequest, stream grpc.ServerStreamingServer[pb.ReadArrivalsResponse]) error {
	if err := s.partition(req.Partition); err != nil {
		return err
	}
	return s.Audit.ScanEvents(stream.Context(), int(req.Partition), req.After, func(b *gateway.Batch) error {
		resp := &pb.ReadArrivalsResponse{Seq: b.Seq, RecordTime: stamp(b.RecordTime), Observed: stamp(b.Observed)}
		for i := range b.Inputs {
			resp.Arrivals = append(resp.Arrivals, s.arrival(stream.Context(), &b.Inputs[i]))
		}
		return stream.Send(resp)
	})
}

// ReadSteps streams the step log of a partition.
func (s *auditService) ReadSteps(req *pb.ReadStepsRequest, stream grpc.ServerStreamingServer[pb.ReadStepsResponse]) error {
	if err := s.partition(req.Partition); err != nil {
		return err
	}
	return s.Audit.ScanSteps(stream.Context(), int(req.Partition), req.After, func(step *gateway.Step) error {
		return stream.Send(stepMessage(step))
	})
}

// arrival shows one input; commands show whom they are about, not what they say.
func (s *auditService) arrival(ctx context.Context, in *gateway.Input) *pb.Arrival {
	a := &pb.Arrival{}
	if in.From.Step > 0 {
		from := int32(in.From.Partition)
		a.FromPartition = &from
	}
	switch cmd := in.Command.(type) {
	case nil:
		s.eventArrival(ctx, a, "event", &in.Event)
	case gateway.CustomerEvent:
		s.eventArrival(ctx, a, "customer_event", &cmd.Event)
		a.CustomerId = cmd.Customer.String()
	case gateway.Receipt:
		a.Kind, a.Type, a.MessageId = "receipt", cmd.State.String(), cmd.Message.String()
		a.Device, a.CustomerId, a.OccurredAt = s.deviceRef(ctx, cmd.Device), cmd.Customer.String(), stamp(cmd.At)
	default:
		var device gateway.DeviceID
		var customer gateway.CustomerID
		a.Kind, device, customer = commandSubject(cmd)
		a.Device, a.CustomerId = s.deviceRef(ctx, device), customer.String()
	}
	return a
}

func (s *auditService) eventArrival(ctx context.Context, a *pb.Arrival, kind string, e *gateway.Event) {
	a.Kind, a.EventId, a.Type, a.Boot = kind, e.ID, e.Type, e.Boot
	a.Device, a.CustomerId = s.deviceRef(ctx, e.Device), e.Customer.String()
	a.OccurredAt, a.ReceivedAt = stamp(e.OccurredAt), stamp(e.ReceivedAt)
	if e.HasSeq {
		seq := e.Seq
		a.Seq = &seq
	}
}

// commandSubject names a command and whom it is about.
func commandSubject(cmd gateway.Command) (kind string, d gateway.DeviceID, c gateway.CustomerID) {
	switch x := cmd.(type) {
	case gateway.Tick:
		return "tick", 0, 0
	case gateway.UpsertCustomer:
		return "upsert_customer", 0, x.Customer
	case gateway.SetConsent:
		return "set_consent", 0, x.Customer
	case gateway.BindDevice:
		return "bind_device", x.Device, x.Customer
	case gateway.UnbindDevice:
		return "unbind_device", x.Device, x.Customer
	case gateway.ReleaseDevice:
		return "release_device", x.Device, 0
	case gateway.AdmitDevice:
		return "admit_device", x.Device, 0
	case gateway.EraseCustomer:
		return "erase_customer", 0, x.Customer
	case gateway.PublishJourney:
		return "publish_journey", 0, 0
	case gateway.SetJourneyState:
		return "set_journey_state", 0, 0
	case gateway.TriggerJourney:
		return "trigger_journey", x.Device, x.Customer
	case gateway.AddressRecipient:
		return "address_recipient", x.Device, x.Customer
	case gateway.RecallRecipient:
		return "recall_recipient", 0, x.Customer
	}
	return "unknown", 0, 0
}

func stepMessage(step *gateway.Step) *pb.ReadStepsResponse {
	m := &pb.ReadStepsResponse{Number: step.Number, Owner: step.Owner, Now: stamp(step.Now)}
	for _, a := range step.Applied {
		m.Applied = append(m.Applied, a.Seq)
	}
	for _, o := range step.Outcomes {
		m.Dispositions = append(m.Dispositions, uint32(o.Disposition))
	}
	for _, msg := range step.Messages {
		m.Messages = append(m.Messages, &pb.StepMessage{MessageId: msg.ID.String(), Journey: msg.Journey, Cause: msg.Cause,
			Holdout: msg.Holdout, DecidedAt: stamp(msg.DecidedAt), ExpiresAt: stamp(msg.ExpiresAt), Channel: msg.Channel})
	}
	for _, u := range step.Updates {
		m.Updates = append(m.Updates, &pb.StepUpdate{MessageId: u.Message.String(), State: u.State.String(), At: stamp(u.At)})
	}
	for _, l := range step.Late {
		m.LateEvents = append(m.LateEvents, l.Event.ID)
	}
	return m
}
