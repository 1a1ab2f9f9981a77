package rpc

import (
	"context"
	"fmt"
	"slices"
	"time"

	"golang.org/x/sync/errgroup"
	"google.golang.org/protobuf/types/known/durationpb"

	"touchpoint/gateway"
	"touchpoint/gateway/explain"
	pb "touchpoint/proto/touchpoint/v1"
)

type customerService struct {
	pb.UnimplementedCustomerServiceServer
	*base
}

// enrollmentLimit bounds the enrollments that GetCustomer answers with.
const enrollmentLimit = 200

// GetCustomer reads all that is known of a customer.
func (s *customerService) GetCustomer(ctx context.Context, req *pb.GetCustomerRequest) (*pb.GetCustomerResponse, error) {
	var c checker
	c.customer("customer", req.Customer, true)
	decisions := 20
	if req.Decisions != nil {
		decisions = int(*req.Decisions)
	}
	if decisions < 0 || decisions > 200 {
		c.fail("decisions", "is %d; allowed are 0 to 200", decisions)
	}
	at := c.positions(req.AtLeast, s.Partitions)
	if err := c.err(); err != nil {
		return nil, err
	}
	if req.WithProfile && !callerOf(ctx).has(RoleCRM) {
		return nil, gateway.Errorf(gateway.PermissionDenied, "with_profile shows personal data: it needs the role crm or operator")
	}
	id, err := s.findCustomer(ctx, "customer", req.Customer)
	if err != nil {
		return nil, err
	}
	if err := s.await(ctx, s.Follower, at); err != nil {
		return nil, err
	}
	customer, err := s.customerMessage(ctx, id, req.WithProfile)
	if err != nil {
		return nil, err
	}
	resp := &pb.GetCustomerResponse{Customer: customer}
	return resp, s.attach(ctx, resp, id, decisions)
}

// customerMessage joins what the read model and the vault know.
func (s *customerService) customerMessage(ctx context.Context, id gateway.CustomerID, withProfile bool) (*pb.Customer, error) {
	external, err := s.Vault.CustomerName(ctx, id)
	if err != nil {
		if gateway.KindOf(err) == gateway.NotFound {
			return nil, notFound("customer", "no customer has this id, or the customer was erased")
		}
		return nil, err
	}
	// A customer whose first record is not followed yet is known to the vault only.
	p, err := s.Customers.Customer(ctx, id)
	if err != nil && gateway.KindOf(err) != gateway.NotFound {
		return nil, err
	}
	m := &pb.Customer{Id: id.String(), Locale: p.Locale, TimeZone: p.TimeZone, Country: p.Country, Channels: p.Channels,
		Attributes: propertyMap(p.Attributes), Test: p.Test, ChangedAt: stamp(p.ChangedAt)}
	m.QuietHours = quietMessages(p.QuietHours)
	if p.CapCount > 0 {
		m.Cap = &pb.CustomerCap{Count: int32(p.CapCount), Window: durationpb.New(time.Duration(p.CapWindow) * time.Millisecond)}
	}
	class, err := s.Customers.Class(ctx, id)
	if err != nil {
		return nil, err
	}
	m.Segments = class.Segments
	for _, v := range class.Stages {
		m.Stages = append(m.Stages, &pb.StageVisit{Stage: v.Stage, At: stamp(v.At)})
	}
	for _, consent := range p.Consents {
		m.Consents = append(m.Consents, consentMessage(consent))
	}
	if callerOf(ctx).has(RoleCRM) {
		m.ExternalId = external.Reveal()
	}
	if withProfile {
		fields, err := s.Vault.Profile(ctx, id)
		if err != nil {
			return nil, err
		}
		m.Profile = profileMessage(fields)
	}
	return m, nil
}

func (s *customerService) attach(ctx context.Context, resp *pb.GetCustomerResponse, id gateway.CustomerID, decisions int) error {
	owned, err := s.Customers.Ownerships(ctx, OwnershipQuery{Customer: id, WithFormer: true, Limit: maxPage})
	if err != nil {
		return err
	}
	for _, o := range owned.Items {
		resp.Devices = append(resp.Devices, s.ownership(ctx, o))
	}
	if resp.Memberships, err = s.memberships(ctx, id); err != nil {
		return err
	}
	enrollments, err := s.Customers.Enrollments(ctx, id, enrollmentLimit)
	if err != nil {
		return err
	}
	for _, e := range enrollments {
		resp.Enrollments = append(resp.Enrollments, s.enrollment(ctx, e))
	}
	if decisions == 0 {
		return nil
	}
	page, err := s.Decisions.Decisions(ctx, DecisionQuery{Customer: id, Limit: decisions})
	for _, d := range page.Items {
		resp.Decisions = append(resp.Decisions, s.decision(ctx, d))
	}
	return err
}

func (b *base) ownership(ctx context.Context, o gateway.Ownership) *pb.Device {
	return &pb.Device{Device: b.deviceRef(ctx, o.Device), CustomerId: o.Customer.String(), Role: roleMessage(o.Role),
		From: stamp(o.From), To: stamp(o.To)}
}

func (b *base) enrollment(ctx context.Context, e gateway.Enrollment) *pb.Enrollment {
	return &pb.Enrollment{Id: e.ID.String(), Journey: e.Journey, Version: e.Version, CustomerId: e.Customer.String(),
		Device: b.deviceRef(ctx, e.Device), Key: e.Key, Step: e.Step, Arm: e.Arm, EnteredAt: stamp(e.EnteredAt),
		ChangedAt: stamp(e.ChangedAt), EndedAt: stamp(e.EndedAt), EndReason: string(e.EndReason),
		Converted: e.Converted, WaitsUntil: stamp(e.WaitsUntil), Recipient: e.Recipient, OriginId: e.Origin.String()}
}

func (b *base) decision(ctx context.Context, d gateway.Decision) *pb.Decision {
	return &pb.Decision{DryRun: gateway.IsDryRun(d.Journey), At: stamp(d.At), Kind: pb.DecisionKind(d.Kind), Reason: string(d.Reason), Journey: d.Journey,
		Version: d.Version, Step: d.Step, CustomerId: d.Customer.String(), Device: b.deviceRef(ctx, d.Device),
		EnrollmentId: d.Enrollment.String(), MessageId: d.Message.String(), EventId: d.EventID, Rule: d.Rule,
		Values: propertyMap(d.Values), Arm: d.Arm, Split: d.Split, GroupId: d.Group.String(), Mixed: d.Mixed,
		Recipient: d.Recipient, OriginId: d.Origin.String()}
}

// SetConsent grants or revokes; a revocation is answered when delivery has it.
func (s *customerService) SetConsent(ctx context.Context, req *pb.SetConsentRequest) (*pb.SetConsentResponse, error) {
	var c checker
	c.customer("customer", req.Customer, true)
	consent := s.consent(&c, "", &pb.Consent{Purpose: req.Purpose, Channel: req.Channel, Granted: req.Granted, Source: req.Source, At: req.At})
	if err := c.err(); err != nil {
		return nil, err
	}
	id, err := s.findCustomer(ctx, "customer", req.Customer)
	if err != nil {
		return nil, err
	}
	if err := s.known(ctx, "customer.id", id); err != nil {
		return nil, err
	}
	pos, err := s.setConsent(ctx, id, consent)
	if err != nil {
		return nil, err
	}
	if err := s.Follower.Await(ctx, []gateway.Position{pos}); err != nil {
		return nil, err
	}
	return &pb.SetConsentResponse{Position: position(pos)}, nil
}

// consent checks a consent; prefix is "" or the path of its list.
func (s *customerService) consent(c *checker, prefix string, in *pb.Consent) gateway.Consent {
	out := gateway.Consent{Purpose: c.purpose(prefix+"purpose", in.GetPurpose()), Channel: in.GetChannel(),
		Granted: in.GetGranted(), Source: in.GetSource(), At: c.instant(prefix+"at", in.GetAt())}
	c.channel(prefix+"channel", in.GetChannel(), s.Channels)
	c.text(prefix+"source", in.GetSource(), maxSource)
	now := s.Clock.Now()
	if out.At > now.Add(maxAhead) {
		c.fail(prefix+"at", "is in the future")
	}
	if out.At == 0 || out.At > now {
		out.At = now
	}
	return out
}

// setConsent appends a consent and puts it in force. The log has it first, so
// that a revocation that is in force is never forgotten.
func (s *customerService) setConsent(ctx context.Context, id gateway.CustomerID, consent gateway.Consent) (gateway.Position, error) {
	pos, err := s.Intake.Submit(ctx, s.customerPartition(id), gateway.Input{Command: gateway.SetConsent{
		Customer: id, Purpose: consent.Purpose, Channel: consent.Channel, Granted: consent.Granted,
		Source: consent.Source, At: consent.At}})
	if err != nil {
		return pos, err
	}
	return pos, s.Consents.Apply(ctx, id, consent)
}

// EraseCustomer removes a customer everywhere and answers when that is done.
func (s *customerService) EraseCustomer(ctx context.Context, req *pb.EraseCustomerRequest) (*pb.EraseCustomerResponse, error) {
	var c checker
	c.customer("customer", req.Customer, true)
	if err := c.err(); err != nil {
		return nil, err
	}
	id, err := s.findCustomer(ctx, "customer", req.Customer)
	if err != nil {
		return nil, err
	}
	if err := s.known(ctx, "customer.id", id); err != nil {
		return nil, err
	}
	groups, err := s.Groups.Memberships(ctx, MembershipQuery{Customer: id, WithFormer: true, Limit: maxPage})
	if err != nil {
		return nil, err
	}
	at, err := s.eraseEverywhere(ctx, id)
	if err != nil {
		return nil, err
	}
	if err := s.Follower.Await(ctx, at); err != nil {
		return nil, err
	}
	if err := s.Eraser.Erase(ctx, id, at); err != nil {
		return nil, err
	}
	return &pb.EraseCustomerResponse{Position: position(at[s.homePartition(id)])}, s.eraseEmpty(ctx, groups)
}

// eraseEverywhere tells every partition, so that the answer comes when each has
// done its part, wherever the customer lives or is moving to.
func (s *customerService) eraseEverywhere(ctx context.Context, id gateway.CustomerID) ([]gateway.Position, error) {
	at := make([]gateway.Position, s.Partitions)
	group, ctx := errgroup.WithContext(ctx)
	for i := range at {
		group.Go(func() (err error) {
			at[i], err = s.Intake.Submit(ctx, i, gateway.Input{Command: gateway.EraseCustomer{Customer: id}})
			return err
		})
	}
	return at, group.Wait()
}

// eraseEmpty forgets the numbers of groups in which nobody is left.
func (s *customerService) eraseEmpty(ctx context.Context, was []gateway.Membership) error {
	for _, m := range was {
		left, err := s.Groups.Memberships(ctx, MembershipQuery{Group: m.Group, WithFormer: true, Limit: 1})
		if err == nil && len(left) == 0 {
			err = s.Vault.EraseGroup(ctx, m.Group)
		}
		if err != nil {
			return err
		}
	}
	return nil
}

// ListDecisions reads a page of decisions.
func (s *customerService) ListDecisions(ctx context.Context, req *pb.ListDecisionsRequest) (*pb.ListDecisionsResponse, error) {
	var c checker
	q := s.decisionQuery(&c, req)
	zone := c.spoken(req.Language, req.TimeZone)
	at := c.positions(req.AtLeast, s.Partitions)
	if err := c.err(); err != nil {
		return nil, err
	}
	var err error
	if q.Cursor, err = s.cursor(req, req.PageToken); err != nil {
		return nil, err
	}
	if q.Customer, err = s.findCustomer(ctx, "customer", req.Customer); err != nil {
		return nil, err
	}
	if err := s.await(ctx, s.Follower, at); err != nil {
		return nil, err
	}
	page, err := s.Decisions.Decisions(ctx, q)
	if err != nil {
		return nil, err
	}
	resp := &pb.ListDecisionsResponse{NextPageToken: s.token(req, page.Next)}
	for _, d := range page.Items {
		told := s.decision(ctx, d)
		if req.Language != "" {
			told.Text = explain.Decision(d, req.Language, zone)
		}
		resp.Decisions = append(resp.Decisions, told)
	}
	return resp, nil
}

func (s *customerService) decisionQuery(c *checker, req *pb.ListDecisionsRequest) DecisionQuery {
	q := DecisionQuery{Journey: req.Journey}
	c.customer("customer", req.Customer, false)
	if req.Journey != "" {
		c.journey("journey", gateway.RealJourney(req.Journey))
	}
	if c.count("reasons", len(req.Reasons), 0, maxFilter) {
		for i, r := range req.Reasons {
			c.required(fmt.Sprintf("reasons[%d]", i), r, maxName)
			q.Reasons = append(q.Reasons, gateway.Reason(r))
		}
	}
	for i, k := range req.Kinds {
		if k == pb.DecisionKind_DECISION_KIND_UNSPECIFIED || pb.DecisionKind_name[int32(k)] == "" {
			c.fail(fmt.Sprintf("kinds[%d]", i), "is no kind of decision")
			continue
		}
		q.Kinds = append(q.Kinds, gateway.DecisionKind(k)) // the numbers are the same, see TestKindNumbers
	}
	q.From, q.To = c.interval("", req.From, req.To)
	q.Limit = c.pageSize(req.PageSize)
	return q
}

// place checks locale, zone and country of a customer.
func (c *checker) place(in *pb.Customer) {
	if in.Locale != "" && !localeText.MatchString(in.Locale) {
		c.fail("customer.locale", "must be a language such as de or de-DE")
	}
	c.zone("customer.time_zone", in.TimeZone)
	if in.Country != "" && !countryText.MatchString(in.Country) {
		c.fail("customer.country", "must be two upper-case letters (ISO 3166-1) such as DE")
	}
}

// channels checks a customer's order of preference.
func (c *checker) channels(in, known []string) {
	if !c.count("customer.channels", len(in), 0, maxChannels) {
		return
	}
	for i, ch := range in {
		field := fmt.Sprintf("customer.channels[%d]", i)
		if ch == "" {
			c.fail(field, "is empty")
		}
		c.channel(field, ch, known)
		if slices.Contains(in[:i], ch) {
			c.fail(field, "names a channel twice")
		}
	}
}
