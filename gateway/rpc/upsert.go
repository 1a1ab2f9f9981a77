package rpc

import (
	"context"
	"fmt"
	"maps"
	"net/mail"
	"regexp"
	"slices"
	"strings"
	"time"

	"touchpoint/gateway"
	pb "touchpoint/proto/touchpoint/v1"
)

// coreFields are the fields of an upsert that the core keeps, as it names them.
var coreFields = []string{"locale", "time_zone", "country", "channels", "attributes", "test", "cap", "quiet_hours"}

var (
	phoneText = regexp.MustCompile(`^\+[1-9][0-9]{5,14}$`)
	extraText = regexp.MustCompile(`^[a-z][a-z0-9_]{0,63}$`)
)

// upsert is a checked UpsertCustomer: what goes to the core, what to the vault.
type upsert struct {
	core        gateway.UpsertCustomer
	consents    []gateway.Consent
	profile     map[string]gateway.Personal
	profileMask []string
}

// UpsertCustomer creates or changes a customer. Personal data goes to the vault
// first: a journey must not find an address missing that the core believes in.
func (s *customerService) UpsertCustomer(ctx context.Context, req *pb.UpsertCustomerRequest) (*pb.UpsertCustomerResponse, error) {
	u, err := s.checkUpsert(req)
	if err != nil {
		return nil, err
	}
	ref := &pb.CustomerRef{ExternalId: req.Customer.ExternalId, Id: req.Customer.Id}
	id, created, err := s.customer(ctx, ref)
	if err != nil {
		return nil, err
	}
	if err := s.known(ctx, "customer.id", id); err != nil {
		return nil, err
	}
	if err := s.saveProfile(ctx, id, u); err != nil {
		return nil, err
	}
	u.core.Customer = id
	pos, err := s.Intake.Submit(ctx, s.customerPartition(id), gateway.Input{Command: u.core})
	if err != nil {
		return nil, err
	}
	var at highest
	at.add(pos)
	for _, consent := range u.consents {
		pos, err := s.setConsent(ctx, id, consent)
		if err != nil {
			return nil, err
		}
		at.add(pos)
	}
	if len(u.consents) > 0 {
		if err := s.Follower.Await(ctx, at.items); err != nil {
			return nil, err
		}
	}
	return &pb.UpsertCustomerResponse{CustomerId: id.String(), Created: created, Positions: at.messages()}, nil
}

// saveProfile writes the personal part and tells the core which channels have
// an address now.
func (s *customerService) saveProfile(ctx context.Context, id gateway.CustomerID, u *upsert) error {
	if len(u.profileMask) == 0 {
		return nil
	}
	if err := s.Vault.SaveProfile(ctx, id, u.profile, u.profileMask); err != nil {
		return err
	}
	fields, err := s.Vault.Profile(ctx, id)
	if err != nil {
		return err
	}
	if fields["email"] != "" {
		u.core.Reachable = append(u.core.Reachable, "email")
	}
	if fields["phone"] != "" {
		u.core.Reachable = append(u.core.Reachable, "sms")
	}
	u.core.Mask = append(u.core.Mask, "reachable")
	return nil
}

func (s *customerService) checkUpsert(req *pb.UpsertCustomerRequest) (*upsert, error) {
	var c checker
	in := req.GetCustomer()
	if in == nil {
		c.fail("customer", "is required")
		return nil, c.err()
	}
	c.customer("customer", &pb.CustomerRef{ExternalId: in.ExternalId, Id: in.Id}, true)
	paths := req.GetUpdateMask().GetPaths()
	if len(paths) == 0 {
		paths = filled(in)
	}
	u := &upsert{profile: make(map[string]gateway.Personal)}
	for _, path := range paths {
		s.maskPath(&c, u, in, path)
	}
	c.place(in)
	c.channels(in.Channels, s.Channels)
	u.core.Locale, u.core.TimeZone, u.core.Country = in.Locale, in.TimeZone, in.Country
	u.core.Channels, u.core.Test = in.Channels, in.Test
	u.core.QuietHours = c.quietHours(in.QuietHours, s.Channels)
	u.core.Attributes = c.properties("customer.attributes", in.Attributes)
	if in.Cap != nil {
		if in.Cap.Count < 0 || in.Cap.Count > 1_000 {
			c.fail("customer.cap.count", "is %d; allowed are 0 to 1000", in.Cap.Count)
		}
		u.core.CapCount = int(in.Cap.Count)
		if in.Cap.Count > 0 {
			if in.Cap.Window == nil {
				c.fail("customer.cap.window", "is required with a count")
			}
			u.core.CapWindow = c.duration("customer.cap.window", in.Cap.Window, 0, time.Minute, 366*24*time.Hour).Milliseconds()
		}
	}
	c.profile(in.GetProfile())
	return u, c.err()
}

// maskPath notes what one path of the mask sets.
func (s *customerService) maskPath(c *checker, u *upsert, in *pb.Customer, path string) {
	texts := profileTexts(orEmpty(in.GetProfile()))
	sub, inProfile := strings.CutPrefix(path, "profile.")
	name, inExtra := extraName(sub)
	switch {
	case slices.Contains(coreFields, path):
		u.core.Mask = append(u.core.Mask, path)
	case path == "consents":
		if c.count("customer.consents", len(in.Consents), 1, 32) {
			for i, consent := range in.Consents {
				u.consents = append(u.consents, s.consent(c, fmt.Sprintf("customer.consents[%d].", i), consent))
			}
		}
	case path == "profile":
		for key := range texts {
			u.personal(key, *texts[key])
		}
		for name, text := range in.GetProfile().GetExtra() {
			u.personal("extra."+name, text)
		}
	case inProfile && texts[sub] != nil:
		u.personal(sub, *texts[sub])
	case inProfile && sub == "extra":
		for name, text := range in.GetProfile().GetExtra() {
			u.personal("extra."+name, text)
		}
	case inProfile && inExtra && extraText.MatchString(name):
		u.personal(sub, in.GetProfile().GetExtra()[name])
	case path == "id" || path == "external_id": // who, not what
	default:
		c.fail("update_mask", "names a path that cannot be set; paths are %s, consents, profile and profile.email and the like",
			strings.Join(coreFields, ", "))
	}
}

func orEmpty(p *pb.Profile) *pb.Profile {
	if p == nil {
		return &pb.Profile{}
	}
	return p
}

// personal sets one text of the profile; an empty one is cleared.
func (u *upsert) personal(key, text string) {
	u.profileMask = append(u.profileMask, key)
	if text != "" {
		u.profile[key] = gateway.Personal(text)
	}
}

// filled is the mask of a request that has none: every field that is not empty.
func filled(in *pb.Customer) []string {
	var paths []string
	add := func(ok bool, path string) {
		if ok {
			paths = append(paths, path)
		}
	}
	add(in.Locale != "", "locale")
	add(in.TimeZone != "", "time_zone")
	add(in.Country != "", "country")
	add(len(in.Channels) > 0, "channels")
	add(len(in.Attributes) > 0, "attributes")
	add(in.Test, "test")
	add(in.Cap != nil, "cap")
	add(len(in.QuietHours) > 0, "quiet_hours")
	add(len(in.Consents) > 0, "consents")
	texts := profileTexts(orEmpty(in.Profile))
	for _, key := range slices.Sorted(maps.Keys(texts)) {
		add(*texts[key] != "", "profile."+key)
	}
	add(len(in.GetProfile().GetExtra()) > 0, "profile.extra")
	return paths
}

// profile checks the personal texts; what it says never repeats one.
func (c *checker) profile(p *pb.Profile) {
	if p == nil {
		return
	}
	for key, max := range map[string]int{"full_name": 256, "given_name": 256, "family_name": 256, "salutation": 64, "email": 254, "phone": 16, "address": 1024} {
		c.text("customer.profile."+key, *profileTexts(p)[key], max)
	}
	if p.Email != "" {
		if a, err := mail.ParseAddress(p.Email); err != nil || a.Address != p.Email {
			c.fail("customer.profile.email", "must be an e-mail address without a name, such as mara@example.com")
		}
	}
	if p.Phone != "" && !phoneText.MatchString(p.Phone) {
		c.fail("customer.profile.phone", "must be a number in the form +4930123456 (E.164)")
	}
	if c.count("customer.profile.extra", len(p.Extra), 0, maxExtra) {
		for name, text := range p.Extra {
			if !extraText.MatchString(name) {
				c.fail("customer.profile.extra", `has a name that is not 1 to 64 lower-case letters, digits and "_", starting with a letter`)
				continue
			}
			c.text("customer.profile.extra."+name, text, maxText)
		}
	}
}
