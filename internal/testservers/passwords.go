package testservers

import (
	"crypto/pbkdf2"
	"crypto/rand"
	"crypto/sha512"
	"encoding/base64"
	"fmt"
	"os"
)

// writePasswords writes a Mosquitto password file of one user, in its format
// 7: PBKDF2 with SHA-512.
func writePasswords(path, user, password string) error {
	const iterations = 101
	salt := make([]byte, 12)
	rand.Read(salt)
	key, err := pbkdf2.Key(sha512.New, password, salt, iterations, sha512.Size)
	if err != nil {
		return err
	}
	enc := base64.StdEncoding
	line := fmt.Sprintf("%s:$7$%d$%s$%s\n", user, iterations, enc.EncodeToString(salt), enc.EncodeToString(key))
	return os.WriteFile(path, []byte(line), 0o600)
}
