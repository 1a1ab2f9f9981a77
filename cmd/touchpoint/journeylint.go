package main

import (
	"fmt"
	"slices"

	"github.com/spf13/cobra"

	"touchpoint/gateway/deliver/render"
	"touchpoint/gateway/journey"
	"touchpoint/gateway/journey/author"
)

// lintResult is what `journey lint --json` says of a file.
type lintResult struct {
	File     string           `json:"file"`
	Findings []author.Finding `json:"findings"`
}

// authorEnv checks what can be checked without a gateway: the installation's
// channels and event types are not known here.
var authorEnv = journey.Env{CheckTemplate: func(text string, values []string) error {
	return render.CheckSource(text, render.Known{Names: slices.Concat(values, render.PersonalNames), Open: []string{"customer.extra"}})
}}

func journeyLint(c *client) *cobra.Command {
	var strict bool
	cmd := &cobra.Command{
		Use: "lint FILE…", Short: "Look for faults and weak spots of definitions", Args: minArgs(1),
		Long: "Errors are what keeps a definition from being published; warnings are what is probably not meant.\n" +
			"The exit code is 1 when there are errors, with --strict also when there are warnings. No gateway is needed.",
		Example: "  touchpoint journey lint deploy/journeys/*.yaml\n  touchpoint journey lint --json descaling.yaml",
		RunE: func(_ *cobra.Command, args []string) error {
			var results []lintResult
			errors, warnings := 0, 0
			for _, name := range args {
				text, err := c.readFile(name)
				if err != nil {
					return err
				}
				r := lintResult{File: name, Findings: author.Lint(text, authorEnv)}
				for _, f := range r.Findings {
					if f.Severity == author.SeverityError {
						errors++
					} else {
						warnings++
					}
				}
				results = append(results, r)
			}
			if err := c.lintResults(results); err != nil {
				return err
			}
			if errors > 0 || strict && warnings > 0 {
				return fmt.Errorf("%d errors, %d warnings", errors, warnings)
			}
			return nil
		},
	}
	cmd.Flags().BoolVar(&strict, "strict", false, "warnings are errors")
	return cmd
}

func (c *client) lintResults(results []lintResult) error {
	if c.asJSON {
		return c.printPlain(results)
	}
	for _, r := range results {
		for _, f := range r.Findings {
			c.say("%s:%s", r.File, f)
		}
		if len(r.Findings) == 0 {
			c.say("%s: nothing found", r.File)
		}
	}
	return nil
}
