package vault

import (
	"context"
	"crypto/cipher"
	"crypto/hkdf"
	"crypto/hmac"
	"crypto/rand"
	"crypto/sha256"
	"encoding/base32"
	"encoding/binary"
	"errors"

	"golang.org/x/crypto/chacha20poly1305"

	"touchpoint/gateway"
)

const (
	keySize = chacha20poly1305.KeySize
	format  = 1 // first byte of everything sealed
)

// keyText writes keys of the bucket: lower case, no padding.
var keyText = base32.NewEncoding("0123456789abcdefghjkmnpqrstvwxyz").WithPadding(base32.NoPadding)

var errSealed = errors.New("the text was not sealed here, for this subject, or it was changed")

// box seals and opens with one key. Every use names its purpose and owner as
// additional data, so that a ciphertext moved elsewhere does not open.
type box struct{ aead cipher.AEAD }

func newBox(key []byte) box {
	aead, err := chacha20poly1305.NewX(key)
	if err != nil {
		panic(err) // the size of a key is fixed
	}
	return box{aead}
}

// seal appends format, nonce and ciphertext to dst.
func (b box) seal(dst, plain, aad []byte) []byte {
	var nonce [chacha20poly1305.NonceSizeX]byte
	_, _ = rand.Read(nonce[:])
	dst = append(append(dst, format), nonce[:]...)
	return b.aead.Seal(dst, nonce[:], plain, aad)
}

func (b box) open(dst, sealed, aad []byte) ([]byte, error) {
	if len(sealed) < 1+chacha20poly1305.NonceSizeX || sealed[0] != format {
		return nil, errSealed
	}
	plain, err := b.aead.Open(dst, sealed[1:1+chacha20poly1305.NonceSizeX], sealed[1+chacha20poly1305.NonceSizeX:], aad)
	if err != nil {
		return nil, errSealed
	}
	return plain, nil
}

// aad names what a ciphertext is for and whose it is.
func aad(purpose string, s gateway.Subject) []byte {
	b := make([]byte, 0, len(purpose)+10)
	b = append(b, purpose...)
	b = append(b, 0, byte(s.Kind))
	return binary.BigEndian.AppendUint64(b, s.ID)
}

// roots are the keys derived from the root key, one per use.
type roots struct {
	wrap    box    // subject keys and index entries
	devices box    // records of device mappings
	index   []byte // keyed hash of customer numbers
	ids     []byte // keyed hash that makes device ids
}

const metaKey = "meta"

// openRoots unwraps the root key, or makes one in an empty store. Of two
// processes that start at once the first writer's key counts.
func openRoots(ctx context.Context, st Store, master []byte) (roots, error) {
	m := newBox(master)
	for {
		sealed, _, err := st.Get(ctx, metaKey)
		if err == nil {
			root, err := m.open(nil, sealed, []byte(metaKey))
			if err != nil {
				return roots{}, gateway.InvalidField("vault.master_key",
					"does not open this installation's vault: it was sealed with another master key")
			}
			return deriveRoots(root), nil
		}
		if gateway.KindOf(err) != gateway.NotFound {
			return roots{}, err
		}
		root := make([]byte, keySize)
		_, _ = rand.Read(root)
		_, err = st.Create(ctx, metaKey, m.seal(nil, root, []byte(metaKey)))
		if err == nil {
			return deriveRoots(root), nil
		}
		if gateway.KindOf(err) != gateway.Conflict {
			return roots{}, err
		}
	}
}

func deriveRoots(root []byte) roots {
	derive := func(use string) []byte {
		k, err := hkdf.Key(sha256.New, root, nil, "touchpoint vault "+use, keySize)
		if err != nil {
			panic(err) // only an oversized key fails
		}
		return k
	}
	return roots{
		wrap:    newBox(derive("wrap")),
		devices: newBox(derive("devices")),
		index:   derive("index"),
		ids:     derive("ids"),
	}
}

// customerKey is the bucket key of a customer number: nobody without the root
// key can tell whether a number is in the store.
func (r roots) customerKey(external gateway.Personal) string {
	h := hmac.New(sha256.New, r.index)
	h.Write([]byte(external.Reveal()))
	return "c." + keyText.EncodeToString(h.Sum(nil)[:20])
}

// deviceID is the id of a device, never 0.
func (r roots) deviceID(product, serial string) gateway.DeviceID {
	h := hmac.New(sha256.New, r.ids)
	var n [2]byte
	binary.BigEndian.PutUint16(n[:], uint16(len(product)))
	h.Write(n[:])
	h.Write([]byte(product))
	h.Write([]byte(serial))
	var sum [sha256.Size]byte
	id := binary.BigEndian.Uint64(h.Sum(sum[:0]))
	if id == 0 {
		id = 1
	}
	return gateway.DeviceID(id)
}
