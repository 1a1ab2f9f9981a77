package rpc

import (
	"context"
	"fmt"
	"slices"
	"time"

	"google.golang.org/grpc"

	"touchpoint/gateway"
	pb "touchpoint/proto/touchpoint/v1"
)

type messageService struct {
	pb.UnimplementedMessageServiceServer
	*base
}

// ListMessages reads a page of messages.
func (s *messageService) ListMessages(ctx context.Context, req *pb.ListMessagesRequest) (*pb.ListMessagesResponse, error) {
	var c checker
	q := MessageQuery{Journey: req.Journey, WithHistory: req.WithHistory}
	c.customer("customer", req.Customer, false)
	c.device("device", req.Device, false)
	if req.Journey != "" {
		c.journey("journey", req.Journey)
	}
	q.States = c.states(req.States)
	if req.MessageId != "" {
		q.Message = c.message("message_id", req.MessageId)
	}
	q.From, q.To = c.interval("", req.From, req.To)
	q.Limit = c.pageSize(req.PageSize)
	at := c.positions(req.AtLeast, s.Partitions)
	if err := c.err(); err != nil {
		return nil, err
	}
	var err error
	if q.Cursor, err = s.cursor(req, req.PageToken); err != nil {
		return nil, err
	}
	if q.Customer, err = s.findCustomer(ctx, "customer", req.Customer); err != nil {
		return nil, err
	}
	if q.Device, err = s.findDevice(ctx, "device", req.Device); err != nil {
		return nil, err
	}
	if err := s.await(ctx, s.Follower, at); err != nil {
		return nil, err
	}
	page, err := s.Messages.Messages(ctx, q)
	if err != nil {
		return nil, err
	}
	resp := &pb.ListMessagesResponse{NextPageToken: s.token(req, page.Next)}
	for _, row := range page.Items {
		resp.Messages = append(resp.Messages, s.message(ctx, row))
	}
	return resp, nil
}

// states reads a filter of states.
func (c *checker) states(in []pb.MessageState) []gateway.MessageState {
	var out []gateway.MessageState
	for i, st := range in {
		if pb.MessageState_name[int32(st)] == "" || st == pb.MessageState_MESSAGE_STATE_UNSPECIFIED {
			c.fail(fmt.Sprintf("states[%d]", i), "is no state of a message")
			continue
		}
		out = append(out, gateway.MessageState(st)) // the numbers are the same, see TestStateNumbers
	}
	return out
}

// message reads a message id.
func (c *checker) message(field, text string) gateway.MessageID {
	if text == "" {
		c.fail(field, "is required")
		return gateway.MessageID{}
	}
	id, err := gateway.ParseMessageID(text)
	if err != nil {
		c.fail(field, `must be "m_" and 26 characters`)
	}
	return id
}

func (b *base) message(ctx context.Context, row MessageRow) *pb.Message {
	m := row.Message
	out := &pb.Message{
		Id: m.ID.String(), EnrollmentId: m.Enrollment.String(), Journey: m.Journey, Version: m.Version, Step: m.Step,
		CustomerId: m.Customer.String(), Device: b.deviceRef(ctx, m.Device), Channel: m.Channel, Purpose: string(m.Purpose),
		Template: m.Template, Locale: m.Locale, State: pb.MessageState(m.State), StateAt: stamp(row.StateAt),
		DecidedAt: stamp(m.DecidedAt), ExpiresAt: stamp(m.ExpiresAt), Cause: m.Cause, Holdout: m.Holdout, Detail: row.Detail,
		Recipient: m.Recipient,
	}
	for _, h := range row.History {
		out.History = append(out.History, &pb.MessageChange{State: pb.MessageState(h.State), At: stamp(h.At), Detail: h.Detail})
	}
	return out
}

// WatchMessages follows changes until the client or the gateway stops.
func (s *messageService) WatchMessages(req *pb.WatchMessagesRequest, stream grpc.ServerStreamingServer[pb.WatchMessagesResponse]) error {
	ctx := stream.Context()
	want, err := s.watchFilter(ctx, req)
	if err != nil {
		return err
	}
	w := s.Feed.watch()
	defer s.Feed.stop(w)
	// Headers tell the client that from here on nothing is missed.
	if err := stream.SendHeader(nil); err != nil {
		return err
	}
	for {
		select {
		case <-ctx.Done():
			return ctx.Err()
		case u, ok := <-w.changes:
			if !ok {
				return gateway.Errorf(gateway.Unavailable, "the gateway stops: watch again")
			}
			if !want(u) {
				continue
			}
			row, err := s.changed(ctx, u)
			if err != nil {
				return err
			}
			if err := stream.Send(&pb.WatchMessagesResponse{Message: s.message(ctx, row), Skipped: w.missed()}); err != nil {
				return err
			}
		}
	}
}

// changed completes a change from the read model. A message that is gone
// (erased) is shown by what the change itself says.
func (s *messageService) changed(ctx context.Context, u gateway.MessageUpdate) (MessageRow, error) {
	row, err := s.Messages.Message(ctx, u.Message)
	if gateway.KindOf(err) == gateway.NotFound && err != nil {
		row, err = MessageRow{Message: gateway.Message{ID: u.Message, Journey: u.Journey, Customer: u.Customer,
			Device: u.Device, Channel: u.Channel}}, nil
	}
	row.Message.State, row.StateAt, row.Detail = u.State, u.At, u.Detail
	return row, err
}

func (s *messageService) watchFilter(ctx context.Context, req *pb.WatchMessagesRequest) (func(gateway.MessageUpdate) bool, error) {
	var c checker
	c.customer("customer", req.Customer, false)
	c.device("device", req.Device, false)
	if req.Journey != "" {
		c.journey("journey", req.Journey)
	}
	states := c.states(req.States)
	if err := c.err(); err != nil {
		return nil, err
	}
	customer, err := s.findCustomer(ctx, "customer", req.Customer)
	if err != nil {
		return nil, err
	}
	device, err := s.findDevice(ctx, "device", req.Device)
	if err != nil {
		return nil, err
	}
	return func(u gateway.MessageUpdate) bool {
		return (customer == 0 || u.Customer == customer) && (device == 0 || u.Device == device) &&
			(req.Journey == "" || u.Journey == req.Journey) && (len(states) == 0 || slices.Contains(states, u.State))
	}, nil
}

// reportable are the states that a receipt may report.
var reportable = []gateway.MessageState{gateway.MessageDelivered, gateway.MessageDisplayed, gateway.MessageOpened,
	gateway.MessageClicked, gateway.MessageDismissed, gateway.MessageFailed}

// ReportReceipt appends a receipt where the message's customer lives.
func (s *messageService) ReportReceipt(ctx context.Context, req *pb.ReportReceiptRequest) (*pb.ReportReceiptResponse, error) {
	var c checker
	id := c.message("message_id", req.MessageId)
	state := gateway.MessageState(req.State)
	if !slices.Contains(reportable, state) {
		c.fail("state", "must be DELIVERED, DISPLAYED, OPENED, CLICKED, DISMISSED or FAILED")
	}
	at := c.instant("at", req.At)
	c.channel("channel", req.Channel, s.Channels)
	c.text("detail", req.Detail, maxDetail)
	if err := c.err(); err != nil {
		return nil, err
	}
	row, err := s.freshMessage(ctx, id)
	if err != nil {
		return nil, err
	}
	if now := s.Clock.Now(); at == 0 || at > now.Add(maxAhead) {
		at = now
	}
	receipt := gateway.Receipt{Message: id, Customer: row.Message.Customer, Device: row.Message.Device,
		Channel: req.Channel, State: state, At: at, Detail: req.Detail}
	if receipt.Channel == "" {
		receipt.Channel = row.Message.Channel
	}
	pos, err := s.Intake.Submit(ctx, s.customerPartition(receipt.Customer), gateway.Input{Command: receipt})
	if err != nil {
		return nil, err
	}
	return &pb.ReportReceiptResponse{Position: position(pos)}, nil
}

// A message reaches a consumer a moment before the read model knows it: a
// receipt that is quick waits this long.
const (
	receiptPatience = 3 * time.Second
	receiptPause    = 20 * time.Millisecond
)

// freshMessage reads a message that may have been decided just now.
func (s *messageService) freshMessage(ctx context.Context, id gateway.MessageID) (MessageRow, error) {
	wait, cancel := context.WithTimeout(ctx, receiptPatience)
	defer cancel()
	for {
		row, err := s.Messages.Message(ctx, id)
		if err == nil || gateway.KindOf(err) != gateway.NotFound {
			return row, err
		}
		pause := time.NewTimer(receiptPause)
		select {
		case <-pause.C:
		case <-wait.Done():
			pause.Stop()
			if ctx.Err() != nil {
				return MessageRow{}, ctx.Err()
			}
			return MessageRow{}, notFound("message_id", "no message has this id, or its customer was erased")
		}
	}
}
