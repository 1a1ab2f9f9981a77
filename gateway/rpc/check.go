package rpc

import (
	"fmt"
	"regexp"
	"slices"
	"strings"
	"time"
	"unicode"

	"google.golang.org/protobuf/types/known/durationpb"
	"google.golang.org/protobuf/types/known/timestamppb"

	"touchpoint/gateway"
	pb "touchpoint/proto/touchpoint/v1"
)

// The bounds of a call. Every error about one names the field and the bound.
const (
	maxBatch       = 1_000
	maxStream      = 100_000
	maxPage        = 1_000
	defaultPage    = 100
	maxExternalID  = 256
	maxEventID     = 128
	maxName        = 64
	maxProperties  = 64
	maxPropertyKey = 64
	maxText        = 4_096
	maxSource      = 128
	maxDetail      = 256
	maxFilter      = 20
	maxPositions   = 4_096
	maxDefinition  = 256 << 10
	maxWindows     = 10_000
	maxChannels    = 8
	maxExtra       = 32
)

// earliest is the first time that can be meant: a device clock before it was
// never set.
var (
	earliest = gateway.InstantOf(time.Date(2000, 1, 1, 0, 0, 0, 0, time.UTC))
	latest   = gateway.InstantOf(time.Date(2100, 1, 1, 0, 0, 0, 0, time.UTC))
)

var (
	typeText     = regexp.MustCompile(`^[a-z][a-z0-9_.]{0,63}$`)
	journeyText  = regexp.MustCompile(`^[a-z][a-z0-9_-]{0,63}$`)
	consumerText = regexp.MustCompile(`^[A-Za-z0-9_-]{1,64}$`)
	localeText   = regexp.MustCompile(`^[a-z]{2,3}(-[A-Za-z0-9]{2,8})*$`)
	countryText  = regexp.MustCompile(`^[A-Z]{2}$`)
)

// checker collects what is wrong with a request, so that the caller sees all of
// it at once. Its texts never repeat a value that may be personal.
type checker struct{ violations []gateway.Violation }

func (c *checker) fail(field, format string, args ...any) {
	c.violations = append(c.violations, gateway.Violation{Field: field, Text: fmt.Sprintf(format, args...)})
}

func (c *checker) err() error {
	if len(c.violations) == 0 {
		return nil
	}
	return &gateway.Error{Kind: gateway.Invalid, Violations: c.violations}
}

// text checks an optional text.
func (c *checker) text(field, value string, max int) {
	if len(value) > max {
		c.fail(field, "has %d bytes; allowed are at most %d", len(value), max)
	}
	if strings.ContainsFunc(value, func(r rune) bool { return unicode.IsControl(r) && r != '\n' && r != '\t' }) {
		c.fail(field, "holds a control character")
	}
}

// required checks a text that must be there.
func (c *checker) required(field, value string, max int) {
	if value == "" {
		c.fail(field, "is required")
		return
	}
	c.text(field, value, max)
}

// match checks a required text against a form.
func (c *checker) match(field, value string, form *regexp.Regexp, words string) {
	switch {
	case value == "":
		c.fail(field, "is required")
	case !form.MatchString(value):
		c.fail(field, "must be %s", words)
	}
}

func (c *checker) eventType(field, value string) {
	c.match(field, value, typeText, `1 to 64 lower-case letters, digits, "_" and ".", starting with a letter, such as brew_finished`)
}

func (c *checker) journey(field, value string) {
	c.match(field, value, journeyText, `1 to 64 lower-case letters, digits, "_" and "-", starting with a letter`)
}

// count checks the length of a list.
func (c *checker) count(field string, n, min, max int) bool {
	if n < min || n > max {
		c.fail(field, "has %d entries; allowed are %d to %d", n, min, max)
		return false
	}
	return true
}

// instant reads an optional time; absent is 0.
func (c *checker) instant(field string, t *timestamppb.Timestamp) gateway.Instant {
	if t == nil {
		return 0
	}
	at := gateway.InstantOf(t.AsTime())
	if t.CheckValid() != nil || at < earliest || at >= latest {
		c.fail(field, "must be a time from the year 2000 to 2099")
		return 0
	}
	return at
}

// interval reads from and to.
func (c *checker) interval(prefix string, from, to *timestamppb.Timestamp) (f, t gateway.Instant) {
	f, t = c.instant(prefix+"from", from), c.instant(prefix+"to", to)
	if f != 0 && t != 0 && t <= f {
		c.fail(prefix+"to", "must be after %sfrom", prefix)
	}
	return f, t
}

// duration reads a duration between min and max; absent gives def.
func (c *checker) duration(field string, d *durationpb.Duration, def, min, max time.Duration) time.Duration {
	if d == nil {
		return def
	}
	v := d.AsDuration()
	if d.CheckValid() != nil || v < min || v > max {
		c.fail(field, "must be a duration from %v to %v", min, max)
		return def
	}
	return v
}

// pageSize reads the size of a page.
func (c *checker) pageSize(n int32) int {
	switch {
	case n == 0:
		return defaultPage
	case n < 0 || n > maxPage:
		c.fail("page_size", "is %d; allowed are 1 to %d, or 0 for %d", n, maxPage, defaultPage)
	}
	return int(n)
}

// device checks the form of a reference; it is resolved later.
func (c *checker) device(field string, ref *pb.DeviceRef, required bool) {
	switch {
	case ref == nil || ref.Id == "" && ref.Product == "" && ref.Serial == "":
		if required {
			c.fail(field, "is required: product and serial, or id")
		}
	case ref.Id != "" && (ref.Product != "" || ref.Serial != ""):
		c.fail(field, "has an id and product or serial: give one of them")
	case ref.Id != "":
		if _, err := gateway.ParseDeviceID(ref.Id); err != nil {
			c.fail(field+".id", `must be "d_" and 13 characters`)
		}
	default:
		c.level(field+".product", ref.Product)
		c.level(field+".serial", ref.Serial)
	}
}

// level checks a text that is one level of an MQTT topic.
func (c *checker) level(field, value string) {
	c.required(field, value, maxName)
	if strings.ContainsAny(value, "/+#") {
		c.fail(field, `holds "/", "+" or "#", which no level of a topic may`)
	}
}

// customer checks the form of a reference; it is resolved later.
func (c *checker) customer(field string, ref *pb.CustomerRef, required bool) {
	switch {
	case ref == nil || ref.Id == "" && ref.ExternalId == "":
		if required {
			c.fail(field, "is required: external_id or id")
		}
	case ref.Id != "" && ref.ExternalId != "":
		c.fail(field, "has an id and an external_id: give one of them")
	case ref.Id != "":
		if _, err := gateway.ParseCustomerID(ref.Id); err != nil {
			c.fail(field+".id", `must be "c_" and 13 characters; the number of your own systems goes into external_id`)
		}
	default:
		c.text(field+".external_id", ref.ExternalId, maxExternalID)
	}
}

// dataPurpose is the consent to use a category of data together with what is
// known of the customer.
var dataPurpose = regexp.MustCompile(`^data:[a-z][a-z0-9_-]{0,62}$`)

// purpose reads a purpose.
func (c *checker) purpose(field, value string) gateway.Purpose {
	p := gateway.Purpose(value)
	switch p {
	case gateway.PurposeService, gateway.PurposeMarketing, gateway.PurposeSafety:
	case "":
		c.fail(field, "is required: service, marketing or safety")
	default:
		if !dataPurpose.MatchString(value) {
			c.fail(field, "must be service, marketing, safety, or data: and a category of data, such as data:usage")
		}
	}
	return p
}

// channel checks an optional channel against those that the gateway has.
func (c *checker) channel(field, value string, known []string) {
	if value != "" && !slices.Contains(known, value) {
		c.fail(field, "must be one of %s", strings.Join(known, ", "))
	}
}

// positions reads at_least.
func (c *checker) positions(at []*pb.Position, partitions int) []gateway.Position {
	if !c.count("at_least", len(at), 0, maxPositions) {
		return nil
	}
	out := make([]gateway.Position, len(at))
	for i, p := range at {
		if p.GetPartition() < 0 || int(p.GetPartition()) >= partitions {
			c.fail(fmt.Sprintf("at_least[%d].partition", i), "is %d; the gateway has partitions 0 to %d", p.GetPartition(), partitions-1)
		}
		out[i] = gateway.Position{Partition: int(p.GetPartition()), Seq: p.GetSeq()}
	}
	return out
}

// properties reads named values.
func (c *checker) properties(field string, in map[string]*pb.PropertyValue) gateway.Properties {
	if !c.count(field, len(in), 0, maxProperties) || len(in) == 0 {
		return nil
	}
	out := make(gateway.Properties, 0, len(in))
	for k, v := range in {
		if k == "" || len(k) > maxPropertyKey || strings.ContainsFunc(k, unicode.IsControl) {
			c.fail(field, "holds a name that is empty, longer than %d bytes or has control characters", maxPropertyKey)
			continue
		}
		if s, ok := v.GetValue().(*pb.PropertyValue_String_); ok {
			c.text(field+"."+k, s.String_, maxText)
		}
		out = append(out, gateway.Property{Key: k, Value: valueOf(v)})
	}
	out.Sort()
	return out
}
