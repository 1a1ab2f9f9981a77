package failpoint

import "testing"

func TestParse(t *testing.T) {
	for in, want := range map[string]struct {
		name string
		n    int64
	}{
		"": {"", 1}, "a.b": {"a.b", 1}, "a.b:7": {"a.b", 7}, "a.b:x": {"a.b", 1}, "a.b:0": {"a.b", 1},
	} {
		if name, n := parse(in); name != want.name || n != want.n {
			t.Errorf("parse(%q) = %q, %d; want %q, %d", in, name, n, want.name, want.n)
		}
	}
}
