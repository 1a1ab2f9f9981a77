package console

import (
	"crypto/hmac"
	"crypto/rand"
	"crypto/sha256"
	"crypto/subtle"
	"encoding/base64"
	"encoding/binary"
	"net/http"
	"strings"
	"time"

	"golang.org/x/time/rate"
)

// Token is a bearer token that may read the console.
type Token struct {
	Name   string // for the log; never the secret
	Secret string
}

// cookieName is the session's cookie.
const cookieName = "touchpoint_console"

// maxForm bounds the login form.
const maxForm = 4 << 10

// gate knows who may look. A session is a sealed expiry: the server keeps no
// list, and a restart ends all sessions, since the key is made at start.
type gate struct {
	open   bool
	hashes [][sha256.Size]byte
	key    []byte
	life   time.Duration
	wrong  *rate.Limiter // wrong tokens
}

func newGate(o *Options) *gate {
	g := &gate{open: !o.RequireToken, key: make([]byte, 32), life: o.SessionLife, wrong: rate.NewLimiter(2, 20)}
	_, _ = rand.Read(g.key) // never fails
	for _, t := range o.Tokens {
		g.hashes = append(g.hashes, sha256.Sum256([]byte(t.Secret)))
	}
	return g
}

// known compares with every token, each in constant time, so that the time
// tells nothing. It returns the number of the token, -1 for none.
func (g *gate) known(secret string) int {
	hash, found := sha256.Sum256([]byte(secret)), -1
	for i := range g.hashes {
		if subtle.ConstantTimeCompare(hash[:], g.hashes[i][:]) == 1 {
			found = i
		}
	}
	return found
}

// session makes a cookie's value that ends at the given time.
func (g *gate) session(token int, ends time.Time) string {
	b := binary.BigEndian.AppendUint64(nil, uint64(ends.Unix()))
	b = binary.BigEndian.AppendUint32(b, uint32(token))
	return base64.RawURLEncoding.EncodeToString(append(b, g.seal(b)...))
}

func (g *gate) seal(b []byte) []byte {
	mac := hmac.New(sha256.New, g.key)
	mac.Write(b)
	return mac.Sum(nil)
}

// valid reports whether a cookie's value is a session of ours that lasts.
func (g *gate) valid(value string, now time.Time) bool {
	b, err := base64.RawURLEncoding.DecodeString(value)
	if err != nil || len(b) != 12+sha256.Size || !hmac.Equal(b[12:], g.seal(b[:12])) {
		return false
	}
	return now.Unix() < int64(binary.BigEndian.Uint64(b))
}

// admits reports whether a request may look.
func (g *gate) admits(r *http.Request) bool {
	if g.open {
		return true
	}
	if secret, ok := strings.CutPrefix(r.Header.Get("Authorization"), "Bearer "); ok {
		return g.known(secret) >= 0
	}
	cookie, err := r.Cookie(cookieName)
	return err == nil && g.valid(cookie.Value, time.Now())
}

// guard lets those in who may look. Others are led to the login form, or told
// to authenticate where a form is of no use.
func (c *console) guard(next http.Handler, form bool) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		switch {
		case c.gate.admits(r):
			next.ServeHTTP(w, r)
		case form && r.Header.Get("Authorization") == "":
			w.Header().Set("Cache-Control", "no-store")
			http.Redirect(w, r, "/login", http.StatusSeeOther)
		default:
			w.Header().Set("WWW-Authenticate", `Bearer realm="touchpoint console"`)
			http.Error(w, "A token with a role that may read is needed: send \"Authorization: Bearer <token>\", or log in at /login.", http.StatusUnauthorized)
		}
	})
}

type loginPage struct{ Name, Wrong string }

func (c *console) serveLogin(w http.ResponseWriter, r *http.Request) {
	if c.gate.admits(r) {
		http.Redirect(w, r, "/", http.StatusSeeOther)
		return
	}
	c.render(w, http.StatusOK, "login", loginPage{Name: c.Name})
}

func (c *console) login(w http.ResponseWriter, r *http.Request) {
	r.Body = http.MaxBytesReader(w, r.Body, maxForm)
	if err := r.ParseForm(); err != nil {
		c.render(w, http.StatusBadRequest, "login", loginPage{c.Name, "The form could not be read. Try again."})
		return
	}
	token := c.gate.known(strings.TrimSpace(r.PostForm.Get("token")))
	if token < 0 {
		status, text := http.StatusUnauthorized, "This token is not known here, or its roles may not read."
		if !c.gate.wrong.Allow() {
			status, text = http.StatusTooManyRequests, "Too many wrong tokens. Wait a moment and try again."
		}
		c.render(w, status, "login", loginPage{c.Name, text})
		return
	}
	ends := time.Now().Add(c.gate.life)
	c.setCookie(w, r, c.gate.session(token, ends), ends)
	c.Logger.Info("console: login", "token", c.Tokens[token].Name)
	http.Redirect(w, r, "/", http.StatusSeeOther)
}

func (c *console) logout(w http.ResponseWriter, r *http.Request) {
	c.setCookie(w, r, "", time.Unix(1, 0))
	http.Redirect(w, r, "/login", http.StatusSeeOther)
}

// setCookie keeps the session out of reach of scripts and of other sites.
func (c *console) setCookie(w http.ResponseWriter, r *http.Request, value string, ends time.Time) {
	http.SetCookie(w, &http.Cookie{
		Name: cookieName, Value: value, Path: "/", Expires: ends, HttpOnly: true, Secure: r.TLS != nil, SameSite: http.SameSiteStrictMode,
	})
}
