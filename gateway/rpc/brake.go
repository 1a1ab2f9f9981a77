package rpc

import (
	"context"
	"encoding/json"

	"touchpoint/gateway"
	pb "touchpoint/proto/touchpoint/v1"
)

// brakeService stops everything. It shares the journeys' bucket and their way to
// every partition.
type brakeService struct {
	pb.UnimplementedBrakeServiceServer
	*journeyService
}

// brakeRecord is the brake in the bucket.
type brakeRecord struct {
	On     bool            `json:"on"`
	Reason string          `json:"reason,omitempty"`
	Since  gateway.Instant `json:"since"`
	By     string          `json:"by,omitempty"`
	// Pending: not every partition is known to have stored it.
	Pending bool `json:"pending,omitempty"`

	revision uint64
}

const brakeKey = "brake"

func (s *brakeService) load(ctx context.Context) (*brakeRecord, error) {
	data, revision, err := s.Journeys.Get(ctx, brakeKey)
	r := &brakeRecord{revision: revision}
	if err != nil {
		if gateway.KindOf(err) == gateway.NotFound {
			return r, nil
		}
		return nil, err
	}
	if err := json.Unmarshal(data, r); err != nil {
		return nil, gateway.Errorf(gateway.Internal, "record of the brake: %w", err)
	}
	return r, nil
}

func (s *brakeService) save(ctx context.Context, r *brakeRecord) error {
	data, err := json.Marshal(r)
	if err != nil {
		return gateway.Errorf(gateway.Internal, "record of the brake: %w", err)
	}
	if r.revision == 0 {
		r.revision, err = s.Journeys.Create(ctx, brakeKey, data)
	} else {
		r.revision, err = s.Journeys.Update(ctx, brakeKey, data, r.revision)
	}
	if err != nil && gateway.KindOf(err) == gateway.Conflict {
		return gateway.Errorf(gateway.Conflict, "somebody else moved the brake meanwhile; look at it and try again")
	}
	return err
}

// SetBrake puts the brake on, or releases it.
func (s *brakeService) SetBrake(ctx context.Context, req *pb.SetBrakeRequest) (*pb.SetBrakeResponse, error) {
	var c checker
	if len(req.Reason) > maxReason {
		c.fail("reason", "has %d bytes; allowed are at most %d", len(req.Reason), maxReason)
	}
	if err := c.err(); err != nil {
		return nil, err
	}
	end, err := s.changes.take(ctx, "\x00brake")
	if err != nil {
		return nil, err
	}
	defer end()
	r, err := s.load(ctx)
	if err != nil {
		return nil, err
	}
	if r.On != req.On {
		r.On, r.Reason, r.Since, r.By, r.Pending = req.On, req.Reason, s.Clock.Now(), callerOf(ctx).name, true
		if err := s.save(ctx, r); err != nil {
			return nil, err
		}
	}
	positions, err := s.apply(ctx, r)
	if err != nil {
		return nil, err
	}
	return &pb.SetBrakeResponse{Since: stamp(r.Since), Positions: positions}, nil
}

// maxReason bounds the words of an operator.
const maxReason = 256

// apply carries a brake that is pending to every partition. This process hands
// nothing over from the first moment on.
func (s *brakeService) apply(ctx context.Context, r *brakeRecord) ([]*pb.Position, error) {
	if !r.Pending {
		return nil, nil
	}
	if s.Fleet != nil && r.On {
		if err := s.Fleet.Brake(ctx, true); err != nil {
			return nil, err
		}
	}
	at, err := s.everywhere(ctx, []gateway.Command{gateway.SetBrake{On: r.On, Reason: r.Reason}})
	if err != nil {
		return nil, err
	}
	if err := s.Follower.Await(ctx, at); err != nil {
		return nil, err
	}
	r.Pending = false
	if err := s.save(ctx, r); err != nil && gateway.KindOf(err) != gateway.Conflict {
		return nil, err
	}
	var out highest
	for _, pos := range at {
		out.add(pos)
	}
	return out.messages(), nil
}

// recover finishes what a crash cut off.
func (s *brakeService) recover(ctx context.Context) error {
	r, err := s.load(ctx)
	if err != nil {
		return err
	}
	_, err = s.apply(ctx, r)
	return err
}

// GetBrake tells whether the brake is on.
func (s *brakeService) GetBrake(ctx context.Context, _ *pb.GetBrakeRequest) (*pb.GetBrakeResponse, error) {
	r, err := s.load(ctx)
	if err != nil {
		return nil, err
	}
	resp := &pb.GetBrakeResponse{On: r.On, Reason: r.Reason, By: r.By}
	if r.Since != 0 {
		resp.Since = stamp(r.Since)
	}
	return resp, nil
}
