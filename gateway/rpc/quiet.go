package rpc

import (
	"fmt"
	"strings"
	"time"

	"touchpoint/gateway"
	pb "touchpoint/proto/touchpoint/v1"
)

// maxQuietHours bounds a customer's own quiet hours: two a day of the week.
const maxQuietHours = 14

var dayNames = [...]string{"sun", "mon", "tue", "wed", "thu", "fri", "sat"}

// zone checks the name of a time zone.
func (c *checker) zone(field, name string) {
	if name == "" {
		return
	}
	if _, err := time.LoadLocation(name); err != nil || strings.EqualFold(name, "local") {
		c.fail(field, "must be an IANA time zone such as Europe/Berlin")
	}
}

// quietHours checks a customer's own quiet hours.
func (c *checker) quietHours(in []*pb.QuietHours, known []string) (out []gateway.QuietInterval) {
	if !c.count("customer.quiet_hours", len(in), 0, maxQuietHours) {
		return nil
	}
	for i, q := range in {
		field := fmt.Sprintf("customer.quiet_hours[%d]", i)
		k := gateway.QuietInterval{From: c.minute(field+".from", q.GetFrom()), To: c.minute(field+".to", q.GetTo()), Channels: q.GetChannels()}
		if q.GetFrom() == q.GetTo() {
			c.fail(field+".to", "equals from: the interval is empty")
		}
		for _, name := range q.GetDays() {
			k.Days |= c.day(field+".days", name)
		}
		for j, ch := range q.GetChannels() {
			c.channel(fmt.Sprintf("%s.channels[%d]", field, j), ch, known)
		}
		out = append(out, k)
	}
	return out
}

// minute reads a time of day such as 21:30.
func (c *checker) minute(field, text string) int {
	t, err := time.Parse("15:04", text)
	if err != nil || len(text) != 5 {
		c.fail(field, "must be a time of day such as 21:30")
	}
	return t.Hour()*60 + t.Minute()
}

func (c *checker) day(field, name string) uint8 {
	for i, d := range dayNames {
		if d == name {
			return 1 << i
		}
	}
	c.fail(field, "must be mon, tue, wed, thu, fri, sat or sun")
	return 0
}

func quietMessages(list []gateway.QuietInterval) (out []*pb.QuietHours) {
	for _, q := range list {
		m := &pb.QuietHours{From: clockText(q.From), To: clockText(q.To), Channels: q.Channels}
		for i, d := range dayNames {
			if q.Days>>i&1 == 1 {
				m.Days = append(m.Days, d)
			}
		}
		out = append(out, m)
	}
	return out
}

func clockText(minute int) string { return fmt.Sprintf("%02d:%02d", minute/60, minute%60) }
