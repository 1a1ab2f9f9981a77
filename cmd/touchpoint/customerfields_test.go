package main

import (
	"slices"
	"strings"
	"testing"

	"github.com/spf13/cobra"
)

// upsertMask is the mask of the request of `customer upsert K-1` with flags.
func upsertMask(t *testing.T, flags ...string) (paths []string, err error) {
	t.Helper()
	cmd := customerUpsert(&client{})
	cmd.RunE = func(cmd *cobra.Command, args []string) error { return nil }
	if err := cmd.ParseFlags(flags); err != nil {
		t.Fatal(err)
	}
	var f upsertFlags
	f.quiet, _ = cmd.Flags().GetStringArray("quiet")
	f.customer.Test, _ = cmd.Flags().GetBool("test")
	req, err := f.request("K-1", cmd.Flags().Changed)
	return req.GetUpdateMask().GetPaths(), err
}

// TestUpsertMask: what a flag clears goes along with what others set.
func TestUpsertMask(t *testing.T) {
	for flags, want := range map[string][]string{
		"--locale de-DE":                      nil,
		"--quiet 22:00-07:00 --locale de":     nil,
		"--quiet none":                        {"quiet_hours"},
		"--quiet none --locale de --attr a=1": {"locale", "quiet_hours", "attributes"},
		"--test":                              nil,
		"--test=false":                        {"test"},
		"--quiet none --name M --revoke marketing --extra a=b": {"quiet_hours", "profile.full_name", "profile.extra", "consents"},
	} {
		if got, err := upsertMask(t, strings.Fields(flags)...); err != nil || !slices.Equal(got, want) {
			t.Errorf("%s: mask %q, want %q; %v", flags, got, want, err)
		}
	}
	_, err := upsertMask(t, "--quiet", "none", "--quiet", "22:00-07:00")
	if err == nil || !strings.Contains(err.Error(), "leave out the others") {
		t.Errorf("none and hours: %v", err)
	}
}
