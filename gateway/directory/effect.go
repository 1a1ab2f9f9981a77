package directory

import (
	"context"
	"database/sql"

	"touchpoint/gateway"
)

// EffectQuery chooses whom to count: of one version, or of all (0); by the arms
// of the holdout, or by those of a split step.
type EffectQuery struct {
	Journey string
	Version uint32
	Split   string
}

// EffectCount says what became of the units of one arm of a journey. A unit is
// a group, or a customer who is in none.
type EffectCount struct {
	Arm       string
	Mixed     bool  // members of the unit are in different arms
	Enrolled  int64 // with a split: came to it
	Exposed   int64 // sent to, or would have been
	Converted int64 // of those exposed; with a split: of those who came to it
}

// Effect returns what became of those who entered a journey, by arm. Who came
// through several versions counts once, in the arm that he had first.
func (d *Directory) Effect(ctx context.Context, q EffectQuery) (out []EffectCount, err error) {
	err = each(ctx, d.db.Read, `SELECT arm, mixed, count(*), sum(exposed), sum(converted) FROM (
			SELECT arm, min(version), sum(mixed) > 0 AS mixed, sum(exposed_at != 0) > 0 AS exposed, sum(converted_at != 0) > 0 AS converted
			FROM effect WHERE journey = ?1 AND step = ?2 AND (?3 = 0 OR version = ?3) GROUP BY kind, unit)
		GROUP BY arm, mixed ORDER BY arm, mixed`, []any{q.Journey, q.Split, q.Version}, func(rows *sql.Rows) error {
		var n EffectCount
		err := rows.Scan(&n.Arm, &n.Mixed, &n.Enrolled, &n.Exposed, &n.Converted)
		out = append(out, n)
		return err
	})
	return out, readError(err)
}

// effect notes an entry, a split, a first send that took place or would have,
// and the conversion after it. What was decided for test customers has no arm.
func (a *applier) effect(d *gateway.Decision) {
	if d.Arm == "" {
		return
	}
	unit := gateway.CustomerSubject(d.Customer)
	if d.Group != 0 {
		unit = gateway.GroupSubject(d.Group)
	}
	kind, id := unit.Kind, int64(unit.ID)
	switch {
	case d.Kind == gateway.DecisionEntry && d.Reason == gateway.ReasonEnrolled:
		a.enters(d, kind, id, "", d.Arm)
	case d.Kind == gateway.DecisionStep && d.Reason == gateway.ReasonBranch && d.Split != "" && d.Rule == d.Split:
		if d.Arm == treatedArm { // who is left untreated tells nothing of the messages
			a.enters(d, kind, id, d.Step, d.Split)
		}
	case d.Kind == gateway.DecisionSend && (d.Reason == gateway.ReasonSent || d.Reason == gateway.ReasonHoldout || d.Reason == gateway.ReasonDelegated):
		a.enters(d, kind, id, "", d.Arm)
		a.exec(`UPDATE effect SET exposed_at = ?1 WHERE journey = ?2 AND kind = ?3 AND unit = ?4 AND exposed_at = 0 AND `+latestVersion,
			int64(d.At), d.Journey, kind, id, d.Version)
	case d.Kind == gateway.DecisionConversion:
		a.exec(`UPDATE effect SET converted_at = ?1 WHERE journey = ?2 AND kind = ?3 AND unit = ?4 AND converted_at = 0
			AND (step != '' OR exposed_at != 0) AND `+latestVersion, int64(d.At), d.Journey, kind, id, d.Version)
	default:
		return
	}
	if d.Mixed {
		a.exec(`UPDATE effect SET mixed = 1 WHERE journey = ? AND kind = ? AND unit = ? AND mixed = 0`, d.Journey, kind, id)
	}
}

const treatedArm = "treated"

// latestVersion chooses the row of the latest version up to ?5: who was
// migrated converts in a later version than he was sent a message in.
const latestVersion = `version = (SELECT max(o.version) FROM effect o WHERE o.journey = effect.journey AND o.kind = effect.kind
	AND o.unit = effect.unit AND o.step = effect.step AND o.version <= ?5 AND (o.step != '' OR o.exposed_at != 0 OR effect.exposed_at = 0))`

func (a *applier) enters(d *gateway.Decision, kind gateway.SubjectKind, unit int64, step, arm string) {
	a.exec(`INSERT INTO effect (journey, kind, unit, step, version, arm, mixed, exposed_at, converted_at) VALUES (?, ?, ?, ?, ?, ?, ?, 0, 0)
		ON CONFLICT DO NOTHING`, d.Journey, kind, unit, step, d.Version, arm, d.Mixed)
}

// forgetUnit leaves what was counted of an erased customer without his name:
// the same number in all his rows of a journey, so that he still counts once.
func (a *applier) forgetUnit(c gateway.CustomerID) {
	var journeys []string
	if a.err == nil {
		a.err = each(a.ctx, a.tx, `SELECT DISTINCT journey FROM effect WHERE kind = ? AND unit = ?`,
			[]any{int64(gateway.SubjectCustomer), int64(c)}, func(rows *sql.Rows) error {
				var name string
				err := rows.Scan(&name)
				journeys = append(journeys, name)
				return err
			})
	}
	for _, name := range journeys {
		var next int64
		a.row(`SELECT coalesce(max(unit), 0) + 1 FROM effect WHERE journey = ? AND kind = 0`, []any{name}, &next)
		a.exec(`UPDATE effect SET kind = 0, unit = ?4 WHERE journey = ?1 AND kind = ?2 AND unit = ?3`, name, int64(gateway.SubjectCustomer), int64(c), next)
	}
}
