package journey

import (
	"testing"

	"touchpoint/gateway"
)

func TestLocalTime(t *testing.T) {
	for text, want := range map[string]LocalTime{"00:00": 0, "0:00": 0, "00:01": 1, "08:30": 510, "23:59": 1439} {
		var l LocalTime
		if err := l.UnmarshalText([]byte(text)); err != nil || l != want {
			t.Errorf("%s: %d %v", text, l, err)
		}
	}
	for _, text := range []string{"", "8", "24:00", "-1:00", "12:60", "12:5", "12:-5", "12:005", "a:00", "12:aa", "12:00:00"} {
		var l LocalTime
		if err := l.UnmarshalText([]byte(text)); err == nil || err.Error() != `"`+text+`" is no time of day; write it as "08:30"` {
			t.Errorf("%q: %v %v", text, l, err)
		}
	}
}

func TestLevels(t *testing.T) {
	for kind, want := range map[string][3]bool{"above": {false, false, true}, "below": {true, false, false}, "at_least": {false, true, true}, "at_most": {true, true, false}} {
		tr := trigger{level: level{kind, 3}}
		for i, f := range []float64{2.5, 3, 3.5} {
			if tr.holds(gateway.Float(f)) != want[i] {
				t.Errorf("%v %s 3: %v", f, kind, !want[i])
			}
		}
	}
}

func TestWords(t *testing.T) {
	for want, words := range map[string][]string{"": nil, "a": {"a"}, "a or b": {"a", "b"}, "a, b or c": {"a", "b", "c"}} {
		if got := orList(words); got != want {
			t.Errorf("%q, not %q", got, want)
		}
	}
	for text, want := range map[string]string{"a": `"a"`, `"a"`: `'"a"'`, `"a" + 'b'`: "`\"a\" + 'b'`", "\"a\" 'b' `c`": "\"\\\"a\\\" 'b' `c`\"", " a\n  b ": `"a b"`} {
		if got := quotedText(text); got != want {
			t.Errorf("%s, not %s", got, want)
		}
	}
	for text, want := range map[string]string{`a "b" c`: "a  c", `a 'b"' c`: "a  c", `a "b`: "a |open", `"'" = '"'`: " = "} {
		bare, open := withoutTexts(text)
		if open {
			bare += "|open"
		}
		if bare != want {
			t.Errorf("%q, not %q", bare, want)
		}
	}
	for text, want := range map[string]int{"enroll 1 per day": 1, "enroll 1000000000 per day": 1e9, "enroll 1000000001 per day": 0, "enroll 0 per day": 0, "enrol 1 per day": 0,
		"enroll 1 a day": 0, "enroll 1 per week": 0, "enroll x per day": 0, "enroll 1 per day now": 0, "": 0, "enroll 99999999999999999999 per day": 0} {
		if got, fault := ParsePace(text); got != want || (fault == "") != (want > 0) {
			t.Errorf("%q: %d, %s", text, got, fault)
		}
	}
}
