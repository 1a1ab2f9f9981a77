package main

import (
	"github.com/spf13/cobra"

	"touchpoint/gateway/journey/language"
)

func journeySchema(c *client) *cobra.Command {
	return &cobra.Command{
		Use: "schema", Short: "Print the JSON Schema of definitions, for editors", Args: exactArgs(0),
		Example: "  touchpoint journey schema > journey.schema.json",
		RunE: func(*cobra.Command, []string) error {
			text, err := language.Schema()
			if err != nil {
				return err
			}
			_, err = c.out.Write(text)
			return err
		},
	}
}
