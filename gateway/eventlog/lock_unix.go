//go:build unix

package eventlog

import (
	"os"
	"path/filepath"
	"syscall"

	"touchpoint/gateway"
)

// lockDir makes sure that one process at a time has the directory open. The
// kernel drops the lock when the process ends, however it ends.
func lockDir(dir string) (*os.File, error) {
	if err := os.MkdirAll(dir, 0o700); err != nil {
		return nil, gateway.Errorf(gateway.Invalid, "log directory: %w", err)
	}
	f, err := os.OpenFile(filepath.Join(dir, "lock"), os.O_CREATE|os.O_RDWR, 0o600)
	if err != nil {
		return nil, gateway.Errorf(gateway.Invalid, "log directory: %w", err)
	}
	if err := syscall.Flock(int(f.Fd()), syscall.LOCK_EX|syscall.LOCK_NB); err != nil {
		f.Close()
		return nil, gateway.Errorf(gateway.Conflict, "log directory %s is open in another process: stop it, or name another directory", dir)
	}
	return f, nil
}
