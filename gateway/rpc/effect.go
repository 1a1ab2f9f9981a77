package rpc

import (
	"context"
	"slices"
	"strings"

	"github.com/goccy/go-yaml"

	"touchpoint/gateway/effect"
	pb "touchpoint/proto/touchpoint/v1"
)

var effectVerdicts = map[effect.Verdict]pb.EffectVerdict{
	effect.TooLittleData: pb.EffectVerdict_EFFECT_VERDICT_TOO_LITTLE_DATA,
	effect.Better:        pb.EffectVerdict_EFFECT_VERDICT_BETTER,
	effect.Worse:         pb.EffectVerdict_EFFECT_VERDICT_WORSE,
	effect.NoEffectShown: pb.EffectVerdict_EFFECT_VERDICT_NO_EFFECT_SHOWN,
}

// GetEffect compares the arms of a journey.
func (s *journeyService) GetEffect(ctx context.Context, req *pb.GetEffectRequest) (*pb.GetEffectResponse, error) {
	var c checker
	c.journey("name", req.Name)
	c.text("split", req.Split, 128)
	at := c.positions(req.AtLeast, s.Partitions)
	if err := c.err(); err != nil {
		return nil, err
	}
	if err := s.await(ctx, s.Follower, at); err != nil {
		return nil, err
	}
	if err := s.effectOf(ctx, req); err != nil {
		return nil, err
	}
	counts, err := s.Reports.Effect(ctx, EffectQuery{Journey: req.Name, Version: req.Version, Split: req.Split})
	if err != nil {
		return nil, err
	}
	return compareArms(counts, req.Split != ""), nil
}

// effectOf refuses a version or a split step that the journey does not have.
func (s *journeyService) effectOf(ctx context.Context, req *pb.GetEffectRequest) error {
	r, err := s.store().load(ctx, req.Name)
	if err != nil {
		return err
	}
	if req.Version != 0 && !r.has(req.Version) {
		return notFound("version", "journey %q has no version %d; the latest is %d", r.Name, req.Version, r.version())
	}
	if req.Split == "" {
		return nil
	}
	var all []string
	for _, v := range r.Versions {
		if req.Version != 0 && req.Version != v.Version {
			continue
		}
		text, err := s.store().text(ctx, r, v.Version)
		if err != nil {
			return err
		}
		for _, step := range splitSteps(text) {
			if !slices.Contains(all, step) {
				all = append(all, step)
			}
		}
	}
	switch {
	case len(all) == 0:
		return notFound("split", "journey %q has no split step", r.Name)
	case !slices.Contains(all, req.Split):
		return notFound("split", "journey %q has no split step %q; it has %s", r.Name, req.Split, strings.Join(all, ", "))
	}
	return nil
}

// splitSteps are the ids of the split steps of a definition.
func splitSteps(text string) (ids []string) {
	var def struct {
		Steps []struct {
			ID    string `yaml:"id"`
			Split any    `yaml:"split"`
		} `yaml:"steps"`
	}
	_ = yaml.Unmarshal([]byte(text), &def) // it was compiled before; what does not fit has no split
	for _, step := range def.Steps {
		if step.Split != nil {
			ids = append(ids, step.ID)
		}
	}
	return ids
}

// compareArms measures each arm by the base.
func compareArms(counts []EffectCount, split bool) *pb.GetEffectResponse {
	var arms []effect.ArmCount
	for _, n := range counts {
		arms = append(arms, effect.ArmCount(n))
	}
	r := effect.CompareArms(arms, split)
	resp := &pb.GetEffectResponse{Alpha: effect.Alpha, Mixed: r.Mixed}
	for _, a := range r.Arms {
		resp.Arms = append(resp.Arms, &pb.EffectArm{Arm: a.Arm, Enrolled: a.Enrolled, Exposed: a.Exposed, Converted: a.Converted, Rate: a.Rate})
	}
	for _, x := range r.Comparisons {
		resp.Comparisons = append(resp.Comparisons, &pb.EffectComparison{Arm: x.Arm, Base: x.Base, Difference: x.Difference, Low: x.Low, High: x.High,
			Verdict: effectVerdicts[x.Verdict], Margin: x.Margin,
			MissingUnits: x.MissingUnits, MissingBaseUnits: x.MissingBase, MissingConversions: x.MissingConversions})
	}
	return resp
}
