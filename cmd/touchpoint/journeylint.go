package main

import (
	"fmt"
	"slices"

	"github.com/spf13/cobra"

	"touchpoint/gateway/app"
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
	var products, config string
	cmd := &cobra.Command{
		Use: "lint FILE…", Short: "Look for faults and weak spots of definitions", Args: minArgs(1),
		Long: "Errors are what keeps a definition from being published; warnings are what is probably not meant.\n" +
			"The exit code is 1 when there are errors, with --strict also when there are warnings. No gateway is needed:\n" +
			"with --products or --config the displays, data categories and event types of the products, the channels,\n" +
			"segments, stages and traits of the installation are looked at as at publish.",
		Example: "  touchpoint journey lint deploy/journeys/*.yaml\n  touchpoint journey lint --products products.yaml descaling.yaml\n" +
			"  touchpoint journey lint --config touchpoint.yaml --json descaling.yaml",
		RunE: func(_ *cobra.Command, args []string) error {
			env, err := lintEnv(products, config)
			if err != nil {
				return err
			}
			var results []lintResult
			errors, warnings := 0, 0
			for _, name := range args {
				text, err := c.readFile(name)
				if err != nil {
					return err
				}
				r := lintResult{File: name, Findings: author.Lint(text, env)}
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
	cmd.Flags().StringVar(&products, "products", "", "file of product profiles: displays, categories, event types (see docs/configuration.md)")
	cmd.Flags().StringVar(&config, "config", "", "configuration of the gateway: its channels, rules and products")
	return cmd
}

// lintEnv is what is known of the installation: nothing, its products, or all
// that its configuration says.
func lintEnv(products, config string) (journey.Env, error) {
	if products == "" && config == "" {
		return authorEnv, nil
	}
	cfg := app.Default()
	if config != "" {
		var err error
		if cfg, err = app.Load(config); err != nil {
			return journey.Env{}, err
		}
	}
	if products != "" {
		cfg.Products = products
	}
	env, err := app.DefinitionEnv(cfg)
	if config == "" { // of the installation nothing is known but its products
		env.Channels, env.Segments, env.Stages = nil, nil, nil
	}
	env.CheckTemplate = authorEnv.CheckTemplate
	return env, err
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
