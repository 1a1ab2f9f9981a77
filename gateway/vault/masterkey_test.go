package vault

import (
	"bytes"
	"context"
	"encoding/base64"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"

	"touchpoint/gateway"
)

func TestMasterKeyFile(t *testing.T) {
	dir := filepath.Join(t.TempDir(), "data")
	keys := make([][]byte, 8)
	var wg sync.WaitGroup
	for i := range keys { // several first starts at once
		wg.Go(func() {
			key, err := LoadMasterKey(MasterKeySource{Dir: dir})
			if err != nil {
				t.Error(err)
			}
			keys[i] = key
		})
	}
	wg.Wait()
	for _, key := range keys {
		if len(key) != keySize || !bytes.Equal(key, keys[0]) {
			t.Fatal("the starts disagree about the key")
		}
	}
	path := filepath.Join(dir, KeyFile)
	info, err := os.Stat(path)
	if err != nil || info.Mode().Perm() != 0o600 {
		t.Fatalf("mode %v, %v", info.Mode(), err)
	}
	if files, _ := os.ReadDir(dir); len(files) != 1 {
		t.Errorf("left behind: %v", files)
	}
	if err := os.Chmod(path, 0o644); err != nil {
		t.Fatal(err)
	}
	_, err = LoadMasterKey(MasterKeySource{Dir: dir})
	wantKind(t, err, gateway.Invalid)
}

func TestMasterKeySources(t *testing.T) {
	text := base64.StdEncoding.EncodeToString(testMaster)
	path := filepath.Join(t.TempDir(), "key")
	if err := os.WriteFile(path, []byte(text+"\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	for _, s := range []MasterKeySource{{Env: text}, {Path: path}, {Env: text, Path: "missing"}} {
		if key, err := LoadMasterKey(s); err != nil || !bytes.Equal(key, testMaster) {
			t.Errorf("%v", err)
		}
	}
	secret := "c2VjcmV0"
	for _, s := range []MasterKeySource{{}, {Env: secret}, {Env: "!!" + secret}, {Path: path + ".missing"}} {
		_, err := LoadMasterKey(s)
		wantKind(t, err, gateway.Invalid)
		if strings.Contains(err.Error(), secret) {
			t.Errorf("the error repeats the key: %v", err)
		}
	}
}

func TestWrongMasterKeyIsRefused(t *testing.T) {
	ctx := context.Background()
	st := newMemoryStore()
	open(t, st)
	_, err := Open(ctx, Options{Store: st, MasterKey: bytes.Repeat([]byte{8}, keySize)})
	wantKind(t, err, gateway.Invalid)
	if !strings.Contains(err.Error(), "another master key") {
		t.Errorf("%v", err)
	}
}

func TestOptions(t *testing.T) {
	for want, o := range map[string]Options{
		"vault.store":         {MasterKey: testMaster},
		"vault.master_key":    {Store: newMemoryStore(), MasterKey: []byte("short")},
		"vault.cached_keys":   {Store: newMemoryStore(), MasterKey: testMaster, CachedKeys: -1},
		"vault.rotating_days": {Store: newMemoryStore(), MasterKey: testMaster, RotatingDays: -1},
		"vault.linger":        {Store: newMemoryStore(), MasterKey: testMaster, Linger: -1},
	} {
		_, err := Open(context.Background(), o)
		wantKind(t, err, gateway.Invalid)
		if !strings.Contains(err.Error(), want+":") {
			t.Errorf("%v does not name %s", err, want)
		}
	}
}
