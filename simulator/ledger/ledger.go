// Package ledger keeps, in an append-only file, what a fleet did and saw: every
// event published, every acknowledgement, every message that arrived, every
// display. It is the outside view that an audit trusts.
//
// A record is one line of fields between tabs; its first field is a letter, see
// Record. A line that was torn by a crash is the last one and is left out.
package ledger

import (
	"bufio"
	"os"
	"strconv"
	"sync"
	"time"

	"touchpoint/gateway"
)

const magic = "touchpoint-ledger\t1"

// Writer appends records. Its methods may be called from any goroutine; errors
// of the disk are kept and returned by Flush and Close. A nil Writer keeps
// nothing.
type Writer struct {
	mu   sync.Mutex
	file *os.File
	w    *bufio.Writer
	line []byte
	err  error
}

// Create makes a new ledger; an existing file is an error.
func Create(path string) (*Writer, error) {
	f, err := os.OpenFile(path, os.O_CREATE|os.O_EXCL|os.O_WRONLY|os.O_APPEND, 0o600)
	if err != nil {
		return nil, gateway.Errorf(gateway.Invalid, "ledger: %w", err)
	}
	l := &Writer{file: f, w: bufio.NewWriterSize(f, 1<<18)}
	_, l.err = l.w.WriteString(magic + "\n")
	return l, nil
}

// begin starts a line; the caller holds no lock and must call end.
func (l *Writer) begin(kind byte) {
	l.mu.Lock()
	l.line = append(l.line[:0], kind)
}

func (l *Writer) text(s string) { l.line = append(append(l.line, '\t'), s...) }
func (l *Writer) int(v int64)   { l.line = strconv.AppendInt(append(l.line, '\t'), v, 10) }

func (l *Writer) end() {
	l.line = append(l.line, '\n')
	if _, err := l.w.Write(l.line); err != nil && l.err == nil {
		l.err = err
	}
	l.mu.Unlock()
}

// Customer records a customer of the fleet and the gateway's id.
func (l *Writer) Customer(n int, id string, marketing, service bool) {
	if l == nil {
		return
	}
	l.begin('C')
	l.int(int64(n))
	l.text(id)
	l.text(strconv.FormatBool(marketing))
	l.text(strconv.FormatBool(service))
	l.end()
}

// Device records a device, the gateway's id and its customer.
func (l *Writer) Device(n int, product, serial, id string, customer int) {
	if l == nil {
		return
	}
	l.begin('D')
	l.int(int64(n))
	l.text(product)
	l.text(serial)
	l.text(id)
	l.int(int64(customer))
	l.end()
}

// Event records an event of a device; publish numbers the message on the wire
// that carried it, so that several events may share one.
func (l *Writer) Event(publish uint64, device int, id, typ string, at gateway.Instant) {
	if l == nil {
		return
	}
	l.begin('E')
	l.int(time.Now().UnixMicro())
	l.int(int64(publish))
	l.int(int64(device))
	l.text(id)
	l.text(typ)
	l.int(int64(at))
	l.end()
}

// Receipt records an answer of a device.
func (l *Writer) Receipt(publish uint64, device int, message string, state gateway.MessageState, at gateway.Instant) {
	if l == nil {
		return
	}
	l.begin('R')
	l.int(time.Now().UnixMicro())
	l.int(int64(publish))
	l.int(int64(device))
	l.text(message)
	l.text(state.String())
	l.int(int64(at))
	l.end()
}

// Acked records the acknowledgement of a publish.
func (l *Writer) Acked(publish uint64) {
	if l == nil {
		return
	}
	l.begin('A')
	l.int(time.Now().UnixMicro())
	l.int(int64(publish))
	l.end()
}

// Arrival records a message as it came from the wire, before anything is
// decided about it.
func (l *Writer) Arrival(device int, m Message, at gateway.Instant) {
	if l == nil {
		return
	}
	kind := byte('M')
	if m.Withdraw {
		kind = 'W'
	}
	l.begin(kind)
	l.int(time.Now().UnixMicro())
	l.int(int64(device))
	l.text(m.ID)
	l.text(m.Cause)
	l.int(int64(m.ExpiresAt))
	l.int(int64(at))
	l.end()
}

// Message is what the ledger keeps of a downlink.
type Message struct {
	ID, Cause string
	Withdraw  bool
	ExpiresAt gateway.Instant
}

// Displayed records that a message was shown to a person.
func (l *Writer) Displayed(device int, message string, at gateway.Instant) {
	l.shown('S', device, message, at)
}

// Stale records that a message came too late and was dropped.
func (l *Writer) Stale(device int, message string, at gateway.Instant) {
	l.shown('X', device, message, at)
}

func (l *Writer) shown(kind byte, device int, message string, at gateway.Instant) {
	if l == nil {
		return
	}
	l.begin(kind)
	l.int(time.Now().UnixMicro())
	l.int(int64(device))
	l.text(message)
	l.int(int64(at))
	l.end()
}

// Time records that the virtual time reached at.
func (l *Writer) Time(at gateway.Instant) {
	if l == nil {
		return
	}
	l.begin('T')
	l.int(time.Now().UnixMicro())
	l.int(int64(at))
	l.end()
}

// Flush writes what is buffered.
func (l *Writer) Flush() error {
	if l == nil {
		return nil
	}
	l.mu.Lock()
	defer l.mu.Unlock()
	if err := l.w.Flush(); err != nil && l.err == nil {
		l.err = err
	}
	return l.err
}

// Close flushes and closes the file.
func (l *Writer) Close() error {
	if l == nil {
		return nil
	}
	err := l.Flush()
	if cerr := l.file.Close(); err == nil {
		err = cerr
	}
	return err
}
