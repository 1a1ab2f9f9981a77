//go:build failpoints

package failpoint

import (
	"os"
	"sync/atomic"
	"syscall"
)

// Enabled says whether this build can be armed.
const Enabled = true

var (
	armed string
	left  atomic.Int64
)

func init() {
	name, n := parse(os.Getenv(Variable))
	armed = name
	left.Store(n)
}

// Hit kills the process when it is the armed failpoint's N-th hit.
func Hit(name string) {
	if name != armed || left.Add(-1) != 0 {
		return
	}
	// One write call, so that the line is out before the signal.
	_, _ = syscall.Write(2, []byte("failpoint "+name+"\n"))
	_ = syscall.Kill(syscall.Getpid(), syscall.SIGKILL)
	select {} // the signal arrives at any moment
}
