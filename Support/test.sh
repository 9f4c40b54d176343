#!/usr/bin/env bash
# Runs the tests that are built, within a time. What failed is told once more at the end: of a long output people see the last lines.
set -uo pipefail
cd "$(dirname "$0")/.."
max_seconds=1500
log=$(mktemp)
trap 'rm -f "$log"' EXIT
# Lines are not kept back in a buffer, so that the last one printed names a test that hangs.
command=(swift test --skip-build --no-parallel)
[ -x /usr/bin/stdbuf ] && command=(timeout --foreground --signal=INT --kill-after=20 "$max_seconds" stdbuf -oL "${command[@]}")
"${command[@]}" 2>&1 | tee "$log"
status=${PIPESTATUS[0]}
[ "$status" = 0 ] && exit 0
[ "$status" != 124 ] || echo "make test: no end after $max_seconds s: the last test started above hangs" >&2
echo
echo "What failed:"
awk '/^✘/ { shown = 1 } /^(◇|✔)/ { shown = 0 } shown' "$log" | tail -n 60
exit "$status"
