#!/usr/bin/env bash
# Fuzzes every parser that reads what strangers send, under the Address Sanitizer: FUZZ_SECONDS each (600). Ends with one line.
set -euo pipefail
cd "$(dirname "$0")/../.."
export FUZZ_SECONDS=${FUZZ_SECONDS:-600} VIGIL_ONLY=FuzzTests
log=$(mktemp)
trap 'rm -f "$log"' EXIT
swift build --build-tests --sanitize address --scratch-path .build-sanitize/address
status=0
ASAN_OPTIONS=detect_leaks=0 swift test --skip-build --sanitize address --scratch-path .build-sanitize/address --filter FuzzTests >"$log" 2>&1 || status=$?
targets=$(grep -c '^fuzzed: ' "$log" || true)
cases=$(sed -n 's/^fuzzed: .*: \([0-9]*\) cases$/\1/p' "$log" | awk '{ sum += $1 } END { print sum + 0 }')
if [ "$status" = 0 ]; then
  printf 'fuzz: %s targets, %s cases, %s s each, no finding\n' "$targets" "$cases" "$FUZZ_SECONDS"
else
  grep -v '^fuzz: ' "$log" | tail -n 40 >&2
  printf 'fuzz: a finding after %s targets and %s cases; last: %s\n' "$targets" "$cases" "$(grep '^fuzz: ' "$log" | tail -n 1 | cut -c7-)"
fi
exit "$status"
