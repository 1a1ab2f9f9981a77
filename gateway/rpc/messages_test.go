package rpc_test

import (
	"io"
	"testing"
	"time"

	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/status"
	"google.golang.org/protobuf/types/known/durationpb"

	"touchpoint/gateway"
	"touchpoint/gateway/rpc"
	pb "touchpoint/proto/touchpoint/v1"
)

func (w *world) addMessage(id gateway.MessageID, customer gateway.CustomerID, state gateway.MessageState) {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.messages[id] = rpc.MessageRow{Message: gateway.Message{ID: id, Customer: customer, Journey: "welcome", Step: "hello",
		Channel: "product", State: state, DecidedAt: start}, StateAt: start}
}

func TestNumbersAreThoseOfTheGateway(t *testing.T) {
	for n, name := range pb.MessageState_name {
		if n == 0 {
			continue
		}
		if st, ok := gateway.ParseMessageState(gateway.MessageState(n).String()); !ok || "MESSAGE_STATE_"+upper(st.String()) != name {
			t.Errorf("%s is %v in the gateway", name, gateway.MessageState(n))
		}
	}
	for n, name := range pb.DecisionKind_name {
		if n != 0 && "DECISION_KIND_"+upper(gateway.DecisionKind(n).String()) != name {
			t.Errorf("%s is %v in the gateway", name, gateway.DecisionKind(n))
		}
	}
	if gateway.MessageWithdrawn != gateway.MessageState(len(pb.MessageState_name)-1) {
		t.Error("the gateway has states that the API has not")
	}
}

func upper(s string) string {
	b := []byte(s)
	for i, c := range b {
		if c >= 'a' && c <= 'z' {
			b[i] = c - 32
		}
	}
	return string(b)
}

func TestReceipt(t *testing.T) {
	w := newWorld()
	conn, _ := w.serve(t, nil)
	w.addMessage(messageID, 77, gateway.MessageHandedOver)
	resp, err := pb.NewMessageServiceClient(conn).ReportReceipt(testContext(t), &pb.ReportReceiptRequest{
		MessageId: messageID.String(), State: pb.MessageState_MESSAGE_STATE_DISPLAYED})
	if err != nil {
		t.Fatal(err)
	}
	r := commands[gateway.Receipt](w)[0]
	if r.Message != messageID || r.Customer != 77 || r.State != gateway.MessageDisplayed || r.Channel != "product" || r.At != start ||
		int(resp.Position.Partition) != gateway.CustomerSubject(77).Partition(partitions) {
		t.Errorf("receipt %+v at %v", r, resp.Position)
	}
}

func TestWatchFollowsWhatItsFilterAllows(t *testing.T) {
	w := newWorld()
	conn, server := w.serve(t, nil)
	ctx := testContext(t)
	stream, err := pb.NewMessageServiceClient(conn).WatchMessages(ctx, &pb.WatchMessagesRequest{Journey: "welcome",
		States: []pb.MessageState{pb.MessageState_MESSAGE_STATE_DECIDED, pb.MessageState_MESSAGE_STATE_DISPLAYED}})
	if err != nil {
		t.Fatal(err)
	}
	if _, err := stream.Header(); err != nil { // the watch has begun
		t.Fatal(err)
	}
	w.addMessage(messageID, 77, gateway.MessageDisplayed)
	server.Feed().Decided(&gateway.Message{ID: messageID, Journey: "welcome", DecidedAt: start})
	server.Feed().Changed(gateway.MessageUpdate{Message: messageID, Journey: "other", State: gateway.MessageDisplayed})
	server.Feed().Changed(gateway.MessageUpdate{Message: messageID, Journey: "welcome", State: gateway.MessageHandedOver})
	server.Feed().Changed(gateway.MessageUpdate{Message: messageID, Journey: "welcome", State: gateway.MessageDisplayed, At: start + 1})
	gone := gateway.NewMessageID(gateway.EnrollmentID{2}, "hello", 1) // of an erased customer
	server.Feed().Changed(gateway.MessageUpdate{Message: gone, Journey: "welcome", State: gateway.MessageDisplayed})
	for i, want := range []pb.MessageState{1, 7, 7} {
		change, err := stream.Recv()
		if err != nil {
			t.Fatal(err)
		}
		if change.Message.State != want || i < 2 && change.Message.Step != "hello" {
			t.Errorf("change %d: %v", i, change)
		}
	}
	server.Feed().Close()
	if _, err := stream.Recv(); status.Code(err) != codes.Unavailable {
		t.Errorf("the end of the feed: %v", err)
	}
}

func TestSubscribe(t *testing.T) {
	w := newWorld()
	conn, _ := w.serve(t, nil)
	ctx := testContext(t)
	w.customers["K-1"] = 77
	w.stream.put(messageID, 99, 1) // an erased customer's: settled without a hand-over
	w.stream.put(messageID, 77, 1)
	stream, err := pb.NewMessageServiceClient(conn).SubscribeMessages(ctx)
	if err != nil {
		t.Fatal(err)
	}
	send := func(r *pb.SubscribeMessagesRequest) {
		t.Helper()
		if err := stream.Send(r); err != nil {
			t.Fatal(err)
		}
	}
	told := func(want string) {
		t.Helper()
		select {
		case got := <-w.stream.told:
			if got != want {
				t.Fatalf("the stream was told %q, want %q", got, want)
			}
		case <-ctx.Done():
			t.Fatalf("the stream was not told %q", want)
		}
	}
	receive := func(attempt int32) string {
		t.Helper()
		d, err := stream.Recv()
		if err != nil {
			t.Fatal(err)
		}
		if d.Attempt != attempt || d.CustomerExternalId != "K-1" || d.Title != "Hello" || d.Message.Id != messageID.String() {
			t.Fatalf("delivery %v", d)
		}
		return d.DeliveryId
	}
	send(&pb.SubscribeMessagesRequest{Action: &pb.SubscribeMessagesRequest_Open{Open: &pb.SubscribeOpen{Consumer: "push", MaxInFlight: 1}}})
	told("open push")
	told("ack")
	id := receive(1)
	send(&pb.SubscribeMessagesRequest{Action: &pb.SubscribeMessagesRequest_Extend{Extend: &pb.SubscribeExtend{DeliveryId: id}}})
	told("extend")
	send(&pb.SubscribeMessagesRequest{Action: &pb.SubscribeMessagesRequest_Nack{Nack: &pb.SubscribeNack{DeliveryId: id, Delay: durationpb.New(5 * time.Second)}}})
	told("nack 5s")
	id = receive(2)
	send(&pb.SubscribeMessagesRequest{Action: &pb.SubscribeMessagesRequest_Ack{Ack: &pb.SubscribeAck{DeliveryId: id}}})
	told("ack")
	if err := stream.CloseSend(); err != nil {
		t.Fatal(err)
	}
	if _, err := stream.Recv(); err != io.EOF {
		t.Errorf("the end: %v", err)
	}
	told("close")
}

func TestSubscribeRefuses(t *testing.T) {
	w := newWorld()
	conn, _ := w.serve(t, nil)
	open := func(o *pb.SubscribeOpen) *pb.SubscribeMessagesRequest {
		return &pb.SubscribeMessagesRequest{Action: &pb.SubscribeMessagesRequest_Open{Open: o}}
	}
	ok := open(&pb.SubscribeOpen{Consumer: "push"})
	tests := []struct {
		name        string
		says        []*pb.SubscribeMessagesRequest
		field, text string
	}{
		{"nothing", []*pb.SubscribeMessagesRequest{{}}, "open", "must be the first message"},
		{"nameless", []*pb.SubscribeMessagesRequest{open(&pb.SubscribeOpen{})}, "open.consumer", "is required"},
		{"bad name", []*pb.SubscribeMessagesRequest{open(&pb.SubscribeOpen{Consumer: "a b"})}, "open.consumer", "1 to 64 letters"},
		{"in flight", []*pb.SubscribeMessagesRequest{open(&pb.SubscribeOpen{Consumer: "a", MaxInFlight: 5000})}, "open.max_in_flight", "allowed are 1 to 1000"},
		{"ack wait", []*pb.SubscribeMessagesRequest{open(&pb.SubscribeOpen{Consumer: "a", AckWait: durationpb.New(time.Millisecond)})}, "open.ack_wait", "from 1s to 1h"},
		{"open twice", []*pb.SubscribeMessagesRequest{ok, ok}, "open", "comes once"},
		{"empty", []*pb.SubscribeMessagesRequest{ok, {}}, "action", "is required"},
		{"unknown ack", []*pb.SubscribeMessagesRequest{ok, {Action: &pb.SubscribeMessagesRequest_Ack{Ack: &pb.SubscribeAck{DeliveryId: "9"}}}}, "ack.delivery_id", "names no delivery"},
		{"unknown nack", []*pb.SubscribeMessagesRequest{ok, {Action: &pb.SubscribeMessagesRequest_Nack{Nack: &pb.SubscribeNack{DeliveryId: "9"}}}}, "nack.delivery_id", "names no delivery"},
		{"unknown extend", []*pb.SubscribeMessagesRequest{ok, {Action: &pb.SubscribeMessagesRequest_Extend{}}}, "extend.delivery_id", "names no delivery"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			stream, err := pb.NewMessageServiceClient(conn).SubscribeMessages(testContext(t))
			if err != nil {
				t.Fatal(err)
			}
			for _, r := range tt.says {
				if err := stream.Send(r); err != nil && err != io.EOF {
					t.Fatal(err)
				}
			}
			_, err = stream.Recv()
			wantStatus(t, err, codes.InvalidArgument, tt.field, tt.text)
		})
	}
}
