package main

import (
	"bufio"
	"bytes"
	"fmt"
	"regexp"
	"slices"
	"strings"

	"github.com/spf13/cobra"
	"google.golang.org/protobuf/encoding/protojson"
	"google.golang.org/protobuf/types/known/durationpb"

	pb "touchpoint/proto/touchpoint/v1"
)

// eventCommand is `touchpoint event`.
func eventCommand(c *client) *cobra.Command {
	cmd := group("event", "Record and read events")
	cmd.AddCommand(eventRecord(c), eventList(c), eventAggregate(c))
	return cmd
}

func (c *client) events() (pb.EventServiceClient, error) {
	conn, err := c.dial()
	return pb.NewEventServiceClient(conn), err
}

// recordFlags describe one event, or name a file of many.
type recordFlags struct {
	event              pb.EventInput
	at, customer, file string
	set                []string
	seq                uint64
}

func eventRecord(c *client) *cobra.Command {
	var f recordFlags
	cmd := &cobra.Command{
		Use: "record [PRODUCT/SERIAL] TYPE | record --file FILE", Short: "Store an event, or a file of events (a JSON object per line)",
		Example: "  touchpoint event record barista-3/SN-000042 brew_finished --set water_ml=38\n" +
			"  touchpoint event record --customer K-100042 shop_visit --set shop=berlin-3\n" +
			"  touchpoint event record --file events.ndjson",
		RunE: func(cmd *cobra.Command, args []string) error {
			inputs, err := f.inputs(cmd, c, args)
			if err != nil {
				return err
			}
			return c.record(cmd, inputs)
		},
	}
	fl := cmd.Flags()
	fl.StringVar(&f.event.Id, "id", "", "identity of the event: the same id is the same event")
	fl.StringVar(&f.at, "at", "", "when it happened, a time or how long ago; now when empty")
	fl.StringVar(&f.customer, "customer", "", "the customer of a touchpoint without a device")
	fl.Uint64Var(&f.seq, "seq", 0, "number of the event since the device's start")
	fl.Uint32Var(&f.event.Boot, "boot", 0, "number of the device's start")
	fl.StringArrayVar(&f.set, "set", nil, "property, name=value; may be repeated")
	fl.StringVar(&f.file, "file", "", "a JSON object per line, as in RecordEvents; - reads standard input")
	return cmd
}

func (f *recordFlags) inputs(cmd *cobra.Command, c *client, args []string) ([]*pb.EventInput, error) {
	if f.file != "" {
		if len(args) > 0 {
			return nil, usageError{cmd, "takes no arguments with --file"}
		}
		return c.eventFile(f.file)
	}
	e := &f.event
	var err error
	switch {
	case len(args) == 1 && f.customer != "":
		e.Type, e.Customer = args[0], customerArg(f.customer)
	case len(args) == 2 && f.customer == "":
		e.Type = args[1]
		if e.Device, err = deviceArg(args[0]); err != nil {
			return nil, err
		}
	default:
		return nil, usageError{cmd, "wants PRODUCT/SERIAL and TYPE, or --customer and TYPE"}
	}
	if cmd.Flags().Changed("seq") {
		e.Seq = &f.seq
	}
	if e.OccurredAt, err = c.instant(cmd.Context(), f.at); err != nil {
		return nil, err
	}
	e.Properties, err = setArgs(f.set)
	return []*pb.EventInput{e}, err
}

// jsonFault is what protojson puts before the fault: its own name, and a place
// within the one line.
var jsonFault = regexp.MustCompile(`^proto:[\s\x{a0}]*(\(line \d+:\d+\): )?`)

// eventFile reads a JSON object per line.
func (c *client) eventFile(name string) ([]*pb.EventInput, error) {
	data, err := c.readFile(name)
	if err != nil {
		return nil, err
	}
	var inputs []*pb.EventInput
	lines := bufio.NewScanner(bytes.NewReader(data))
	lines.Buffer(nil, 1<<20)
	for n := 1; lines.Scan(); n++ {
		if len(bytes.TrimSpace(lines.Bytes())) == 0 {
			continue
		}
		e := &pb.EventInput{}
		if err := protojson.Unmarshal(lines.Bytes(), e); err != nil {
			return nil, fmt.Errorf("%s, line %d: %s", name, n, jsonFault.ReplaceAllString(err.Error(), ""))
		}
		inputs = append(inputs, e)
	}
	if len(inputs) == 0 && lines.Err() == nil {
		return nil, fmt.Errorf("%s holds no events", name)
	}
	return inputs, lines.Err()
}

// recordBatch is how many events one call takes.
const recordBatch = 1_000

func (c *client) record(cmd *cobra.Command, inputs []*pb.EventInput) error {
	api, err := c.events()
	if err != nil {
		return err
	}
	all := &pb.RecordEventsResponse{}
	last := make(map[int32]*pb.Position)
	for first := 0; first < len(inputs); first += recordBatch {
		ctx, cancel := c.within(cmd.Context())
		resp, err := api.RecordEvents(ctx, &pb.RecordEventsRequest{Events: inputs[first:min(first+recordBatch, len(inputs))]})
		cancel()
		if err != nil {
			return err
		}
		for _, r := range resp.Results {
			r.Index += int32(first)
		}
		for _, p := range resp.Positions {
			last[p.Partition] = p
		}
		all.Results = append(all.Results, resp.Results...)
	}
	for _, p := range last {
		all.Positions = append(all.Positions, p)
	}
	if err := show(c, all, nil, c.recorded); err != nil {
		return err
	}
	for _, r := range all.Results {
		if r.Status != pb.EventStatus_EVENT_STATUS_STORED {
			return fmt.Errorf("not all events were stored")
		}
	}
	return nil
}

func (c *client) recorded(r *pb.RecordEventsResponse) {
	stored := 0
	for _, res := range r.Results {
		switch res.Status {
		case pb.EventStatus_EVENT_STATUS_STORED:
			stored++
		case pb.EventStatus_EVENT_STATUS_RETRY:
			c.say("event %d: send again: %s", res.Index+1, res.Error)
		default:
			c.say("event %d:", res.Index+1)
			c.violations(res.Violations)
		}
	}
	if stored > 0 {
		c.say("stored %d of %d (position %s)", stored, len(r.Results), positionTexts(r.Positions))
	}
}

// filterFlags choose events.
type filterFlags struct{ device, customer, product, types, from, to string }

func (f *filterFlags) add(cmd *cobra.Command) {
	cmd.Flags().StringVar(&f.device, "device", "", "only this device, PRODUCT/SERIAL")
	cmd.Flags().StringVar(&f.customer, "customer", "", "only this customer")
	cmd.Flags().StringVar(&f.product, "product", "", "only this model")
	cmd.Flags().StringVar(&f.types, "type", "", "only these types, such as brew_finished, separated by commas")
	cmd.Flags().StringVar(&f.from, "from", "", "not before this time, or this long ago (24h, 7d)")
	cmd.Flags().StringVar(&f.to, "to", "", "before this time")
}

func (f *filterFlags) filter(cmd *cobra.Command, c *client) (*pb.EventFilter, error) {
	out := &pb.EventFilter{Customer: customerArg(f.customer), Product: f.product, Types: splitList(f.types)}
	var err error
	if out.Device, err = deviceArg(f.device); err != nil {
		return nil, err
	}
	if out.From, err = c.instant(cmd.Context(), f.from); err != nil {
		return nil, err
	}
	out.To, err = c.instant(cmd.Context(), f.to)
	return out, err
}

func eventList(c *client) *cobra.Command {
	req := &pb.ListEventsRequest{}
	var f filterFlags
	var page pageFlags
	cmd := &cobra.Command{
		Use: "list", Short: "Show stored events, oldest first", Args: exactArgs(0),
		Example: "  touchpoint event list --type brew_finished --device barista-3/SN-000042 --from 7d",
		RunE: func(cmd *cobra.Command, _ []string) error {
			var err error
			if req.Filter, err = f.filter(cmd, c); err != nil {
				return err
			}
			if req.AtLeast, err = page.positions(); err != nil {
				return err
			}
			api, err := c.events()
			if err != nil {
				return err
			}
			resp := &pb.ListEventsResponse{}
			var cut bool
			resp.Events, cut, err = collect(page.limit, func(size int32, token string) ([]*pb.Event, string, error) {
				req.PageSize, req.PageToken = size, token
				ctx, cancel := c.within(cmd.Context())
				defer cancel()
				r, err := api.ListEvents(ctx, req)
				return r.GetEvents(), r.GetNextPageToken(), err
			})
			return show(c, resp, err, func(r *pb.ListEventsResponse) {
				t := c.table("no events", "OCCURRED", "TYPE", "DEVICE", "CUSTOMER", "ID", "PROPERTIES")
				for _, e := range r.Events {
					t.row(when(e.OccurredAt), e.Type, device(e.Device), e.CustomerId, e.Id, properties(e.Properties))
				}
				t.flush()
				c.more(cut, page.limit)
			})
		},
	}
	f.add(cmd)
	cmd.Flags().BoolVar(&req.NewestFirst, "newest", false, "newest first")
	page.add(cmd, 50)
	return cmd
}

func eventAggregate(c *client) *cobra.Command {
	req := &pb.AggregateEventsRequest{}
	var f filterFlags
	var page pageFlags
	var window, by string
	cmd := &cobra.Command{
		Use: "aggregate FUNCTION [PROPERTY]", Short: "Compute count, sum, mean, min, max or last per window of time",
		Args:    minArgs(1),
		Example: "  touchpoint event aggregate sum water_ml --type brew_finished --from 30d --window 1d",
		RunE: func(cmd *cobra.Command, args []string) error {
			var ok bool
			if req.Function, ok = enum[pb.AggregateFunction](pb.AggregateFunction_value, "AGGREGATE_FUNCTION_", args[0]); !ok || len(args) > 2 {
				return usageError{cmd, "FUNCTION is count, sum, mean, min, max or last"}
			}
			if len(args) == 2 {
				req.Property = args[1]
			}
			if f.to == "" {
				f.to = "0s" // now, by the gateway's clock
			}
			var err error
			if req.GroupBy, err = groups(cmd, by); err != nil {
				return err
			}
			if req.Filter, err = f.filter(cmd, c); err != nil {
				return err
			}
			if window != "" {
				d, err := span(window)
				if err != nil {
					return err
				}
				req.Window = durationpb.New(d)
			}
			if req.AtLeast, err = page.positions(); err != nil {
				return err
			}
			api, err := c.events()
			if err != nil {
				return err
			}
			ctx, cancel := c.within(cmd.Context())
			defer cancel()
			resp, err := api.AggregateEvents(ctx, req)
			return show(c, resp, err, c.showWindows)
		},
	}
	f.add(cmd)
	cmd.Flags().StringVar(&by, "by", "", "keep numbers apart by device, customer, type, product (separated by commas)")
	cmd.Flags().StringVar(&window, "window", "", "length of a window, such as 1h or 1d; empty for one over all")
	page.addAtLeast(cmd)
	return cmd
}

// groups reads --by.
func groups(cmd *cobra.Command, by string) (list []pb.EventGroup, err error) {
	for _, name := range splitList(by) {
		group, ok := enum[pb.EventGroup](pb.EventGroup_value, "EVENT_GROUP_", name)
		if !ok {
			return nil, usageError{cmd, fmt.Sprintf("--by %q: device, customer, type or product", name)}
		}
		list = append(list, group)
	}
	return list, nil
}

// showWindows prints the windows of an aggregation.
func (c *client) showWindows(r *pb.AggregateEventsResponse) {
	t := c.table("no events", "FROM", "VALUE", "EVENTS", "OF")
	for _, w := range r.Windows {
		of := strings.Join(slices.DeleteFunc([]string{device(w.Device), w.CustomerId, w.Type, w.Product},
			func(s string) bool { return s == "" }), " ")
		t.row(when(w.Start), fmt.Sprintf("%g", w.Value), w.Count, of)
	}
	t.flush()
}
