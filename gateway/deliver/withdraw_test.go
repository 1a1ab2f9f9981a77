package deliver_test

import (
	"context"
	"slices"
	"testing"
	"time"

	"touchpoint/gateway"
	"touchpoint/gateway/deliver"
)

func revoke(channel string) gateway.SetConsent {
	return gateway.SetConsent{Customer: 7, Purpose: gateway.PurposeMarketing, Channel: channel, At: start}
}

func profile(cs ...gateway.Consent) *gateway.Step {
	return &gateway.Step{Profiles: []gateway.CustomerProfile{{Customer: 7, Consents: cs}}}
}

func TestRevokedBeforeHandOver(t *testing.T) {
	a, b := &fake{}, &fake{}
	for _, c := range []struct {
		name    string
		channel string
		change  func(*gateway.Message)
		records []string
	}{
		{"every channel", "", nil, []string{"1 a withdrawn: no_consent"}},
		{"this channel", "a", nil, []string{"1 a withdrawn: no_consent"}},
		{"another channel", "b", nil, []string{"1 a handed_over"}},
		{"another purpose", "", func(m *gateway.Message) { m.Purpose = gateway.PurposeService }, []string{"1 a handed_over"}},
		{"safety passes", "", func(m *gateway.Message) { m.Purpose = gateway.PurposeSafety }, []string{"1 a handed_over"}},
	} {
		t.Run(c.name, func(t *testing.T) {
			w := newWorld(t, routes(deliver.Route{Name: "a", Channel: a}, deliver.Route{Name: "b", Channel: b}))
			m := message(1, func(m *gateway.Message) { m.NotBefore = start.Add(time.Hour) })
			if c.change != nil {
				c.change(&m)
			}
			w.commit(m)
			if err := w.d.SetConsent(bounded(t), revoke(c.channel)); err != nil {
				t.Fatal(err)
			}
			w.to(time.Hour)
			w.wantLog(c.records...)
		})
	}
}

// TestRevocationIsInForceWhenAnswered: the hand-over on its way ends first.
func TestRevocationIsInForceWhenAnswered(t *testing.T) {
	a := &fake{enter: make(chan struct{}, 4), hold: make(chan struct{})}
	w := newWorld(t, routes(deliver.Route{Name: "a", Channel: a}))
	w.d.Committed(3, &gateway.Step{Messages: []gateway.Message{message(1)}})
	<-a.enter
	if err := w.d.SetConsent(bounded(t), revoke("")); err != nil {
		t.Fatal(err)
	}
	before := len(a.seen())
	w.idle()
	w.to(time.Hour)
	if after := len(a.seen()); after != before || before != 1 {
		t.Errorf("%d hand-overs, %d when the revocation was answered", after, before)
	}
	w.wantLog("1 a withdrawn: no_consent")
}

func TestOlderProfileDoesNotUndoARevocation(t *testing.T) {
	granted := gateway.Consent{Purpose: gateway.PurposeMarketing, Granted: true, At: start - 5}
	for _, c := range []struct {
		name    string
		steps   []*gateway.Step
		allowed bool
	}{
		{"none yet", nil, false},
		{"a step from before", []*gateway.Step{profile(granted)}, false},
		{"its own step", []*gateway.Step{profile(gateway.Consent{Purpose: gateway.PurposeMarketing, At: start})}, false},
		{"granted again after its step", []*gateway.Step{
			profile(gateway.Consent{Purpose: gateway.PurposeMarketing, At: start}),
			profile(gateway.Consent{Purpose: gateway.PurposeMarketing, Granted: true, At: start + 1})}, true},
		{"a channel from before", []*gateway.Step{profile(gateway.Consent{Purpose: gateway.PurposeMarketing, Channel: "a", Granted: true, At: start - 1})}, false},
		{"a channel afterwards", []*gateway.Step{profile(gateway.Consent{Purpose: gateway.PurposeMarketing, At: start},
			gateway.Consent{Purpose: gateway.PurposeMarketing, Channel: "a", Granted: true, At: start + 1})}, true},
		{"the core knew something newer", []*gateway.Step{profile(gateway.Consent{Purpose: gateway.PurposeMarketing, Granted: true, At: start + 1})}, true},
	} {
		t.Run(c.name, func(t *testing.T) {
			w := newWorld(t, nil)
			if err := w.d.SetConsent(bounded(t), revoke("")); err != nil {
				t.Fatal(err)
			}
			for _, s := range c.steps {
				w.d.Committed(3, s)
			}
			if got := w.d.Allowed(7, gateway.PurposeMarketing, "a"); got != c.allowed {
				t.Errorf("allowed = %v, want %v", got, c.allowed)
			}
		})
	}
	t.Run("granted by a call", func(t *testing.T) {
		w := newWorld(t, nil)
		grant := revoke("")
		grant.Granted = true
		for _, s := range []gateway.SetConsent{revoke(""), grant} {
			if err := w.d.SetConsent(bounded(t), s); err != nil {
				t.Fatal(err)
			}
		}
		if !w.d.Allowed(7, gateway.PurposeMarketing, "a") {
			t.Error("is still denied")
		}
	})
}

func update(n byte, state gateway.MessageState) gateway.MessageUpdate {
	return gateway.MessageUpdate{Message: message(int(n)).ID, Customer: 7, Device: 9, Journey: "welcome", Channel: "a", State: state}
}

func TestWithdrawByTheCore(t *testing.T) {
	step := &gateway.Step{Updates: []gateway.MessageUpdate{update(1, gateway.MessageWithdrawn)}}
	t.Run("waiting", func(t *testing.T) {
		a := &shelf{}
		w := newWorld(t, routes(deliver.Route{Name: "a", Channel: a}))
		w.commit(message(1, func(m *gateway.Message) { m.NotBefore = start + 1 }))
		w.d.Committed(3, step)
		w.to(time.Hour)
		if len(a.seen()) != 0 || w.d.Stats().Unfinished != 0 {
			t.Errorf("seen %q, %+v", a.seen(), w.d.Stats())
		}
		w.wantLog() // the partition knows
	})
	t.Run("on its way", func(t *testing.T) {
		a := &shelf{fake: fake{enter: make(chan struct{}, 1), hold: make(chan struct{})}}
		w := newWorld(t, routes(deliver.Route{Name: "a", Channel: a}))
		w.d.Committed(3, &gateway.Step{Messages: []gateway.Message{message(1)}})
		<-a.enter
		w.d.Committed(3, step)
		w.idle()
		if !slices.Equal(a.withdrawn, []byte{1}) {
			t.Errorf("withdrawn %v: the channel may have it", a.withdrawn)
		}
	})
	t.Run("handed over and forgotten here", func(t *testing.T) {
		a := &shelf{}
		w := newWorld(t, routes(deliver.Route{Name: "a", Channel: a}))
		w.commit(message(1))
		w.d.Committed(3, step)
		w.idle()
		if !slices.Equal(a.withdrawn, []byte{1}) || w.d.Stats().Unfinished != 0 {
			t.Errorf("withdrawn %v, %+v", a.withdrawn, w.d.Stats())
		}
	})
	t.Run("a channel that cannot", func(t *testing.T) {
		a := &fake{}
		w := newWorld(t, routes(deliver.Route{Name: "a", Channel: a}))
		w.commit(message(1))
		w.d.Committed(3, step)
		w.idle()
		w.wantLog("1 a handed_over")
	})
}

func TestErased(t *testing.T) {
	a := &shelf{}
	w := newWorld(t, routes(deliver.Route{Name: "a", Channel: a}))
	later := message(1, func(m *gateway.Message) { m.NotBefore = start + 1 })
	w.commit(later)
	if err := w.d.Erase(bounded(t), 7); err != nil {
		t.Fatal(err)
	}
	w.commit(message(2)) // decided before, committed after
	w.d.Committed(3, &gateway.Step{Messages: []gateway.Message{message(3)}, Erased: []gateway.CustomerID{7}})
	w.to(time.Hour)
	if len(a.seen()) != 0 || w.d.Stats().Unfinished != 0 {
		t.Errorf("seen %q, %+v", a.seen(), w.d.Stats())
	}
}

func presenceWorld(t *testing.T, away bool) (*world, *screen) {
	s := &screen{away: away}
	return newWorld(t, routes(deliver.Route{Name: "a", Channel: s})), s
}

func TestPresence(t *testing.T) {
	id := message(1).ID
	for _, c := range []struct {
		name    string
		away    bool
		run     func(w *world, s *screen)
		seen    int
		records []string
		left    int
	}{
		{"there", false, func(*world, *screen) {}, 1, []string{"1 a handed_over"}, 1},
		{"away", true, func(w *world, s *screen) { w.to(time.Hour) }, 0, nil, 1},
		{"away until it expires", true, func(w *world, s *screen) { w.to(25 * time.Hour) }, 0, []string{"1 a expired"}, 0},
		{"comes with an uplink", true, func(w *world, s *screen) { s.set(false); w.d.Present(9) }, 1, []string{"1 a handed_over"}, 1},
		{"another one comes", true, func(w *world, s *screen) { s.set(false); w.d.Present(8) }, 0, nil, 1},
		{"comes with hello", true, func(w *world, s *screen) { s.set(false); w.d.Hello(9, nil) }, 1, []string{"1 a handed_over"}, 1},
		{"an uplink repeats nothing", false, func(w *world, s *screen) { w.d.Present(9) }, 1, []string{"1 a handed_over"}, 1},
		{"hello again", false, func(w *world, s *screen) { w.d.Hello(9, nil) }, 2, []string{"1 a handed_over", "1 a redelivered"}, 1},
		{"hello, shown", false, func(w *world, s *screen) { w.d.Hello(9, []gateway.MessageID{id}) }, 1,
			[]string{"1 a handed_over", "1 a displayed: reported by hello"}, 0},
		{"displayed", false, func(w *world, s *screen) {
			w.d.Committed(3, &gateway.Step{Updates: []gateway.MessageUpdate{update(1, gateway.MessageDisplayed)}})
			w.d.Hello(9, nil)
		}, 1, []string{"1 a handed_over"}, 0},
		{"delivered is not displayed", false, func(w *world, s *screen) {
			w.d.Committed(3, &gateway.Step{Updates: []gateway.MessageUpdate{update(1, gateway.MessageDelivered)}})
			w.d.Hello(9, nil)
		}, 2, []string{"1 a handed_over", "1 a redelivered"}, 1},
		{"never displayed", false, func(w *world, s *screen) { w.to(24*time.Hour + time.Minute) }, 1,
			[]string{"1 a handed_over", "1 a expired: no display was reported"}, 0},
		{"comes with an uplink, then hello", true, func(w *world, s *screen) {
			s.set(false)
			s.enter, s.hold = make(chan struct{}, 9), make(chan struct{})
			w.d.Present(9)
			<-s.enter
			w.d.Hello(9, nil) // of the same connection, while the hand-over is on its way
			close(s.hold)
		}, 1, []string{"1 a handed_over"}, 1},
		{"hello during the hand-over", false, func(w *world, s *screen) {
			s.enter, s.hold = make(chan struct{}, 9), make(chan struct{})
			w.d.Committed(3, &gateway.Step{Messages: []gateway.Message{message(2)}})
			<-s.enter
			w.d.Hello(9, []gateway.MessageID{id}) // perhaps the old connection took it
			close(s.hold)
		}, 3, []string{"1 a handed_over", "1 a displayed: reported by hello", "2 a handed_over", "2 a redelivered"}, 1},
		{"hello after expiry", false, func(w *world, s *screen) {
			w.to(24*time.Hour + time.Second)
			w.d.Hello(9, nil)
		}, 1, []string{"1 a handed_over"}, 1},
		{"hello outside the window", false, func(w *world, s *screen) {
			late := message(2, func(m *gateway.Message) { m.NotAfter = start.Add(time.Hour) })
			w.d.Hello(9, []gateway.MessageID{id})
			w.commit(late)
			w.to(2 * time.Hour)
			w.d.Hello(9, nil)
			w.idle()
			if !slices.Equal(s.withdrawn, []byte{2}) {
				w.t.Errorf("withdrawn %v", s.withdrawn)
			}
		}, 2, []string{"1 a handed_over", "1 a displayed: reported by hello", "2 a handed_over",
			"2 a missed_window: not displayed inside its window"}, 0},
		{"revoked, not displayed", false, func(w *world, s *screen) { _ = w.d.SetConsent(bounded(w.t), revoke("")) }, 1,
			[]string{"1 a handed_over", "1 a withdrawn: no_consent"}, 0},
		{"revoked while away", false, func(w *world, s *screen) {
			s.set(true)
			_ = w.d.SetConsent(bounded(w.t), revoke(""))
			w.idle()
			s.set(false)
			w.d.Hello(9, nil)
			w.idle()
			if !slices.Equal(s.withdrawn, []byte{1, 1}) {
				w.t.Errorf("withdrawn %v, want it repeated with hello", s.withdrawn)
			}
		}, 1, []string{"1 a handed_over", "1 a withdrawn: no_consent"}, 0},
		{"erased, not displayed", false, func(w *world, s *screen) {
			w.d.Committed(3, &gateway.Step{Erased: []gateway.CustomerID{7}})
			w.idle()
			if !slices.Equal(s.withdrawn, []byte{1}) {
				w.t.Errorf("withdrawn %v", s.withdrawn)
			}
		}, 1, []string{"1 a handed_over"}, 0},
	} {
		t.Run(c.name, func(t *testing.T) {
			w, s := presenceWorld(t, c.away)
			w.commit(message(1))
			c.run(w, s)
			w.idle()
			if n := len(s.seen()); n != c.seen {
				t.Errorf("%d hand-overs, want %d", n, c.seen)
			}
			w.wantLog(c.records...)
			if n := w.d.Stats().Unfinished; n != c.left {
				t.Errorf("%d left, want %d", n, c.left)
			}
		})
	}
}

// TestResumedWithADevice: what a device had before the restart comes again with
// its hello only.
func TestResumedWithADevice(t *testing.T) {
	w, s := presenceWorld(t, false)
	w.d.Resume(3, []gateway.Message{message(1, func(m *gateway.Message) { m.State = gateway.MessageHandedOver })})
	w.idle()
	if n := len(s.seen()); n != 0 {
		t.Fatalf("%d hand-overs before hello", n)
	}
	w.d.Hello(9, nil)
	w.idle()
	w.wantLog("1 a redelivered")
}

// TestComesWhileFoundAbsent: the device appears between the look and the park.
func TestComesWhileFoundAbsent(t *testing.T) {
	s := &blink{}
	w := newWorld(t, routes(deliver.Route{Name: "a", Channel: s}))
	w.commit(message(1))
	w.wantLog("1 a handed_over")
}

// blink is absent once and present at the very same time.
type blink struct {
	screen
	once bool
}

func (b *blink) HandOver(ctx context.Context, out *deliver.Outgoing) error {
	if !b.once {
		b.once = true
		b.to.Present(out.Message.Device)
		return deliver.ErrAbsent
	}
	return b.screen.HandOver(ctx, out)
}
