package rpc

import (
	"context"
	"time"

	"touchpoint/gateway"
	pb "touchpoint/proto/touchpoint/v1"
)

// Fleet is what the partitions of the installation tell beyond the read model.
type Fleet interface {
	// Standing is where a version stands on the partitions.
	Standing(ctx context.Context, journey string, version uint32) (Standing, error)
	// Preview says what publishing a definition would do now.
	Preview(ctx context.Context, definition []byte, running string) (PreviewReport, error)
	// Brake puts delivery's own brake on or releases it; after on nothing is
	// handed over any more when it returns.
	Brake(ctx context.Context, on bool) error
}

// Standing is where a version stands.
type Standing struct {
	Filling bool   // on some partition
	Trouble string // what filling waits for
	Paused  bool   // on every partition
}

// PreviewReport is what a publication would do.
type PreviewReport struct {
	Meet    int64
	Reasons map[string]int64
	Steps   []PreviewStep
	// Missing are partitions of another process, History why the counts lack what
	// history knows.
	Missing []int
	History string
}

// PreviewStep says what becomes of those who stand on a step.
type PreviewStep struct {
	Version               uint32
	Step, Outcome, Target string
	Count                 int64
}

// How long a publication waits for its new traits to be filled, and how often it
// looks.
const (
	fillPatience = 5 * time.Second
	fillLook     = 20 * time.Millisecond
)

// awaitFilled waits a while until a version is filled on every partition.
func (s *journeyService) awaitFilled(ctx context.Context, name string, version uint32) (filling bool, detail string, err error) {
	if s.Fleet == nil {
		return false, "", nil
	}
	patience, cancel := context.WithTimeout(ctx, fillPatience)
	defer cancel()
	for {
		st, err := s.Fleet.Standing(ctx, name, version)
		if err != nil || !st.Filling || st.Trouble != "" {
			return st.Filling, st.Trouble, err
		}
		select {
		case <-time.After(fillLook):
		case <-patience.Done():
			return true, "history is being read", nil
		}
	}
}

// adopt takes over that a journey paused itself: its record does not know.
func (s *journeyService) adopt(ctx context.Context, r *journeyRecord) error {
	if s.Fleet == nil || r.State != gateway.JourneyPublished || r.Pending != nil {
		return nil
	}
	st, err := s.Fleet.Standing(ctx, r.Name, r.version())
	if err == nil && st.Paused {
		r.State = gateway.JourneyPaused
	}
	return err
}

// pausedBy says why a journey paused itself, "" when it did not.
func (s *journeyService) pausedBy(ctx context.Context, name string) (string, error) {
	page, err := s.Decisions.Decisions(ctx, DecisionQuery{Journey: name, Kinds: []gateway.DecisionKind{gateway.DecisionJourney}, Limit: 1})
	if err != nil || len(page.Items) == 0 || page.Items[0].Reason != gateway.ReasonForecast {
		return "", err
	}
	return page.Items[0].Rule, nil
}

// stand fills in where a journey stands.
func (s *journeyService) stand(ctx context.Context, r *journeyRecord, j *pb.Journey) error {
	if s.Fleet == nil || r.version() == 0 {
		return nil
	}
	st, err := s.Fleet.Standing(ctx, r.Name, r.version())
	if err != nil {
		return err
	}
	j.Filling = st.Filling
	if r.State == gateway.JourneyPublished && r.Pending == nil && st.Paused {
		j.State = pb.JourneyState_JOURNEY_STATE_PAUSED
	}
	if j.State == pb.JourneyState_JOURNEY_STATE_PAUSED {
		j.PausedBy, err = s.pausedBy(ctx, r.Name)
	}
	return err
}

// PreviewPublish says what PublishJourney would do.
func (s *journeyService) PreviewPublish(ctx context.Context, req *pb.PreviewPublishRequest) (*pb.PreviewPublishResponse, error) {
	var c checker
	c.journey("name", req.Name)
	running, ok := runningNames[req.Running]
	if !ok {
		c.fail("running", "must be PIN, MIGRATE or RESTART")
	}
	if err := c.err(); err != nil {
		return nil, err
	}
	r, err := s.store().load(ctx, req.Name)
	if err != nil {
		return nil, err
	}
	if r.Draft == "" {
		return nil, gateway.Errorf(gateway.Conflict, "journey %q has no draft that differs from version %d; UpdateJourney makes one", r.Name, r.version())
	}
	info, err := s.Compile([]byte(r.Draft))
	if err != nil {
		return nil, err
	}
	if s.Fleet == nil {
		return nil, gateway.Errorf(gateway.Unavailable, "this gateway has no partitions to look at")
	}
	p, err := s.Fleet.Preview(ctx, []byte(info.text(r.Draft)), running)
	if err != nil {
		return nil, err
	}
	resp := &pb.PreviewPublishResponse{Meet: p.Meet, Reasons: p.Reasons, HistoryDetail: p.History}
	for _, st := range p.Steps {
		resp.Steps = append(resp.Steps, &pb.PreviewStep{Version: st.Version, Step: st.Step, Count: st.Count, Outcome: st.Outcome, Target: st.Target})
	}
	for _, n := range p.Missing {
		resp.MissingPartitions = append(resp.MissingPartitions, int32(n))
	}
	return resp, nil
}
