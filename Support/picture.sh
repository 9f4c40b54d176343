#!/usr/bin/env bash
# Takes the README's picture: logs in to the running suite's dashboard with headless Chromium and photographs it.
#   Support/picture.sh [FILE.png]       while `make run` runs; needs Debian's chromium and python3-venv, and PyPI,
#                                     and a font that has Devanagari (Debian: fonts-lohit-deva) for the button to Hindi
set -euo pipefail
cd "$(dirname "$0")/.."
file=${1:-Support/dashboard.png}
home=${VIGIL_HOME:-.vigil}
[ -f "$home/suite.json" ] || { echo "picture.sh: no suite runs in $home; start one with make run" >&2; exit 1; }
command -v chromium >/dev/null || { echo "picture.sh: chromium is missing (Debian: chromium)" >&2; exit 1; }
python=python3
if ! "$python" -c 'import playwright' 2>/dev/null; then
  python=.build/picture/bin/python
  [ -x "$python" ] || python3 -m venv .build/picture
  "$python" -c 'import playwright' 2>/dev/null || "$python" -m pip install --quiet playwright
fi
exec "$python" - "$home/suite.json" "$file" <<'PYTHON'
import json
import os
import sys

from playwright.sync_api import sync_playwright

suite = json.load(open(sys.argv[1]))
password = open(suite["dashboard"]["passwordFile"]).read().strip()
flags = ["--no-sandbox", "--use-gl=angle", "--use-angle=swiftshader", "--enable-unsafe-swiftshader"]
with sync_playwright() as playwright:
    browser = playwright.chromium.launch(executable_path="/usr/bin/chromium", args=flags)
    page = browser.new_context(
        viewport={"width": 1280, "height": 720}, color_scheme="dark", ignore_https_errors=True, reduced_motion="reduce").new_page()
    page.set_default_timeout(90_000)
    page.goto(suite["services"]["heatmap-tiles"]["url"] + "/#layer=risk&span=7d")
    page.fill("#username", suite["dashboard"]["username"])
    page.fill("#password", password)
    page.click("#login-form button[type=submit]")
    page.wait_for_selector("#app:not([hidden])")
    page.wait_for_selector("#histogram .bars rect")
    page.wait_for_selector("#hotspots .meter")
    # The map has drawn what it asked for when it asks for nothing more.
    page.wait_for_load_state("load")
    quiet, asked = 0, [0]
    page.on("request", lambda request: asked.__setitem__(0, asked[0] + ("/tiles/" in request.url)))
    while quiet < 6:
        before = asked[0]
        page.wait_for_timeout(500)
        quiet = quiet + 1 if asked[0] == before else 0
    page.screenshot(path=sys.argv[2])
    browser.close()
print(f"{sys.argv[2]}: {os.path.getsize(sys.argv[2])} bytes")
PYTHON
