#!/usr/bin/env bash
# Runs the benchmarks of one area or of all, and writes .build/bench.json. A missed goal is said, and is not a failure.
#   Tests/Benchmarks/run.sh [AREA]
set -euo pipefail
cd "$(dirname "$0")/../.."
areas=()
for folder in Tests/Benchmarks/*/; do
  area=$(basename "$folder")
  [ "$area" = Support ] || areas+=("$area")
done
if [ -n "${1:-}" ]; then
  [[ " ${areas[*]} " == *" $1 "* ]] || { printf 'bench: there is no area %s; there are: %s\n' "$1" "${areas[*]}" >&2; exit 64; }
  areas=("$1")
fi
export VIGIL_BENCHMARKS=1
results=$(mktemp -d)
trap 'rm -rf "$results"' EXIT
failed=0
for area in "${areas[@]}"; do
  [ ! -x "Tests/Benchmarks/$area/setup.sh" ] || "Tests/Benchmarks/$area/setup.sh"
  swift build --configuration release --static-swift-stdlib --product "bench-$area"
  BENCH_OUTPUT="$results/$area.json" ".build/release/bench-$area" || { printf 'bench: %s failed\n' "$area" >&2; failed=1; }
done
python3 - "$results" .build/bench.json <<'PYTHON'
import glob, json, sys
old = []
try:
    old = json.load(open(sys.argv[2]))
except (OSError, ValueError):
    pass
new = [line for path in sorted(glob.glob(sys.argv[1] + "/*.json")) for line in json.load(open(path))]
areas = {line["area"] for line in new}
lines = [line for line in old if line["area"] not in areas] + new
json.dump(lines, open(sys.argv[2], "w"), indent=2)
print(f"{sum(line['holds'] for line in new)} of {len(new)} goals hold; .build/bench.json has them")
PYTHON
exit "$failed"
