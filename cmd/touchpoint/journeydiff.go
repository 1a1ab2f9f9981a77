package main

import (
	"fmt"
	"os"
	"strconv"
	"strings"

	"github.com/spf13/cobra"

	"touchpoint/gateway/journey/author"
	pb "touchpoint/proto/touchpoint/v1"
)

func journeyDiff(c *client) *cobra.Command {
	return &cobra.Command{
		Use: "diff V1 V2", Short: "Compare two versions, and tell what it means for who is inside", Args: exactArgs(2),
		Long:    "A version is a file, or NAME@VERSION of a running gateway (NAME@0 is its draft, else the live one).",
		Example: "  touchpoint journey diff welcome.v1.yaml welcome.yaml\n  touchpoint journey diff welcome@1 welcome.yaml",
		RunE: func(cmd *cobra.Command, args []string) error {
			var texts [2][]byte
			for i, name := range args {
				var err error
				if texts[i], err = c.versionText(cmd, name); err != nil {
					return err
				}
			}
			changes, err := author.Diff(texts[0], texts[1])
			if err != nil {
				return err
			}
			if c.asJSON {
				return c.printPlain(changes)
			}
			for _, change := range changes {
				c.say("%s", change)
			}
			if len(changes) == 0 {
				c.say("no difference")
			}
			return nil
		},
	}
}

// versionText reads a file, or a version of the gateway.
func (c *client) versionText(cmd *cobra.Command, name string) ([]byte, error) {
	journey, number, ok := strings.Cut(name, "@")
	if _, err := os.Stat(name); err == nil || !ok {
		return c.readFile(name)
	}
	version, err := strconv.ParseUint(strings.TrimPrefix(number, "v"), 10, 32)
	if err != nil {
		return nil, usageError{cmd, fmt.Sprintf("%q: write NAME@VERSION, such as welcome@2", name)}
	}
	api, err := c.journeys()
	if err != nil {
		return nil, err
	}
	ctx, cancel := c.within(cmd.Context())
	defer cancel()
	resp, err := api.GetJourney(ctx, &pb.GetJourneyRequest{Name: journey, Version: uint32(version)})
	if err != nil {
		return nil, err
	}
	return []byte(resp.GetJourney().GetDefinition().GetYaml()), nil
}
