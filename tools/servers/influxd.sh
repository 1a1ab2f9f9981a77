#!/usr/bin/env bash
# Prints the path of an InfluxDB 2.x server, the first of:
#
#	$TOUCHPOINT_TEST_INFLUXD, taken as it is
#	influxd on the PATH, if it is a 2.x
#	${TOUCHPOINT_CACHE:-$HOME/.cache/touchpoint}/influxd-VERSION/influxd
#
# The last one is built if it is missing, from the Go module that ../influxd
# pins. That takes some minutes and about 3 GB of disk while it runs, and needs
# Go, a C compiler, pkg-config and Rust (for the Flux library); apart from Go,
# what is missing is installed from Debian. The web interface is not part of
# it. A build that was interrupted is taken up again by the next call.
#
# Only the path goes to stdout, everything else to stderr.
set -euo pipefail

min_rust=1.72 # what the Flux library declares

log() { printf '%s: %s\n' "${0##*/}" "$*" >&2; }
die() { log "$*"; exit 1; }

here=$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd)
module=$(cd "$here/../influxd" && pwd)

found() {
	printf '%s\n' "$1"
	exit 0
}

absolute() {
	case $1 in
	/*) printf '%s\n' "$1" ;;
	*) printf '%s/%s\n' "$PWD" "$1" ;;
	esac
}

if [ -n "${TOUCHPOINT_TEST_INFLUXD:-}" ]; then
	path=$(type -P -- "$TOUCHPOINT_TEST_INFLUXD") ||
		die "TOUCHPOINT_TEST_INFLUXD is no program: $TOUCHPOINT_TEST_INFLUXD"
	found "$(absolute "$path")"
fi

if path=$(type -P influxd); then
	case $("$path" version 2>/dev/null || :) in
	'InfluxDB v2.'* | 'InfluxDB 2.'*) found "$(absolute "$path")" ;;
	*) log "$path is not an InfluxDB 2.x, passing it over" ;;
	esac
fi

version=$(sed -n 's|^.*github\.com/influxdata/influxdb/v2 v\([0-9.]*\)$|\1|p' "$module/go.mod")
[ -n "$version" ] || die "no InfluxDB version in $module/go.mod"

cache=$(absolute "${TOUCHPOINT_CACHE:-${HOME:?neither TOUCHPOINT_CACHE nor HOME is set}/.cache/touchpoint}")
dir=$cache/influxd-$version
influxd=$dir/influxd
work=$dir/build

[ ! -x "$influxd" ] || found "$influxd"

command -v flock >/dev/null || die "building influxd needs flock (util-linux)"
command -v go >/dev/null || die "building influxd needs Go"

# need_rust chooses a toolchain and checks that it is new enough.
need_rust() {
	local have
	# Flux's sources carry a rust-toolchain file that asks rustup for one
	# old release; any newer one does. This names the user's own instead.
	if [ -z "${RUSTUP_TOOLCHAIN:-}" ] && command -v rustup >/dev/null; then
		RUSTUP_TOOLCHAIN=$(cd "$work" && rustup show active-toolchain | sed 's/ .*//;q') || :
		export RUSTUP_TOOLCHAIN=${RUSTUP_TOOLCHAIN:-stable}
	fi
	have=$(cd "$work" && "${RUSTC:-rustc}" --version | awk '{ print $2 }') || :
	[ -n "$have" ] || die "rustc does not run"
	[ "$(printf '%s\n' "$min_rust" "$have" | sort -V | head -n 1)" = "$min_rust" ] ||
		die "Rust $have is too old to build influxd with: install $min_rust or newer, or set TOUCHPOINT_TEST_INFLUXD"
	log "Rust $have, $(go version)"
}

build() {
	local tags flux

	log "building InfluxDB $version in $work; this takes some minutes"
	"$here/debian.sh" gcc libc6-dev 'pkg-config|pkgconf' 'cargo-web|cargo' 'rustc-web|rustc'
	mkdir -p "$work"
	need_rust
	cd "$module"

	# Nothing of the caller's own build settings, and none of the build's
	# (large, never used again) intermediate files in the caller's cache.
	unset GOOS GOARCH GOARM CARGO_TARGET_DIR CARGO_BUILD_TARGET_DIR CARGO_BUILD_TARGET
	export GOWORK=off GOFLAGS='-mod=readonly -buildvcs=false' GO111MODULE=on
	export CGO_ENABLED=1 GOCACHE="$work/go"

	# cgo asks pkg-config for "flux"; this one has cargo build it first.
	go build -o "$work/pkg-config" github.com/influxdata/pkg-config
	export PKG_CONFIG="$work/pkg-config"

	# It builds in a copy of the module's sources and takes a folder that
	# exists for a whole copy. So make the copy here, in one step.
	go mod download github.com/influxdata/flux
	flux=$GOCACHE/pkgconfig/$(go list -m -f '{{.Path}}@{{.Version}}' github.com/influxdata/flux)
	if [ ! -d "$flux" ]; then
		rm -rf "$work/flux"
		cp -R "$(go list -m -f '{{.Dir}}' github.com/influxdata/flux)" "$work/flux"
		chmod -R u+w "$work/flux"
		mkdir -p "$(dirname "$flux")"
		mv "$work/flux" "$flux"
	fi

	# Flux turns warnings into errors, and newer compilers know more of them.
	printf '#!/bin/sh\nexec "$@" --cap-lints=warn\n' >"$work/rustc-warn"
	chmod +x "$work/rustc-warn"
	export RUSTC_WORKSPACE_WRAPPER="$work/rustc-warn"

	# The tags of InfluxDB's own builds, without "assets", the web interface.
	tags=sqlite_foreign_keys,sqlite_json
	case $(go env GOARCH) in
	amd64 | s390x) ;;
	*) tags=$tags,noasm ;;
	esac
	nice go build -trimpath -tags "$tags" -ldflags "-s -w -X main.version=v$version" \
		-o "$work/influxd" github.com/influxdata/influxdb/v2/cmd/influxd
	"$work/influxd" version

	mv "$work/influxd" "$influxd"
	rm -rf "$work"
	log "built $influxd"
}

mkdir -p "$dir"
exec 9>"$dir/lock"
if ! flock -n 9; then
	log "waiting for another build of influxd"
	flock 9
fi
if [ ! -x "$influxd" ]; then
	# The lock stays this process's own: nothing the build leaves running
	# may go on holding it.
	(build) >&2 9>&- </dev/null
fi
found "$influxd"
