package main

import (
	"bufio"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"touchpoint/gateway/journey/story"
)

func journeyWalk(c *client) *cobra.Command {
	var at, script string
	var r recorded
	cmd := &cobra.Command{
		Use: "walk FILE", Short: "Step customers through a journey, event by event", Args: exactArgs(1),
		Long: "Publishes a definition in a world of its own and reads commands of stories, line by line, from the\n" +
			"terminal or a script: after each it shows what was decided, where everybody stands and what is due next.\n" +
			"No gateway is needed. With --recording FILE (touchpoint history export) and --customer it shows what was\n" +
			"decided about one customer by the journey of that name, and why things stood so at --until. `help` lists the commands; `quit` ends. `explain NAME JOURNEY` says why.",
		Example: "  touchpoint journey walk descaling.yaml\n  touchpoint journey walk descaling.yaml --script try.txt",
		RunE: func(cmd *cobra.Command, args []string) error {
			if r.file != "" {
				return r.walk(cmd.Context(), c, args[0])
			}
			lines := bufio.NewScanner(c.in)
			if script != "" {
				f, err := os.Open(script)
				if err != nil {
					return err
				}
				defer f.Close()
				lines = bufio.NewScanner(f)
			}
			return c.walk(args[0], at, lines)
		},
	}
	cmd.Flags().StringVar(&at, "at", "", `when it begins, such as "2026-05-01 08:00" (UTC); now without it`)
	cmd.Flags().StringVar(&script, "script", "", "read the commands from this file")
	cmd.Flags().StringVar(&r.file, "recording", "", "walk through this recorded history instead; FILE is then the journey's name")
	cmd.Flags().StringVar(&r.customer, "customer", "", "with --recording: the internal id")
	cmd.Flags().StringVar(&r.until, "until", "", "with --recording: up to this time")
	cmd.Flags().StringVar(&r.lang, "lang", "en", "with --recording: en or de")
	cmd.Flags().IntVar(&r.partitions, "partitions", 0, "with --recording: the installation's partitions; the default when 0")
	return cmd
}

func (c *client) walk(file, at string, lines *bufio.Scanner) error {
	s := story.NewSession(story.Options{Checked: true, Open: func(name string) ([]byte, error) {
		if name == filepath.Base(file) {
			return os.ReadFile(file)
		}
		return besideStory(file)(name)
	}})
	if at == "" {
		at = time.Now().UTC().Format("2006-01-02 15:04")
	}
	for _, line := range []string{"at " + at, "publish " + filepath.Base(file)} {
		c.say("> %s", line)
		if err := c.walkLine(s, line); err != nil {
			return err
		}
	}
	c.say("commands: bind d1 anna · event brew_finished device=d1 · advance 3d · explain anna JOURNEY · help · quit")
	for {
		fmt.Fprint(c.out, "> ")
		if !lines.Scan() || strings.TrimSpace(lines.Text()) == "quit" {
			c.say("")
			return lines.Err()
		}
		line := strings.TrimSpace(lines.Text())
		if line == "help" {
			for _, u := range story.Usage() {
				c.say("  %s", u)
			}
			continue
		}
		if err := c.walkLine(s, line); err != nil {
			c.say("  ! %v", err)
		}
	}
}

// walkLine runs a command and shows what came of it and where things stand.
func (c *client) walkLine(s *story.Session, line string) error {
	came, err := s.Do(line)
	if err != nil {
		return err
	}
	for _, l := range came {
		c.say("  %s", l)
	}
	if line == "" || strings.HasPrefix(line, "explain") {
		return nil
	}
	for _, l := range s.State() {
		c.say("    · %s", l)
	}
	return nil
}
