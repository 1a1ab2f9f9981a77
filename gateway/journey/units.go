package journey

import (
	"fmt"
	"regexp"
	"strconv"
	"strings"
	"time"

	"touchpoint/gateway"
)

// Duration is a length of time in milliseconds. Its text form is one or more
// numbers with a unit: ms, s, m, h, d (24 hours) or w, such as "30d" or "1d12h".
type Duration int64

var units = []struct {
	name string
	ms   int64
}{
	{"w", 7 * 24 * 3600_000}, {"d", 24 * 3600_000}, {"h", 3600_000}, {"m", 60_000}, {"s", 1000}, {"ms", 1},
}

// maxDuration keeps sums of an instant and a duration far from overflow.
const maxDuration = Duration(100 * 366 * 24 * 3600_000)

// ParseDuration reads the text form.
func ParseDuration(s string) (Duration, error) {
	var sum Duration
	rest := s
	for rest != "" {
		digits := len(rest) - len(strings.TrimLeft(rest, "0123456789"))
		n, err := strconv.ParseInt(rest[:digits], 10, 64)
		if err != nil && n == 0 { // else it is too large, as is said below
			return 0, durationFault(s)
		}
		rest = rest[digits:]
		letters := len(rest) - len(strings.TrimLeft(rest, "wdhms"))
		ms := int64(0)
		for _, u := range units {
			if u.name == rest[:letters] {
				ms = u.ms
			}
		}
		if ms == 0 {
			return 0, durationFault(s)
		}
		rest = rest[letters:]
		if sum += Duration(min(n, int64(maxDuration)/ms+1) * ms); sum > maxDuration {
			return 0, fmt.Errorf("%q is longer than 36600d, a hundred years", s)
		}
	}
	if s == "" {
		return 0, durationFault(s)
	}
	return sum, nil
}

var almostDuration = regexp.MustCompile(`(?i)^ *([0-9]+) *(s|secs?|seconds?|m|mins?|minutes?|h|hours?|d|days?|w|weeks?|) *$`)

// durationFault says why a text is no duration, and what was probably meant.
func durationFault(s string) error {
	m := almostDuration.FindStringSubmatch(s)
	switch {
	case m == nil:
		return fmt.Errorf("%q is no duration; write a number and a unit (s, m, h, d, w), such as 30d or 4h", s)
	case m[2] == "":
		return fmt.Errorf("%q has no unit; write %ss, %sm, %sh, %sd or %sw", s, m[1], m[1], m[1], m[1], m[1])
	}
	return fmt.Errorf("%q is no duration; did you mean %q?", s, m[1]+strings.ToLower(m[2][:1]))
}

// String returns the text form, "0s" for nothing.
func (d Duration) String() string {
	if d == 0 {
		return "0s"
	}
	var b strings.Builder
	for _, u := range units {
		if n := int64(d) / u.ms; n > 0 && !(u.name == "w" && int64(d)%u.ms != 0) {
			fmt.Fprintf(&b, "%d%s", n, u.name)
			d -= Duration(n * u.ms)
		}
	}
	return b.String()
}

// UnmarshalText implements encoding.TextUnmarshaler.
func (d *Duration) UnmarshalText(text []byte) (err error) {
	*d, err = ParseDuration(string(text))
	return err
}

// MarshalText implements encoding.TextMarshaler.
func (d Duration) MarshalText() ([]byte, error) { return []byte(d.String()), nil }

// after returns t + d.
func (d Duration) after(t gateway.Instant) gateway.Instant { return t + gateway.Instant(d) }

// before returns t - d.
func (d Duration) before(t gateway.Instant) gateway.Instant { return t - gateway.Instant(d) }

// LocalTime is a wall-clock time of day in minutes, text form "22:30".
type LocalTime int16

// ParseLocalTime reads the text form.
func ParseLocalTime(s string) (LocalTime, error) {
	h, m, ok := strings.Cut(s, ":")
	hour, err1 := strconv.Atoi(h)
	minute, err2 := strconv.Atoi(m)
	if !ok || err1 != nil || err2 != nil || len(m) != 2 || hour < 0 || hour > 23 || minute < 0 || minute > 59 {
		return 0, fmt.Errorf("%q is no time of day; write it as \"08:30\"", s)
	}
	return LocalTime(hour*60 + minute), nil
}

// String returns the text form.
func (l LocalTime) String() string { return fmt.Sprintf("%02d:%02d", l/60, l%60) }

// UnmarshalText implements encoding.TextUnmarshaler.
func (l *LocalTime) UnmarshalText(text []byte) (err error) {
	*l, err = ParseLocalTime(string(text))
	return err
}

// MarshalText implements encoding.TextMarshaler.
func (l LocalTime) MarshalText() ([]byte, error) { return []byte(l.String()), nil }

// Weekday is a day of the week, text form "mon" … "sun".
type Weekday time.Weekday

var weekdays = [...]string{"sun", "mon", "tue", "wed", "thu", "fri", "sat"}

// String returns the text form.
func (d Weekday) String() string { return weekdays[d] }

// MarshalText implements encoding.TextMarshaler.
func (d Weekday) MarshalText() ([]byte, error) { return []byte(d.String()), nil }

// UnmarshalText implements encoding.TextUnmarshaler.
func (d *Weekday) UnmarshalText(text []byte) error {
	for i, name := range weekdays {
		if name == string(text) {
			*d = Weekday(i)
			return nil
		}
	}
	return fmt.Errorf("%q is no day; write mon, tue, wed, thu, fri, sat or sun", text)
}
