package main

import (
	"context"
	"fmt"
	"io"
	"os"
	"strconv"
	"strings"
	"time"

	"google.golang.org/protobuf/types/known/timestamppb"

	"touchpoint/gateway"
	pb "touchpoint/proto/touchpoint/v1"
)

// deviceArg reads "PRODUCT/SERIAL" or an internal id.
func deviceArg(text string) (*pb.DeviceRef, error) {
	if text == "" {
		return nil, nil
	}
	if _, err := gateway.ParseDeviceID(text); err == nil {
		return &pb.DeviceRef{Id: text}, nil
	}
	product, serial, ok := strings.Cut(text, "/")
	if !ok || product == "" || serial == "" {
		return nil, fmt.Errorf("%q names no device: write PRODUCT/SERIAL, such as barista-3/SN-000042", text)
	}
	return &pb.DeviceRef{Product: product, Serial: serial}, nil
}

// customerArg reads a customer number or an internal id.
func customerArg(text string) *pb.CustomerRef {
	if text == "" {
		return nil
	}
	if _, err := gateway.ParseCustomerID(text); err == nil {
		return &pb.CustomerRef{Id: text}
	}
	return &pb.CustomerRef{ExternalId: text}
}

// setArgs reads "name=value" pairs. true, false, null and numbers are what they
// look like; quotes make a text of them.
func setArgs(pairs []string) (map[string]*pb.PropertyValue, error) {
	m := make(map[string]*pb.PropertyValue, len(pairs))
	for _, pair := range pairs {
		name, text, ok := strings.Cut(pair, "=")
		if !ok || name == "" {
			return nil, fmt.Errorf("%q is no property: write name=value, such as water_ml=38", pair)
		}
		m[name] = scalar(text)
	}
	return m, nil
}

func scalar(text string) *pb.PropertyValue {
	switch text {
	case "null":
		return &pb.PropertyValue{}
	case "true", "false":
		return &pb.PropertyValue{Value: &pb.PropertyValue_Bool{Bool: text == "true"}}
	}
	if i, err := strconv.ParseInt(text, 10, 64); err == nil {
		return &pb.PropertyValue{Value: &pb.PropertyValue_Int{Int: i}}
	}
	if f, err := strconv.ParseFloat(text, 64); err == nil {
		return &pb.PropertyValue{Value: &pb.PropertyValue_Double{Double: f}}
	}
	if q, err := strconv.Unquote(text); err == nil {
		text = q
	}
	return &pb.PropertyValue{Value: &pb.PropertyValue_String_{String_: text}}
}

// span reads a duration, with days ("7d").
func span(text string) (time.Duration, error) {
	if days, ok := strings.CutSuffix(text, "d"); ok {
		n, err := strconv.Atoi(days)
		if err == nil {
			return time.Duration(n) * 24 * time.Hour, nil
		}
	}
	d, err := time.ParseDuration(text)
	if err != nil {
		return 0, fmt.Errorf("%q is no duration such as 90m, 24h or 7d", text)
	}
	return d, nil
}

// instant reads a time: RFC 3339, a date, or how long ago by the gateway's
// clock.
func (c *client) instant(ctx context.Context, text string) (*timestamppb.Timestamp, error) {
	if text == "" {
		return nil, nil
	}
	for _, layout := range []string{time.RFC3339Nano, "2006-01-02T15:04", "2006-01-02"} {
		if t, err := time.Parse(layout, text); err == nil {
			return timestamppb.New(t), nil
		}
	}
	ago, err := span(text)
	if err != nil {
		return nil, fmt.Errorf("%q is no time: write 2026-05-01T06:30:00Z, 2026-05-01, or how long ago (24h, 7d)", text)
	}
	conn, err := c.dial()
	if err != nil {
		return nil, err
	}
	ctx, cancel := c.within(ctx)
	defer cancel()
	now, err := pb.NewClockServiceClient(conn).GetClock(ctx, &pb.GetClockRequest{})
	if err != nil {
		return nil, err
	}
	return timestamppb.New(now.Now.AsTime().Add(-ago)), nil
}

// positionArgs reads "PARTITION/SEQ,…", as writes print it.
func positionArgs(text string) ([]*pb.Position, error) {
	var out []*pb.Position
	for part := range strings.SplitSeq(text, ",") {
		if part == "" {
			continue
		}
		p, s, ok := strings.Cut(part, "/")
		partition, perr := strconv.ParseInt(p, 10, 32)
		seq, serr := strconv.ParseUint(s, 10, 64)
		if !ok || perr != nil || serr != nil {
			return nil, fmt.Errorf("%q is no position such as 3/1042", part)
		}
		out = append(out, &pb.Position{Partition: int32(partition), Seq: seq})
	}
	return out, nil
}

// states reads names of message states, separated by commas.
func states(text string) ([]pb.MessageState, error) {
	var out []pb.MessageState
	for name := range strings.SplitSeq(text, ",") {
		if name == "" {
			continue
		}
		st, ok := pb.MessageState_value["MESSAGE_STATE_"+strings.ToUpper(name)]
		if !ok {
			return nil, fmt.Errorf("%q is no state; states are %s", name, strings.Join(stateNames(), ", "))
		}
		out = append(out, pb.MessageState(st))
	}
	return out, nil
}

func stateNames() []string {
	var names []string
	for i := 1; i < len(pb.MessageState_name); i++ {
		names = append(names, messageState(pb.MessageState(i)))
	}
	return names
}

// readFile reads a file, or the standard input for "-".
func (c *client) readFile(name string) ([]byte, error) {
	if name == "-" {
		return io.ReadAll(c.in)
	}
	return os.ReadFile(name)
}
