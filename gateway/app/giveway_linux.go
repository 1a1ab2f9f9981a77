package app

import "syscall"

// giveWay lowers the priority of the present thread alone: on Linux a priority
// is a thread's. Where it is refused, the scheduler is fair all the same.
func giveWay() { _ = syscall.Setpriority(syscall.PRIO_PROCESS, syscall.Gettid(), 10) }
