package main

import (
	"errors"
	"fmt"
	"slices"
	"strings"

	"google.golang.org/protobuf/types/known/fieldmaskpb"

	pb "touchpoint/proto/touchpoint/v1"
)

// upsertFields are the fields that flags of `customer upsert` set.
var upsertFields = []struct{ flag, path string }{
	{"locale", "locale"}, {"time-zone", "time_zone"}, {"country", "country"}, {"channels", "channels"}, {"test", "test"}, {"cap", "cap"},
	{"quiet", "quiet_hours"}, {"attr", "attributes"}, {"name", "profile.full_name"}, {"given-name", "profile.given_name"},
	{"family-name", "profile.family_name"}, {"salutation", "profile.salutation"}, {"email", "profile.email"}, {"phone", "profile.phone"},
	{"address", "profile.address"}, {"extra", "profile.extra"},
}

// givenFields is the mask of the fields whose flags were given.
func givenFields(given func(flag string) bool) *fieldmaskpb.FieldMask {
	mask := &fieldmaskpb.FieldMask{}
	for _, f := range upsertFields {
		if given(f.flag) {
			mask.Paths = append(mask.Paths, f.path)
		}
	}
	if given("grant") || given("revoke") {
		mask.Paths = append(mask.Paths, "consents")
	}
	return mask
}

// quietHours reads --quiet. "none" removes them.
func (f *upsertFlags) quietHours(in *pb.Customer) (none bool, err error) {
	if slices.Contains(f.quiet, "none") {
		if len(f.quiet) > 1 {
			return false, errors.New("--quiet none removes all quiet hours: leave out the others")
		}
		return true, nil
	}
	for _, text := range f.quiet {
		hours, days, _ := strings.Cut(text, "@")
		from, to, ok := strings.Cut(hours, "-")
		if !ok {
			return false, fmt.Errorf("--quiet %q: write FROM-TO, such as 22:00-07:00, or 22:00-09:00@fri,sat", text)
		}
		q := &pb.QuietHours{From: from, To: to}
		if days != "" {
			q.Days = strings.Split(days, ",")
		}
		in.QuietHours = append(in.QuietHours, q)
	}
	return false, nil
}
