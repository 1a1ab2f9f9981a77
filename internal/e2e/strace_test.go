package e2e

import (
	"bufio"
	"encoding/binary"
	"io"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"
	"syscall"
	"testing"
)

// TestSyncBeforeAcknowledgement traces the system calls of one publish: the
// block of the log that holds the event is written and synced before the PUBACK
// is written. A kill proves nothing about this, since the kernel survives it.
func TestSyncBeforeAcknowledgement(t *testing.T) {
	strace, err := exec.LookPath("strace")
	if err != nil {
		t.Fatalf("strace is missing: %v; run: make servers", err)
	}
	trace := filepath.Join(t.TempDir(), "trace")
	g := startOutside(t, "", strace, "-f", "--seccomp-bpf", "-tt", "-y", "-s", "300", "-o", trace,
		"-e", "trace=fsync,fdatasync,write,pwrite64,sendto,read,recvfrom")
	c, err := net.Dial("tcp", g.mqtt)
	if err != nil {
		t.Fatal(err)
	}
	defer c.Close()
	hello := append(appendText(nil, "MQTT"), 4, 2, 0, 0)
	r := bufio.NewReader(c)
	if _, err := c.Write(packet(0x10, appendText(hello, "traced"))); err != nil {
		t.Fatal(err)
	}
	if _, _, err := readPacket(r); err != nil {
		t.Fatal(err)
	}
	publish := binary.BigEndian.AppendUint16(appendText(nil, "touchpoint/v1/"+product+"/SN-1/events"), 0x4142)
	publish = append(publish, `{"id":"the-traced-event","type":"brew_finished"}`...)
	if _, err := c.Write(packet(0x32, publish)); err != nil {
		t.Fatal(err)
	}
	var ack [4]byte
	if _, err := io.ReadFull(r, ack[:]); err != nil || string(ack[:]) != "@\x02AB" {
		t.Fatalf("PUBACK: %x %v", ack, err)
	}
	g.end(syscall.SIGTERM)
	text, err := os.ReadFile(trace)
	if err != nil {
		t.Fatal(err)
	}
	checkTrace(t, strings.Split(string(text), "\n"))
}

var (
	callLine    = regexp.MustCompile(`^(\d+) +(\S+) (\w+)\((.*)$`)
	resumedLine = regexp.MustCompile(`^(\d+) +(\S+) <\.\.\. (\w+) resumed>(.*)$`)
	logBlock    = regexp.MustCompile(`<([^>]*/log/[^>]*EVENTS[^>]*\.blk)>`)
)

// checkTrace follows the one publish through the trace, line by line.
func checkTrace(t *testing.T, lines []string) {
	t.Helper()
	open := map[string]string{} // by thread: the call that has not returned, with its file
	var stages []string
	read, written, synced := "", "", ""
	for _, line := range lines {
		var thread, at, call, rest string
		begun := ""
		if m := callLine.FindStringSubmatch(line); m != nil {
			thread, at, call, rest = m[1], m[2], m[3], m[4]
			begun = rest
			if strings.HasSuffix(rest, "<unfinished ...>") {
				open[thread] = rest
				if !strings.Contains(rest, `"@\2AB"`) {
					continue // it counts when it returns
				}
			}
		} else if m := resumedLine.FindStringSubmatch(line); m != nil {
			thread, at, call, rest = m[1], m[2], m[3], m[4]
			begun = open[thread]
			delete(open, thread)
		} else {
			continue
		}
		file := logBlock.FindStringSubmatch(begun)
		switch {
		case call == "read" && strings.Contains(rest, "the-traced-event") && read == "":
			read = at
			stages = append(stages, "read the publish at "+at)
		case read == "":
		case (call == "write" || call == "pwrite64") && file != nil && written == "":
			written = file[1]
			stages = append(stages, "wrote "+filepath.Base(filepath.Dir(filepath.Dir(written)))+" at "+at)
		case (call == "fsync" || call == "fdatasync") && file != nil && written == file[1] && synced == "":
			if !strings.HasSuffix(line, "= 0") {
				t.Errorf("the sync failed: %s", line)
			}
			synced = at
			stages = append(stages, call+" returned at "+at)
		case (call == "write" || call == "sendto") && strings.Contains(begun, `"@\2AB"`):
			stages = append(stages, "wrote PUBACK at "+at)
			t.Log(strings.Join(stages, "; "))
			if written == "" || synced == "" {
				t.Error("PUBACK was written before the log was synced")
			}
			return
		}
	}
	t.Errorf("no PUBACK in the trace; seen: %s", strings.Join(stages, "; "))
}
