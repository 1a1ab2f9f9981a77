package history

import (
	"strconv"
	"strings"

	"touchpoint/gateway"
)

// Bounds of time that InfluxDB takes, in nanoseconds.
const (
	minFluxTime = -1 << 62
	maxFluxTime = 1<<63 - 1_000_000_000
)

// fluxText quotes a text for Flux. Every byte that is not plainly harmless is
// written as \xNN, so that no quote, no backslash and no "${" of it ever means
// anything.
func fluxText(s string) string {
	b := make([]byte, 0, len(s)+2)
	b = append(b, '"')
	for i := range len(s) {
		c := s[i]
		if c >= '0' && c <= '9' || c >= 'a' && c <= 'z' || c >= 'A' && c <= 'Z' || c == '_' || c == '-' || c == '.' || c == ' ' {
			b = append(b, c)
			continue
		}
		b = append(b, '\\', 'x', hexDigits[c>>4], hexDigits[c&15])
	}
	return string(append(b, '"'))
}

// flux builds a query.
type flux struct{ strings.Builder }

func (f *flux) line(parts ...string) {
	for _, p := range parts {
		f.WriteString(p)
	}
	f.WriteByte('\n')
}

// from reads a measurement of a bucket in [start, stop), in nanoseconds.
func (f *flux) from(bucket, measurement string, start, stop int64) {
	f.line(`from(bucket: `, fluxText(bucket), `)`)
	f.line(`|> range(start: time(v: `, strconv.FormatInt(start, 10), `), stop: time(v: `, strconv.FormatInt(stop, 10), `))`)
	f.filter(`r._measurement == ` + fluxText(measurement))
}

func (f *flux) filter(condition string) { f.line(`|> filter(fn: (r) => `, condition, `)`) }

// series adds the conditions on tags.
func (f *flux) series(s *seriesFilter) {
	if len(s.types) > 0 {
		conditions := make([]string, 0, len(s.types))
		for _, typ := range s.types {
			conditions = append(conditions, `r.type == `+fluxText(storedName(typ)))
		}
		f.filter(strings.Join(conditions, " or "))
	}
	if s.product != "" {
		f.filter(`r.product == ` + fluxText(storedName(s.product)))
	}
	if !s.any {
		conditions := make([]string, 0, len(s.devices)+1)
		for _, d := range s.devices {
			conditions = append(conditions, `r.device == `+fluxText(d))
		}
		if s.contact != "" {
			conditions = append(conditions, `r.contact == `+fluxText(s.contact))
		}
		f.filter(strings.Join(conditions, " or "))
	}
}

// seriesFilter is the part of a filter that tags decide.
type seriesFilter struct {
	types   []string
	product string
	any     bool // of any subject
	devices []string
	contact string
}

// none reports whether no series can match.
func (s *seriesFilter) none() bool { return !s.any && len(s.devices) == 0 && s.contact == "" }

// bounds returns the range of a filter in nanoseconds.
func (f *Filter) bounds() (start, stop int64) {
	start, stop = minFluxTime, maxFluxTime
	if f.From > 0 {
		start = nanos(f.From)
	}
	if f.To > 0 {
		stop = nanos(f.To)
	}
	return start, stop
}

// nanos is a time in nanoseconds, held within what InfluxDB takes.
func nanos(t gateway.Instant) int64 {
	if t > maxFluxTime/subMillis {
		return maxFluxTime
	}
	return int64(t) * subMillis
}
