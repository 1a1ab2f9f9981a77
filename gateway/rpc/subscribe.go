package rpc

import (
	"context"
	"errors"
	"io"
	"strconv"
	"sync"
	"time"

	"google.golang.org/grpc"

	"touchpoint/gateway"
	pb "touchpoint/proto/touchpoint/v1"
)

// SubscribeMessages hands messages to one replica of a named consumer.
func (s *messageService) SubscribeMessages(stream grpc.BidiStreamingServer[pb.SubscribeMessagesRequest, pb.SubscribeMessagesResponse]) error {
	if s.Stream == nil {
		return gateway.Errorf(gateway.Conflict, "the stream channel is off in this gateway")
	}
	first, err := stream.Recv()
	if err != nil {
		return err
	}
	opt, err := s.subscribeOptions(first.GetOpen())
	if err != nil {
		return err
	}
	ctx, cancel := context.WithCancelCause(stream.Context())
	defer cancel(nil)
	sub, err := s.Stream.Subscribe(ctx, opt)
	if err != nil {
		return err
	}
	defer sub.Close()
	sess := &subscription{open: make(map[string]*Delivery), room: make(chan struct{}, opt.MaxInFlight)}
	if err := stream.SendHeader(nil); err != nil { // tells the client that it is subscribed
		return err
	}
	go func() { cancel(sess.receive(ctx, stream)) }()
	err = s.send(ctx, sess, sub, stream)
	if cause := context.Cause(ctx); cause != nil && !errors.Is(cause, context.Canceled) {
		err = cause
	}
	if errors.Is(err, io.EOF) { // the client is done
		return nil
	}
	return err
}

func (s *messageService) subscribeOptions(open *pb.SubscribeOpen) (StreamOptions, error) {
	var c checker
	if open == nil {
		c.fail("open", "must be the first message of the stream")
		return StreamOptions{}, c.err()
	}
	c.match("open.consumer", open.Consumer, consumerText, `1 to 64 letters, digits, "-" and "_"`)
	inFlight := int(open.MaxInFlight)
	if inFlight < 0 || inFlight > maxPage {
		c.fail("open.max_in_flight", "is %d; allowed are 1 to %d, or 0 for 64", inFlight, maxPage)
	}
	if inFlight == 0 {
		inFlight = 64
	}
	if open.Journey != "" {
		c.journey("open.journey", open.Journey)
	}
	wait := c.duration("open.ack_wait", open.AckWait, 30*time.Second, time.Second, time.Hour)
	return StreamOptions{Consumer: open.Consumer, MaxInFlight: inFlight, AckWait: wait, Journey: open.Journey}, c.err()
}

// subscription is one stream: which deliveries are out, and room for more.
type subscription struct {
	mu   sync.Mutex
	next int
	open map[string]*Delivery
	room chan struct{}
}

// send hands deliveries over while there is room.
func (s *messageService) send(ctx context.Context, sess *subscription, sub Subscription, stream grpc.BidiStreamingServer[pb.SubscribeMessagesRequest, pb.SubscribeMessagesResponse]) error {
	for {
		select {
		case sess.room <- struct{}{}:
		case <-ctx.Done():
			return ctx.Err()
		}
		d, err := sub.Next(ctx)
		if err != nil {
			return err
		}
		resp, err := s.delivery(ctx, d)
		if err != nil {
			return err
		}
		if resp == nil { // the customer is gone: settled without a hand-over
			<-sess.room
			continue
		}
		resp.DeliveryId = sess.out(d)
		if err := stream.Send(resp); err != nil {
			return err
		}
	}
}

// delivery makes the message for the consumer; nil when the customer was erased
// meanwhile.
func (s *messageService) delivery(ctx context.Context, d *Delivery) (*pb.SubscribeMessagesResponse, error) {
	external, err := s.Vault.CustomerName(ctx, d.Message.Customer)
	if err != nil {
		if gateway.KindOf(err) == gateway.NotFound {
			return nil, d.Ack(ctx)
		}
		return nil, err
	}
	resp := &pb.SubscribeMessagesResponse{
		Attempt: int32(d.Attempt), Message: s.message(ctx, MessageRow{Message: d.Message}),
		Title: d.Title, Body: d.Body, CustomerExternalId: external.Reveal(), Withdraw: d.Withdraw,
	}
	for _, a := range d.Actions {
		resp.Actions = append(resp.Actions, &pb.MessageAction{Id: a.ID, Label: a.Label, Url: a.URL})
	}
	return resp, nil
}

// out notes a delivery and names it.
func (sess *subscription) out(d *Delivery) string {
	sess.mu.Lock()
	defer sess.mu.Unlock()
	sess.next++
	id := strconv.Itoa(sess.next)
	sess.open[id] = d
	return id
}

// take finds a delivery; settled ones are forgotten and make room.
func (sess *subscription) take(id string, settled bool) *Delivery {
	sess.mu.Lock()
	defer sess.mu.Unlock()
	d := sess.open[id]
	if d != nil && settled {
		delete(sess.open, id)
		<-sess.room
	}
	return d
}

// receive applies what the client says until it ends the stream.
func (sess *subscription) receive(ctx context.Context, stream grpc.BidiStreamingServer[pb.SubscribeMessagesRequest, pb.SubscribeMessagesResponse]) error {
	for {
		req, err := stream.Recv()
		if err != nil {
			return err
		}
		if err := sess.apply(ctx, req); err != nil {
			return err
		}
	}
}

func (sess *subscription) apply(ctx context.Context, req *pb.SubscribeMessagesRequest) error {
	var c checker
	var d *Delivery
	switch a := req.Action.(type) {
	case *pb.SubscribeMessagesRequest_Ack:
		if d = sess.take(a.Ack.GetDeliveryId(), true); d != nil {
			return d.Ack(ctx)
		}
		c.fail("ack.delivery_id", "names no delivery of this stream that is still open")
	case *pb.SubscribeMessagesRequest_Nack:
		delay := c.duration("nack.delay", a.Nack.GetDelay(), 0, 0, time.Hour)
		if c.err() != nil {
			break
		}
		if d = sess.take(a.Nack.GetDeliveryId(), true); d != nil {
			return d.Nack(ctx, delay)
		}
		c.fail("nack.delivery_id", "names no delivery of this stream that is still open")
	case *pb.SubscribeMessagesRequest_Extend:
		if d = sess.take(a.Extend.GetDeliveryId(), false); d != nil {
			return d.Extend(ctx)
		}
		c.fail("extend.delivery_id", "names no delivery of this stream that is still open")
	case *pb.SubscribeMessagesRequest_Open:
		c.fail("open", "comes once, as the first message of the stream")
	default:
		c.fail("action", "is required: ack, nack or extend")
	}
	return c.err()
}
