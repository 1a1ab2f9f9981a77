package eventlog

import (
	"bytes"
	"context"
	"crypto/rand"
	"encoding/binary"
	"encoding/json"
	"strconv"
	"sync"
	"sync/atomic"

	"github.com/nats-io/nats.go"
	"github.com/nats-io/nats.go/jetstream"
)

// idSource makes ids that no other process makes.
type idSource struct {
	prefix string
	n      atomic.Uint64
}

func (s *idSource) init() {
	var b [8]byte
	_, _ = rand.Read(b[:])
	s.prefix = strconv.FormatUint(binary.LittleEndian.Uint64(b[:]), 36) + "-"
}

func (s *idSource) next() string { return s.prefix + strconv.FormatUint(s.n.Add(1), 36) }

// ack is the server's answer to an append.
type ack struct {
	Error     *jetstream.APIError `json:"error"`
	Stream    string              `json:"stream"`
	Seq       uint64              `json:"seq"`
	Duplicate bool                `json:"duplicate"`
}

// noExpectation asks for no compare-and-set.
const noExpectation = ^uint64(0)

// publish sends one message and waits until it is stored. last is the sequence
// that the subject's last message must have.
func (l *Log) publish(ctx context.Context, subject string, data []byte, id string, last uint64) (uint64, error) {
	m := nats.Msg{Subject: subject, Data: data, Header: nats.Header{}}
	if id != "" {
		m.Header[jetstream.MsgIDHeader] = []string{id}
	}
	if last != noExpectation {
		m.Header[jetstream.ExpectedLastSubjSeqHeader] = []string{strconv.FormatUint(last, 10)}
	}
	return l.publishMsg(ctx, &m)
}

func (l *Log) publishMsg(ctx context.Context, m *nats.Msg) (uint64, error) {
	ctx, cancel := l.call(ctx)
	defer cancel()
	resp, err := l.nc.RequestMsgWithContext(ctx, m)
	if err != nil {
		return 0, err
	}
	return parseAck(resp.Data)
}

func parseAck(data []byte) (uint64, error) {
	if seq := plainAck(data); seq != 0 {
		return seq, nil
	}
	var a ack
	if err := json.Unmarshal(data, &a); err != nil {
		return 0, jetstream.ErrInvalidJSAck
	}
	if a.Error != nil {
		return 0, a.Error
	}
	if a.Stream == "" || a.Seq == 0 {
		return 0, jetstream.ErrInvalidJSAck
	}
	return a.Seq, nil
}

// plainAck reads the ordinary answer, {"stream":"name","seq":123…, without a
// JSON decoder; 0 says that it is another.
func plainAck(data []byte) uint64 {
	rest, ok := bytes.CutPrefix(data, []byte(`{"stream":"`))
	if !ok {
		return 0
	}
	_, rest, ok = bytes.Cut(rest, []byte(`","seq":`))
	if !ok {
		return 0
	}
	seq := uint64(0)
	for i, c := range rest {
		switch {
		case c >= '0' && c <= '9' && i < 19:
			seq = seq*10 + uint64(c-'0')
		case c == ',' || c == '}':
			return seq
		default:
			return 0
		}
	}
	return 0
}

// unknownAppends remembers the ids of appends whose outcome stayed unknown, by
// a hash of what was appended: the caller's next try of the same batch goes
// under the same id and is stored once.
type unknownAppends struct {
	mu  sync.Mutex
	ids map[unknownAppend]string
}

// unknownAppend is an append by what it says, and where: commands go to every
// partition alike.
type unknownAppend struct {
	partition int
	hash      uint64
}

// maxUnknown bounds the memory; past it the oldest knowledge goes, and events
// are told apart by their own identity.
const maxUnknown = 4096

func (u *unknownAppends) id(a unknownAppend, fresh func() string) string {
	u.mu.Lock()
	defer u.mu.Unlock()
	if id, ok := u.ids[a]; ok {
		return id
	}
	return fresh()
}

func (u *unknownAppends) settle(a unknownAppend, id string, unknown bool) {
	u.mu.Lock()
	defer u.mu.Unlock()
	if !unknown {
		delete(u.ids, a)
		return
	}
	if u.ids == nil || len(u.ids) >= maxUnknown {
		u.ids = map[unknownAppend]string{}
	}
	u.ids[a] = id
}
