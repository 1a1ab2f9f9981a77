package main

import (
	"github.com/spf13/cobra"

	"touchpoint/gateway/journey"
	"touchpoint/gateway/journey/author"
)

func journeyGraph(c *client) *cobra.Command {
	return &cobra.Command{
		Use: "graph FILE", Short: "Draw a definition as SVG", Args: exactArgs(1),
		Example: "  touchpoint journey graph descaling.yaml > descaling.svg",
		RunE: func(_ *cobra.Command, args []string) error {
			text, err := c.readFile(args[0])
			if err != nil {
				return err
			}
			svg, err := author.Graph(text, journey.Env{})
			if err != nil {
				return err
			}
			_, err = c.out.Write(svg)
			return err
		},
	}
}
