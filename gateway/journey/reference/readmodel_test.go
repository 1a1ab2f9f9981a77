package reference

import (
	"fmt"
	"slices"

	"touchpoint/gateway"
)

// readModel is what the steps tell those who follow them: the directory, the
// history, the router.
type readModel struct {
	profiles    map[gateway.CustomerID]gateway.CustomerProfile
	enrollments map[gateway.EnrollmentID]gateway.Enrollment
	owners      map[gateway.DeviceID]map[gateway.Instant]gateway.Ownership
	messages    map[gateway.MessageID]string
	routes      map[gateway.DeviceID]gateway.Route
	erased      map[gateway.CustomerID]bool
	tasks       map[gateway.TaskID]gateway.TaskUpdate
	classes     map[gateway.CustomerID]gateway.CustomerClass
	filtered    map[string]gateway.FilteredCount
}

func newReadModel() readModel {
	return readModel{map[gateway.CustomerID]gateway.CustomerProfile{}, map[gateway.EnrollmentID]gateway.Enrollment{},
		map[gateway.DeviceID]map[gateway.Instant]gateway.Ownership{}, map[gateway.MessageID]string{},
		map[gateway.DeviceID]gateway.Route{}, map[gateway.CustomerID]bool{}, map[gateway.TaskID]gateway.TaskUpdate{},
		map[gateway.CustomerID]gateway.CustomerClass{}, map[string]gateway.FilteredCount{}}
}

func (m *readModel) step(s *gateway.Step) {
	for _, p := range s.Profiles {
		m.profiles[p.Customer] = p
	}
	for _, e := range s.Entered {
		m.enrollments[e.ID] = e
	}
	for _, o := range s.Ownerships {
		if m.owners[o.Device] == nil {
			m.owners[o.Device] = map[gateway.Instant]gateway.Ownership{}
		}
		m.owners[o.Device][o.From] = o
	}
	for i := range s.Messages {
		m.messages[s.Messages[i].ID] = s.Messages[i].State.String()
	}
	for i := range s.Updates {
		m.messages[s.Updates[i].Message] = s.Updates[i].State.String()
	}
	for _, r := range s.Routes {
		m.routes[r.Device] = r
	}
	for i := range s.Tasks {
		m.tasks[s.Tasks[i].ID] = gateway.TaskUpdate{State: s.Tasks[i].State}
	}
	for _, t := range s.TaskUpdates {
		m.tasks[t.Task] = t
	}
	for _, c := range s.Classes {
		m.classes[c.Customer] = c
	}
	for _, f := range s.Filtered {
		key := fmt.Sprint(f.Journey, " v", f.Version)
		f.Count, f.Unowned = f.Count+m.filtered[key].Count, f.Unowned+m.filtered[key].Unowned
		m.filtered[key] = f
	}
	for _, c := range s.Erased {
		m.erased[c] = true
	}
}

// compareModel compares what the steps told with the reference's state.
func (d *driver) compareModel() error {
	if err := d.compareTurned(); err != nil {
		return err
	}
	for id, c := range d.ref.customers {
		if err := d.compareProfile(id, c); err != nil {
			return err
		}
		if err := compareClass(id, c, d.model.classes[id]); err != nil {
			return err
		}
		for _, m := range c.sent {
			if got := d.model.messages[m.id]; got != m.state {
				return fmt.Errorf("message %s was told to be %s, the reference says %s", m.id, got, m.state)
			}
		}
	}
	for _, t := range d.tasks {
		if got := d.model.tasks[t.id]; string(got.State) != t.state || got.At != t.closed || got.Outcome != t.outcome {
			return fmt.Errorf("task %s was told to be %+v, the reference says %s at %s: %s", t.id, got, t.state, t.closed, t.outcome)
		}
	}
	for id := range d.ref.erased {
		if !d.model.erased[id] {
			return fmt.Errorf("nobody was told that customer %d is erased", id)
		}
	}
	for id, dev := range d.ref.devices {
		for _, o := range dev.owners {
			if got, ok := d.model.owners[id][o.from]; o.customer != 0 && (!ok || got.Customer != o.customer || got.To != o.to) {
				return fmt.Errorf("device %d from %s was told to be %d's until %s, the reference says %d's until %s", id, o.from, got.Customer, got.To, o.customer, o.to)
			}
		}
		if owner := dev.present(); owner != 0 {
			if r := d.model.routes[id]; r.Partition != home(owner, d.s.partitions) {
				return fmt.Errorf("device %d was told to be on partition %d; its owner lives on %d", id, r.Partition, home(owner, d.s.partitions))
			}
		}
	}
	return nil
}

// compareRuns compares what was told of enrollments.
func (d *driver) compareRuns() error {
	for _, c := range d.ref.customers {
		for _, r := range c.runs {
			if err := compareEnrollment(r, d.model.enrollments[r.id]); err != nil {
				return err
			}
		}
	}
	return nil
}

// compareTurned compares what was counted of what came to no decision.
func (d *driver) compareTurned() error {
	for _, def := range append(slices.Clone(d.s.defs), d.s.later...) {
		got, want := d.model.filtered[fmt.Sprint(def.name, " v", def.version)], *d.ref.turnAway(def)
		if int(got.Count) != want.filtered || int(got.Unowned) != want.unowned {
			return fmt.Errorf("%s v%d turned %d away by its filter and %d of nobody, the reference says %+v", def.name, def.version, got.Count, got.Unowned, want)
		}
	}
	return nil
}

func (d *driver) compareProfile(id gateway.CustomerID, c *customer) error {
	p, told := d.model.profiles[id]
	if !told {
		if c.zone != "" || c.test || len(c.consents)+len(c.attributes)+len(c.channels) > 0 {
			return fmt.Errorf("nothing was told of customer %d", id)
		}
		return nil
	}
	attributes := map[string]any{}
	for _, a := range p.Attributes {
		attributes[a.Key] = a.Value.Any()
	}
	granted := 0
	for _, k := range p.Consents {
		if slices.ContainsFunc(c.consents, func(o consent) bool {
			return o.purpose == string(k.Purpose) && o.channel == k.Channel && o.granted == k.Granted && o.at == k.At
		}) {
			granted++
		}
	}
	if p.TimeZone != c.zone || p.Test != c.test || !slices.Equal(p.Channels, c.channels) || fmt.Sprint(attributes) != fmt.Sprint(c.attributes) ||
		len(p.QuietHours) != len(c.quiet) || granted != len(c.consents) || len(p.Consents) != granted || p.CapCount != c.capMax || c.capMax > 0 && p.CapWindow != int64(c.capPer) {
		return fmt.Errorf("customer %d was told to be %+v, the reference says %+v", id, p, *c)
	}
	return nil
}

func compareEnrollment(r *run, e gateway.Enrollment) error {
	step, arm, ended := "", r.arm, gateway.Instant(0)
	if r.splitArm != "" && r.arm != "holdout" {
		arm = r.splitArm
	}
	if r.over {
		ended = r.exited
	} else if r.step < len(r.def.steps) {
		step = r.def.steps[r.step].id
	}
	if e.Journey != r.def.name || e.Version != r.def.version || e.Customer != r.c.id || e.Device != r.device || e.Key != r.key || e.Step != step ||
		e.Arm != arm || e.ChangedAt != r.changed || e.EnteredAt != r.entered || e.EndedAt != ended || r.over && string(e.EndReason) != r.reason || e.Converted != r.goal ||
		!r.over && !r.overdue && e.WaitsUntil != r.due {
		return fmt.Errorf("enrollment %s was told to be %+v; the reference says version %d, key %q, step %q, arm %q, changed %s, ended %s %s, converted %v, due %s",
			r.id, e, r.def.version, r.key, step, arm, r.changed, ended, r.reason, r.goal, r.due)
	}
	return nil
}

func compareClass(id gateway.CustomerID, c *customer, got gateway.CustomerClass) error {
	var segments []string
	var stages []stageVisit
	if c.class != nil {
		for name, in := range c.class.segments {
			if in {
				segments = append(segments, name)
			}
		}
		stages = c.class.stages
	}
	slices.Sort(segments)
	slices.Sort(got.Segments)
	same := slices.EqualFunc(stages, got.Stages, func(a stageVisit, b gateway.StageVisit) bool { return a.stage == b.Stage && a.at == b.At })
	if !same || !slices.Equal(segments, got.Segments) {
		return fmt.Errorf("customer %d was told to be %+v, the reference says stages %v, segments %v", id, got, stages, segments)
	}
	return nil
}
