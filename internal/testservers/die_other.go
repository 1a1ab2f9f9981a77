//go:build !linux

package testservers

import "syscall"

// dieWithParent does nothing where the kernel offers no such signal: a test
// binary that is killed leaves its servers behind.
func dieWithParent() *syscall.SysProcAttr { return nil }
