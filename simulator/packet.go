package simulator

import (
	"bufio"
	"encoding/binary"
	"errors"
	"io"
)

// The few packets of MQTT 3.1.1 that a device needs. A fleet of thousands in one
// process must not cost more than the gateway that it drives; hence no library.
const (
	typeConnect   = 0x10
	typeConnack   = 0x20
	typePublish   = 0x30
	typePuback    = 0x40
	typeSubscribe = 0x82
	typeSuback    = 0x90
	typePing      = 0xc0
	typePong      = 0xd0
	typeBye       = 0xe0

	dupFlag = 0x08
	qos1    = 0x02
)

const maxPacket = 1 << 20

var errPacket = errors.New("the broker sent a packet of a wrong form")

func appendText(b []byte, s string) []byte {
	return append(binary.BigEndian.AppendUint16(b, uint16(len(s))), s...)
}

func appendLength(b []byte, n int) []byte {
	for n >= 0x80 {
		b = append(b, byte(n)|0x80)
		n >>= 7
	}
	return append(b, byte(n))
}

func appendConnect(b []byte, o ConnOptions, id string) []byte {
	body := appendText(nil, "MQTT")
	flags := byte(0)
	if o.Username != "" {
		flags = 0x80
		if o.Password != "" {
			flags |= 0x40
		}
	}
	body = append(body, 4, flags)
	body = binary.BigEndian.AppendUint16(body, keepAlive)
	body = appendText(body, id)
	if o.Username != "" {
		body = appendText(body, o.Username)
		if o.Password != "" {
			body = appendText(body, o.Password)
		}
	}
	return append(appendLength(append(b, typeConnect), len(body)), body...)
}

func appendPublish(b []byte, pid uint16, topic string, payload []byte) []byte {
	b = appendLength(append(b, typePublish|qos1), 2+len(topic)+2+len(payload))
	b = appendText(b, topic)
	b = binary.BigEndian.AppendUint16(b, pid)
	return append(b, payload...)
}

func appendSubscribe(b []byte, pid uint16, filters []string) []byte {
	n := 2
	for _, f := range filters {
		n += 3 + len(f)
	}
	b = appendLength(append(b, typeSubscribe), n)
	b = binary.BigEndian.AppendUint16(b, pid)
	for _, f := range filters {
		b = append(appendText(b, f), 1)
	}
	return b
}

// readPacket reads the next packet into buf, which grows as needed.
func readPacket(in *bufio.Reader, buf []byte) (head byte, body []byte, err error) {
	if head, err = in.ReadByte(); err != nil {
		return 0, buf, err
	}
	n, shift := 0, 0
	for {
		c, err := in.ReadByte()
		if err != nil {
			return 0, buf, err
		}
		n |= int(c&0x7f) << shift
		if c < 0x80 {
			break
		}
		if shift += 7; shift > 21 {
			return 0, buf, errPacket
		}
	}
	if n > maxPacket {
		return 0, buf, errPacket
	}
	if cap(buf) < n {
		buf = make([]byte, n)
	}
	buf = buf[:n]
	_, err = io.ReadFull(in, buf)
	return head, buf, err
}

// splitPublish takes a publish apart; pid is 0 for QoS 0.
func splitPublish(head byte, body []byte) (topic, payload []byte, pid uint16, err error) {
	if len(body) < 2 {
		return nil, nil, 0, errPacket
	}
	n := int(binary.BigEndian.Uint16(body))
	if body = body[2:]; len(body) < n {
		return nil, nil, 0, errPacket
	}
	topic, body = body[:n], body[n:]
	if head&0x06 != 0 {
		if len(body) < 2 {
			return nil, nil, 0, errPacket
		}
		pid, body = binary.BigEndian.Uint16(body), body[2:]
	}
	return topic, body, pid, nil
}
