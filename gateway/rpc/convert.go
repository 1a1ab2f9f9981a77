package rpc

import (
	"google.golang.org/protobuf/types/known/timestamppb"

	"touchpoint/gateway"
	pb "touchpoint/proto/touchpoint/v1"
)

// The functions here turn words of the gateway into messages of the API and
// back. They know no rule: checking is done before, deciding elsewhere.

func stamp(i gateway.Instant) *timestamppb.Timestamp {
	if i == 0 {
		return nil
	}
	return timestamppb.New(i.Time())
}

func valueOf(v *pb.PropertyValue) gateway.Value {
	switch x := v.GetValue().(type) {
	case *pb.PropertyValue_Bool:
		return gateway.Bool(x.Bool)
	case *pb.PropertyValue_Int:
		return gateway.Int(x.Int)
	case *pb.PropertyValue_Double:
		return gateway.Float(x.Double)
	case *pb.PropertyValue_String_:
		return gateway.String(x.String_)
	}
	return gateway.Null()
}

func propertyValue(v gateway.Value) *pb.PropertyValue {
	switch x := v.Any().(type) {
	case bool:
		return &pb.PropertyValue{Value: &pb.PropertyValue_Bool{Bool: x}}
	case int64:
		return &pb.PropertyValue{Value: &pb.PropertyValue_Int{Int: x}}
	case float64:
		return &pb.PropertyValue{Value: &pb.PropertyValue_Double{Double: x}}
	case string:
		return &pb.PropertyValue{Value: &pb.PropertyValue_String_{String_: x}}
	}
	return &pb.PropertyValue{}
}

func propertyMap(ps gateway.Properties) map[string]*pb.PropertyValue {
	if len(ps) == 0 {
		return nil
	}
	m := make(map[string]*pb.PropertyValue, len(ps))
	for _, p := range ps {
		m[p.Key] = propertyValue(p.Value)
	}
	return m
}

func position(p gateway.Position) *pb.Position {
	return &pb.Position{Partition: int32(p.Partition), Seq: p.Seq}
}

// highest keeps the highest position of each partition, in the order in which
// the partitions first came.
type highest struct {
	at    map[int]int
	items []gateway.Position
}

func (h *highest) add(p gateway.Position) {
	if h.at == nil {
		h.at = make(map[int]int)
	}
	i, ok := h.at[p.Partition]
	if !ok {
		h.at[p.Partition] = len(h.items)
		h.items = append(h.items, p)
	} else if p.Seq > h.items[i].Seq {
		h.items[i] = p
	}
}

func (h *highest) messages() []*pb.Position {
	out := make([]*pb.Position, len(h.items))
	for i, p := range h.items {
		out[i] = position(p)
	}
	return out
}

func violations(err error) []*pb.FieldViolation {
	gerr := invalidError(err)
	if gerr == nil {
		return nil
	}
	out := make([]*pb.FieldViolation, 0, len(gerr.Violations))
	for _, v := range gerr.Violations {
		out = append(out, &pb.FieldViolation{Field: v.Field, Step: v.Step, Line: int32(v.Line), Text: v.Text})
	}
	if len(out) == 0 {
		out = append(out, &pb.FieldViolation{Text: gerr.Error()})
	}
	return out
}

func consentMessage(c gateway.Consent) *pb.Consent {
	return &pb.Consent{Purpose: string(c.Purpose), Channel: c.Channel, Granted: c.Granted, Source: c.Source, At: stamp(c.At)}
}

var roleNames = map[pb.DeviceRole]string{
	pb.DeviceRole_DEVICE_ROLE_UNSPECIFIED: "owner",
	pb.DeviceRole_DEVICE_ROLE_OWNER:       "owner",
	pb.DeviceRole_DEVICE_ROLE_USER:        "user",
	pb.DeviceRole_DEVICE_ROLE_PAYER:       "payer",
	pb.DeviceRole_DEVICE_ROLE_DEALER:      "dealer",
	pb.DeviceRole_DEVICE_ROLE_STAFF:       "staff",
}

func roleMessage(name string) pb.DeviceRole {
	switch name {
	case "owner":
		return pb.DeviceRole_DEVICE_ROLE_OWNER
	case "user":
		return pb.DeviceRole_DEVICE_ROLE_USER
	case "payer":
		return pb.DeviceRole_DEVICE_ROLE_PAYER
	}
	return pb.DeviceRole_DEVICE_ROLE_UNSPECIFIED
}

var journeyStates = map[gateway.JourneyState]pb.JourneyState{
	gateway.JourneyDraft:     pb.JourneyState_JOURNEY_STATE_DRAFT,
	gateway.JourneyPublished: pb.JourneyState_JOURNEY_STATE_PUBLISHED,
	gateway.JourneyPaused:    pb.JourneyState_JOURNEY_STATE_PAUSED,
	gateway.JourneyDraining:  pb.JourneyState_JOURNEY_STATE_DRAINING,
	gateway.JourneyFinished:  pb.JourneyState_JOURNEY_STATE_FINISHED,
	gateway.JourneyArchived:  pb.JourneyState_JOURNEY_STATE_ARCHIVED,
}

func profileMessage(fields map[string]gateway.Personal) *pb.Profile {
	p := &pb.Profile{}
	texts := profileTexts(p)
	for key, value := range fields {
		if at, ok := texts[key]; ok {
			*at = value.Reveal()
			continue
		}
		if name, ok := extraName(key); ok {
			if p.Extra == nil {
				p.Extra = make(map[string]string)
			}
			p.Extra[name] = value.Reveal()
		}
	}
	return p
}

// profileTexts names the single texts of a profile as the vault does.
func profileTexts(p *pb.Profile) map[string]*string {
	return map[string]*string{
		"full_name": &p.FullName, "given_name": &p.GivenName, "family_name": &p.FamilyName,
		"salutation": &p.Salutation, "email": &p.Email, "phone": &p.Phone, "address": &p.Address,
	}
}
