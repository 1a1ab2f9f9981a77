package rpc

import (
	"context"

	"touchpoint/gateway"
	pb "touchpoint/proto/touchpoint/v1"
)

type groupService struct {
	pb.UnimplementedGroupServiceServer
	*base
}

// maxRole bounds what a member is called, in bytes.
const maxRole = 64

// Groups reads who is, or was, in which household or account.
type Groups interface {
	Memberships(ctx context.Context, q MembershipQuery) ([]gateway.Membership, error)
}

// MembershipQuery chooses memberships; zero fields choose all.
type MembershipQuery struct {
	Customer   gateway.CustomerID
	Group      gateway.GroupID
	WithFormer bool
	Limit      int
}

// group checks a reference to a group.
func (c *checker) group(field string, ref *pb.GroupRef, required bool) {
	switch {
	case ref == nil || ref.Id == "" && ref.ExternalId == "":
		if required {
			c.fail(field, "is required: external_id or id")
		}
	case ref.Id != "" && ref.ExternalId != "":
		c.fail(field, "has an id and an external_id: give one of them")
	case ref.Id != "":
		if _, err := gateway.ParseGroupID(ref.Id); err != nil {
			c.fail(field+".id", `must be "g_" and 13 characters; the number of your own systems goes into external_id`)
		}
	default:
		c.text(field+".external_id", ref.ExternalId, maxExternalID)
	}
}

// findGroup resolves a group that must be known; 0 for no reference.
func (r resolver) findGroup(ctx context.Context, field string, ref *pb.GroupRef) (g gateway.GroupID, err error) {
	switch {
	case ref.GetId() != "":
		if g, err = gateway.ParseGroupID(ref.Id); err == nil {
			_, err = r.vault.GroupName(ctx, g)
		}
	case ref.GetExternalId() != "":
		g, err = r.vault.LookupGroup(ctx, gateway.Personal(ref.ExternalId))
	}
	if gateway.KindOf(err) == gateway.NotFound {
		return 0, notFound(field, "there is no such group; make one with JoinGroup")
	}
	return g, err
}

// JoinGroup makes a customer a member: recorded where the group lives, which
// then asks for the customer's state.
func (s *groupService) JoinGroup(ctx context.Context, req *pb.JoinGroupRequest) (*pb.JoinGroupResponse, error) {
	var c checker
	c.customer("customer", req.Customer, true)
	c.group("group", req.Group, true)
	c.text("role", req.Role, maxRole)
	at := s.past(&c, "at", c.instant("at", req.At))
	if err := c.err(); err != nil {
		return nil, err
	}
	customer, _, err := s.customer(ctx, req.Customer)
	if err != nil {
		return nil, err
	}
	if err := s.known(ctx, "customer.id", customer); err != nil {
		return nil, err
	}
	var group gateway.GroupID
	if req.Group.Id != "" {
		group, err = s.findGroup(ctx, "group.id", req.Group)
	} else {
		group, _, err = s.Vault.Group(ctx, gateway.Personal(req.Group.ExternalId))
	}
	if err != nil {
		return nil, err
	}
	pos, err := s.Intake.Submit(ctx, gateway.HomeOf(customer, group, s.Partitions),
		gateway.Input{Command: gateway.JoinGroup{Customer: customer, Group: group, Role: req.Role, At: at}})
	if err != nil {
		return nil, err
	}
	return &pb.JoinGroupResponse{CustomerId: customer.String(), GroupId: group.String(), Position: position(pos)}, nil
}

// LeaveGroup ends a membership.
func (s *groupService) LeaveGroup(ctx context.Context, req *pb.LeaveGroupRequest) (*pb.LeaveGroupResponse, error) {
	var c checker
	c.customer("customer", req.Customer, true)
	c.group("group", req.Group, false)
	at := s.past(&c, "at", c.instant("at", req.At))
	if err := c.err(); err != nil {
		return nil, err
	}
	customer, err := s.findCustomer(ctx, "customer", req.Customer)
	if err != nil {
		return nil, err
	}
	if err := s.known(ctx, "customer.id", customer); err != nil {
		return nil, err
	}
	group, err := s.findGroup(ctx, "group", req.Group)
	if err != nil {
		return nil, err
	}
	pos, err := s.Intake.Submit(ctx, s.customerPartition(customer),
		gateway.Input{Command: gateway.LeaveGroup{Customer: customer, Group: group, At: at}})
	if err != nil {
		return nil, err
	}
	return &pb.LeaveGroupResponse{Position: position(pos)}, nil
}

// GetGroup reads a group with its members.
func (s *groupService) GetGroup(ctx context.Context, req *pb.GetGroupRequest) (*pb.GetGroupResponse, error) {
	var c checker
	c.group("group", req.Group, false)
	c.customer("customer", req.Customer, false)
	if (req.Group == nil) == (req.Customer == nil) {
		c.fail("group", "is required, or a customer who is in it: one of them")
	}
	at := c.positions(req.AtLeast, s.Partitions)
	if err := c.err(); err != nil {
		return nil, err
	}
	customer, err := s.findCustomer(ctx, "customer", req.Customer)
	if err != nil {
		return nil, err
	}
	group, err := s.findGroup(ctx, "group", req.Group)
	if err != nil {
		return nil, err
	}
	if err := s.await(ctx, s.Follower, at); err != nil {
		return nil, err
	}
	if group == 0 {
		present, err := s.Groups.Memberships(ctx, MembershipQuery{Customer: customer, Limit: 1})
		if err != nil {
			return nil, err
		}
		if len(present) == 0 {
			return nil, notFound("customer", "is in no group")
		}
		group = present[0].Group
	}
	members, err := s.Groups.Memberships(ctx, MembershipQuery{Group: group, WithFormer: req.WithFormer, Limit: maxPage})
	if err != nil {
		return nil, err
	}
	resp := &pb.GetGroupResponse{GroupId: group.String()}
	if callerOf(ctx).has(RoleCRM) {
		if name, err := s.Vault.GroupName(ctx, group); err == nil {
			resp.ExternalId = name.Reveal()
		}
	}
	for _, m := range members {
		resp.Members = append(resp.Members, s.membership(ctx, m))
	}
	return resp, nil
}

func (b *base) membership(ctx context.Context, m gateway.Membership) *pb.Membership {
	out := &pb.Membership{CustomerId: m.Customer.String(), GroupId: m.Group.String(), Role: m.Role, From: stamp(m.From), To: stamp(m.To)}
	if callerOf(ctx).has(RoleCRM) {
		if name, err := b.Vault.CustomerName(ctx, m.Customer); err == nil {
			out.ExternalId = name.Reveal()
		}
	}
	return out
}

// memberships lists the groups that a customer is, or was, in.
func (b *base) memberships(ctx context.Context, c gateway.CustomerID) (out []*pb.Membership, err error) {
	list, err := b.Groups.Memberships(ctx, MembershipQuery{Customer: c, WithFormer: true, Limit: maxPage})
	for _, m := range list {
		out = append(out, b.membership(ctx, m))
	}
	return out, err
}
