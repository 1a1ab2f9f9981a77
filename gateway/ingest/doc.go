// Package ingest is the front door of the gateway: what devices publish is
// decoded, given its internal id, routed to its partition and appended to the
// log of events; commands and events of the API are appended with it.
//
// The one promise: an input is acknowledged when it is in the log on disk,
// never earlier. What cannot be taken goes to the dead letters with its reason
// and is acknowledged when it is there. Inputs of one partition are appended in
// batches that grow with the load: the next batch collects while the last one
// is on its way.
package ingest
