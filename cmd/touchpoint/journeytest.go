package main

import (
	"bytes"
	"encoding/json"
	"fmt"
	"os"
	"path/filepath"

	"github.com/spf13/cobra"

	"touchpoint/gateway/journey/story"
)

// storyResult is what `journey test --json` says of a file.
type storyResult struct {
	File   string `json:"file"`
	Tells  string `json:"tells,omitempty"`
	Passed bool   `json:"passed"`
	Error  string `json:"error,omitempty"`
	Diff   string `json:"diff,omitempty"`
}

func journeyTest(c *client) *cobra.Command {
	var update, check bool
	cmd := &cobra.Command{
		Use: "test FILE.txtar…", Short: "Run stories: what journeys do, told as text", Args: minArgs(1),
		Long: "A story is a text file: a sentence, journeys, perhaps settings.yaml, and a section `-- story --`\n" +
			"with commands such as `event brew_finished device=d1`. What came of each command stands indented\n" +
			"below it and is compared; --update writes it. No gateway is needed. docs/journeys.md has the commands.",
		Example: "  touchpoint journey test descaling.txtar\n  touchpoint journey test --update deploy/journeys/cookbook/*.txtar",
		RunE: func(cmd *cobra.Command, args []string) error {
			failed := 0
			var results []storyResult
			for _, name := range args {
				r := runStory(name, update, check)
				results = append(results, r)
				if !r.Passed {
					failed++
				}
			}
			if err := c.storyResults(results); err != nil {
				return err
			}
			if failed > 0 {
				return fmt.Errorf("%d of %d stories are told differently, or not at all; --update accepts what came out", failed, len(args))
			}
			return nil
		},
	}
	cmd.Flags().BoolVar(&update, "update", false, "write what came of each command into the files")
	cmd.Flags().BoolVar(&check, "check-core", false, "after each command, compare the state with a replay and with a restored snapshot")
	return cmd
}

// runStory runs one file. Definitions that it names and does not bring along
// are files beside it.
func runStory(name string, update, check bool) storyResult {
	r := storyResult{File: name}
	fail := func(err error) storyResult {
		r.Error = err.Error()
		return r
	}
	want, err := os.ReadFile(name)
	if err != nil {
		return fail(err)
	}
	f, err := story.Parse(name, want)
	if err != nil {
		return fail(err)
	}
	r.Tells = f.Sentence()
	got, err := f.Run(story.Options{Checked: check, Open: besideStory(name)})
	if err != nil {
		return fail(err)
	}
	r.Passed = bytes.Equal(want, got)
	if !r.Passed && update {
		if err := os.WriteFile(name, got, 0o644); err != nil {
			return fail(err)
		}
		r.Passed = true
		return r
	}
	r.Diff = story.Diff(name, want, got)
	return r
}

func besideStory(name string) func(string) ([]byte, error) {
	return func(file string) ([]byte, error) { return os.ReadFile(filepath.Join(filepath.Dir(name), file)) }
}

func (c *client) storyResults(results []storyResult) error {
	if c.asJSON {
		return c.printPlain(results)
	}
	for _, r := range results {
		switch {
		case r.Error != "":
			c.say("FAIL  %s", r.Error)
		case !r.Passed:
			c.say("FAIL  %s: %s", r.File, r.Tells)
			fmt.Fprint(c.out, r.Diff)
		default:
			c.say("ok    %s: %s", r.File, r.Tells)
		}
	}
	return nil
}

// printPlain prints a value that is no message of the API for machines.
func (c *client) printPlain(v any) error {
	enc := json.NewEncoder(c.out)
	enc.SetEscapeHTML(false)
	enc.SetIndent("", "  ")
	return enc.Encode(v)
}
