package ledger

import (
	"os"
	"path/filepath"
	"strings"
	"testing"

	"touchpoint/gateway"
)

func write(t *testing.T) (string, *Book) {
	t.Helper()
	path := filepath.Join(t.TempDir(), "run.ledger")
	w, err := Create(path)
	if err != nil {
		t.Fatal(err)
	}
	w.Time(1000)
	w.Customer(0, "c_1", true, false)
	w.Device(0, "barista-3", "B3-1", "d_1", 0)
	w.Event(1, 0, "B3-1-1-1", "brew_finished", 1100)
	w.Event(2, 0, "B3-1-1-2", "brew_finished", 1200)
	w.Event(3, 0, "B3-1-1-1", "brew_finished", 1100)
	w.Acked(1)
	w.Acked(3)
	w.Arrival(0, Message{ID: "m_1", Cause: "B3-1-1-1", ExpiresAt: 9000}, 2000)
	w.Displayed(0, "m_1", 2000)
	w.Receipt(4, 0, "m_1", gateway.MessageDisplayed, 2000)
	w.Acked(4)
	w.Stale(0, "m_2", 9500)
	w.Time(9999)
	if err := w.Close(); err != nil {
		t.Fatal(err)
	}
	b, err := Read(path)
	if err != nil {
		t.Fatal(err)
	}
	return path, b
}

func TestRoundTrip(t *testing.T) {
	_, b := write(t)
	if len(b.Events) != 2 || b.Events[0].Copies != 2 || b.Events[0].AckedAt == 0 || b.Events[1].AckedAt != 0 {
		t.Errorf("events: %+v", b.Events)
	}
	if len(b.Receipts) != 1 || !b.Receipts[0].Acked || b.Receipts[0].State != "displayed" {
		t.Errorf("receipts: %+v", b.Receipts)
	}
	if len(b.Arrivals) != 1 || b.Arrivals[0].Cause != "B3-1-1-1" || b.Arrivals[0].ExpiresAt != 9000 {
		t.Errorf("arrivals: %+v", b.Arrivals)
	}
	if len(b.Displays) != 1 || len(b.Stale) != 1 || b.From != 1000 || b.To != 9999 || b.Torn {
		t.Errorf("book: %+v", b)
	}
	if c := b.Customers[0]; !c.Marketing || c.Service || b.Devices[0].Serial != "B3-1" {
		t.Errorf("population: %+v %+v", c, b.Devices)
	}
}

// A crash may cut the file anywhere: what is whole before is read.
func TestTornLastLine(t *testing.T) {
	path, whole := write(t)
	text, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	for cut := len(magic) + 1; cut < len(text); cut++ {
		if err := os.WriteFile(path, text[:cut], 0o600); err != nil {
			t.Fatal(err)
		}
		b, err := Read(path)
		if err != nil {
			t.Fatalf("cut at %d: %v", cut, err)
		}
		if b.Torn == (text[cut-1] == '\n') || len(b.Events) > len(whole.Events) {
			t.Fatalf("cut at %d: %+v", cut, b)
		}
	}
}

func TestReadErrors(t *testing.T) {
	for name, c := range map[string]struct{ text, want string }{
		"no ledger": {"hello\n", "does not begin as a ledger"},
		"empty":     {"", "does not begin as a ledger"},
		"midst":     {magic + "\nE\t1\nT\t1\t2\n", "line 2 is no record"},
		"unknown":   {magic + "\nT\t1\t2\nQ\t1\n", "line 3 is no record"},
		"long":      {magic + "\nT\t1\t2\t3\t4\t5\t6\t7\t8\t9\n", "line 2 is no record"},
	} {
		t.Run(name, func(t *testing.T) {
			path := filepath.Join(t.TempDir(), "l")
			if err := os.WriteFile(path, []byte(c.text), 0o600); err != nil {
				t.Fatal(err)
			}
			if _, err := Read(path); err == nil || !strings.Contains(err.Error(), c.want) {
				t.Errorf("got %v, want %q", err, c.want)
			}
		})
	}
	path, _ := write(t)
	if _, err := Create(path); err == nil {
		t.Error("an existing ledger was overwritten")
	}
}

func BenchmarkEvent(b *testing.B) {
	w, err := Create(filepath.Join(b.TempDir(), "l"))
	if err != nil {
		b.Fatal(err)
	}
	for b.Loop() {
		w.Event(77, 5, "B3-000005-1-aa", "brew_finished", 1777777777777)
		w.Acked(77)
	}
	b.ReportAllocs()
}
