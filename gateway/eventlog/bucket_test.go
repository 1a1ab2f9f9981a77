package eventlog

import (
	"bytes"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"testing"
	"time"

	"touchpoint/gateway"
)

func TestBucket(t *testing.T) {
	both(t, func(t *testing.T, s *store) {
		l := s.open(t)
		ctx := within(t, 20*time.Second)
		b, err := l.Bucket(ctx, "vault")
		if err != nil {
			t.Fatal(err)
		}
		changes := make(chan Entry, 100)
		stop, err := b.Watch(ctx, func(e Entry) { changes <- e })
		if err != nil {
			t.Fatal(err)
		}
		defer stop()
		_, _, err = b.Get(ctx, "d.one")
		wantKind(t, err, gateway.NotFound)
		rev, err := b.Create(ctx, "d.one", []byte("1"))
		if err != nil {
			t.Fatal(err)
		}
		_, err = b.Create(ctx, "d.one", []byte("2"))
		wantKind(t, err, gateway.Conflict)
		next, err := b.Update(ctx, "d.one", []byte("3"), rev)
		if err != nil {
			t.Fatal(err)
		}
		_, err = b.Update(ctx, "d.one", []byte("4"), rev)
		wantKind(t, err, gateway.Conflict)
		if v, r, err := b.Get(ctx, "d.one"); err != nil || string(v) != "3" || r != next {
			t.Fatal(v, r, err)
		}
		for _, k := range []string{"d.two", "c.one", "d.ab=/_-Z"} {
			if _, err := b.Put(ctx, k, nil); err != nil {
				t.Fatal(err)
			}
		}
		for _, k := range []string{"", ".", "a.", ".a", "a b", "a*", "a>", "ü"} {
			_, err := b.Put(ctx, k, nil)
			wantKind(t, err, gateway.Invalid)
		}
		keys := func(prefix string, want ...string) {
			t.Helper()
			got, err := b.Keys(ctx, prefix)
			slices.Sort(got)
			if err != nil || !slices.Equal(got, want) {
				t.Fatalf("keys of %q: %q, %v; want %q", prefix, got, err, want)
			}
		}
		keys("", "c.one", "d.ab=/_-Z", "d.one", "d.two")
		keys("d.", "d.ab=/_-Z", "d.one", "d.two")
		keys("d.t", "d.two")
		keys("x")
		if err := b.Purge(ctx, "d.one"); err != nil {
			t.Fatal(err)
		}
		if err := b.Purge(ctx, "never"); err != nil {
			t.Fatal(err)
		}
		keys("d.", "d.ab=/_-Z", "d.two")
		_, _, err = b.Get(ctx, "d.one")
		wantKind(t, err, gateway.NotFound)
		if _, err := b.Create(ctx, "d.one", []byte("again")); err != nil {
			t.Fatal(err)
		}
		_, err = b.Create(ctx, "d.one", []byte("again"))
		wantKind(t, err, gateway.Conflict)
		var seen []string
		for len(seen) < 8 {
			select {
			case e := <-changes:
				seen = append(seen, fmt.Sprintf("%s=%s/%v", e.Key, e.Value, e.Purged))
			case <-ctx.Done():
				t.Fatal("watched only", seen)
			}
		}
		want := []string{"d.one=1/false", "d.one=3/false", "d.two=/false", "c.one=/false", "d.ab=/_-Z=/false", "d.one=/true", "never=/true", "d.one=again/false"}
		if !slices.Equal(seen, want) {
			t.Fatalf("watched %q, want %q", seen, want)
		}
	})
}

// What was purged is on no file of the store: not in the last revision, not in
// those before it, not after a restart; what was not purged is.
func TestPurgeErasesFromDisk(t *testing.T) {
	both(t, func(t *testing.T, s *store) {
		l := s.open(t)
		ctx := within(t, 30*time.Second)
		b, err := l.Bucket(ctx, "secrets")
		if err != nil {
			t.Fatal(err)
		}
		for i := range 3 * sweepEvery {
			if _, err := b.Put(ctx, "key", fmt.Appendf(nil, "planted-secret-%d-planted", i)); err != nil {
				t.Fatal(err)
			}
			if _, err := b.Put(ctx, fmt.Sprint("other", i), fmt.Appendf(nil, "kept-value-%d", i)); err != nil {
				t.Fatal(err)
			}
		}
		letter := DeadLetter{Topic: "touchpoint/v1/+/+/events", Payload: []byte("planted-secret-letter")}
		if err := l.AppendDeadLetter(ctx, &letter); err != nil {
			t.Fatal(err)
		}
		if n := searchFiles(t, s.dir, "planted-secret"); n == 0 {
			t.Fatal("the search does not find what is there")
		}
		// Sweeps keep the old revisions of a living key few.
		if st := streamInfo(t, l, l.names.bucketStream("secrets")); st.State.Msgs > 3*sweepEvery+sweepEvery+1 {
			t.Errorf("%d revisions are kept", st.State.Msgs)
		}
		if err := b.Purge(ctx, "key"); err != nil {
			t.Fatal(err)
		}
		if err := l.DeleteDeadLetter(ctx, letter.ID); err != nil {
			t.Fatal(err)
		}
		if n := searchFiles(t, s.dir, "planted-secret"); n != 0 {
			t.Fatalf("found %d times after the purge", n)
		}
		closeLog(t, l)
		s.open(t)
		if n := searchFiles(t, s.dir, "planted-secret"); n != 0 {
			t.Fatalf("found %d times after a restart", n)
		}
		if n := searchFiles(t, s.dir, "kept-value-"); n < 3*sweepEvery {
			t.Fatalf("only %d of the other values are left", n)
		}
	})
}

func searchFiles(t *testing.T, dir, text string) (n int) {
	t.Helper()
	err := filepath.WalkDir(dir, func(path string, d fs.DirEntry, err error) error {
		if err != nil || d.IsDir() {
			return err
		}
		data, err := os.ReadFile(path)
		n += bytes.Count(data, []byte(text))
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	return n
}

func TestDeadLetters(t *testing.T) {
	both(t, func(t *testing.T, s *store) {
		l := s.open(t)
		ctx := within(t, 20*time.Second)
		if list, next, err := l.DeadLetters(ctx, "", 10); len(list) != 0 || next != "" || err != nil {
			t.Fatal(list, next, err)
		}
		var ids []uint64
		for i := range 25 {
			d := DeadLetter{
				At: gateway.Instant(1000 + i), Topic: "touchpoint/v1/espresso-one/+/events", Reason: "invalid", Payload: noise(i * 20),
				Violations: []gateway.Violation{{Field: "data.water_ml", Text: "is no number"}}, Device: gateway.DeviceID(i),
			}
			if err := l.AppendDeadLetter(ctx, &d); err != nil {
				t.Fatal(err)
			}
			ids = append(ids, d.ID)
		}
		for _, i := range []int{3, 20, 21, 22} {
			if err := l.DeleteDeadLetter(ctx, ids[i]); err != nil {
				t.Fatal(err)
			}
		}
		if err := l.MarkReplayed(ctx, ids[24], 77); err != nil {
			t.Fatal(err)
		}
		if err := l.DeleteDeadLetter(ctx, ids[3]); err != nil { // again
			t.Fatal(err)
		}
		var seen []uint64
		token, pages := "", 0
		for {
			list, next, err := l.DeadLetters(ctx, token, 6)
			if err != nil {
				t.Fatal(err)
			}
			for _, d := range list {
				seen = append(seen, d.ID)
				if (d.ReplayedAt == 77) != (d.ID == ids[24]) {
					t.Errorf("letter %d was replayed at %v", d.ID, d.ReplayedAt)
				}
			}
			pages++
			if token = next; next == "" {
				break
			}
		}
		var want []uint64
		for i := 24; i >= 0; i-- {
			if i != 3 && (i < 20 || i > 22) {
				want = append(want, ids[i])
			}
		}
		if !slices.Equal(seen, want) || pages > 5 {
			t.Fatalf("%d pages: %v, want %v", pages, seen, want)
		}
		one, err := l.DeadLetter(ctx, ids[7])
		if err != nil || one.At != 1007 || one.Violations[0].Field != "data.water_ml" || !bytes.Equal(one.Payload, noise(140)) {
			t.Fatal(one, err)
		}
		_, err = l.DeadLetter(ctx, ids[3])
		wantKind(t, err, gateway.NotFound)
		_, _, err = l.DeadLetters(ctx, "?", 6)
		wantKind(t, err, gateway.Invalid)
	})
}
