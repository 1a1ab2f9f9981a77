package main

import (
	"fmt"
	"io"
	"maps"
	"slices"
	"strconv"
	"strings"
	"text/tabwriter"
	"time"

	"google.golang.org/protobuf/types/known/timestamppb"

	pb "touchpoint/proto/touchpoint/v1"
)

// table prints aligned columns. Nothing is printed for a table without rows but
// what it says then.
type table struct {
	w     *tabwriter.Writer
	out   io.Writer
	head  []string
	rows  int
	empty string
}

func (c *client) table(empty string, head ...string) *table {
	return &table{w: tabwriter.NewWriter(c.out, 2, 4, 2, ' ', 0), out: c.out, head: head, empty: empty}
}

// row adds a row; an empty cell shows as "–", so that columns stay readable.
func (t *table) row(cells ...any) {
	if t.rows == 0 {
		fmt.Fprintln(t.w, strings.Join(t.head, "\t"))
	}
	t.rows++
	texts := make([]string, len(cells))
	for i, cell := range cells {
		text := strings.Map(func(r rune) rune {
			if r == '\t' || r == '\n' {
				return ' '
			}
			return r
		}, fmt.Sprint(cell))
		if text == "" {
			text = "–"
		}
		texts[i] = text
	}
	fmt.Fprintln(t.w, strings.Join(texts, "\t"))
}

func (t *table) flush() {
	if t.rows == 0 {
		fmt.Fprintln(t.out, t.empty)
		return
	}
	t.w.Flush()
}

// facts prints names and values in two columns, leaving out what is empty.
func (c *client) facts(pairs ...string) {
	w := tabwriter.NewWriter(c.out, 2, 4, 2, ' ', 0)
	for i := 0; i+1 < len(pairs); i += 2 {
		if pairs[i+1] != "" {
			fmt.Fprintf(w, "%s\t%s\n", pairs[i], pairs[i+1])
		}
	}
	w.Flush()
}

func (c *client) say(format string, args ...any) { fmt.Fprintf(c.out, format+"\n", args...) }

// when shows a time to the second, in UTC: the gateway's time may be virtual,
// so that "ago" would mislead.
func when(t *timestamppb.Timestamp) string {
	if t == nil {
		return ""
	}
	return t.AsTime().UTC().Format("2006-01-02 15:04:05Z")
}

func device(d *pb.DeviceRef) string {
	switch {
	case d == nil:
		return ""
	case d.Product == "":
		return d.Id
	}
	return d.Product + "/" + d.Serial
}

// word shortens the name of an enum value: MESSAGE_STATE_DISPLAYED is "displayed".
func word(name fmt.Stringer, prefix string) string {
	return strings.ToLower(strings.TrimPrefix(name.String(), prefix))
}

func messageState(s pb.MessageState) string { return word(s, "MESSAGE_STATE_") }

func value(v *pb.PropertyValue) string {
	switch x := v.GetValue().(type) {
	case *pb.PropertyValue_Bool:
		return strconv.FormatBool(x.Bool)
	case *pb.PropertyValue_Int:
		return strconv.FormatInt(x.Int, 10)
	case *pb.PropertyValue_Double:
		return strconv.FormatFloat(x.Double, 'g', -1, 64)
	case *pb.PropertyValue_String_:
		return x.String_
	}
	return "null"
}

// properties shows named values as "a=1 b=2".
func properties(m map[string]*pb.PropertyValue) string {
	var parts []string
	for _, k := range slices.Sorted(maps.Keys(m)) {
		parts = append(parts, k+"="+value(m[k]))
	}
	return strings.Join(parts, " ")
}

func counts(m map[string]int64) string {
	var parts []string
	for _, k := range slices.Sorted(maps.Keys(m)) {
		parts = append(parts, fmt.Sprintf("%s %d", k, m[k]))
	}
	return strings.Join(parts, ", ")
}

// positionText is a position as --at-least takes it.
func positionText(p *pb.Position) string { return fmt.Sprintf("%d/%d", p.GetPartition(), p.GetSeq()) }

func positionTexts(ps []*pb.Position) string {
	var parts []string
	for _, p := range ps {
		parts = append(parts, positionText(p))
	}
	return strings.Join(parts, ",")
}

func duration(d time.Duration) string {
	if d <= 0 {
		return ""
	}
	if d%(24*time.Hour) == 0 {
		return fmt.Sprintf("%dd", d/(24*time.Hour))
	}
	return d.String()
}
