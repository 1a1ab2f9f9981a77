package main

import (
	"context"
	"fmt"
	"maps"
	"slices"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"touchpoint/gateway/explain"
	pb "touchpoint/proto/touchpoint/v1"
)

// journeyCommand is `touchpoint journey`.
func journeyCommand(c *client) *cobra.Command {
	cmd := group("journey", "Write, publish and read journeys")
	cmd.AddCommand(
		journeyBacktest(c), journeyStopDryRun(c), journeyEffect(c),
		journeyCreate(c), journeyUpdate(c), journeyValidate(c), journeyPublish(c), journeyPreview(c), journeyPause(c), journeyResume(c), journeyGet(c), journeyList(c), journeyTrigger(c), journeyTest(c), journeyLint(c), journeySchema(c), journeyGraph(c), journeyDiff(c), journeyWalk(c),
	)
	return cmd
}

func (c *client) journeys() (pb.JourneyServiceClient, error) {
	conn, err := c.dial()
	return pb.NewJourneyServiceClient(conn), err
}

// definitionFile reads a definition for the gateway.
func (c *client) definitionFile(name string) (*pb.JourneyDefinition, error) {
	text, err := c.readFile(name)
	if err != nil {
		return nil, err
	}
	return &pb.JourneyDefinition{Form: &pb.JourneyDefinition_Yaml{Yaml: string(text)}}, nil
}

func journeyCreate(c *client) *cobra.Command {
	return &cobra.Command{
		Use: "create FILE", Short: "Store a first draft (- reads standard input)", Args: exactArgs(1),
		Example: "  touchpoint journey create welcome.yaml",
		RunE: func(cmd *cobra.Command, args []string) error {
			def, err := c.definitionFile(args[0])
			if err != nil {
				return err
			}
			api, err := c.journeys()
			if err != nil {
				return err
			}
			ctx, cancel := c.within(cmd.Context())
			defer cancel()
			resp, err := api.CreateJourney(ctx, &pb.CreateJourneyRequest{Definition: def})
			return show(c, resp, err, func(r *pb.CreateJourneyResponse) {
				c.say("created draft %d of %s", r.Journey.DraftRevision, r.Journey.Name)
				c.afterDraft(r.Journey.Name, r.Violations)
			})
		},
	}
}

// afterDraft says what comes next: corrections, or publishing.
func (c *client) afterDraft(name string, violations []*pb.FieldViolation) {
	if len(violations) == 0 {
		c.say("publish it with: touchpoint journey publish %s", name)
		return
	}
	c.say("it cannot be published yet:")
	c.violations(violations)
}

func (c *client) violations(list []*pb.FieldViolation) {
	for _, v := range list {
		c.say("  %s", violationText(v))
	}
}

func violationText(v *pb.FieldViolation) string {
	var b strings.Builder
	if v.Line > 0 {
		fmt.Fprintf(&b, "line %d, ", v.Line)
	}
	if v.Step != "" {
		fmt.Fprintf(&b, "step %q, ", v.Step)
	}
	if v.Field != "" {
		return b.String() + v.Field + ": " + v.Text
	}
	return strings.TrimPrefix(strings.TrimSuffix(b.String(), ", ")+": "+v.Text, ": ")
}

func journeyUpdate(c *client) *cobra.Command {
	var revision uint64
	cmd := &cobra.Command{
		Use: "update FILE", Short: "Replace the draft of a journey", Args: exactArgs(1),
		Example: "  touchpoint journey update welcome.yaml --revision 3",
		RunE: func(cmd *cobra.Command, args []string) error {
			def, err := c.definitionFile(args[0])
			if err != nil {
				return err
			}
			api, err := c.journeys()
			if err != nil {
				return err
			}
			ctx, cancel := c.within(cmd.Context())
			defer cancel()
			resp, err := api.UpdateJourney(ctx, &pb.UpdateJourneyRequest{Definition: def, Revision: revision})
			return show(c, resp, err, func(r *pb.UpdateJourneyResponse) {
				c.say("stored draft %d of %s", r.Journey.DraftRevision, r.Journey.Name)
				c.afterDraft(r.Journey.Name, r.Violations)
			})
		},
	}
	cmd.Flags().Uint64Var(&revision, "revision", 0, "the draft that this one is based on; refused when another one is there")
	return cmd
}

func journeyValidate(c *client) *cobra.Command {
	return &cobra.Command{
		Use: "validate FILE", Short: "Check a definition without storing it", Args: exactArgs(1),
		Example: "  touchpoint journey validate welcome.yaml",
		RunE: func(cmd *cobra.Command, args []string) error {
			def, err := c.definitionFile(args[0])
			if err != nil {
				return err
			}
			api, err := c.journeys()
			if err != nil {
				return err
			}
			ctx, cancel := c.within(cmd.Context())
			defer cancel()
			resp, err := api.ValidateJourney(ctx, &pb.ValidateJourneyRequest{Definition: def})
			if err := show(c, resp, err, func(r *pb.ValidateJourneyResponse) {
				if r.Valid {
					c.say("%s is valid", r.Name)
				}
				c.violations(r.Violations)
			}); err != nil {
				return err
			}
			if !resp.Valid {
				return fmt.Errorf("%s is not valid", args[0])
			}
			return nil
		},
	}
}

func journeyPublish(c *client) *cobra.Command {
	req := &pb.PublishJourneyRequest{}
	var existing, running string
	var dry bool
	var preview bool
	cmd := &cobra.Command{
		Use: "publish NAME", Short: "Make the draft the version that is live", Args: exactArgs(1),
		Example: "  touchpoint journey publish welcome --existing enroll --running migrate",
		RunE: func(cmd *cobra.Command, args []string) error {
			req.Name = args[0]
			var ok bool
			if req.Existing, ok = enum[pb.ExistingPolicy](pb.ExistingPolicy_value, "EXISTING_POLICY_", existing); !ok && existing != "" {
				return usageError{cmd, fmt.Sprintf("--existing %q: ignore or enroll", existing)}
			}
			if req.Running, ok = enum[pb.RunningPolicy](pb.RunningPolicy_value, "RUNNING_POLICY_", running); !ok {
				return usageError{cmd, fmt.Sprintf("--running %q: pin, migrate or restart", running)}
			}
			if dry {
				return c.dryRun(cmd.Context(), &pb.DryRunJourneyRequest{Name: req.Name, Revision: req.Revision, Existing: req.Existing})
			}
			if preview {
				return c.preview(cmd, &pb.PreviewPublishRequest{Name: req.Name, Running: req.Running})
			}
			api, err := c.journeys()
			if err != nil {
				return err
			}
			ctx, cancel := c.within(cmd.Context())
			defer cancel()
			resp, err := api.PublishJourney(ctx, req)
			return show(c, resp, err, func(r *pb.PublishJourneyResponse) {
				if r.Filling {
					c.say("published version %d of %s; it is in force when its new traits are filled from history (%s)", r.Version, req.Name, r.FillingDetail)
					return
				}
				c.say("published version %d of %s, in force since %s", r.Version, req.Name, when(r.EffectiveAt))
			})
		},
	}
	cmd.Flags().StringVar(&existing, "existing", "", "who meets the entry already: ignore or enroll; empty as the definition says")
	cmd.Flags().StringVar(&running, "running", "pin", "who runs on the version before: pin, migrate or restart")
	cmd.Flags().Uint64Var(&req.Revision, "revision", 0, "the draft that is meant; refused when another one is there")
	cmd.Flags().BoolVar(&dry, "dry-run", false, "let the draft decide beside everything else, without sending anything")
	cmd.Flags().Int32Var(&req.ExistingPerDay, "existing-per-day", 0, "with --existing enroll: at most so many a day; 0 for all at once")
	cmd.Flags().BoolVar(&req.NoFill, "no-fill", false, "let new traits begin empty instead of filling them from history")
	cmd.Flags().BoolVar(&preview, "preview", false, "only show whom it would reach, and what becomes of who is inside")
	return cmd
}

// enum reads a short name of an enum value.
func enum[T ~int32](values map[string]int32, prefix, name string) (T, bool) {
	v, ok := values[prefix+strings.ToUpper(name)]
	return T(v), ok && v != 0
}

func journeyPause(c *client) *cobra.Command {
	req := &pb.PauseJourneyRequest{}
	cmd := &cobra.Command{
		Use: "pause NAME", Short: "Hold a journey; nobody in it is lost", Args: exactArgs(1),
		RunE: func(cmd *cobra.Command, args []string) error {
			req.Name = args[0]
			api, err := c.journeys()
			if err != nil {
				return err
			}
			ctx, cancel := c.within(cmd.Context())
			defer cancel()
			resp, err := api.PauseJourney(ctx, req)
			return show(c, resp, err, func(r *pb.PauseJourneyResponse) {
				c.say("%s is paused since %s", args[0], when(r.EffectiveAt))
			})
		},
	}
	cmd.Flags().BoolVar(&req.Withdraw, "withdraw", false, "also take back what nobody saw yet; it is decided anew on resume")
	return cmd
}

func journeyResume(c *client) *cobra.Command {
	return &cobra.Command{
		Use: "resume NAME", Short: "End the pause of a journey", Args: exactArgs(1),
		RunE: func(cmd *cobra.Command, args []string) error {
			api, err := c.journeys()
			if err != nil {
				return err
			}
			ctx, cancel := c.within(cmd.Context())
			defer cancel()
			resp, err := api.ResumeJourney(ctx, &pb.ResumeJourneyRequest{Name: args[0]})
			return show(c, resp, err, func(r *pb.ResumeJourneyResponse) {
				c.say("%s runs since %s", args[0], when(r.EffectiveAt))
			})
		},
	}
}

func journeyGet(c *client) *cobra.Command {
	req := &pb.GetJourneyRequest{}
	var page pageFlags
	var text bool
	cmd := &cobra.Command{
		Use: "get NAME", Aliases: []string{"status"}, Short: "Show where a journey stands, with its counts per step", Args: exactArgs(1),
		Example: "  touchpoint journey get welcome\n  touchpoint journey get welcome --version 1 --definition > welcome.v1.yaml",
		RunE: func(cmd *cobra.Command, args []string) error {
			req.Name = args[0]
			var err error
			if req.AtLeast, err = page.positions(); err != nil {
				return err
			}
			api, err := c.journeys()
			if err != nil {
				return err
			}
			ctx, cancel := c.within(cmd.Context())
			defer cancel()
			resp, err := api.GetJourney(ctx, req)
			return show(c, resp, err, func(r *pb.GetJourneyResponse) {
				if text {
					fmt.Fprint(c.out, r.Journey.GetDefinition().GetYaml())
					return
				}
				c.journey(r.Journey)
			})
		},
	}
	cmd.Flags().Uint32Var(&req.Version, "version", 0, "a published version; 0 for the draft, else the live one")
	cmd.Flags().BoolVar(&text, "definition", false, "print the definition's text alone")
	page.addAtLeast(cmd)
	return cmd
}

func (c *client) journey(j *pb.Journey) {
	n := j.GetCounts()
	draft := ""
	if j.DraftRevision > 0 {
		draft = fmt.Sprintf("%d, not published", j.DraftRevision)
	}
	state := stateWords(j)
	c.facts("journey", j.Name, "purpose", j.Purpose, "state", state,
		"version", nonZero(j.Version), "draft", draft, "changed", when(j.ChangedAt),
		"entered", fmt.Sprint(n.GetEntered()), "inside now", fmt.Sprint(n.GetActive()),
		"reached goal", fmt.Sprint(n.GetConverted()), "filtered out", fmt.Sprint(n.GetFiltered()), "of nobody", fmt.Sprint(n.GetUnowned()), "messages", counts(n.GetMessages()))
	if len(n.GetSteps()) > 0 {
		c.say("")
		t := c.table("", "STEP", "INSIDE")
		for _, step := range slices.Sorted(maps.Keys(n.Steps)) {
			t.row(step, n.Steps[step])
		}
		t.flush()
	}
}

// stateWords tells where a journey is in its life, and what it waits for.
func stateWords(j *pb.Journey) string {
	state := word(j.State, "JOURNEY_STATE_")
	if j.PausedBy != "" {
		state = "paused by itself: " + explain.Rule(j.PausedBy, "en", time.UTC)
	}
	if j.Filling {
		state += ", the new version waits until its traits are filled"
	}
	if j.DryRun != nil {
		state += ", dry run of its draft"
	}
	return state
}

func nonZero(n uint32) string {
	if n == 0 {
		return ""
	}
	return fmt.Sprint(n)
}

func journeyList(c *client) *cobra.Command {
	var page pageFlags
	cmd := &cobra.Command{
		Use: "list", Short: "Show all journeys", Args: exactArgs(0),
		RunE: func(cmd *cobra.Command, _ []string) error {
			at, err := page.positions()
			if err != nil {
				return err
			}
			api, err := c.journeys()
			if err != nil {
				return err
			}
			resp := &pb.ListJourneysResponse{}
			var cut bool
			resp.Journeys, cut, err = collect(page.limit, func(size int32, token string) ([]*pb.Journey, string, error) {
				ctx, cancel := c.within(cmd.Context())
				defer cancel()
				r, err := api.ListJourneys(ctx, &pb.ListJourneysRequest{PageSize: size, PageToken: token, AtLeast: at})
				return r.GetJourneys(), r.GetNextPageToken(), err
			})
			return show(c, resp, err, func(r *pb.ListJourneysResponse) {
				t := c.table("no journeys yet; touchpoint journey create FILE makes one",
					"JOURNEY", "PURPOSE", "STATE", "VERSION", "DRAFT", "ENTERED", "INSIDE", "GOAL", "MESSAGES")
				for _, j := range r.Journeys {
					t.row(j.Name, j.Purpose, stateWords(j), nonZero(j.Version), nonZero(uint32(j.DraftRevision)),
						j.GetCounts().GetEntered(), j.GetCounts().GetActive(), j.GetCounts().GetConverted(), counts(j.GetCounts().GetMessages()))
				}
				t.flush()
				c.more(cut, page.limit)
			})
		},
	}
	page.add(cmd, 0)
	return cmd
}

func journeyTrigger(c *client) *cobra.Command {
	req := &pb.TriggerJourneyRequest{}
	var set []string
	var dev string
	cmd := &cobra.Command{
		Use: "trigger NAME CUSTOMER", Short: "Enroll a customer, and tell what was decided", Args: exactArgs(2),
		Example: "  touchpoint journey trigger welcome K-100042 --key order-77 --set order_total=49.90",
		RunE: func(cmd *cobra.Command, args []string) error {
			req.Name, req.Customer = args[0], customerArg(args[1])
			var err error
			if req.Device, err = deviceArg(dev); err != nil {
				return err
			}
			if req.Properties, err = setArgs(set); err != nil {
				return err
			}
			resp, err := c.trigger(cmd.Context(), req)
			return show(c, resp, err, func(r *pb.TriggerJourneyResponse) {
				if r.EnrollmentId == "" {
					c.say("not enrolled: %s", r.Reason)
					return
				}
				c.say("%s: %s", r.Reason, r.EnrollmentId)
			})
		},
	}
	cmd.Flags().StringVar(&req.Key, "key", "", "key of the call: the same key gives the same enrollment (required)")
	cmd.Flags().StringVar(&dev, "device", "", "the device that it is about, PRODUCT/SERIAL")
	cmd.Flags().StringArrayVar(&set, "set", nil, "property of the trigger, name=value; may be repeated")
	return cmd
}

func (c *client) trigger(ctx context.Context, req *pb.TriggerJourneyRequest) (*pb.TriggerJourneyResponse, error) {
	api, err := c.journeys()
	if err != nil {
		return nil, err
	}
	ctx, cancel := c.within(ctx)
	defer cancel()
	return api.TriggerJourney(ctx, req)
}
