#!/usr/bin/env bash
# Installs Debian packages whose commands are missing:
#
#	debian.sh mosquitto mosquitto-clients chromium strace
#	debian.sh 'rustc-web|rustc'
#
# A package counts as present when the command it is wanted for is found (or,
# for one without a command, when dpkg has it installed), so nothing is done,
# and no privilege is needed, where everything is there already. Of names
# joined by "|", the first that the distribution has is installed.
#
# Needs root, or sudo. No service is started on installation, and nothing that
# is installed is removed. All output goes to stderr.
set -euo pipefail

log() { printf '%s: %s\n' "${0##*/}" "$*" >&2; }
die() { log "$*"; exit 1; }

[ $# -gt 0 ] || die "usage: ${0##*/} PACKAGE[|ALTERNATIVE]..."
for package; do
	case $package in
	-* | '|'* | *'|' | *'||'* | *[!a-z0-9.+\|-]*) die "not a package name: $package" ;;
	esac
done

# Daemons live in the sbin folders, which are not on every user's PATH.
PATH=$PATH:/usr/local/sbin:/usr/sbin:/sbin

# The command a package is wanted for.
command_of() {
	case $1 in
	mosquitto-clients) echo mosquitto_pub ;;
	cargo-web) echo cargo ;;
	rustc-web) echo rustc ;;
	pkgconf) echo pkg-config ;;
	*) echo "$1" ;;
	esac
}

present() {
	local name
	for name in ${1//|/ }; do
		if command -v "$(command_of "$name")" >/dev/null; then
			return 0
		fi
		if command -v dpkg-query >/dev/null &&
			[ "$(dpkg-query -W -f '${db:Status-Status}' "$name" 2>/dev/null)" = installed ]; then
			return 0
		fi
	done
	return 1
}

find_missing() {
	missing=()
	for package; do
		present "$package" || missing+=("$package")
	done
}

find_missing "$@"
[ ${#missing[@]} -gt 0 ] || exit 0
command -v apt-get >/dev/null ||
	die "missing: ${missing[*]}; there is no apt-get here, install them in this system's own way"

as_root=()
if [ "$(id -u)" -ne 0 ]; then
	command -v sudo >/dev/null ||
		die "missing: ${missing[*]}; to install them, run as root: apt-get install ${missing[*]}"
	as_root=(sudo)
	# Without a terminal to ask for a password on, fail rather than wait.
	[ -t 0 ] || as_root+=(-n)
	"${as_root[@]}" true ||
		die "missing: ${missing[*]}; sudo is refused, so run as root: apt-get install ${missing[*]}"
fi

# One installation at a time; the one that waited may find its work done.
cache=${TOUCHPOINT_CACHE:-${HOME:?neither TOUCHPOINT_CACHE nor HOME is set}/.cache/touchpoint}
if command -v flock >/dev/null && mkdir -p "$cache"; then
	exec 9>"$cache/debian.lock"
	flock 9
	find_missing "$@"
	[ ${#missing[@]} -gt 0 ] || exit 0
fi

log "installing: ${missing[*]}"
# The root half, in one go so that sudo asks once.
# shellcheck disable=SC2016
"${as_root[@]}" env DEBIAN_FRONTEND=noninteractive LC_ALL=C.UTF-8 sh -c '
	set -eu

	# policy-rc.d is what installation scripts ask before they start a
	# service. An existing one is respected; ours is removed at the end, or
	# by the next run if this one was killed.
	policy=/usr/sbin/policy-rc.d
	mark="# temporary: touchpoint tools/servers/debian.sh"
	if [ ! -e "$policy" ] || grep -qxF "$mark" "$policy"; then
		trap "rm -f $policy" EXIT
		trap "exit 1" HUP INT TERM
		printf "#!/bin/sh\n%s\nexit 101\n" "$mark" >"$policy"
		chmod 755 "$policy"
	fi

	apt-get update -q -o DPkg::Lock::Timeout=300 ||
		echo "apt-get update failed; going on with the lists at hand" >&2

	packages=
	for alternatives; do
		chosen=
		for name in $(echo "$alternatives" | tr "|" " "); do
			candidate=$(apt-cache policy "$name" | sed -n "s/^  Candidate: //p")
			if [ -n "$candidate" ] && [ "$candidate" != "(none)" ]; then
				chosen=$name
				break
			fi
		done
		if [ -z "$chosen" ]; then
			echo "no package to install for: $alternatives" >&2
			exit 1
		fi
		packages="$packages $chosen"
	done
	apt-get install -q -y --no-install-recommends --no-remove \
		-o DPkg::Lock::Timeout=300 $packages
' sh "${missing[@]}" >&2 9>&- </dev/null || die "could not install: ${missing[*]}"

find_missing "$@"
[ ${#missing[@]} -eq 0 ] || die "still missing after installation: ${missing[*]}"
