package history_test

import (
	"context"
	"fmt"
	"sync"
	"testing"
	"time"

	"touchpoint/gateway/history"
	"touchpoint/gateway/history/historytest"
	"touchpoint/internal/testservers"
)

// letters collects dead letters.
type letters struct {
	mu   sync.Mutex
	list []history.Rejected
}

func (l *letters) Reject(_ context.Context, points []history.Rejected) error {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.list = append(l.list, points...)
	return nil
}

func (l *letters) all() []history.Rejected {
	l.mu.Lock()
	defer l.mu.Unlock()
	return append([]history.Rejected(nil), l.list...)
}

func openInflux(t testing.TB, o history.InfluxOptions) *history.Influx {
	t.Helper()
	if o.DeadLetters == nil {
		o.DeadLetters = &letters{}
	}
	o.RetryMin, o.RetryMax, o.RefusedRetry = 5*time.Millisecond, 20*time.Millisecond, 20*time.Millisecond
	s, err := history.OpenInflux(o)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		ctx, cancel := context.WithTimeout(context.Background(), time.Second)
		defer cancel()
		_ = s.Close(ctx)
	})
	return s
}

func TestInflux(t *testing.T) {
	server := testservers.Influx(t)
	n := 0
	historytest.Run(t, historytest.Harness{Open: func(t *testing.T) (history.Store, func() history.Store) {
		n++
		o := history.InfluxOptions{URL: server.URL, Org: server.Org, Bucket: fmt.Sprintf("suite-%d", n), Token: server.Token}
		server.NewBucket(o.Bucket, 0)
		s := openInflux(t, o)
		return s, func() history.Store {
			if err := s.Close(t.Context()); err != nil {
				t.Fatal(err)
			}
			s = openInflux(t, o)
			return s
		}
	}})
}
