package rpc

import (
	"cmp"
	"context"
	"slices"
	"time"

	"touchpoint/gateway"
	"touchpoint/gateway/explain"
	pb "touchpoint/proto/touchpoint/v1"
)

// Explain tells why a customer got, or did not get, a message.
func (s *customerService) Explain(ctx context.Context, req *pb.ExplainRequest) (*pb.ExplainResponse, error) {
	var c checker
	c.customer("customer", req.Customer, true)
	if req.Journey == "" {
		c.fail("journey", "is missing; name the journey that it is about")
	}
	lang := cmp.Or(req.Language, "en")
	zone := c.spoken(lang, req.TimeZone)
	var at gateway.Instant
	if req.At != nil {
		at = gateway.InstantOf(req.At.AsTime())
	}
	if err := c.err(); err != nil {
		return nil, err
	}
	id, err := s.findCustomer(ctx, "customer", req.Customer)
	if err != nil {
		return nil, err
	}
	x, err := s.Explainer.Explain(ctx, id, req.Journey, at)
	if err != nil {
		return nil, err
	}
	return explainMessage(x, lang, zone), nil
}

// spoken checks the language ("" for none) and the time zone of sentences.
func (c *checker) spoken(lang, zone string) *time.Location {
	if lang != "" && !slices.Contains(explain.Languages, lang) {
		c.fail("language", "%q is not en or de", lang)
	}
	loc, err := time.LoadLocation(zone)
	if err != nil || zone == "Local" {
		c.fail("time_zone", "%q is no time zone; write a name such as Europe/Berlin", zone)
	}
	return loc
}

func explainMessage(x gateway.Explanation, lang string, zone *time.Location) *pb.ExplainResponse {
	out := &pb.ExplainResponse{Verdict: string(x.Verdict), Version: x.Version, At: stamp(x.At), Known: x.Known}
	for _, l := range explain.Tell(x, lang, zone) {
		out.Lines = append(out.Lines, &pb.ExplainLine{Mark: l.Mark, Text: l.Text})
	}
	for _, c := range x.Checks {
		out.Checks = append(out.Checks, &pb.ExplainCheck{Name: c.Name, Result: c.Result.String(), Reason: string(c.Reason), Rule: c.Rule,
			Step: c.Step, Channel: c.Channel, Values: propertyMap(c.Values), Since: stamp(c.Since), Until: stamp(c.Until)})
	}
	return out
}
