//go:build !unix

package eventlog

import (
	"os"
	"path/filepath"

	"touchpoint/gateway"
)

// lockDir makes sure that one process at a time has the directory open: these
// systems refuse to remove a file that is open.
func lockDir(dir string) (*os.File, error) {
	if err := os.MkdirAll(dir, 0o700); err != nil {
		return nil, gateway.Errorf(gateway.Invalid, "log directory: %w", err)
	}
	path := filepath.Join(dir, "lock")
	if err := os.Remove(path); err != nil && !os.IsNotExist(err) {
		return nil, gateway.Errorf(gateway.Conflict, "log directory %s is open in another process: stop it, or name another directory", dir)
	}
	f, err := os.OpenFile(path, os.O_CREATE|os.O_EXCL|os.O_RDWR, 0o600)
	if err != nil {
		return nil, gateway.Errorf(gateway.Conflict, "log directory %s is open in another process: stop it, or name another directory", dir)
	}
	return f, nil
}
