package gateway

import "time"

// Instant is a point in time in milliseconds since the Unix epoch, UTC.
// Milliseconds are what device clocks and the time series resolve; eight bytes
// without a pointer keep a customer's state small. The zero Instant means
// "not set".
type Instant int64

// InstantOf converts t, cutting below the millisecond.
func InstantOf(t time.Time) Instant { return Instant(t.UnixMilli()) }

// Time returns the instant as a UTC time.
func (i Instant) Time() time.Time { return time.UnixMilli(int64(i)).UTC() }

// Add returns i + d, cut to the millisecond.
func (i Instant) Add(d time.Duration) Instant { return i + Instant(d.Milliseconds()) }

// Sub returns i - j.
func (i Instant) Sub(j Instant) time.Duration { return time.Duration(i-j) * time.Millisecond }

// IsZero reports whether the instant is not set.
func (i Instant) IsZero() bool { return i == 0 }

// String formats the instant as RFC 3339 with milliseconds, "-" when not set.
func (i Instant) String() string {
	if i == 0 {
		return "-"
	}
	return i.Time().Format("2006-01-02T15:04:05.000Z07:00")
}
