package rpc_test

import (
	"slices"
	"strings"
	"testing"

	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/status"
	"google.golang.org/protobuf/types/known/fieldmaskpb"

	"touchpoint/gateway"
	pb "touchpoint/proto/touchpoint/v1"
)

func TestUpsertKeepsPersonalDataInTheVault(t *testing.T) {
	w := newWorld()
	conn, _ := w.serve(t, nil)
	api, ctx := pb.NewCustomerServiceClient(conn), testContext(t)
	resp, err := api.UpsertCustomer(ctx, &pb.UpsertCustomerRequest{Customer: &pb.Customer{
		ExternalId: "K-100042", Locale: "de-DE", TimeZone: "Europe/Berlin",
		Attributes: map[string]*pb.PropertyValue{"plan": {Value: &pb.PropertyValue_String_{String_: "plus"}}, "old": {}},
		Profile:    &pb.Profile{FullName: "Mara Beispiel", Email: "mara@example.com", Extra: map[string]string{"nickname": "Mimi"}},
		Consents:   []*pb.Consent{{Purpose: "marketing", Channel: "product", Granted: true, Source: "test"}},
		QuietHours: []*pb.QuietHours{{From: "22:00", To: "07:30", Days: []string{"fri", "sat"}}},
	}})
	if err != nil {
		t.Fatal(err)
	}
	if !resp.Created || len(resp.Positions) != 1 {
		t.Errorf("answer %v", resp)
	}
	u := commands[gateway.UpsertCustomer](w)[0]
	if u.Customer.String() != resp.CustomerId || !slices.Equal(u.Mask, []string{"locale", "time_zone", "attributes", "quiet_hours", "reachable"}) ||
		!slices.Equal(u.Reachable, []string{"email"}) || !u.Attributes.Has("old") ||
		len(u.QuietHours) != 1 || u.QuietHours[0].From != 22*60 || u.QuietHours[0].To != 7*60+30 || u.QuietHours[0].Days != 1<<5|1<<6 {
		t.Errorf("to the core: %+v", u)
	}
	if c := commands[gateway.SetConsent](w); len(c) != 1 || !c[0].Granted || c[0].At != start || len(w.applied) != 1 {
		t.Errorf("consents %v, applied %v", c, w.applied)
	}
	// One field is cleared, one set, the rest stays.
	_, err = api.UpsertCustomer(ctx, &pb.UpsertCustomerRequest{
		Customer:   &pb.Customer{ExternalId: "K-100042", Profile: &pb.Profile{Phone: "+4930123456"}, Locale: "en"},
		UpdateMask: &fieldmaskpb.FieldMask{Paths: []string{"profile.email", "profile.phone", "profile.extra.nickname"}},
	})
	if err != nil {
		t.Fatal(err)
	}
	u = commands[gateway.UpsertCustomer](w)[1]
	if !slices.Equal(u.Mask, []string{"reachable"}) || !slices.Equal(u.Reachable, []string{"sms"}) {
		t.Errorf("to the core: %+v", u)
	}
	got, err := api.GetCustomer(ctx, &pb.GetCustomerRequest{Customer: customerRef("K-100042"), WithProfile: true})
	if err != nil {
		t.Fatal(err)
	}
	if p := got.Customer.Profile; p.FullName != "Mara Beispiel" || p.Email != "" || p.Phone != "+4930123456" || len(p.Extra) != 0 {
		t.Errorf("profile %v", p)
	}
	for _, personal := range []string{"Mara", "K-100042", "mara@", "Mimi", "+4930"} {
		if strings.Contains(w.logs.String(), personal) {
			t.Errorf("the log holds %q", personal)
		}
	}
}

func TestRevocationIsInForceWhenAnswered(t *testing.T) {
	w := newWorld()
	conn, _ := w.serve(t, nil)
	api, ctx := pb.NewCustomerServiceClient(conn), testContext(t)
	if _, err := api.UpsertCustomer(ctx, &pb.UpsertCustomerRequest{Customer: &pb.Customer{ExternalId: "K-1"}}); err != nil {
		t.Fatal(err)
	}
	if _, err := api.SetConsent(ctx, &pb.SetConsentRequest{Customer: customerRef("K-1"), Purpose: "marketing"}); err != nil {
		t.Fatal(err)
	}
	if len(w.applied) != 1 || w.applied[0].Granted || w.applied[0].Purpose != gateway.PurposeMarketing || len(w.awaited) != 1 {
		t.Errorf("applied %v, awaited %v", w.applied, w.awaited)
	}
}

func TestErasedCustomerIsGone(t *testing.T) {
	w := newWorld()
	conn, _ := w.serve(t, nil)
	api, ctx := pb.NewCustomerServiceClient(conn), testContext(t)
	if _, err := api.UpsertCustomer(ctx, &pb.UpsertCustomerRequest{Customer: &pb.Customer{ExternalId: "K-1"}}); err != nil {
		t.Fatal(err)
	}
	if _, err := api.EraseCustomer(ctx, &pb.EraseCustomerRequest{Customer: customerRef("K-1")}); err != nil {
		t.Fatal(err)
	}
	if len(commands[gateway.EraseCustomer](w)) != partitions || len(w.erased) != 1 {
		t.Errorf("erased %v", w.erased)
	}
	if _, err := api.GetCustomer(ctx, &pb.GetCustomerRequest{Customer: customerRef("K-1")}); status.Code(err) != codes.NotFound {
		t.Errorf("read after the erasure: %v", err)
	}
}

func TestBindAndUnbind(t *testing.T) {
	w := newWorld()
	conn, _ := w.serve(t, nil)
	api, ctx := pb.NewCustomerServiceClient(conn), testContext(t)
	bound, err := api.BindDevice(ctx, &pb.BindDeviceRequest{Device: deviceRef("SN-1"), Customer: customerRef("K-1"), At: day(-1)})
	if err != nil {
		t.Fatal(err)
	}
	b := commands[gateway.BindDevice](w)[0]
	if b.Role != "owner" || b.Product != "barista-3" || b.Device.String() != bound.DeviceId || b.At != gateway.InstantOf(day(-1).AsTime()) ||
		b.Holder != gateway.DeviceSubject(b.Device).Partition(partitions) {
		t.Errorf("bound %+v", b)
	}
	if int(bound.Position.Partition) != gateway.CustomerSubject(b.Customer).Partition(partitions) {
		t.Errorf("stored at %v, want the customer's partition", bound.Position)
	}
	list, err := api.ListDevices(ctx, &pb.ListDevicesRequest{Customer: customerRef("K-1"), AtLeast: []*pb.Position{bound.Position}})
	if err != nil || len(list.Devices) != 1 || list.Devices[0].Device.Serial != "SN-1" || list.Devices[0].Role != pb.DeviceRole_DEVICE_ROLE_OWNER {
		t.Errorf("devices %v, %v", list, err)
	}
	// By the internal id, as other answers give it.
	if _, err := api.UnbindDevice(ctx, &pb.UnbindDeviceRequest{Device: &pb.DeviceRef{Id: bound.DeviceId}}); err != nil {
		t.Fatal(err)
	}
	if u := commands[gateway.UnbindDevice](w); len(u) != 1 || u[0].Device != b.Device || u[0].At != start {
		t.Errorf("unbound %+v", u)
	}
}
