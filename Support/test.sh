#!/usr/bin/env bash
# Runs the tests that are built, within a time: those that run the whole suite and a browser, which mostly wait, beside all others. What
# failed is told once more at the end: of a long output people see the last lines.
set -um -o pipefail
cd "$(dirname "$0")/.."
max_seconds=1500
# Marks of failures are looked for below.
export NO_COLOR=1
folder=$(mktemp -d)
suite=
trap '[ -z "$suite" ] || kill -INT -- "-$suite" 2>/dev/null; rm -rf "$folder"' EXIT
trap 'exit 130' INT TERM
tests=$(swift build --show-bin-path)/vigilPackageTests.xctest

run() {
  local command=("$tests" --testing-library swift-testing --no-parallel "$@") status=0
  # Lines are not kept back in a buffer, so that the last one printed names a test that hangs.
  [ -x /usr/bin/stdbuf ] && command=(timeout --foreground --signal=INT --kill-after=20 "$max_seconds" stdbuf -oL "${command[@]}")
  "${command[@]}" 2>&1 || status=$?
  [ "$status" != 124 ] || echo "make test: no end after $max_seconds s: the last test started above hangs"
  return "$status"
}

run --filter EndToEndTests >"$folder/suite" &
suite=$!
run --skip EndToEndTests | tee "$folder/others"
status=${PIPESTATUS[0]}
wait "$suite" || status=$?
suite=
cat "$folder/suite"
if [ "$status" != 0 ]; then
  echo
  echo "What failed:"
  cat "$folder/suite" "$folder/others" | awk '/^✘/ { shown = 1 } /^(◇|✔)/ { shown = 0 } shown' | tail -n 60
  grep -h '^make test: ' "$folder/suite" "$folder/others"
fi
grep -h 'Test run with' "$folder/suite" "$folder/others" | LC_ALL=C sort --stable --key 1,1
exit "$status"
