#!/usr/bin/env bash
# Takes the README's picture: logs in to the running suite's dashboard with headless Chromium and photographs it, twice,
# and says by how much the second picture differs from the first.
#   Support/picture.sh [FILE.png]       while `make run` runs; needs Debian's chromium and python3-venv, and PyPI
set -euo pipefail
cd "$(dirname "$0")/.."
file=${1:-Support/dashboard.png}
home=${VIGIL_HOME:-.vigil}
[ -f "$home/suite.json" ] || { echo "picture.sh: no suite runs in $home; start one with make run" >&2; exit 1; }
command -v chromium >/dev/null || { echo "picture.sh: chromium is missing (Debian: chromium)" >&2; exit 1; }
[ -x .build/picture/bin/python ] || python3 -m venv .build/picture
.build/picture/bin/python -c 'import playwright' 2>/dev/null || .build/picture/bin/pip install --quiet playwright
exec .build/picture/bin/python - "$home/suite.json" "$file" <<'PYTHON'
import json
import sys

from playwright.sync_api import sync_playwright

suite = json.load(open(sys.argv[1]))
password = open(suite["dashboard"]["passwordFile"]).read().strip()
flags = ["--no-sandbox", "--use-gl=angle", "--use-angle=swiftshader", "--enable-unsafe-swiftshader"]
with sync_playwright() as playwright:
    browser = playwright.chromium.launch(executable_path="/usr/bin/chromium", args=flags)
    page = browser.new_context(
        viewport={"width": 1280, "height": 720}, color_scheme="dark", ignore_https_errors=True).new_page()
    hosts = set()
    page.on("request", lambda request: hosts.add(request.url.split("/")[2]))
    page.goto(suite["services"]["heatmap-tiles"]["url"] + "/")
    page.fill("#username", suite["dashboard"]["username"])
    page.fill("#password", password)
    page.click("#login-form button[type=submit]")
    page.wait_for_selector("#app:not([hidden])")
    page.wait_for_timeout(8000)
    first = page.screenshot(path=sys.argv[2])
    page.wait_for_timeout(6000)
    second = page.screenshot(path=sys.argv[2].replace(".png", "-later.png"))
    browser.close()
print(f"{sys.argv[2]}: {len(first)} bytes; six seconds later {'the same' if first == second else 'another'} picture; "
      f"asked of {', '.join(sorted(hosts))}")
PYTHON
