package rpc

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"fmt"
	"slices"
	"strings"

	"touchpoint/gateway"
)

// journeyRecord is a journey in the bucket: key "j.<name>". The texts of its
// published versions have keys of their own, "v.<name>.<version>", written
// before the record names them.
type journeyRecord struct {
	Name      string               `json:"name"`
	Purpose   gateway.Purpose      `json:"purpose"`
	State     gateway.JourneyState `json:"state"`
	ChangedAt gateway.Instant      `json:"changed_at"`
	// Draft is the text that is not published yet, "" when there is none;
	// Revision counts the drafts, PublishedRevision is the one that is live.
	Draft             string             `json:"draft,omitempty"`
	Revision          uint64             `json:"revision"`
	PublishedRevision uint64             `json:"published_revision,omitempty"`
	Versions          []publishedVersion `json:"versions,omitempty"`
	// Pending is a publication or a change of state that not every partition is
	// known to have stored. It is repeated after a crash.
	Pending *pendingChange `json:"pending,omitempty"`
	// DryRun is the draft that runs without sending, nil when none does; DryRuns
	// counts them.
	DryRun  *dryRun `json:"dry_run,omitempty"`
	DryRuns uint32  `json:"dry_runs,omitempty"`

	bucketRevision uint64
}

type publishedVersion struct {
	Version   uint32          `json:"version"`
	Effective gateway.Instant `json:"effective"`
	// Text names the key of the text by what it holds: of two gateways that
	// publish at the same time the record decides, and neither text harms the other.
	Text string `json:"text,omitempty"`
}

type pendingChange struct {
	Version   uint32               `json:"version,omitempty"` // 0 for a change of state
	State     gateway.JourneyState `json:"state"`
	Effective gateway.Instant      `json:"effective"`
	Existing  string               `json:"existing,omitempty"`
	Fill      bool                 `json:"fill,omitempty"`
	Withdraw  bool                 `json:"withdraw,omitempty"`
	Running   string               `json:"running,omitempty"`
}

// version is the latest published version, 0 when there is none.
func (r *journeyRecord) version() uint32 {
	if len(r.Versions) == 0 {
		return 0
	}
	return r.Versions[len(r.Versions)-1].Version
}

// draftRevision is the revision of the draft, 0 when there is none.
func (r *journeyRecord) draftRevision() uint64 {
	if r.Draft == "" {
		return 0
	}
	return r.Revision
}

// draftStore keeps journey records with compare-and-set.
type draftStore struct{ bucket Bucket }

func recordKey(name string) string { return "j." + name }

func versionKey(name string, version uint32, text string) string {
	return fmt.Sprintf("v.%s.%d.%s", name, version, text)
}

// textKey names a text by what it holds.
func textKey(text string) string {
	sum := sha256.Sum256([]byte(text))
	return hex.EncodeToString(sum[:12])
}

// load reads a record.
func (d draftStore) load(ctx context.Context, name string) (*journeyRecord, error) {
	data, rev, err := d.bucket.Get(ctx, recordKey(name))
	if err != nil {
		if gateway.KindOf(err) == gateway.NotFound {
			return nil, notFound("name", "no journey %q exists; CreateJourney makes one", name)
		}
		return nil, err
	}
	r := &journeyRecord{}
	if err := json.Unmarshal(data, r); err != nil {
		return nil, gateway.Errorf(gateway.Internal, "journey record %q: %w", name, err)
	}
	r.bucketRevision = rev
	return r, nil
}

// create writes a new record; Conflict when the name is taken.
func (d draftStore) create(ctx context.Context, r *journeyRecord) error {
	data, err := json.Marshal(r)
	if err != nil {
		return gateway.Errorf(gateway.Internal, "journey record: %w", err)
	}
	r.bucketRevision, err = d.bucket.Create(ctx, recordKey(r.Name), data)
	if gateway.KindOf(err) == gateway.Conflict && err != nil {
		return &gateway.Error{Kind: gateway.Conflict, Violations: []gateway.Violation{{Field: "definition",
			Text: fmt.Sprintf("a journey %q exists already; change its draft (UpdateJourney, touchpoint journey update)", r.Name)}}}
	}
	return err
}

// save writes a record that was loaded; Conflict when it changed meanwhile.
func (d draftStore) save(ctx context.Context, r *journeyRecord) error {
	data, err := json.Marshal(r)
	if err != nil {
		return gateway.Errorf(gateway.Internal, "journey record: %w", err)
	}
	rev, err := d.bucket.Update(ctx, recordKey(r.Name), data, r.bucketRevision)
	if err != nil {
		if gateway.KindOf(err) == gateway.Conflict {
			return gateway.Errorf(gateway.Conflict, "journey %q was changed by another call meanwhile; read it and try again", r.Name)
		}
		return err
	}
	r.bucketRevision = rev
	return nil
}

// saveVersion writes the text of a version that no record names yet and returns
// its name.
func (d draftStore) saveVersion(ctx context.Context, name string, version uint32, text string) (string, error) {
	key := textKey(text)
	_, err := d.bucket.Create(ctx, versionKey(name, version, key), []byte(text))
	if err != nil && gateway.KindOf(err) != gateway.Conflict {
		return "", err
	}
	return key, nil // a conflict: the same text is there already
}

// text reads the text of a published version.
func (d draftStore) text(ctx context.Context, r *journeyRecord, version uint32) (string, error) {
	for _, v := range r.Versions {
		if v.Version == version {
			data, _, err := d.bucket.Get(ctx, versionKey(r.Name, version, v.Text))
			return string(data), err
		}
	}
	return "", notFound("version", "journey %q has no version %d", r.Name, version)
}

// names lists all journeys in order.
func (d draftStore) names(ctx context.Context) ([]string, error) {
	keys, err := d.bucket.Keys(ctx, "j.")
	if err != nil {
		return nil, err
	}
	var names []string
	for _, k := range keys {
		if name, ok := strings.CutPrefix(k, "j."); ok {
			names = append(names, name)
		}
	}
	slices.Sort(names)
	return names, nil
}
