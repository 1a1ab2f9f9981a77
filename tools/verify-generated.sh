#!/usr/bin/env bash
# Regenerates the code of proto/ beside the tree and compares: committed code must be what buf makes.
set -euo pipefail
cd "$(dirname "$0")/.."
out="$(mktemp -d)"
trap 'rm -rf "$out"' EXIT
(cd proto && buf generate -o "$out")
status=0
while read -r f; do
  rel="${f#"$out"/}"
  if ! cmp -s "$f" "proto/$rel"; then
    echo "proto/$rel is not what buf generates from its source: run 'make generate'" >&2
    status=1
  fi
done < <(find "$out" -name '*.pb.go')
exit $status
