package journey

import (
	"syscall"
	"time"
	"unsafe"
)

// cpuTime is the CPU time of this thread: what other work does on the machine
// does not count. Lock the goroutine to its thread first.
func cpuTime() time.Duration {
	const threadClock = 3 // CLOCK_THREAD_CPUTIME_ID
	var ts syscall.Timespec
	syscall.Syscall(syscall.SYS_CLOCK_GETTIME, threadClock, uintptr(unsafe.Pointer(&ts)), 0)
	return time.Duration(ts.Nano())
}
