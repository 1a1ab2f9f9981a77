//go:build !linux

package journey

import "time"

var begun = time.Now()

// cpuTime is the time that passed, where that of a thread is not to be had.
func cpuTime() time.Duration { return time.Since(begun) }
