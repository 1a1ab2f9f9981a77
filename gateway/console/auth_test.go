package console

import (
	"net/http"
	"net/http/cookiejar"
	"net/http/httptest"
	"net/url"
	"strings"
	"testing"
	"time"
)

const secret = "a-token-of-some-length"

func locked(t *testing.T) (*httptest.Server, *http.Client) {
	o := options(newParts())
	o.RequireToken, o.Tokens = true, []Token{{"other", "another-token-entirely"}, {"marketing", secret}}
	jar, err := cookiejar.New(nil)
	if err != nil {
		t.Fatal(err)
	}
	return serve(t, o), &http.Client{Jar: jar, CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse }}
}

func status(t *testing.T, c *http.Client, req *http.Request) *http.Response {
	t.Helper()
	resp, err := c.Do(req.WithContext(within(t)))
	if err != nil {
		t.Fatal(err)
	}
	resp.Body.Close()
	return resp
}

func get(url, bearer string) *http.Request {
	r, _ := http.NewRequest("GET", url, nil)
	if bearer != "" {
		r.Header.Set("Authorization", bearer)
	}
	return r
}

func TestTokensAreNeeded(t *testing.T) {
	s, client := locked(t)
	for _, c := range []struct {
		path, auth string
		want       int
	}{
		{"/", "", 303}, {"/live", "", 401}, {"/assets/style.css", "", 200}, {"/login", "", 200},
		{"/", "Bearer " + secret, 200}, {"/live", "Bearer " + secret, 200}, {"/", "Bearer another-token-entirely", 200},
		{"/", "Bearer " + secret + "x", 401}, {"/", "Bearer ", 401}, {"/", "Basic " + secret, 401}, {"/live", "Bearer nope", 401},
	} {
		if got := status(t, client, get(s.URL+c.path, c.auth)); got.StatusCode != c.want {
			t.Errorf("GET %s with %q: %d, want %d", c.path, c.auth, got.StatusCode, c.want)
		}
	}
}

func TestLogin(t *testing.T) {
	s, client := locked(t)
	post := func(path string, form url.Values) *http.Response {
		r, _ := http.NewRequest("POST", s.URL+path, strings.NewReader(form.Encode()))
		r.Header.Set("Content-Type", "application/x-www-form-urlencoded")
		return status(t, client, r)
	}
	if got := post("/login", url.Values{"token": {"wrong"}}); got.StatusCode != 401 || len(got.Cookies()) != 0 {
		t.Errorf("a wrong token: %s, %v", got.Status, got.Cookies())
	}
	got := post("/login", url.Values{"token": {" " + secret + "\n"}})
	if got.StatusCode != 303 || got.Header.Get("Location") != "/" || len(got.Cookies()) != 1 {
		t.Fatalf("login: %s, %v", got.Status, got.Header)
	}
	cookie := got.Cookies()[0]
	if !cookie.HttpOnly || cookie.SameSite != http.SameSiteStrictMode || strings.Contains(cookie.Value, secret) {
		t.Errorf("cookie %v", cookie)
	}
	if got := status(t, client, get(s.URL+"/", "")); got.StatusCode != 200 {
		t.Errorf("with the cookie: %s", got.Status)
	}
	if got := status(t, client, get(s.URL+"/login", "")); got.StatusCode != 303 {
		t.Errorf("the form when logged in: %s", got.Status)
	}
	post("/logout", nil)
	if got := status(t, client, get(s.URL+"/", "")); got.StatusCode != 303 {
		t.Errorf("after logging out: %s", got.Status)
	}
	tooMany := false
	for range 40 {
		tooMany = tooMany || post("/login", url.Values{"token": {"wrong"}}).StatusCode == http.StatusTooManyRequests
	}
	if !tooMany {
		t.Error("wrong tokens are never too many")
	}
	if got := post("/login", url.Values{"token": {secret}}); got.StatusCode != 303 {
		t.Errorf("guesses of others must not lock out who knows the token: %s", got.Status)
	}
	if got := post("/login", url.Values{"token": {strings.Repeat("x", 2*maxForm)}}); got.StatusCode != 400 {
		t.Errorf("a huge form: %s", got.Status)
	}
}

func TestSessionsCannotBeMade(t *testing.T) {
	o := options(newParts())
	o.RequireToken = true
	if err := o.fill(); err != nil {
		t.Fatal(err)
	}
	g, other, now := newGate(&o), newGate(&o), time.Now()
	good := g.session(0, now.Add(time.Hour))
	if !g.valid(good, now) {
		t.Error("a session of its own is not valid")
	}
	flipped := []byte(good)
	flipped[3] ^= 1
	for name, value := range map[string]string{
		"over": g.session(0, now.Add(-time.Second)), "of another process": other.session(0, now.Add(time.Hour)),
		"empty": "", "short": good[:10], "changed": string(flipped), "no base64": "%%%",
	} {
		if g.valid(value, now) {
			t.Errorf("a session that is %s is valid", name)
		}
	}
	if g.known("") >= 0 || g.known("anything") >= 0 {
		t.Error("without tokens, one is known")
	}
}
