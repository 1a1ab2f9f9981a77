package testservers

import (
	"context"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"
)

// influxVersion is the version that the make target builds into the cache.
const influxVersion = "2.7.12"

// natsModule is built from the module that the gateway embeds, so the server
// outside is the server inside.
const natsModule = "github.com/nats-io/nats-server/v2"

// program returns the path of a server's program or ends the test.
func program(t testing.TB, name string, find func() (string, error)) string {
	t.Helper()
	path, err := find()
	if err != nil {
		t.Fatalf("testservers: %s: %v; run: make servers", name, err)
	}
	return path
}

// cacheDir is where the make targets put the servers that they build.
func cacheDir() (string, error) {
	if dir := os.Getenv("TOUCHPOINT_CACHE"); dir != "" {
		return dir, nil
	}
	home, err := os.UserHomeDir()
	if err != nil {
		return "", err
	}
	return filepath.Join(home, ".cache", "touchpoint"), nil
}

// findProgram looks in an environment variable, on the PATH and where daemons
// are installed that a user's PATH does not name.
func findProgram(env, name string) (string, error) {
	if path := os.Getenv(env); path != "" {
		return exec.LookPath(path)
	}
	if path, err := exec.LookPath(name); err == nil {
		return path, nil
	}
	for _, dir := range []string{"/usr/local/sbin", "/usr/sbin", "/sbin", "/usr/local/bin", "/usr/bin"} {
		if path, err := exec.LookPath(filepath.Join(dir, name)); err == nil {
			return path, nil
		}
	}
	return "", errMissing
}

func findInflux() (string, error) {
	if os.Getenv("TOUCHPOINT_TEST_INFLUXD") != "" {
		return findProgram("TOUCHPOINT_TEST_INFLUXD", "influxd")
	}
	if path, err := exec.LookPath("influxd"); err == nil && isInflux2(path) {
		return path, nil
	}
	dir, err := cacheDir()
	if err != nil {
		return "", err
	}
	path := filepath.Join(dir, "influxd-"+influxVersion, "influxd")
	if _, err := os.Stat(path); err != nil {
		return "", fmt.Errorf("not on the PATH, nor as %s", path)
	}
	return path, nil
}

func isInflux2(path string) bool {
	ctx, cancel := context.WithTimeout(context.Background(), 10*time.Second)
	defer cancel()
	out, err := exec.CommandContext(ctx, path, "version").Output()
	text := string(out)
	return err == nil && (strings.HasPrefix(text, "InfluxDB v2.") || strings.HasPrefix(text, "InfluxDB 2."))
}

// findNATS builds the server into the cache when it is nowhere: it is pure Go
// and its sources are there already.
var findNATS = sync.OnceValues(func() (string, error) {
	if path, err := findProgram("TOUCHPOINT_TEST_NATS", "nats-server"); err == nil || os.Getenv("TOUCHPOINT_TEST_NATS") != "" {
		return path, err
	}
	version, err := exec.Command("go", "list", "-m", "-f", "{{.Version}}", natsModule).Output()
	if err != nil {
		return "", fmt.Errorf("go list -m %s: %w", natsModule, err)
	}
	dir, err := cacheDir()
	if err != nil {
		return "", err
	}
	path := filepath.Join(dir, "nats-server-"+strings.TrimSpace(string(version)))
	if _, err := os.Stat(path); err == nil {
		return path, nil
	}
	if err := os.MkdirAll(dir, 0o755); err != nil {
		return "", err
	}
	// Another package's test may do the same: build aside, then move.
	aside := fmt.Sprintf("%s.%d", path, os.Getpid())
	if out, err := exec.Command("go", "build", "-o", aside, natsModule).CombinedOutput(); err != nil {
		return "", fmt.Errorf("go build %s: %w\n%s", natsModule, err, out)
	}
	return path, os.Rename(aside, path)
})
