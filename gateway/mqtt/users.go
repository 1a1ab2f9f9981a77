package mqtt

import (
	"crypto/sha256"
	"crypto/subtle"
	"fmt"
	"strings"

	"touchpoint/gateway"
)

// User may connect to the embedded broker. Publish and Subscribe are topic
// filters; {username} and {clientid} in them stand for what the client gave.
// A list that is nil allows everything but topics of the broker itself.
type User struct {
	Name      string
	Password  Secret
	Publish   []string
	Subscribe []string
}

type user struct {
	User
	sum [sha256.Size]byte
}

func validateUsers(users []User) error {
	seen := make(map[string]bool, len(users))
	for n, u := range users {
		at := fmt.Sprintf("mqtt.users[%d]", n)
		switch {
		case u.Name == "" || u.Password == "":
			return gateway.InvalidField(at, "needs username and password")
		case seen[u.Name]:
			return gateway.InvalidField(at+".username", "%q occurs twice", u.Name)
		}
		seen[u.Name] = true
		for _, f := range append(append([]string(nil), u.Publish...), u.Subscribe...) {
			if err := checkFilter(f); err != nil {
				return gateway.InvalidField(at, "topic filter %q: %v", f, err)
			}
		}
	}
	return nil
}

func checkFilter(filter string) error {
	if filter == "" {
		return fmt.Errorf("is empty")
	}
	levels := strings.Split(filter, "/")
	for n, l := range levels {
		if l == "#" && n != len(levels)-1 {
			return fmt.Errorf("# is allowed at the end only")
		}
		if len(l) > 1 && strings.ContainsAny(l, "+#") {
			return fmt.Errorf("+ and # stand for a whole level")
		}
	}
	return nil
}

func usersByName(users []User) map[string]*user {
	m := make(map[string]*user, len(users))
	for _, u := range users {
		m[u.Name] = &user{User: u, sum: sha256.Sum256([]byte(u.Password))}
	}
	return m
}

// authenticate compares in constant time, whether the user exists or not.
func (b *Broker) authenticate(name, password []byte) bool {
	if len(b.users) == 0 {
		return true
	}
	u, known := b.users[string(name)]
	if !known {
		u = &user{}
	}
	sum := sha256.Sum256(password)
	return subtle.ConstantTimeCompare(sum[:], u.sum[:]) == 1 && known
}

// allowed says whether a client may publish to a topic or subscribe to a filter.
func (b *Broker) allowed(name, client, topic string, write bool) bool {
	if strings.HasPrefix(topic, "$") && write {
		return false // the broker's own
	}
	if write && b.o.IsDownlink != nil && b.o.IsDownlink(topic) {
		return false // the gateway's own
	}
	if !write {
		topic = withoutShare(topic)
	}
	if len(b.users) == 0 {
		return true
	}
	u := b.users[name]
	if u == nil {
		return false
	}
	filters := u.Subscribe
	if write {
		filters = u.Publish
	}
	if filters == nil {
		return true
	}
	for _, f := range filters {
		if covers(f, topic, name, client) {
			return true
		}
	}
	return false
}

func withoutShare(filter string) string {
	if rest, ok := strings.CutPrefix(filter, "$share/"); ok {
		_, rest, _ = strings.Cut(rest, "/")
		return rest
	}
	return filter
}

// covers reports whether every topic that filter stands for (itself when it is
// a plain topic) is one of those that allowed stands for.
func covers(allowed, filter, name, client string) bool {
	for {
		a, restA, moreA := strings.Cut(allowed, "/")
		if a == "#" {
			return true
		}
		f, restF, moreF := strings.Cut(filter, "/")
		if f == "#" || f == "+" && a != "+" {
			return false
		}
		switch a {
		case "{username}":
			a = name
		case "{clientid}":
			a = client
		}
		if a != "+" && (a != f || a == "") {
			return false
		}
		if moreA != moreF {
			return restA == "#" && !moreF
		}
		if !moreA {
			return true
		}
		allowed, filter = restA, restF
	}
}
