package rpc

import (
	"context"
	"encoding/json"
	"slices"

	"github.com/goccy/go-yaml"

	"touchpoint/gateway"
	pb "touchpoint/proto/touchpoint/v1"
)

type journeyService struct {
	pb.UnimplementedJourneyServiceServer
	*base
	changes  turns // by journey: its text and its record change together
	triggers turns // by journey, customer and key: the first one is told that it was
}

func (s *journeyService) store() draftStore { return draftStore{s.Journeys} }

// definition reads a definition as YAML text and compiles it. faults is what
// keeps it from being published; err is set when it cannot even be stored.
func (s *journeyService) definition(def *pb.JourneyDefinition) (text string, info JourneyInfo, faults, err error) {
	var c checker
	text, err = definitionText(def)
	if err != nil {
		return "", info, nil, err
	}
	if text == "" {
		c.fail("definition", "is required: yaml or structured")
		return "", info, nil, c.err()
	}
	if len(text) > maxDefinition {
		c.fail("definition", "has %d bytes; allowed are at most %d", len(text), maxDefinition)
		return "", info, nil, c.err()
	}
	info, err = s.Compile([]byte(text))
	if err != nil {
		info = head(text)
		gerr := invalidError(err)
		if gerr == nil {
			return "", info, nil, err
		}
		if def.GetStructured() != nil || def.GetTyped() != nil { // its lines are not the caller's
			for i := range gerr.Violations {
				gerr.Violations[i].Line = 0
			}
		}
		faults = gerr
	}
	return text, info, faults, nil
}

// head reads name and purpose of a definition that does not compile, so that
// the draft can be kept all the same.
func head(text string) JourneyInfo {
	var h struct {
		Name    string `yaml:"name"`
		Purpose string `yaml:"purpose"`
	}
	if yaml.Unmarshal([]byte(text), &h) != nil {
		return JourneyInfo{}
	}
	return JourneyInfo{Name: h.Name, Purpose: gateway.Purpose(h.Purpose)}
}

func definitionText(def *pb.JourneyDefinition) (string, error) {
	if def.GetTyped() != nil {
		return typedText(def.GetTyped())
	}
	if def.GetStructured() == nil {
		return def.GetYaml(), nil
	}
	data, err := json.Marshal(def.GetStructured().AsMap())
	if err != nil {
		return "", gateway.InvalidField("definition.structured", "holds a number that is none")
	}
	text, err := yaml.JSONToYAML(data)
	if err != nil {
		return "", gateway.InvalidField("definition.structured", "cannot be written as YAML")
	}
	return string(text), nil
}

// named is definition for a draft that is to be stored, which needs a name.
func (s *journeyService) named(def *pb.JourneyDefinition) (text string, info JourneyInfo, faults, err error) {
	text, info, faults, err = s.definition(def)
	if err != nil {
		return text, info, faults, err
	}
	if !journeyText.MatchString(info.Name) {
		if faults != nil {
			return text, info, nil, faults
		}
		var c checker
		c.journey("definition.name", info.Name)
		return text, info, nil, c.err()
	}
	return text, info, faults, nil
}

// CreateJourney stores a first draft.
func (s *journeyService) CreateJourney(ctx context.Context, req *pb.CreateJourneyRequest) (*pb.CreateJourneyResponse, error) {
	text, info, faults, err := s.named(req.Definition)
	if err != nil {
		return nil, err
	}
	r := &journeyRecord{Name: info.Name, Purpose: info.Purpose, State: gateway.JourneyDraft,
		ChangedAt: s.Clock.Now(), Draft: text, Revision: 1}
	if err := s.store().create(ctx, r); err != nil {
		return nil, err
	}
	return &pb.CreateJourneyResponse{Journey: s.journey(r, text), Violations: violations(faults)}, nil
}

// UpdateJourney replaces the draft.
func (s *journeyService) UpdateJourney(ctx context.Context, req *pb.UpdateJourneyRequest) (*pb.UpdateJourneyResponse, error) {
	text, info, faults, err := s.named(req.Definition)
	if err != nil {
		return nil, err
	}
	r, err := s.store().load(ctx, info.Name)
	if err != nil {
		return nil, err
	}
	if err := r.is(req.Revision); err != nil {
		return nil, err
	}
	r.Draft = text
	r.Revision++
	if r.version() == 0 {
		r.Purpose = info.Purpose
	}
	if err := s.store().save(ctx, r); err != nil {
		return nil, err
	}
	return &pb.UpdateJourneyResponse{Journey: s.journey(r, text), Violations: violations(faults)}, nil
}

// is refuses a revision that is not the present one; 0 means any.
func (r *journeyRecord) is(revision uint64) error {
	if revision == 0 || revision == r.Revision {
		return nil
	}
	return gateway.Errorf(gateway.Conflict, "the draft of %q is at revision %d, not %d: somebody changed it; read it and try again",
		r.Name, r.Revision, revision)
}

// ValidateJourney checks without storing.
func (s *journeyService) ValidateJourney(_ context.Context, req *pb.ValidateJourneyRequest) (*pb.ValidateJourneyResponse, error) {
	_, info, faults, err := s.definition(req.Definition)
	if err != nil {
		return nil, err
	}
	return &pb.ValidateJourneyResponse{Valid: faults == nil, Violations: violations(faults), Name: info.Name}, nil
}

// GetJourney reads a journey with a definition and counts.
func (s *journeyService) GetJourney(ctx context.Context, req *pb.GetJourneyRequest) (*pb.GetJourneyResponse, error) {
	var c checker
	c.journey("name", req.Name)
	at := c.positions(req.AtLeast, s.Partitions)
	if err := c.err(); err != nil {
		return nil, err
	}
	if err := s.await(ctx, s.Follower, at); err != nil {
		return nil, err
	}
	r, err := s.store().load(ctx, req.Name)
	if err != nil {
		return nil, err
	}
	text := r.Draft
	if req.Version != 0 || text == "" {
		version := req.Version
		if version == 0 {
			version = r.version()
		}
		if !r.has(version) {
			return nil, notFound("version", "journey %q has no version %d; the latest is %d", r.Name, version, r.version())
		}
		if text, err = s.store().text(ctx, r, version); err != nil {
			return nil, err
		}
	}
	j := s.journey(r, text)
	for _, v := range r.Versions {
		j.Versions = append(j.Versions, &pb.JourneyVersion{Version: v.Version, EffectiveAt: stamp(v.Effective)})
	}
	if j.Counts, err = s.counts(ctx, r.Name, req.Version); err != nil {
		return nil, err
	}
	if err := s.stand(ctx, r, j); err != nil {
		return nil, err
	}
	return &pb.GetJourneyResponse{Journey: j}, nil
}

func (r *journeyRecord) has(version uint32) bool {
	return slices.ContainsFunc(r.Versions, func(v publishedVersion) bool { return v.Version == version })
}

func (s *journeyService) counts(ctx context.Context, name string, version uint32) (*pb.JourneyCounts, error) {
	n, err := s.Reports.Counts(ctx, name, version)
	if err != nil {
		return nil, err
	}
	return &pb.JourneyCounts{Entered: n.Entered, Active: n.Active, Converted: n.Converted, Filtered: n.Filtered, Unowned: n.Unowned,
		Messages: n.Messages, Steps: n.Steps}, nil
}

// journey is the message of a record; text is "" in lists.
func (s *journeyService) journey(r *journeyRecord, text string) *pb.Journey {
	j := &pb.Journey{Name: r.Name, Purpose: string(r.Purpose), State: journeyStates[r.State], Version: r.version(),
		DraftRevision: r.draftRevision(), ChangedAt: stamp(r.ChangedAt)}
	if text != "" {
		j.Definition = &pb.JourneyDefinition{Form: &pb.JourneyDefinition_Yaml{Yaml: text}}
	}
	j.DryRun = r.DryRun.message(r.Name)
	return j
}

// ListJourneys reads a page of journeys by name.
func (s *journeyService) ListJourneys(ctx context.Context, req *pb.ListJourneysRequest) (*pb.ListJourneysResponse, error) {
	var c checker
	limit := c.pageSize(req.PageSize)
	at := c.positions(req.AtLeast, s.Partitions)
	if err := c.err(); err != nil {
		return nil, err
	}
	after, err := s.cursor(req, req.PageToken)
	if err != nil {
		return nil, err
	}
	if err := s.await(ctx, s.Follower, at); err != nil {
		return nil, err
	}
	names, err := s.store().names(ctx)
	if err != nil {
		return nil, err
	}
	first, found := slices.BinarySearch(names, after)
	if found {
		first++
	}
	names = names[first:]
	resp := &pb.ListJourneysResponse{}
	if len(names) > limit {
		names = names[:limit]
		resp.NextPageToken = s.token(req, names[limit-1])
	}
	for _, name := range names {
		r, err := s.store().load(ctx, name)
		if err != nil {
			return nil, err
		}
		j := s.journey(r, "")
		if j.Counts, err = s.counts(ctx, name, 0); err != nil {
			return nil, err
		}
		if err := s.stand(ctx, r, j); err != nil {
			return nil, err
		}
		resp.Journeys = append(resp.Journeys, j)
	}
	return resp, nil
}
