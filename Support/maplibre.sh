#!/usr/bin/env bash
# Fetches MapLibre GL JS, which the dashboard's map is drawn with, into a folder. It comes in a Python wheel, pinned by hash.
#   Support/maplibre.sh FOLDER
set -euo pipefail
folder=$1
wheel=maplibre-0.3.6-py3-none-any.whl
hash=eeafab617d4a1b71c0c174c71405f67c4b4e494fe1b27968d4d2359bc160e277

[ -f "$folder/maplibre-gl.js" ] && [ -f "$folder/maplibre-gl.css" ] && exit 0
command -v python3 >/dev/null || exit 1
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
echo "maplibre==0.3.6 --hash=sha256:$hash" >"$work/requirements.txt"
python3 -m pip download --quiet --disable-pip-version-check --no-deps --require-hashes --only-binary :all: \
  --dest "$work" --requirement "$work/requirements.txt" >"$work/log" 2>&1 || { tail -n 2 "$work/log" >&2; exit 1; }
python3 -m zipfile -e "$work/$wheel" "$work/wheel"
mkdir -p "$folder"
# The script last: its presence says that the folder is whole.
cp "$work/wheel/maplibre/srcjs/maplibre-gl.css" "$folder/maplibre-gl.css"
cp "$work/wheel/maplibre/srcjs/maplibre-gl.js" "$folder/maplibre-gl.js.new"
mv "$folder/maplibre-gl.js.new" "$folder/maplibre-gl.js"
