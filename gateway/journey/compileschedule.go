package journey

import (
	"strings"
	"time"

	"github.com/teambition/rrule-go"
)

// schedule reads {rrule: FREQ=WEEKLY;BYDAY=MO, start: "2026-05-04 09:00"}.
func (c *compiler) schedule(o *object) {
	s := &schedule{}
	c.def.trigger.schedule = s
	start := o.required("start", "write the first possible local time, such as \"2026-05-04 09:00\"")
	text := o.required("rrule", "write a rule such as FREQ=WEEKLY;BYDAY=MO")
	s.where = c.condition(o, "where", eventAtHand{})
	o.finish()
	if text == "" || start == "" {
		return
	}
	at, err := time.Parse("2006-01-02 15:04", start)
	if err != nil {
		o.fault("start", "%q is no local time; write it as \"2026-05-04 09:00\"", start)
		return
	}
	if at.Year() < 2000 || at.Year() > 2200 {
		o.fault("start", "%q is not in the years 2000 to 2200", start)
		return
	}
	text = strings.TrimPrefix(text, "RRULE:")
	if strings.Contains(text, "DTSTART") {
		o.fault("rrule", "excludes DTSTART; the first time is start")
		return
	}
	option, err := rrule.StrToROption(text)
	if err != nil {
		o.fault("rrule", "%q is no rule: %s; write one such as FREQ=WEEKLY;BYDAY=MO", text, err)
		return
	}
	option.Dtstart = at
	if problem := refuseRule(option); problem != "" {
		o.fault("rrule", "%s", problem)
		return
	}
	times := occurrences{rule: *option}
	if times.after(0); len(times.list) == 0 {
		o.fault("rrule", "%q never happens", text)
		return
	}
	s.rule = *option
}

// refuseRule says what a rule must not ask for: more than some times an hour,
// and what would take long to find out that it never happens.
func refuseRule(r *rrule.ROption) string {
	byDate := len(r.Bymonthday)+len(r.Byyearday)+len(r.Byweekno)+len(r.Bysetpos)+len(r.Byeaster) > 0
	switch {
	case r.Freq > rrule.HOURLY:
		return "a schedule is at most hourly"
	case len(r.Bysecond) > 0:
		return "excludes BYSECOND; a schedule has whole minutes"
	case len(r.Byminute) > 4:
		return "has more than four values of BYMINUTE"
	case r.Interval < 0 || r.Interval > 1000:
		return "has an INTERVAL outside 1…1000"
	case byDate && r.Freq >= rrule.WEEKLY:
		return "picks days of the month or year; write it with FREQ=MONTHLY or FREQ=YEARLY"
	case r.Freq == rrule.HOURLY && len(r.Bymonth)+len(r.Byweekday)+len(r.Byhour) > 0 && r.Interval > 1:
		return "picks days or hours beside an INTERVAL of hours; write FREQ=DAILY with BYHOUR"
	}
	return ""
}
