//go:build tools

// Package tools pins what the test server is built from: InfluxDB's server
// command, and the pkg-config through which its build compiles the Flux
// library. It is never compiled itself; ../servers/influxd.sh builds the two
// commands by their import paths, at the versions in go.mod.
package tools

import (
	_ "github.com/influxdata/influxdb/v2/cmd/influxd"
	_ "github.com/influxdata/pkg-config"
)
