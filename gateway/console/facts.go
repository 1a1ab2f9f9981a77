package console

import (
	"fmt"
	"slices"
	"strings"
	"time"

	"touchpoint/gateway"
)

// factsOf lists the open facts about a customer that are there.
func factsOf(d *Customer) (out []fact) {
	add := func(name, text string) {
		if text != "" {
			out = append(out, fact{name, text})
		}
	}
	add("Language", d.Locale)
	add("Time zone", d.TimeZone)
	add("Country", d.Country)
	add("Channels, best first", strings.Join(d.Channels, ", "))
	var consents []string
	for _, k := range d.Consents {
		text := string(k.Purpose)
		if k.Channel != "" {
			text += " on " + k.Channel
		}
		if !k.Granted {
			text = "not " + text
		}
		consents = append(consents, text)
	}
	slices.Sort(consents)
	add("Consents", strings.Join(consents, ", "))
	if d.CapCount > 0 {
		add("Own limit", fmt.Sprintf("%d messages in %s", d.CapCount, window(time.Duration(d.CapWindow)*time.Millisecond)))
	}
	var quiet []string
	for _, q := range d.QuietHours {
		quiet = append(quiet, quietText(q))
	}
	add("Own quiet hours", strings.Join(quiet, "; "))
	for _, a := range d.Attributes {
		add(humanize(a.Key), a.Value.String())
	}
	if d.Test {
		add("Test customer", "skips control group and caps, counts nowhere")
	}
	return out
}

func quietText(q gateway.QuietInterval) string {
	text := fmt.Sprintf("%02d:%02d to %02d:%02d", q.From/60, q.From%60, q.To/60, q.To%60)
	var days []string
	for d := time.Sunday; d <= time.Saturday; d++ {
		if q.Days>>d&1 == 1 {
			days = append(days, d.String()[:3])
		}
	}
	if len(days) > 0 {
		text += " on " + strings.Join(days, ", ")
	}
	return text
}

func window(d time.Duration) string {
	if days := d / (24 * time.Hour); days > 0 && d%(24*time.Hour) == 0 {
		return plural(int64(days), "day")
	}
	return d.String()
}

func plural(n int64, word string) string {
	if n == 1 {
		return "1 " + word
	}
	return number(n) + " " + word + "s"
}

// until says how long it is to a time, or that it is over.
func until(now, at gateway.Instant) string {
	d := at.Sub(now)
	switch {
	case d < 0:
		return "overdue"
	case d >= 36*time.Hour:
		return "in " + plural(int64(d.Round(24*time.Hour)/(24*time.Hour)), "day")
	case d >= 90*time.Minute:
		return "in " + plural(int64(d.Round(time.Hour)/time.Hour), "hour")
	}
	return "in " + plural(int64(d/time.Minute), "minute")
}
