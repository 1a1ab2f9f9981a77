package eventlog

import (
	"strconv"
	"testing"
)

// The same command goes to every partition: that one partition stored it says
// nothing about another whose outcome is unknown.
func TestUnknownAppendOfOnePartition(t *testing.T) {
	n := 0
	fresh := func() string { n++; return strconv.Itoa(n) }
	var u unknownAppends
	here, there := unknownAppend{0, 7}, unknownAppend{1, 7}
	first := u.id(here, fresh)
	u.settle(here, first, true)
	if id := u.id(there, fresh); id == first {
		t.Error("another partition's append has this one's id")
	}
	u.settle(there, "2", false)
	if id := u.id(here, fresh); id != first {
		t.Errorf("tried again as %s, not as %s: it may be stored twice", id, first)
	}
	u.settle(here, first, false)
	if id := u.id(here, fresh); id == first {
		t.Error("what is known goes on under the old id")
	}
}
