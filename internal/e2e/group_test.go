package e2e

import (
	"testing"

	pb "touchpoint/proto/touchpoint/v1"

	"touchpoint/gateway/app"
)

// TestHousehold has customers of different partitions form a household, which
// is one to the API afterwards.
func TestHousehold(t *testing.T) {
	g := start(t, func(c *app.Config) { c.Partitions = 8 })
	groups := pb.NewGroupServiceClient(g.conn)
	owners := g.apart(3)
	for _, o := range owners {
		must[*pb.JoinGroupResponse](t)(groups.JoinGroup(g.ctx, &pb.JoinGroupRequest{Customer: &pb.CustomerRef{ExternalId: o.external},
			Group: &pb.GroupRef{ExternalId: "H-1"}, Role: "resident"}))
	}
	eventually(t, "three members", func() bool {
		r, err := groups.GetGroup(g.ctx, &pb.GetGroupRequest{Group: &pb.GroupRef{ExternalId: "H-1"}})
		return err == nil && len(r.Members) == 3
	})
}
