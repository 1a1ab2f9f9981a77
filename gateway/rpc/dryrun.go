package rpc

import (
	"context"

	"touchpoint/gateway"
	pb "touchpoint/proto/touchpoint/v1"
)

// dryRun is a draft that runs without sending, in a journey's record.
type dryRun struct {
	Revision uint64          `json:"revision"`
	Since    gateway.Instant `json:"since"`
}

func (d *dryRun) message(journey string) *pb.JourneyDryRun {
	if d == nil {
		return nil
	}
	return &pb.JourneyDryRun{Name: gateway.DryRun(journey), Revision: d.Revision, Since: stamp(d.Since)}
}

// DryRunJourney lets the draft decide beside everything else. The record counts
// the run before the partitions hear of it: a call that broke off is repeated
// under the next number.
func (s *journeyService) DryRunJourney(ctx context.Context, req *pb.DryRunJourneyRequest) (*pb.DryRunJourneyResponse, error) {
	var c checker
	c.journey("name", req.Name)
	existing, ok := existingNames[req.Existing]
	if !ok {
		c.fail("existing", "must be IGNORE or ENROLL")
	}
	if err := c.err(); err != nil {
		return nil, err
	}
	end, err := s.changes.take(ctx, req.Name)
	if err != nil {
		return nil, err
	}
	defer end()
	r, err := s.store().load(ctx, req.Name)
	if err != nil {
		return nil, err
	}
	if r.Draft == "" {
		return nil, gateway.Errorf(gateway.Conflict, "journey %q has no draft that differs from version %d; UpdateJourney makes one", r.Name, r.version())
	}
	if err := r.is(req.Revision); err != nil {
		return nil, err
	}
	info, err := s.Compile([]byte(r.Draft))
	if err != nil {
		return nil, err
	}
	r.DryRuns++
	r.DryRun = &dryRun{Revision: r.Revision, Since: s.effective()}
	if err := s.store().save(ctx, r); err != nil {
		return nil, err
	}
	at, err := s.toAll(ctx, r.DryRun.Since, gateway.PublishJourney{Journey: gateway.DryRun(r.Name), Version: r.DryRuns,
		Effective: r.DryRun.Since, Definition: []byte(info.text(r.Draft)), Existing: existing, Running: "pin"})
	if err != nil {
		return nil, err
	}
	return &pb.DryRunJourneyResponse{DryRun: r.DryRun.message(r.Name), Positions: at}, nil
}

// StopDryRun ends it. Who stands in it is forgotten.
func (s *journeyService) StopDryRun(ctx context.Context, req *pb.StopDryRunRequest) (*pb.StopDryRunResponse, error) {
	var c checker
	c.journey("name", req.Name)
	if err := c.err(); err != nil {
		return nil, err
	}
	end, err := s.changes.take(ctx, req.Name)
	if err != nil {
		return nil, err
	}
	defer end()
	r, err := s.store().load(ctx, req.Name)
	if err != nil {
		return nil, err
	}
	if r.DryRuns == 0 {
		return nil, gateway.Errorf(gateway.Conflict, "journey %q never had a dry run", r.Name)
	}
	effective := s.effective()
	at, err := s.toAll(ctx, effective, gateway.SetJourneyState{Journey: gateway.DryRun(r.Name), State: gateway.JourneyArchived, Effective: effective})
	if err != nil {
		return nil, err
	}
	if r.DryRun != nil {
		r.DryRun = nil
		if err := s.store().save(ctx, r); err != nil {
			return nil, err
		}
	}
	return &pb.StopDryRunResponse{Positions: at}, nil
}

// toAll carries commands to every partition and waits until they are in force.
func (s *journeyService) toAll(ctx context.Context, effective gateway.Instant, commands ...gateway.Command) ([]*pb.Position, error) {
	at, err := s.everywhere(ctx, commands)
	if err != nil {
		return nil, err
	}
	if err := s.Follower.Await(ctx, at); err != nil {
		return nil, err
	}
	if err := s.Clock.Until(ctx, effective); err != nil {
		return nil, err
	}
	var out highest
	for _, pos := range at {
		out.add(pos)
	}
	return out.messages(), nil
}
