package vault

import (
	"bytes"
	"crypto/rand"
	"encoding/base64"
	"errors"
	"io/fs"
	"os"
	"path/filepath"

	"touchpoint/gateway"
)

// KeyFile is the name of the master key's file within a data directory.
const KeyFile = "master.key"

// MasterKeySource says where the master key comes from, the first one set wins.
type MasterKeySource struct {
	// Env is the text of an environment variable: 32 bytes in base64.
	Env string
	// Path is a file that the operator provides; it is never created.
	Path string
	// Dir is the data directory: its KeyFile is created at the first start.
	Dir string
}

// LoadMasterKey reads the master key, or creates it in a fresh data directory.
func LoadMasterKey(s MasterKeySource) ([]byte, error) {
	switch {
	case s.Env != "":
		return decodeMasterKey("vault.master_key", []byte(s.Env))
	case s.Path != "":
		return readKeyFile(s.Path)
	case s.Dir != "":
		path := filepath.Join(s.Dir, KeyFile)
		key, err := readKeyFile(path)
		if !errors.Is(err, fs.ErrNotExist) {
			return key, err
		}
		return createKeyFile(path)
	}
	return nil, gateway.InvalidField("vault.master_key", "is missing: set a key, a key file or a data directory")
}

func readKeyFile(path string) ([]byte, error) {
	data, err := os.ReadFile(path)
	if err != nil {
		return nil, &gateway.Error{Kind: gateway.Invalid, Text: "vault.master_key_file", Err: err}
	}
	info, err := os.Stat(path)
	if err != nil {
		return nil, &gateway.Error{Kind: gateway.Invalid, Text: "vault.master_key_file", Err: err}
	}
	if mode := info.Mode().Perm(); mode&0o077 != 0 {
		return nil, gateway.InvalidField("vault.master_key_file", "%s can be read by others (mode %04o): chmod 600 it", path, mode)
	}
	return decodeMasterKey("vault.master_key_file", data)
}

// createKeyFile writes a fresh key beside its final name and links it into
// place, so that of two processes starting at once both use the same key and
// none reads half of one.
func createKeyFile(path string) ([]byte, error) {
	key := make([]byte, keySize)
	_, _ = rand.Read(key)
	if err := os.MkdirAll(filepath.Dir(path), 0o700); err != nil {
		return nil, keyFileError(err)
	}
	tmp, err := os.CreateTemp(filepath.Dir(path), KeyFile+".*") // mode 0600
	if err != nil {
		return nil, keyFileError(err)
	}
	defer func() { _ = os.Remove(tmp.Name()) }()
	_, err = tmp.WriteString(base64.StdEncoding.EncodeToString(key) + "\n")
	if err = errors.Join(err, tmp.Sync(), tmp.Close()); err != nil {
		return nil, keyFileError(err)
	}
	if err := os.Link(tmp.Name(), path); errors.Is(err, fs.ErrExist) {
		return readKeyFile(path)
	} else if err != nil {
		return nil, keyFileError(err)
	}
	if err := syncDir(filepath.Dir(path)); err != nil {
		return nil, keyFileError(err)
	}
	return key, nil
}

func keyFileError(err error) error {
	return &gateway.Error{Kind: gateway.Internal, Text: "create the master key", Err: err}
}

func syncDir(dir string) error {
	d, err := os.Open(dir)
	if err != nil {
		return err
	}
	return errors.Join(d.Sync(), d.Close())
}

// decodeMasterKey never repeats what it was given in its error.
func decodeMasterKey(field string, text []byte) ([]byte, error) {
	key := make([]byte, base64.StdEncoding.DecodedLen(len(text)))
	n, err := base64.StdEncoding.Decode(key, bytes.TrimSpace(text))
	if err != nil || n != keySize {
		return nil, gateway.InvalidField(field, "is no key: want %d bytes in base64 (head -c %d /dev/urandom | base64)", keySize, keySize)
	}
	return key[:n], nil
}
