package gateway

import "strings"

// A dry run is a draft that runs beside everything else and sends nothing: what
// it decides is recorded under the journey's name with this mark, so that it
// never mixes with what was done. No journey's own name can hold it.
const dryMark = "~dry"

// DryRun returns the name that the dry run of a journey has.
func DryRun(journey string) string { return journey + dryMark }

// IsDryRun reports whether a name is that of a dry run.
func IsDryRun(journey string) bool { return strings.HasSuffix(journey, dryMark) }

// RealJourney returns the name of the journey that a dry run is of; any other
// name as it is.
func RealJourney(name string) string { return strings.TrimSuffix(name, dryMark) }
