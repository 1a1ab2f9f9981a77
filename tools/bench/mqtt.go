package main

import (
	"bufio"
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"net"
	"time"
)

// link is one MQTT 3.1.1 connection with just what the measurements need,
// written by hand so that the load costs little CPU.
type link struct {
	conn net.Conn
	in   *bufio.Reader
	out  *bufio.Writer
	buf  []byte
}

const (
	typeConnack = 2
	typePublish = 3
	typePuback  = 4
	typeSuback  = 9
)

// connect opens a clean session.
func connect(addr, clientID string) (*link, error) {
	c, err := net.DialTimeout("tcp", addr, 5*time.Second)
	if err != nil {
		return nil, err
	}
	l := &link{conn: c, in: bufio.NewReaderSize(c, 64<<10), out: bufio.NewWriterSize(c, 32<<10)}
	body := []byte{0, 4, 'M', 'Q', 'T', 'T', 4, 2, 0, 0} // level 4, clean session, no keep-alive
	body = appendText(body, clientID)
	if err := l.send(0x10, body); err != nil {
		return nil, err
	}
	kind, answer, err := l.receive()
	if err != nil {
		return nil, err
	}
	if kind>>4 != typeConnack || len(answer) < 2 || answer[1] != 0 {
		return nil, fmt.Errorf("broker %s refuses the connection: % x", addr, answer)
	}
	return l, nil
}

func appendText(b []byte, s string) []byte {
	b = binary.BigEndian.AppendUint16(b, uint16(len(s)))
	return append(b, s...)
}

// send writes one packet and flushes.
func (l *link) send(first byte, body []byte) error {
	if err := l.put(first, body); err != nil {
		return err
	}
	return l.out.Flush()
}

// put writes one packet into the buffer.
func (l *link) put(first byte, body []byte) error {
	head := [5]byte{first}
	n := 1 + binary.PutUvarint(head[1:], uint64(len(body))) // MQTT's length is a varint of 7-bit groups, too
	if _, err := l.out.Write(head[:n]); err != nil {
		return err
	}
	_, err := l.out.Write(body)
	return err
}

// receive reads one packet; its body is valid until the next call.
func (l *link) receive() (first byte, body []byte, err error) {
	if first, err = l.in.ReadByte(); err != nil {
		return 0, nil, err
	}
	n, err := binary.ReadUvarint(l.in)
	if err != nil || n > 1<<28 {
		return 0, nil, errors.Join(err, errors.New("mqtt: no length"))
	}
	if uint64(cap(l.buf)) < n {
		l.buf = make([]byte, n)
	}
	l.buf = l.buf[:n]
	_, err = io.ReadFull(l.in, l.buf)
	return first, l.buf, err
}

// publish queues a QoS 1 message.
func (l *link) publish(scratch []byte, topic string, id uint16, payload []byte) ([]byte, error) {
	b := appendText(scratch[:0], topic)
	b = binary.BigEndian.AppendUint16(b, id)
	b = append(b, payload...)
	return b, l.put(typePublish<<4|2, b)
}

// subscribe calls each for every message on the filter, until the connection ends.
func subscribe(addr, clientID, filter string, each func(topic string, payload []byte, at time.Time)) (*link, error) {
	l, err := connect(addr, clientID)
	if err != nil {
		return nil, err
	}
	body := appendText([]byte{0, 1}, filter)
	if err := l.send(0x82, append(body, 1)); err != nil {
		return nil, err
	}
	kind, answer, err := l.receive()
	if err != nil || kind>>4 != typeSuback || answer[2] != 1 {
		return nil, errors.Join(err, fmt.Errorf("%s is not granted with QoS 1", filter))
	}
	go func() {
		for {
			kind, b, err := l.receive()
			if err != nil {
				return // closed at the end
			}
			if kind>>4 != typePublish {
				continue
			}
			at := time.Now()
			end := 2 + int(binary.BigEndian.Uint16(b))
			topic, rest := string(b[2:end]), b[end:]
			if kind&6 != 0 {
				if l.send(typePuback<<4, rest[:2]) != nil {
					return
				}
				rest = rest[2:]
			}
			each(topic, rest, at)
		}
	}()
	return l, nil
}
