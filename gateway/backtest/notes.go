package backtest

import (
	"cmp"
	"fmt"
	"slices"

	"touchpoint/gateway"
	"touchpoint/gateway/journey"
)

// Note says one thing about how far a result can be trusted.
type Note struct {
	Code NoteCode
	// Text says it in a sentence.
	Text string
	// Count and At are what the text names: how many, from when; 0 for none.
	Count int64
	At    gateway.Instant
}

// NoteCode is a note's kind, of a closed list.
type NoteCode string

// The codes. Exact tells which of them mean that something is missing.
const (
	NoteHistoryBegins  NoteCode = "history_begins_later" // what was before is missing
	NoteHistoryEmpty   NoteCode = "history_empty"
	NoteHistoryEnds    NoteCode = "history_ends_earlier" // the range is longer than what was recorded
	NoteErased         NoteCode = "customers_erased"
	NoteRulesUnknown   NoteCode = "rules_unknown"
	NoteRulesChanged   NoteCode = "rules_changed" // no loss: they were recorded
	NoteNoReceipts     NoteCode = "no_receipts"
	NoteRecordedChange NoteCode = "recorded_change_ignored"
	NoteReaction       NoteCode = "reactions_as_recorded"
	NoteRefused        NoteCode = "draft_refused"
	NoteOtherwise      NoteCode = "recorded_otherwise" // by another release
)

// Exact reports whether the note leaves a result exact.
func (n Note) Exact() bool { return n.Code == NoteRulesChanged }

// notes collects what a run learns about its input.
type notes struct {
	started  map[int]bool // partitions
	complete map[int]bool // of those: recorded from their first record on
	begins   gateway.Instant
	unknown  bool // rules of the first records
	changed  map[gateway.Instant]bool
	erased   map[gateway.CustomerID]bool
	more     []Note
	// Records that the run credits otherwise than recorded.
	otherwise   int64
	otherwiseAt gateway.Instant
}

// begin notes where a partition begins and follows the rules that it ran with.
func (n *notes) begin(r *Record, l *lane) error {
	if n.started == nil {
		n.started, n.complete = map[int]bool{}, map[int]bool{}
		n.changed, n.erased = map[gateway.Instant]bool{}, map[gateway.CustomerID]bool{}
	}
	first := !n.started[r.Batch.Partition]
	n.started[r.Batch.Partition] = true
	if r.Rules != nil {
		changed, err := l.setRules(r.Rules)
		if err != nil {
			return err
		}
		if changed {
			n.changed[r.Batch.RecordTime] = true
		}
		if first {
			n.complete[r.Batch.Partition] = isFirst(r.Rules)
		}
	}
	if first && !n.complete[r.Batch.Partition] {
		n.begins = max(n.begins, r.Batch.RecordTime)
		n.unknown = n.unknown || r.Rules == nil
	}
	return nil
}

// erasures notes who was erased: his inputs are gone from the history.
func (n *notes) erasures(b *gateway.Batch) {
	for i := range b.Inputs {
		if c, ok := b.Inputs[i].Command.(gateway.EraseCustomer); ok {
			n.erased[c.Customer] = true
		}
	}
}

func (n *notes) add(code NoteCode, count int64, at gateway.Instant, format string, args ...any) {
	n.more = append(n.more, Note{Code: code, Text: fmt.Sprintf(format, args...), Count: count, At: at})
}

// list returns the notes, those that matter most first.
func (n *notes) list() (list []Note) {
	if len(n.started) == 0 {
		return []Note{{Code: NoteHistoryEmpty, Text: "the history holds nothing of this time"}}
	}
	if n.begins != 0 {
		list = append(list, Note{Code: NoteHistoryBegins, At: n.begins,
			Text: fmt.Sprintf("the history begins at %s: counts, consents, devices and runs of the time before are missing", clockText(n.begins))})
	}
	if n.unknown {
		list = append(list, Note{Code: NoteRulesUnknown, At: n.begins, Text: "the rules at the beginning were not recorded: those of today are used until the next ones that were"})
	}
	if len(n.erased) > 0 {
		list = append(list, Note{Code: NoteErased, Count: int64(len(n.erased)),
			Text: fmt.Sprintf("%s erased since: what they did is missing", count(len(n.erased), "customer was", "customers were"))})
	}
	if n.otherwise > 0 {
		list = append(list, Note{Code: NoteOtherwise, Count: n.otherwise, At: n.otherwiseAt,
			Text: fmt.Sprintf("from %s on, %s not as recorded: another release of the gateway decided them",
				clockText(n.otherwiseAt), count(int(n.otherwise), "record was credited", "records were credited"))})
	}
	list = append(list, n.more...)
	changes := make([]gateway.Instant, 0, len(n.changed))
	for at := range n.changed {
		changes = append(changes, at)
	}
	slices.SortFunc(changes, func(a, b gateway.Instant) int { return cmp.Compare(a, b) })
	for i, at := range changes {
		if i > 0 && at-changes[i-1] < 3_600_000 { // each partition notes it with its next record
			continue
		}
		list = append(list, Note{Code: NoteRulesChanged, At: at, Text: fmt.Sprintf("the rules changed at %s; each time has its own", clockText(at))})
	}
	return list
}

// clockText is a time as people write it.
func clockText(at gateway.Instant) string { return at.Time().Format("2 Jan 2006 15:04 UTC") }

func count(n int, one, many string) string {
	if n == 1 {
		return "1 " + one
	}
	return fmt.Sprintf("%d %s", n, many)
}

func isFirst(text []byte) bool {
	rules, err := journey.ParseRules(text)
	return err == nil && rules.First
}
