package eventlog

import (
	"strconv"
	"strings"
)

// names builds the names of streams and subjects of one installation.
type names struct {
	prefix  string
	streams int
}

func (n names) eventStream(partition int) string {
	return n.prefix + "_EVENTS_" + strconv.Itoa(partition%n.streams)
}

func (n names) stepStream(partition int) string {
	return n.prefix + "_STEPS_" + strconv.Itoa(partition%n.streams)
}

func (n names) events(partition int) string {
	return n.prefix + ".events." + strconv.Itoa(partition)
}

func (n names) steps(partition int) string {
	return n.prefix + ".steps." + strconv.Itoa(partition)
}

func (n names) snapshotStream() string   { return n.prefix + "_SNAPSHOTS" }
func (n names) deadLetterStream() string { return n.prefix + "_DEADLETTERS" }
func (n names) deadLetters() string      { return n.prefix + ".deadletters" }

func (n names) snapshotChunks(partition int, id string) string {
	return n.prefix + ".snapshots." + strconv.Itoa(partition) + ".chunks." + id
}

func (n names) snapshotManifests(partition int) string {
	return n.prefix + ".snapshots." + strconv.Itoa(partition) + ".manifest"
}

func (n names) bucketStream(bucket string) string { return n.prefix + "_TABLE_" + bucket }
func (n names) bucketKey(bucket, key string) string {
	return n.prefix + ".table." + bucket + "." + key
}

// isTable reports whether stream is the table of this name in any
// installation, and of which.
func isTable(stream, bucket string) (installation string, ok bool) {
	return strings.CutSuffix(stream, "_TABLE_"+bucket)
}
