package e2e

import (
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
	"syscall"
	"testing"
)

// TestReadme runs the commands of the README as they are written there: the
// terminals of the section are shells here, opened in the same order.
func TestReadme(t *testing.T) {
	blocks := readmeBlocks(t, "## With your own hands")
	if len(blocks) != 4 || strings.TrimSpace(blocks[0]) != "bin/touchpoint serve" {
		t.Fatalf("the section has changed; its blocks are now %q", blocks)
	}
	for _, name := range []string{"mosquitto_pub", "mosquitto_sub"} {
		if _, err := exec.LookPath(name); err != nil {
			t.Fatalf("%v; run: make servers", err)
		}
	}
	g := startOutside(t, "") // the first block, on other ports
	home := readmeHome(t, g)

	setUp := g.shell(home, blocks[1])
	setUp.wait()
	watch := g.shell(home, blocks[2])
	defer func() { t.Logf("the watching terminal shows:\n%s", watch.out.text()) }()
	eventually(t, "a watch", func() bool {
		return strings.Contains(watch.out.text(), "watching") && strings.Contains(watch.out.text(), "Subscribed")
	})
	g.shell(home, blocks[3]).wait()
	for _, want := range []string{`"title":"Welcome!"`, "decided", "displayed"} {
		eventually(t, want+" in the watching terminal", func() bool { return strings.Contains(watch.out.text(), want) })
	}
}

// readmeBlocks returns the indented blocks of a section.
func readmeBlocks(t *testing.T, section string) (blocks []string) {
	t.Helper()
	text := string(must[[]byte](t)(os.ReadFile("../../README.md")))
	_, text, ok := strings.Cut(text, "\n"+section+"\n")
	if !ok {
		t.Fatalf("README has no section %q", section)
	}
	text, _, _ = strings.Cut(text, "\n## ")
	inside := false
	for line := range strings.Lines(text) {
		code, ok := strings.CutPrefix(line, "    ")
		switch {
		case ok && inside:
			blocks[len(blocks)-1] += code
		case ok:
			blocks, inside = append(blocks, code), true
		default:
			inside = false
		}
	}
	return blocks
}

// readmeHome is what the commands find around them: the built command, the
// journeys, and clients of MQTT that know the port; the one that subscribes says
// when it has.
func readmeHome(t *testing.T, g *outside) string {
	t.Helper()
	home := t.TempDir()
	for _, dir := range []string{"bin", "tools"} {
		if err := os.Mkdir(filepath.Join(home, dir), 0o700); err != nil {
			t.Fatal(err)
		}
	}
	links := map[string]string{"bin/touchpoint": must[string](t)(build()), "deploy": must[string](t)(filepath.Abs("../../deploy"))}
	for name, to := range links {
		if err := os.Symlink(to, filepath.Join(home, name)); err != nil {
			t.Fatal(err)
		}
	}
	for name, flag := range map[string]string{"mosquitto_pub": "", "mosquitto_sub": "-d"} {
		_, port, _ := strings.Cut(g.mqtt, ":")
		script := fmt.Sprintf("#!/bin/sh\nexec stdbuf -oL %s -p %s %s \"$@\"\n", must[string](t)(exec.LookPath(name)), port, flag)
		if err := os.WriteFile(filepath.Join(home, "tools", name), []byte(script), 0o700); err != nil {
			t.Fatal(err)
		}
	}
	return home
}

// terminal is a shell that runs a block.
type terminal struct {
	t      *testing.T
	out    logBuffer
	err    error
	exited chan struct{}
}

func (g *outside) shell(home, block string) *terminal {
	g.t.Helper()
	s := &terminal{t: g.t, exited: make(chan struct{})}
	cmd := exec.Command("bash", "-c", block)
	cmd.Dir = home
	cmd.Env = append(os.Environ(), "TOUCHPOINT_ADDR="+g.grpc, "PATH="+filepath.Join(home, "tools")+":"+os.Getenv("PATH"))
	cmd.Stdout, cmd.Stderr = &s.out, &s.out
	cmd.SysProcAttr = &syscall.SysProcAttr{Setpgid: true}
	if err := cmd.Start(); err != nil {
		g.t.Fatal(err)
	}
	go func() {
		s.err = cmd.Wait()
		close(s.exited)
	}()
	var once sync.Once
	g.t.Cleanup(func() {
		once.Do(func() { _ = syscall.Kill(-cmd.Process.Pid, syscall.SIGKILL) })
		<-s.exited
	})
	return s
}

// wait waits until the block is through.
func (s *terminal) wait() {
	s.t.Helper()
	eventually(s.t, "the end of a block", func() bool {
		select {
		case <-s.exited:
			return true
		default:
			return false
		}
	})
	if s.err != nil {
		s.t.Fatalf("%v\n%s", s.err, s.out.text())
	}
}
