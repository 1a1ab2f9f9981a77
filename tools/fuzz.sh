#!/usr/bin/env bash
# Runs the random tests with new cases, many of each, and then every fuzz target
# for FUZZTIME (default 30s each), one after the other.
set -euo pipefail
cd "$(dirname "$0")/.."
grep -rlE 'rapid\.Check' --include='*_test.go' . | xargs -n1 dirname | sort -u | while read -r dir; do
  echo "== $dir, random tests"
  RAPID_SEED=0 RAPID_CHECKS="${CHECKS:-2000}" go test -count=1 -timeout 2h "$dir"
done
grep -rlE '^func Fuzz' --include='*_test.go' . | while read -r file; do
  for target in $(sed -nE 's/^func (Fuzz[A-Za-z0-9_]*)\(.*/\1/p' "$file"); do
    echo "== $(dirname "$file") $target"
    go test -run '^$' -fuzz "^${target}\$" -fuzztime "${FUZZTIME:-30s}" "./$(dirname "$file")"
  done
done
