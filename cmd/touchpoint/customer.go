package main

import (
	"bufio"
	"cmp"
	"context"
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/spf13/cobra"
	"google.golang.org/protobuf/types/known/durationpb"
	"google.golang.org/protobuf/types/known/timestamppb"

	pb "touchpoint/proto/touchpoint/v1"
)

// customerCommand is `touchpoint customer`.
func customerCommand(c *client) *cobra.Command {
	cmd := group("customer", "Customers, their consents and why they got what they got")
	cmd.AddCommand(customerUpsert(c), customerGet(c), customerConsent(c), customerExport(c), customerErase(c), customerExplain(c))
	return cmd
}

func (c *client) customers() (pb.CustomerServiceClient, error) {
	conn, err := c.dial()
	return pb.NewCustomerServiceClient(conn), err
}

// upsertFlags are what `customer upsert` can set.
type upsertFlags struct {
	customer pb.Customer
	profile  pb.Profile
	attrs    []string
	extra    []string
	grant    []string
	revoke   []string
	cap      string
	quiet    []string
}

func customerUpsert(c *client) *cobra.Command {
	var f upsertFlags
	cmd := &cobra.Command{
		Use: "upsert CUSTOMER", Short: "Create or change a customer", Args: exactArgs(1),
		Example: "  touchpoint customer upsert K-100042 --locale de-DE --time-zone Europe/Berlin --email mara@example.com --grant marketing",
		RunE: func(cmd *cobra.Command, args []string) error {
			req, err := f.request(args[0], cmd.Flags().Changed)
			if err != nil {
				return err
			}
			api, err := c.customers()
			if err != nil {
				return err
			}
			ctx, cancel := c.within(cmd.Context())
			defer cancel()
			resp, err := api.UpsertCustomer(ctx, req)
			return show(c, resp, err, func(r *pb.UpsertCustomerResponse) {
				verb := "changed"
				if r.Created {
					verb = "created"
				}
				c.say("%s %s (position %s)", verb, r.CustomerId, positionTexts(r.Positions))
			})
		},
	}
	fl := cmd.Flags()
	fl.StringVar(&f.customer.Locale, "locale", "", "language, such as de-DE")
	fl.StringVar(&f.customer.TimeZone, "time-zone", "", "such as Europe/Berlin")
	fl.StringVar(&f.customer.Country, "country", "", "such as DE")
	fl.StringSliceVar(&f.customer.Channels, "channels", nil, "channels in order of preference, such as product,webhook")
	fl.BoolVar(&f.customer.Test, "test", false, "a test customer: skips holdout and caps, counts nowhere")
	fl.StringVar(&f.cap, "cap", "", "own cap on messages, such as 2/7d")
	fl.StringArrayVar(&f.quiet, "quiet", nil, "own quiet hours, such as 22:00-07:00 or 22:00-09:00@fri,sat; may be repeated; none removes them")
	fl.StringArrayVar(&f.attrs, "attr", nil, "open attribute, name=value; may be repeated")
	fl.StringArrayVar(&f.grant, "grant", nil, "consent to give, PURPOSE or PURPOSE:CHANNEL; may be repeated")
	fl.StringArrayVar(&f.revoke, "revoke", nil, "consent to take back, PURPOSE or PURPOSE:CHANNEL; may be repeated")
	fl.StringVar(&f.profile.FullName, "name", "", "full name (sealed)")
	fl.StringVar(&f.profile.GivenName, "given-name", "", "given name (sealed)")
	fl.StringVar(&f.profile.FamilyName, "family-name", "", "family name (sealed)")
	fl.StringVar(&f.profile.Salutation, "salutation", "", "form of address (sealed)")
	fl.StringVar(&f.profile.Email, "email", "", "e-mail address (sealed)")
	fl.StringVar(&f.profile.Phone, "phone", "", "telephone number, such as +4930123456 (sealed)")
	fl.StringVar(&f.profile.Address, "address", "", "postal address (sealed)")
	fl.StringArrayVar(&f.extra, "extra", nil, "other personal text, name=text; may be repeated (sealed)")
	return cmd
}

// request makes the call; given tells which flags were given.
func (f *upsertFlags) request(customer string, given func(flag string) bool) (*pb.UpsertCustomerRequest, error) {
	in := &f.customer
	ref := customerArg(customer)
	in.Id, in.ExternalId, in.Profile = ref.Id, ref.ExternalId, &f.profile
	var err error
	if in.Attributes, err = setArgs(f.attrs); err != nil {
		return nil, err
	}
	for _, pair := range f.extra {
		name, text, ok := strings.Cut(pair, "=")
		if !ok {
			return nil, fmt.Errorf("--extra %q: write name=text", pair)
		}
		if f.profile.Extra == nil {
			f.profile.Extra = make(map[string]string)
		}
		f.profile.Extra[name] = text
	}
	if f.cap != "" {
		if in.Cap, err = capArg(f.cap); err != nil {
			return nil, err
		}
	}
	none, err := f.quietHours(in)
	if err != nil {
		return nil, err
	}
	for _, text := range f.grant {
		in.Consents = append(in.Consents, consentArg(text, true))
	}
	for _, text := range f.revoke {
		in.Consents = append(in.Consents, consentArg(text, false))
	}
	req := &pb.UpsertCustomerRequest{Customer: in}
	if none || given("test") && !in.Test { // without a mask, what is empty is left as it is
		req.UpdateMask = givenFields(given)
	}
	return req, nil
}

func consentArg(text string, granted bool) *pb.Consent {
	purpose, channel, _ := strings.Cut(text, ":")
	return &pb.Consent{Purpose: purpose, Channel: channel, Granted: granted, Source: "command line"}
}

func capArg(text string) (*pb.CustomerCap, error) {
	n, per, ok := strings.Cut(text, "/")
	var count int32
	if _, err := fmt.Sscanf(n, "%d", &count); err != nil || !ok {
		return nil, fmt.Errorf("--cap %q: write COUNT/TIME, such as 2/7d", text)
	}
	window, err := span(per)
	if err != nil {
		return nil, fmt.Errorf("--cap: %w", err)
	}
	return &pb.CustomerCap{Count: count, Window: durationpb.New(window)}, nil
}

func customerGet(c *client) *cobra.Command {
	req := &pb.GetCustomerRequest{}
	var page pageFlags
	var decisions int32
	cmd := &cobra.Command{
		Use: "get CUSTOMER", Short: "Show a customer with devices, enrollments and decisions", Args: exactArgs(1),
		Example: "  touchpoint customer get K-100042 --profile",
		RunE: func(cmd *cobra.Command, args []string) error {
			req.Customer, req.Decisions = customerArg(args[0]), &decisions
			var err error
			if req.AtLeast, err = page.positions(); err != nil {
				return err
			}
			api, err := c.customers()
			if err != nil {
				return err
			}
			ctx, cancel := c.within(cmd.Context())
			defer cancel()
			resp, err := api.GetCustomer(ctx, req)
			return show(c, resp, err, c.customer)
		},
	}
	cmd.Flags().BoolVar(&req.WithProfile, "profile", false, "with names and addresses")
	cmd.Flags().Int32Var(&decisions, "decisions", 10, "how many of the latest decisions, 0 to 200")
	page.addAtLeast(cmd)
	return cmd
}

func (c *client) customer(r *pb.GetCustomerResponse) {
	p := r.Customer
	var consents []string
	for _, g := range p.Consents {
		sign := "+"
		if !g.Granted {
			sign = "−"
		}
		channel := g.Channel
		if channel == "" {
			channel = "all channels"
		}
		consents = append(consents, fmt.Sprintf("%s%s on %s", sign, g.Purpose, channel))
	}
	limit := ""
	if p.GetCap().GetCount() > 0 {
		limit = fmt.Sprintf("%d per %s", p.Cap.Count, duration(p.Cap.Window.AsDuration()))
	}
	test := ""
	if p.Test {
		test = "yes"
	}
	c.facts("customer", p.Id, "number", p.ExternalId, "name", p.GetProfile().GetFullName(), "e-mail", p.GetProfile().GetEmail(),
		"phone", p.GetProfile().GetPhone(), "address", p.GetProfile().GetAddress(), "locale", p.Locale, "time zone", p.TimeZone,
		"country", p.Country, "stage", stageText(p.Stages), "segments", strings.Join(p.Segments, ", "), "group", groupText(r.Memberships), "channels", strings.Join(p.Channels, ", "), "attributes", properties(p.Attributes),
		"consents", strings.Join(consents, ", "), "own cap", limit, "quiet hours", quietText(p.QuietHours), "test", test, "changed", when(p.ChangedAt))
	c.say("")
	c.devices("no devices", r.Devices)
	c.say("")
	t := c.table("no enrollments", "JOURNEY", "VERSION", "STEP", "ARM", "DEVICE", "ENTERED", "ENDED", "WHY", "GOAL")
	for _, e := range r.Enrollments {
		goal := ""
		if e.Converted {
			goal = "reached"
		}
		t.row(inRole(e.Journey, e.Recipient), e.Version, e.Step, e.Arm, device(e.Device), when(e.EnteredAt), when(e.EndedAt), e.EndReason, goal)
	}
	t.flush()
	if len(r.Decisions) > 0 {
		c.say("")
		c.decisions(r.Decisions)
	}
}

// groupText shows the households and accounts that a customer is in.
func groupText(list []*pb.Membership) string {
	var out []string
	for _, m := range list {
		if m.To != nil {
			continue
		}
		text := m.GroupId
		if m.Role != "" {
			text += " as " + m.Role
		}
		out = append(out, fmt.Sprintf("%s since %s", text, when(m.From)))
	}
	return strings.Join(out, ", ")
}

// stageText shows the present stage and the ones before it.
func stageText(list []*pb.StageVisit) string {
	var out []string
	for _, v := range slices.Backward(list) {
		out = append(out, fmt.Sprintf("%s since %s", cmp.Or(v.Stage, "none"), when(v.At)))
	}
	return strings.Join(out, ", before that ")
}

func quietText(list []*pb.QuietHours) string {
	var out []string
	for _, q := range list {
		text := q.From + "-" + q.To
		if len(q.Days) > 0 {
			text += " on " + strings.Join(q.Days, ", ")
		}
		out = append(out, text)
	}
	return strings.Join(out, "; ")
}

func customerConsent(c *client) *cobra.Command {
	req := &pb.SetConsentRequest{}
	var revoke bool
	cmd := &cobra.Command{
		Use: "consent CUSTOMER PURPOSE", Short: "Grant or revoke a consent", Args: exactArgs(2),
		Example: "  touchpoint customer consent K-100042 marketing --grant\n  touchpoint customer consent K-100042 marketing --revoke --channel webhook",
		RunE: func(cmd *cobra.Command, args []string) error {
			if req.Granted == revoke {
				return usageError{cmd, "needs either --grant or --revoke"}
			}
			req.Customer, req.Purpose = customerArg(args[0]), args[1]
			api, err := c.customers()
			if err != nil {
				return err
			}
			ctx, cancel := c.within(cmd.Context())
			defer cancel()
			resp, err := api.SetConsent(ctx, req)
			return show(c, resp, err, func(r *pb.SetConsentResponse) {
				verb := "granted"
				if revoke {
					verb = "revoked"
				}
				c.say("%s and in force (position %s)", verb, positionText(r.Position))
			})
		},
	}
	cmd.Flags().BoolVar(&req.Granted, "grant", false, "give the consent")
	cmd.Flags().BoolVar(&revoke, "revoke", false, "take it back")
	cmd.Flags().StringVar(&req.Channel, "channel", "", "one channel; empty for all")
	cmd.Flags().StringVar(&req.Source, "source", "command line", "where it was given")
	return cmd
}

func customerErase(c *client) *cobra.Command {
	var yes bool
	cmd := &cobra.Command{
		Use: "erase CUSTOMER", Short: "Remove everything about a customer, for good", Args: exactArgs(1),
		RunE: func(cmd *cobra.Command, args []string) error {
			if !yes && !c.confirm("Erase this customer for good? There is no way back. [yes/no] ") {
				return fmt.Errorf("not erased: answer yes, or give --yes")
			}
			api, err := c.customers()
			if err != nil {
				return err
			}
			ctx, cancel := c.within(cmd.Context())
			defer cancel()
			resp, err := api.EraseCustomer(ctx, &pb.EraseCustomerRequest{Customer: customerArg(args[0])})
			return show(c, resp, err, func(r *pb.EraseCustomerResponse) {
				c.say("erased (position %s)", positionText(r.Position))
			})
		},
	}
	cmd.Flags().BoolVar(&yes, "yes", false, "do not ask")
	return cmd
}

func (c *client) confirm(question string) bool {
	fmt.Fprint(c.out, question)
	line, _ := bufio.NewReader(c.in).ReadString('\n')
	return strings.TrimSpace(line) == "yes"
}

func customerExplain(c *client) *cobra.Command {
	var f decisionFlags
	var at string
	req := &pb.ExplainRequest{}
	cmd := &cobra.Command{
		Use: "explain CUSTOMER", Short: "Tell why a customer got, or did not get, a message", Args: exactArgs(1),
		Long: "With --journey: how each check of the journey stands, also when nothing triggered, now or at a time\n" +
			"(--at), and below it what was decided so far. Without: what was decided, by all journeys.",
		Example: "  touchpoint customer explain K-100042 --journey welcome\n" +
			"  touchpoint customer explain K-100042 --journey welcome --lang de --zone Europe/Berlin --at 2026-05-01T08:00:00Z",
		RunE: func(cmd *cobra.Command, args []string) error {
			f.customer, f.lang, f.zone = args[0], req.Language, req.TimeZone
			told := func(list []*pb.Decision) { c.explain(list, &f) }
			if f.journey == "" {
				return c.listDecisions(cmd.Context(), &f, told)
			}
			if at != "" {
				t, err := time.Parse(time.RFC3339, at)
				if err != nil {
					return usageError{cmd, fmt.Sprintf("--at %q: write a time such as 2026-05-01T08:00:00Z", at)}
				}
				req.At = timestamppb.New(t)
			}
			req.Customer, req.Journey = customerArg(args[0]), f.journey
			if err := c.explainChecks(cmd.Context(), req); err != nil || c.asJSON || at != "" {
				return err
			}
			c.say("")
			return c.listDecisions(cmd.Context(), &f, told)
		},
	}
	f.add(cmd)
	cmd.Flags().StringVar(&at, "at", "", "as of this time, from the recorded history")
	cmd.Flags().StringVar(&req.Language, "lang", "en", "language of the sentences: en or de")
	cmd.Flags().StringVar(&req.TimeZone, "zone", "", "time zone of the times; empty is UTC")
	return cmd
}

// explainChecks tells how the checks of a journey stand.
func (c *client) explainChecks(ctx context.Context, req *pb.ExplainRequest) error {
	api, err := c.customers()
	if err != nil {
		return err
	}
	ctx, cancel := c.within(ctx)
	defer cancel()
	resp, err := api.Explain(ctx, req)
	return show(c, resp, err, func(r *pb.ExplainResponse) {
		for _, l := range r.Lines {
			c.say("%s %s", l.Mark, l.Text)
		}
	})
}

// explain tells decisions in sentences, oldest first.
func (c *client) explain(list []*pb.Decision, f *decisionFlags) {
	none, format := "nothing was decided for this customer: no event or trigger of a journey came", "2006-01-02 15:04:05"
	if f.lang == "de" {
		none, format = "nichts wurde für diesen Kunden entschieden: kein Ereignis und kein Auslöser einer Journey kam", "02.01.2006 15:04:05"
	}
	if len(list) == 0 {
		c.say("%s", none)
		return
	}
	zone, err := time.LoadLocation(f.zone)
	if err != nil { // the gateway knows it, this machine does not
		zone = time.UTC
	}
	for _, d := range slices.Backward(list) {
		event := ""
		if d.EventId != "" {
			event = " [" + d.EventId + "]"
		}
		c.say("%s  %s%s", d.At.AsTime().In(zone).Format(format), d.Text, event)
	}
}
