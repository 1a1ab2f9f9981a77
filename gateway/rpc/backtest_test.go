package rpc_test

import (
	"bytes"
	"context"
	"errors"
	"io"
	"testing"

	"google.golang.org/grpc/codes"

	"touchpoint/gateway"
	"touchpoint/gateway/rpc"
	pb "touchpoint/proto/touchpoint/v1"
)

// trials answers backtests.
type trials struct {
	asked    rpc.BacktestQuery
	customer gateway.CustomerID
	size     int
}

func (f *trials) Backtest(_ context.Context, q rpc.BacktestQuery, progress func(*pb.BacktestProgress) error) (*pb.BacktestReport, error) {
	f.asked = q
	if err := progress(&pb.BacktestProgress{Share: 0.5}); err != nil {
		return nil, err
	}
	return &pb.BacktestReport{Journey: "welcome", Samples: []*pb.BacktestSample{{Customer: &pb.CustomerRef{Id: f.customer.String()}}}}, nil
}

func (f *trials) WriteRecording(_ context.Context, w io.Writer) error {
	for range f.size / 1000 {
		if _, err := w.Write(bytes.Repeat([]byte("r"), 1000)); err != nil {
			return err
		}
	}
	return nil
}

func TestBacktest(t *testing.T) {
	w, f := newWorld(), &trials{size: 1_000_000}
	conn, _ := w.serve(t, func(o *rpc.Options) {
		o.Backtests = f
		o.Tokens = []rpc.Token{{Name: "marketing", Secret: "the token of marketing", Roles: []rpc.Role{rpc.RolePublisher}},
			{Name: "crm", Secret: "the token of the operators", Roles: []rpc.Role{rpc.RoleOperator}}}
	})
	marketing, operator := withToken(testContext(t), "the token of marketing"), withToken(testContext(t), "the token of the operators")
	if _, err := pb.NewCustomerServiceClient(conn).UpsertCustomer(operator, &pb.UpsertCustomerRequest{Customer: &pb.Customer{ExternalId: "K-1"}}); err != nil {
		t.Fatal(err)
	}
	var err error
	if f.customer, _, err = w.Customer(operator, "K-1"); err != nil {
		t.Fatal(err)
	}
	api := pb.NewBacktestServiceClient(conn)
	for ctx, want := range map[context.Context]string{marketing: "", operator: "K-1"} {
		stream, err := api.Backtest(ctx, &pb.BacktestRequest{Definition: yamlText("name: welcome\n"), From: day(1), To: day(9), Samples: 3,
			Existing: pb.ExistingPolicy_EXISTING_POLICY_ENROLL, Assume: "never"})
		if err != nil {
			t.Fatal(err)
		}
		if part, err := stream.Recv(); err != nil || part.GetProgress().GetShare() != 0.5 {
			t.Errorf("progress %v, %v", part, err)
		}
		part, err := stream.Recv()
		if err != nil || part.GetReport().GetSamples()[0].Customer.ExternalId != want {
			t.Errorf("report %v, %v; want the external id %q", part, err, want)
		}
		if _, err := stream.Recv(); !errors.Is(err, io.EOF) {
			t.Errorf("no end: %v", err)
		}
		if q := f.asked; string(q.Definition) != "name: welcome\n" || q.Existing != "enroll" || q.Assume != "never" || q.Samples != 3 || q.To <= q.From {
			t.Errorf("asked %+v", q)
		}
	}
	for req, want := range map[*pb.BacktestRequest][2]string{
		{}:                                 {"journey", "required"},
		{Journey: "welcome", Samples: 101}: {"samples", "0 to 100"},
		{Journey: "welcome", From: day(2), To: day(1)}:                           {"to", "after from"},
		{Definition: yamlText("name: bad\nsteps:\n- id: pause\n  wait: soon\n")}: {"", ""},
	} {
		stream, err := api.Backtest(marketing, req)
		if err != nil {
			t.Fatal(err)
		}
		_, err = stream.Recv()
		wantStatus(t, err, codes.InvalidArgument, want[0], want[1])
	}
	if _, err := exported(api, marketing); err == nil {
		t.Error("a publisher has read all that was recorded")
	}
	if n, err := exported(api, operator); err != nil || n != f.size {
		t.Errorf("%d bytes, %v", n, err)
	}
}

func exported(api pb.BacktestServiceClient, ctx context.Context) (n int, err error) {
	stream, err := api.ExportRecording(ctx, &pb.ExportRecordingRequest{})
	for err == nil {
		var part *pb.ExportRecordingResponse
		part, err = stream.Recv()
		n += len(part.GetData())
	}
	if errors.Is(err, io.EOF) {
		err = nil
	}
	return n, err
}
