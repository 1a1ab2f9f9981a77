package rpc_test

import (
	"testing"

	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/status"

	"touchpoint/gateway"
	pb "touchpoint/proto/touchpoint/v1"
)

func TestGroups(t *testing.T) {
	w := newWorld()
	conn, _ := w.serve(t, nil)
	api, ctx := pb.NewGroupServiceClient(conn), testContext(t)
	joined, err := api.JoinGroup(ctx, &pb.JoinGroupRequest{Customer: customerRef("K-1"), Group: &pb.GroupRef{ExternalId: "H-7"}, Role: "payer"})
	if err != nil {
		t.Fatal(err)
	}
	cmd := commands[gateway.JoinGroup](w)[0]
	if joined.CustomerId != cmd.Customer.String() || joined.GroupId != cmd.Group.String() || cmd.Role != "payer" || cmd.At == 0 {
		t.Errorf("%+v became %+v", joined, cmd)
	}
	if want := gateway.HomeOf(cmd.Customer, cmd.Group, partitions); int(joined.Position.Partition) != want {
		t.Errorf("recorded on partition %d, the group lives on %d", joined.Position.Partition, want)
	}
	w.members = []gateway.Membership{{Customer: cmd.Customer, Group: cmd.Group, Role: "payer", From: cmd.At}}
	got, err := api.GetGroup(ctx, &pb.GetGroupRequest{Customer: customerRef("K-1")})
	if err != nil || got.GroupId != joined.GroupId || got.ExternalId != "H-7" || len(got.Members) != 1 || got.Members[0].ExternalId != "K-1" {
		t.Error(got, err)
	}
	if _, err := api.LeaveGroup(ctx, &pb.LeaveGroupRequest{Customer: customerRef("K-1"), Group: &pb.GroupRef{Id: joined.GroupId}}); err != nil {
		t.Fatal(err)
	}
	if left := commands[gateway.LeaveGroup](w)[0]; left.Customer != cmd.Customer || left.Group != cmd.Group {
		t.Errorf("%+v", left)
	}
	read, err := pb.NewCustomerServiceClient(conn).GetCustomer(ctx, &pb.GetCustomerRequest{Customer: customerRef("K-1")})
	if err != nil || len(read.Memberships) != 1 {
		t.Error(read, err)
	}
}

func TestGroupsRefuse(t *testing.T) {
	w := newWorld()
	conn, _ := w.serve(t, nil)
	api, ctx := pb.NewGroupServiceClient(conn), testContext(t)
	call := func(_ any, err error) codes.Code { return status.Code(err) }
	customer, group := customerRef("K-1"), &pb.GroupRef{ExternalId: "H-7"}
	for name, got := range map[string]codes.Code{
		"no customer":   call(api.JoinGroup(ctx, &pb.JoinGroupRequest{Group: group})),
		"no group":      call(api.JoinGroup(ctx, &pb.JoinGroupRequest{Customer: customer})),
		"two ids":       call(api.JoinGroup(ctx, &pb.JoinGroupRequest{Customer: customer, Group: &pb.GroupRef{Id: "g_x", ExternalId: "x"}})),
		"wrong id":      call(api.JoinGroup(ctx, &pb.JoinGroupRequest{Customer: customer, Group: &pb.GroupRef{Id: "H-7"}})),
		"nobody leaves": call(api.LeaveGroup(ctx, &pb.LeaveGroupRequest{})),
		"read nothing":  call(api.GetGroup(ctx, &pb.GetGroupRequest{})),
		"read both":     call(api.GetGroup(ctx, &pb.GetGroupRequest{Group: group, Customer: customer})),
	} {
		if got != codes.InvalidArgument {
			t.Errorf("%s: %v", name, got)
		}
	}
	for name, got := range map[string]codes.Code{
		"unknown customer leaves": call(api.LeaveGroup(ctx, &pb.LeaveGroupRequest{Customer: customerRef("nobody")})),
		"unknown group":           call(api.GetGroup(ctx, &pb.GetGroupRequest{Group: &pb.GroupRef{ExternalId: "none"}})),
		"unknown id":              call(api.GetGroup(ctx, &pb.GetGroupRequest{Group: &pb.GroupRef{Id: gateway.GroupID(99).String()}})),
	} {
		if got != codes.NotFound {
			t.Errorf("%s: %v", name, got)
		}
	}
}
