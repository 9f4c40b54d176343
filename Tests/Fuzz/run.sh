#!/usr/bin/env bash
# Fuzzes every parser that reads what strangers send, under the Address Sanitizer: FUZZ_SECONDS of the processor's time each (600), as
# many at once as there are processors. Ends with one line.
set -euo pipefail
cd "$(dirname "$0")/../.."
export FUZZ_SECONDS=${FUZZ_SECONDS:-600} VIGIL_ONLY=FuzzTests ASAN_OPTIONS=detect_leaks=0
logs=$(mktemp -d)
processes=()
trap 'kill "${processes[@]}" 2>/dev/null || true; rm -rf "$logs"' EXIT
swift build --build-tests --sanitize address --scratch-path .build-sanitize/address
# The tests' program itself: one `swift test` would wait for the other.
test=(.build-sanitize/address/debug/vigilPackageTests.xctest --testing-library swift-testing --filter FuzzTests)
count=$(nproc)
for ((shard = 0; shard < count; shard++)); do
  FUZZ_SHARD=$shard/$count "${test[@]}" >"$logs/$shard" 2>&1 &
  processes+=($!)
done
status=0
for ((shard = 0; shard < count; shard++)); do
  wait "${processes[shard]}" || { status=$? && failed=$shard; }
done
targets=$(cat "$logs"/* | grep -c '^fuzzed: ' || true)
cases=$(cat "$logs"/* | sed -n 's/^fuzzed: .*: \([0-9]*\) cases$/\1/p' | awk '{ sum += $1 } END { print sum + 0 }')
if [ "$status" = 0 ]; then
  printf 'fuzz: %s targets, %s cases, %s s each, no finding\n' "$targets" "$cases" "$FUZZ_SECONDS"
else
  grep -v '^fuzz: ' "$logs/$failed" | tail -n 40 >&2
  printf 'fuzz: a finding after %s targets and %s cases; last: %s\n' "$targets" "$cases" "$(grep '^fuzz: ' "$logs/$failed" | tail -n 1 | cut -c7-)"
fi
exit "$status"
