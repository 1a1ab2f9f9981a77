package rpc_test

import (
	"errors"
	"fmt"
	"io"
	"strings"
	"testing"

	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/status"
	"google.golang.org/protobuf/proto"

	"touchpoint/gateway"
	"touchpoint/gateway/rpc"
	pb "touchpoint/proto/touchpoint/v1"
)

// export reads all parts into one; sizes are the items of each.
func export(t *testing.T, api pb.ExportServiceClient, req *pb.ExportCustomerRequest) (all *pb.ExportCustomerResponse, parts int, err error) {
	t.Helper()
	stream, err := api.ExportCustomer(testContext(t), req)
	if err != nil {
		return nil, 0, err
	}
	all = &pb.ExportCustomerResponse{}
	for {
		part, err := stream.Recv()
		if errors.Is(err, io.EOF) {
			return all, parts, nil
		}
		if err != nil {
			return nil, parts, err
		}
		parts++
		proto.Merge(all, part)
	}
}

func TestExportHoldsEverything(t *testing.T) {
	w := newWorld()
	conn, _ := w.serve(t, nil)
	ctx := testContext(t)
	customers, api := pb.NewCustomerServiceClient(conn), pb.NewExportServiceClient(conn)
	made, err := customers.UpsertCustomer(ctx, &pb.UpsertCustomerRequest{Customer: &pb.Customer{ExternalId: "K-1",
		Profile: &pb.Profile{Email: "mara@example.com"}}})
	if err != nil {
		t.Fatal(err)
	}
	if _, err := customers.BindDevice(ctx, &pb.BindDeviceRequest{Device: deviceRef("SN-1"), Customer: customerRef("K-1")}); err != nil {
		t.Fatal(err)
	}
	id, err := gateway.ParseCustomerID(made.CustomerId)
	if err != nil {
		t.Fatal(err)
	}
	const device = gateway.DeviceID(77)
	sealed := []string{gateway.CustomerSubject(id).String() + "|Anna", gateway.DeviceSubject(device).String() + "|Ben", "c_other|Carl"}
	for n := range 450 {
		w.events = append(w.events, rpc.EventRow{Customer: id, Event: gateway.Event{ID: fmt.Sprint("e", n), Type: "brew_finished", Device: device,
			Properties: gateway.Properties{{Key: "who", Value: gateway.Sealed(sealed[n%3])}}}})
		w.decisions = append(w.decisions, gateway.Decision{Customer: id, Journey: "welcome"})
	}
	all, parts, err := export(t, api, &pb.ExportCustomerRequest{Customer: customerRef("K-1")})
	if err != nil {
		t.Fatal(err)
	}
	if all.Customer.GetProfile().GetEmail() != "mara@example.com" || all.Customer.ExternalId != "K-1" || len(all.Devices) != 1 ||
		len(all.Decisions) != 450 || len(all.Events) != 450 || all.ExportedAt == nil || parts < 8 {
		t.Errorf("%d parts: %v, %d devices, %d decisions, %d events", parts, all.Customer, len(all.Devices), len(all.Decisions), len(all.Events))
	}
	for n, want := range []string{"Anna", "Ben", "[sealed]"} {
		if got := all.Events[n].Properties["who"].GetString_(); got != want {
			t.Errorf("a sealed name is exported as %q, want %q", got, want)
		}
	}
}

func TestExportRefuses(t *testing.T) {
	w := newWorld()
	conn, _ := w.serve(t, nil)
	api := pb.NewExportServiceClient(conn)
	for _, c := range []struct {
		ref  *pb.CustomerRef
		code codes.Code
		says string
	}{
		{nil, codes.InvalidArgument, "customer"},
		{customerRef("K-nobody"), codes.NotFound, "external_id"},
		{&pb.CustomerRef{Id: "c_wrong"}, codes.InvalidArgument, "customer"},
	} {
		_, _, err := export(t, api, &pb.ExportCustomerRequest{Customer: c.ref})
		if status.Code(err) != c.code || !strings.Contains(status.Convert(err).Message(), c.says) {
			t.Errorf("%v: %v, want %v about %s", c.ref, err, c.code, c.says)
		}
	}
}
