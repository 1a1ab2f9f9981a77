package rpc

import (
	"crypto/hmac"
	"crypto/sha256"
	"encoding/base64"
	"hash"

	"google.golang.org/protobuf/proto"
	"google.golang.org/protobuf/reflect/protoreflect"

	"touchpoint/gateway"
)

// pager makes page tokens of a store's cursors. A token carries a code over the
// cursor and the query, so that one that was altered, or belongs to another
// query, is refused instead of leading somewhere.
type pager struct{ key []byte }

const pageCode = 16

// token wraps a cursor for the next page of the query req; "" stays "".
func (p pager) token(req proto.Message, cursor string) string {
	if cursor == "" {
		return ""
	}
	return base64.RawURLEncoding.EncodeToString(append(p.code(req, cursor), cursor...))
}

// cursor unwraps a token; "" is the first page.
func (p pager) cursor(req proto.Message, token string) (string, error) {
	if token == "" {
		return "", nil
	}
	raw, err := base64.RawURLEncoding.DecodeString(token)
	if err != nil || len(raw) <= pageCode {
		return "", gateway.InvalidField("page_token", "is no token of this gateway: start again without one")
	}
	cursor := string(raw[pageCode:])
	if !hmac.Equal(raw[:pageCode], p.code(req, cursor)) {
		return "", gateway.InvalidField("page_token", "does not belong to this query: repeat the other fields as they were, or start again without a token")
	}
	return cursor, nil
}

// code binds a cursor to a query: all fields but those of paging itself.
func (p pager) code(req proto.Message, cursor string) []byte {
	query := proto.Clone(req).ProtoReflect()
	fields := query.Descriptor().Fields()
	for _, name := range []protoreflect.Name{"page_token", "page_size", "at_least"} {
		if f := fields.ByName(name); f != nil {
			query.Clear(f)
		}
	}
	text, err := proto.MarshalOptions{Deterministic: true}.Marshal(query.Interface())
	if err != nil {
		text = nil // a request that came over the wire always marshals
	}
	mac := hmac.New(sha256.New, p.key)
	writePart(mac, []byte(query.Descriptor().FullName()))
	writePart(mac, text)
	writePart(mac, []byte(cursor))
	return mac.Sum(nil)[:pageCode]
}

func writePart(h hash.Hash, part []byte) {
	n := len(part)
	h.Write([]byte{byte(n >> 24), byte(n >> 16), byte(n >> 8), byte(n)})
	h.Write(part)
}
