// Package testservers starts the real servers that tests talk to: InfluxDB,
// Mosquitto and NATS, each with a directory of its own and on a free loopback
// port. They end with the test that started them, by their process id.
//
// A server whose program is missing fails the test with the make target that
// installs it; nothing is skipped.
package testservers

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"net"
	"os"
	"os/exec"
	"runtime"
	"sync"
	"syscall"
	"testing"
	"time"
)

// startTimeout bounds the wait for a server to answer. It is generous since a
// busy machine starts servers slowly; a healthy start takes well below a second.
const startTimeout = 60 * time.Second

// process is one run of a server's program.
type process struct {
	cmd  *exec.Cmd
	out  *tail
	done chan struct{} // closed when the program has ended
}

// start runs the program. The kernel kills it when the test binary dies, so a
// panic or a time limit leaves nothing behind; that signal is bound to the
// starting thread, which therefore waits with it.
func start(path string, args, env []string) (*process, error) {
	p := &process{out: &tail{}, done: make(chan struct{})}
	p.cmd = exec.Command(path, args...)
	p.cmd.Env = append(os.Environ(), env...)
	p.cmd.Stdout, p.cmd.Stderr = p.out, p.out
	p.cmd.SysProcAttr = dieWithParent()
	started := make(chan error, 1)
	go func() {
		runtime.LockOSThread()
		defer runtime.UnlockOSThread()
		err := p.cmd.Start()
		started <- err
		if err == nil {
			_ = p.cmd.Wait()
			close(p.done)
		}
	}()
	if err := <-started; err != nil {
		return nil, err
	}
	return p, nil
}

// stop ends the program with the signal and waits for it.
func (p *process) stop(sig syscall.Signal) {
	_ = p.cmd.Process.Signal(sig)
	timer := time.NewTimer(10 * time.Second)
	defer timer.Stop()
	select {
	case <-p.done:
	case <-timer.C:
		_ = p.cmd.Process.Kill()
		<-p.done
	}
}

// wait polls ready until it succeeds, the program ends or the time is over.
func (p *process) wait(ready func(context.Context) error) error {
	ctx, cancel := context.WithTimeout(context.Background(), startTimeout)
	defer cancel()
	tick := time.NewTicker(10 * time.Millisecond)
	defer tick.Stop()
	for {
		err := ready(ctx)
		if err == nil {
			return nil
		}
		select {
		case <-p.done:
			return fmt.Errorf("%s ended while starting: %s", p.cmd.Path, p.out)
		case <-ctx.Done():
			return fmt.Errorf("%s did not get ready: %w\n%s", p.cmd.Path, err, p.out)
		case <-tick.C:
		}
	}
}

// server is a program that can be stopped and started again on its port.
type server struct {
	t     testing.TB
	path  string
	args  func() []string
	env   []string
	ready func(context.Context) error

	mu   sync.Mutex
	proc *process
}

// run starts the server for the first time. A port that was free may be taken
// by the time the server listens, so another one is tried then.
func (s *server) run(choose func() error) {
	s.t.Helper()
	s.t.Cleanup(s.Kill)
	var err error
	for range 3 {
		if err = choose(); err != nil {
			break
		}
		if err = s.launch(); err == nil {
			return
		}
	}
	s.t.Fatalf("testservers: %v", err)
}

func (s *server) launch() error {
	p, err := start(s.path, s.args(), s.env)
	if err != nil {
		return err
	}
	if err := p.wait(s.ready); err != nil {
		p.stop(syscall.SIGKILL)
		return err
	}
	s.mu.Lock()
	s.proc = p
	s.mu.Unlock()
	return nil
}

// Start starts the stopped server again, on the same port and directory, and
// returns when it answers.
func (s *server) Start() {
	s.t.Helper()
	if err := s.launch(); err != nil {
		s.t.Fatalf("testservers: %v", err)
	}
}

// Stop ends the server in good order and returns when it is gone.
func (s *server) Stop() { s.end(syscall.SIGTERM) }

// Kill ends the server at once.
func (s *server) Kill() { s.end(syscall.SIGKILL) }

// Suspend stops the server in its tracks: connections stay open and nothing
// answers, as with a network that swallows packets. Resume lets it go on.
func (s *server) Suspend() { s.signal(syscall.SIGSTOP) }

// Resume lets a suspended server go on.
func (s *server) Resume() { s.signal(syscall.SIGCONT) }

// PID returns the process id, 0 while the server is stopped.
func (s *server) PID() int {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.proc == nil {
		return 0
	}
	return s.proc.cmd.Process.Pid
}

// Output returns the last part of what the server printed.
func (s *server) Output() string {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.proc == nil {
		return ""
	}
	return s.proc.out.String()
}

func (s *server) end(sig syscall.Signal) {
	s.mu.Lock()
	p := s.proc
	s.proc = nil
	s.mu.Unlock()
	if p != nil {
		_ = p.cmd.Process.Signal(syscall.SIGCONT)
		p.stop(sig)
	}
}

func (s *server) signal(sig syscall.Signal) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.proc != nil {
		_ = s.proc.cmd.Process.Signal(sig)
	}
}

// freePort returns a loopback port that nobody listens on now.
func freePort() (port int, err error) {
	for range 100 {
		var l net.Listener
		port = 20_000 + rand.IntN(10_000)
		if l, err = net.Listen("tcp", fmt.Sprintf("127.0.0.1:%d", port)); err == nil {
			return port, l.Close()
		}
	}
	return 0, err
}

// dialable is the readiness of a server that is ready when it accepts.
func dialable(addr string) func(context.Context) error {
	return func(ctx context.Context) error {
		var d net.Dialer
		c, err := d.DialContext(ctx, "tcp", addr)
		if err != nil {
			return err
		}
		return c.Close()
	}
}

// tail keeps the last part of what a program prints.
type tail struct {
	mu  sync.Mutex
	buf []byte
}

const tailSize = 8 << 10

// Write implements io.Writer.
func (t *tail) Write(p []byte) (int, error) {
	t.mu.Lock()
	defer t.mu.Unlock()
	t.buf = append(t.buf, p...)
	if over := len(t.buf) - tailSize; over > 0 {
		t.buf = t.buf[:copy(t.buf, t.buf[over:])]
	}
	return len(p), nil
}

// String returns what is kept.
func (t *tail) String() string {
	t.mu.Lock()
	defer t.mu.Unlock()
	return string(bytes.TrimSpace(t.buf))
}

var errMissing = errors.New("not found")
