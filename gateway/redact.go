package gateway

import "log/slog"

// Personal is text that may name a person. It prints as "[personal]" wherever
// a formatter, a log or JSON would show it; Reveal is the one way to the text,
// so that every use of it is easy to find.
type Personal string

// Reveal returns the text.
func (p Personal) Reveal() string { return string(p) }

// String returns "[personal]".
func (Personal) String() string { return "[personal]" }

// GoString returns "[personal]".
func (Personal) GoString() string { return "[personal]" }

// LogValue implements slog.LogValuer.
func (Personal) LogValue() slog.Value { return slog.StringValue("[personal]") }

// MarshalJSON writes "[personal]".
func (Personal) MarshalJSON() ([]byte, error) { return []byte(`"[personal]"`), nil }

// MarshalText writes "[personal]".
func (Personal) MarshalText() ([]byte, error) { return []byte("[personal]"), nil }
