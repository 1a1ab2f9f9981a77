//go:build failpoints

package failpoint

import (
	"bytes"
	"errors"
	"os"
	"os/exec"
	"syscall"
	"testing"
)

// TestMain lets the test binary run itself as the process that dies.
func TestMain(m *testing.M) {
	if os.Getenv("FAILPOINT_CHILD") != "" {
		for range 3 {
			Hit("other")
			Hit(EngineCommitted)
			_, _ = os.Stdout.WriteString("alive\n")
		}
		os.Exit(0)
	}
	os.Exit(m.Run())
}

func TestKillsAtTheNthHit(t *testing.T) {
	for _, c := range []struct {
		armed  string
		alive  int
		killed bool
	}{
		{"engine.committed:1", 0, true},
		{"engine.committed:3", 2, true},
		{"engine.committed", 0, true},
		{"engine.committed:4", 3, false},
		{"", 3, false},
	} {
		cmd := exec.Command(os.Args[0])
		cmd.Env = append(os.Environ(), "FAILPOINT_CHILD=1", Variable+"="+c.armed)
		var out, errs bytes.Buffer
		cmd.Stdout, cmd.Stderr = &out, &errs
		err := cmd.Run()
		var exit *exec.ExitError
		killed := errors.As(err, &exit) && exit.Sys().(syscall.WaitStatus).Signal() == syscall.SIGKILL
		if killed != c.killed || bytes.Count(out.Bytes(), []byte("alive")) != c.alive {
			t.Errorf("%q: killed %v after %q", c.armed, killed, out.String())
		}
		if c.killed && errs.String() != "failpoint engine.committed\n" {
			t.Errorf("%q: standard error is %q", c.armed, errs.String())
		}
	}
}
