package rpc

import (
	"context"
	"errors"
	"fmt"
	"time"

	"golang.org/x/sync/errgroup"

	"touchpoint/gateway"
	pb "touchpoint/proto/touchpoint/v1"
)

var existingNames = map[pb.ExistingPolicy]string{
	pb.ExistingPolicy_EXISTING_POLICY_UNSPECIFIED: "", // as the definition says
	pb.ExistingPolicy_EXISTING_POLICY_IGNORE:      "ignore",
	pb.ExistingPolicy_EXISTING_POLICY_ENROLL:      "enroll",
}

var runningNames = map[pb.RunningPolicy]string{
	pb.RunningPolicy_RUNNING_POLICY_UNSPECIFIED: "pin",
	pb.RunningPolicy_RUNNING_POLICY_PIN:         "pin",
	pb.RunningPolicy_RUNNING_POLICY_MIGRATE:     "migrate",
	pb.RunningPolicy_RUNNING_POLICY_RESTART:     "restart",
}

// PublishJourney makes the draft the next version. The record is written first,
// with the publication as pending; then every partition stores it; then the
// record is cleared. A crash in between is made good by recover, and a repeated
// call goes on where the first one stopped.
func (s *journeyService) PublishJourney(ctx context.Context, req *pb.PublishJourneyRequest) (*pb.PublishJourneyResponse, error) {
	var c checker
	c.journey("name", req.Name)
	existing, ok := existingNames[req.Existing]
	if !ok {
		c.fail("existing", "must be IGNORE or ENROLL")
	}
	running, ok := runningNames[req.Running]
	if !ok {
		c.fail("running", "must be PIN, MIGRATE or RESTART")
	}
	if req.ExistingPerDay < 0 || req.ExistingPerDay > 0 && req.Existing != pb.ExistingPolicy_EXISTING_POLICY_ENROLL {
		c.fail("existing_per_day", "goes with existing ENROLL and is not negative")
	}
	if req.ExistingPerDay > 0 {
		existing = fmt.Sprintf("enroll %d per day", req.ExistingPerDay)
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
	switch {
	case r.Pending != nil && r.Pending.Version != 0 && (req.Revision == 0 || req.Revision == r.PublishedRevision):
		return s.published(ctx, r) // an earlier call stopped half-way
	case req.Revision != 0 && req.Revision == r.PublishedRevision:
		return s.published(ctx, r) // the answer of an earlier call was lost
	case r.Draft == "":
		return nil, gateway.Errorf(gateway.Conflict, "journey %q has no draft that differs from version %d; UpdateJourney makes one", r.Name, r.version())
	}
	if err := r.is(req.Revision); err != nil {
		return nil, err
	}
	if err := s.enact(ctx, r); err != nil { // a pending change of state comes first
		return nil, err
	}
	if err := s.stage(ctx, r, &pendingChange{Existing: existing, Running: running, Fill: !req.NoFill}); err != nil {
		return nil, err
	}
	return s.published(ctx, r)
}

// stage writes the next version and names it as pending.
func (s *journeyService) stage(ctx context.Context, r *journeyRecord, p *pendingChange) error {
	info, err := s.Compile([]byte(r.Draft))
	if err != nil {
		return err
	}
	version := r.version() + 1
	key, err := s.store().saveVersion(ctx, r.Name, version, info.text(r.Draft))
	if err != nil {
		return err
	}
	if r.State != gateway.JourneyPaused { // a paused journey stays paused
		r.State = gateway.JourneyPublished
	}
	effective := s.effective()
	p.Version, p.State, p.Effective = version, r.State, effective
	r.Pending = p
	r.Versions = append(r.Versions, publishedVersion{version, effective, key})
	r.Purpose, r.ChangedAt = info.Purpose, effective
	r.Draft, r.PublishedRevision = "", r.Revision
	return s.store().save(ctx, r)
}

// effective is when a change that is made now takes hold everywhere: slightly
// ahead, so that it finds every partition prepared. A virtual clock stands
// still meanwhile and needs no lead.
func (s *journeyService) effective() gateway.Instant {
	if s.Clock.Virtual() {
		return s.Clock.Now()
	}
	return s.Clock.Now().Add(s.PublishLead)
}

// published answers for the latest version, when it is in force.
func (s *journeyService) published(ctx context.Context, r *journeyRecord) (*pb.PublishJourneyResponse, error) {
	resp := &pb.PublishJourneyResponse{Version: r.version(), EffectiveAt: stamp(r.Versions[len(r.Versions)-1].Effective)}
	positions, err := s.enactAt(ctx, r)
	if err != nil {
		return nil, err
	}
	resp.Positions = positions
	resp.Filling, resp.FillingDetail, err = s.awaitFilled(ctx, r.Name, resp.Version)
	return resp, err
}

func (s *journeyService) enact(ctx context.Context, r *journeyRecord) error {
	_, err := s.enactAt(ctx, r)
	return err
}

// enactAt carries a pending change to every partition, waits until all have
// stored it and it is in force, and clears it. Without one it does nothing.
func (s *journeyService) enactAt(ctx context.Context, r *journeyRecord) ([]*pb.Position, error) {
	p := r.Pending
	if p == nil {
		return nil, nil
	}
	commands, err := s.commands(ctx, r)
	if err != nil {
		return nil, err
	}
	at, err := s.everywhere(ctx, commands)
	if err != nil {
		return nil, err
	}
	if err := s.Follower.Await(ctx, at); err != nil {
		return nil, err
	}
	if err := s.Clock.Until(ctx, p.Effective); err != nil {
		return nil, err
	}
	r.Pending = nil
	if err := s.store().save(ctx, r); err != nil && gateway.KindOf(err) != gateway.Conflict {
		return nil, err // on a conflict another call has enacted it, too
	}
	var out highest
	for _, pos := range at {
		out.add(pos)
	}
	return out.messages(), nil
}

// commands are what each partition has to store for a pending change. A paused
// journey that is published is paused again in the same breath.
func (s *journeyService) commands(ctx context.Context, r *journeyRecord) ([]gateway.Command, error) {
	name, p := r.Name, r.Pending
	state := gateway.SetJourneyState{Journey: name, State: p.State, Effective: p.Effective, Withdraw: p.Withdraw}
	if p.Version == 0 {
		return []gateway.Command{state}, nil
	}
	text, err := s.store().text(ctx, r, p.Version)
	if err != nil {
		return nil, err
	}
	commands := []gateway.Command{gateway.PublishJourney{Journey: name, Version: p.Version, Effective: p.Effective,
		Definition: []byte(text), Existing: p.Existing, Running: p.Running, Fill: p.Fill}}
	if p.State == gateway.JourneyPaused {
		commands = append(commands, state)
	}
	return commands, nil
}

// everywhere appends the commands, in order, to every partition; it returns the
// last position of each.
func (s *journeyService) everywhere(ctx context.Context, commands []gateway.Command) ([]gateway.Position, error) {
	at := make([]gateway.Position, s.Partitions)
	group, ctx := errgroup.WithContext(ctx)
	for partition := range at {
		group.Go(func() error {
			for _, cmd := range commands {
				pos, err := s.Intake.Submit(ctx, partition, gateway.Input{Command: cmd})
				if err != nil {
					return err
				}
				at[partition] = pos
			}
			return nil
		})
	}
	return at, group.Wait()
}

// PauseJourney stops a journey for a while.
func (s *journeyService) PauseJourney(ctx context.Context, req *pb.PauseJourneyRequest) (*pb.PauseJourneyResponse, error) {
	effective, positions, err := s.setState(ctx, req.Name, gateway.JourneyPublished, gateway.JourneyPaused, req.Withdraw)
	if err != nil {
		return nil, err
	}
	return &pb.PauseJourneyResponse{EffectiveAt: stamp(effective), Positions: positions}, nil
}

// ResumeJourney ends a pause.
func (s *journeyService) ResumeJourney(ctx context.Context, req *pb.ResumeJourneyRequest) (*pb.ResumeJourneyResponse, error) {
	effective, positions, err := s.setState(ctx, req.Name, gateway.JourneyPaused, gateway.JourneyPublished, false)
	if err != nil {
		return nil, err
	}
	return &pb.ResumeJourneyResponse{EffectiveAt: stamp(effective), Positions: positions}, nil
}

// setState moves a journey from one state to another; when it is there already
// the call is a repetition and answered like the first one.
func (s *journeyService) setState(ctx context.Context, name string, from, to gateway.JourneyState, withdraw bool) (gateway.Instant, []*pb.Position, error) {
	var c checker
	c.journey("name", name)
	if err := c.err(); err != nil {
		return 0, nil, err
	}
	end, err := s.changes.take(ctx, name)
	if err != nil {
		return 0, nil, err
	}
	defer end()
	r, err := s.store().load(ctx, name)
	if err != nil {
		return 0, nil, err
	}
	if err := s.adopt(ctx, r); err != nil {
		return 0, nil, err
	}
	if r.State != from && r.State != to {
		return 0, nil, gateway.Errorf(gateway.Conflict, "journey %q is in state %s; only a %s one can become %s", name, r.State, from, to)
	}
	if r.State == from {
		if err := s.enact(ctx, r); err != nil { // a pending publication comes first
			return 0, nil, err
		}
		r.State, r.ChangedAt = to, s.effective()
		r.Pending = &pendingChange{State: to, Effective: r.ChangedAt, Withdraw: withdraw}
		if err := s.store().save(ctx, r); err != nil {
			return 0, nil, err
		}
	}
	positions, err := s.enactAt(ctx, r)
	return r.ChangedAt, positions, err
}

// recover enacts what a crash left pending.
func (s *journeyService) recover(ctx context.Context) error {
	names, err := s.store().names(ctx)
	if err != nil {
		return err
	}
	var errs []error
	for _, name := range names {
		r, err := s.store().load(ctx, name)
		if err == nil {
			err = s.enact(ctx, r)
		}
		errs = append(errs, err)
	}
	return errors.Join(errs...)
}

// TriggerJourney enrolls a customer and answers after the decision.
func (s *journeyService) TriggerJourney(ctx context.Context, req *pb.TriggerJourneyRequest) (*pb.TriggerJourneyResponse, error) {
	var c checker
	c.journey("name", req.Name)
	c.customer("customer", req.Customer, true)
	c.device("device", req.Device, false)
	c.required("key", req.Key, maxEventID)
	cmd := gateway.TriggerJourney{Journey: req.Name, Key: req.Key, Properties: c.properties("properties", req.Properties)}
	if err := c.err(); err != nil {
		return nil, err
	}
	if _, err := s.store().load(ctx, req.Name); err != nil {
		return nil, err
	}
	var err error
	if cmd.Customer, err = s.findCustomer(ctx, "customer", req.Customer); err != nil {
		return nil, err
	}
	if err := s.known(ctx, "customer.id", cmd.Customer); err != nil {
		return nil, err
	}
	if cmd.Device, err = s.findDevice(ctx, "device", req.Device); err != nil {
		return nil, err
	}
	end, err := s.triggers.take(ctx, fmt.Sprintf("%s %s %s", cmd.Journey, cmd.Customer, cmd.Key))
	if err != nil {
		return nil, err
	}
	defer end()
	pos, err := s.Intake.Submit(ctx, s.customerPartition(cmd.Customer), gateway.Input{Command: cmd})
	if err != nil {
		return nil, err
	}
	if err := s.Follower.Await(ctx, []gateway.Position{pos}); err != nil {
		return nil, err
	}
	d, err := s.decided(ctx, cmd)
	if err != nil {
		return nil, err
	}
	return &pb.TriggerJourneyResponse{EnrollmentId: d.Enrollment.String(), Reason: string(d.Reason), Position: position(pos)}, nil
}

// entryDecision reads what was decided about a trigger, by its key.
func (s *journeyService) entryDecision(ctx context.Context, cmd gateway.TriggerJourney) (gateway.Decision, error) {
	for wait := 5 * time.Millisecond; ; wait = min(2*wait, 100*time.Millisecond) {
		page, err := s.Decisions.Decisions(ctx, DecisionQuery{Customer: cmd.Customer, Journey: cmd.Journey, EventID: cmd.Key,
			Kinds: []gateway.DecisionKind{gateway.DecisionEntry}, Limit: 1})
		if err != nil {
			return gateway.Decision{}, err
		}
		if len(page.Items) > 0 {
			return page.Items[0], nil
		}
		// The customer is on the move between partitions: the trigger goes after him.
		select {
		case <-time.After(wait):
		case <-ctx.Done():
			return gateway.Decision{}, ctx.Err()
		}
	}
}

// decided is entryDecision, after the answer of the journey's coordinator when
// the entry had to ask for a place: it follows within milliseconds.
func (s *journeyService) decided(ctx context.Context, cmd gateway.TriggerJourney) (gateway.Decision, error) {
	patience, cancel := context.WithTimeout(ctx, fillPatience)
	defer cancel()
	for {
		d, err := s.entryDecision(ctx, cmd)
		if err != nil || d.Reason != gateway.ReasonWaiting {
			return d, err
		}
		select {
		case <-time.After(fillLook):
		case <-patience.Done():
			return d, nil
		}
	}
}
