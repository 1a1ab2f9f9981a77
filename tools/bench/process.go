package main

import (
	"fmt"
	"os"
	"os/exec"
	"strconv"
	"strings"
	"syscall"
)

// start runs a command line as a process of its own, its output in a file.
func start(command, logfile string, env ...string) (*exec.Cmd, error) {
	c := exec.Command("bash", "-c", "exec "+command)
	f, err := os.OpenFile(logfile, os.O_CREATE|os.O_APPEND|os.O_WRONLY, 0o644)
	if err != nil {
		return nil, err
	}
	defer f.Close()
	c.Stdout, c.Stderr = f, f
	c.Env = append(os.Environ(), env...)
	return c, c.Start()
}

// stop kills a process that start started.
func stop(c *exec.Cmd) {
	_ = c.Process.Signal(syscall.SIGKILL)
	_ = c.Wait() // it was killed
}

// cpu returns the CPU microseconds that a process has used, 0 for none.
func cpu(pid int) float64 {
	stat, err := os.ReadFile(fmt.Sprintf("/proc/%d/stat", pid))
	if err != nil {
		return 0
	}
	_, rest, _ := strings.Cut(string(stat), ") ") // the name in brackets may hold spaces
	fields := strings.Fields(rest)
	user, _ := strconv.ParseFloat(fields[11], 64)
	system, _ := strconv.ParseFloat(fields[12], 64)
	return (user + system) * 10_000 // a tick is 10 ms
}
