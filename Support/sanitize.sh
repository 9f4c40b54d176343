#!/usr/bin/env bash
# Runs the tests of RPC and Protobuf under the Thread Sanitizer and the Address Sanitizer. Ends with one line.
set -euo pipefail
cd "$(dirname "$0")/.."
log=$(mktemp)
trap 'rm -f "$log"' EXIT
findings=0
tests=0
for kind in thread address; do
  export VIGIL_ONLY=RPCTests,ProtobufTests VIGIL_SANITIZED=1
  if [ "$kind" = thread ]; then export VIGIL_THREAD_SANITIZER=1; else unset VIGIL_THREAD_SANITIZER; fi
  swift build --build-tests --sanitize "$kind" --scratch-path ".build-sanitize/$kind"
  status=0
  # Leaks are not looked for: what Swift's runtime and NIO's threads keep for the process's life counts as one.
  ASAN_OPTIONS=detect_leaks=0 swift test --skip-build --no-parallel --sanitize "$kind" --scratch-path ".build-sanitize/$kind" >"$log" 2>&1 || status=$?
  found=$(grep -cE '^(WARNING: ThreadSanitizer|==[0-9]+==ERROR: AddressSanitizer)' "$log" || true)
  if [ "$status" != 0 ] || [ "$found" != 0 ]; then
    cp "$log" ".build-sanitize/$kind.log"
    printf 'sanitize: %s: status %s, %s findings; see .build-sanitize/%s.log\n' "$kind" "$status" "$found" "$kind" >&2
    findings=$((findings + (found > 0 ? found : 1)))
  fi
  tests=$((tests + $(sed -n 's/.*Test run with \([0-9]*\) tests.*/\1/p' "$log" | tail -n 1)))
done
printf 'sanitize: %s tests under two sanitizers, %s findings\n' "$tests" "$findings"
[ "$findings" = 0 ]
