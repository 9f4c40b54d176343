"""The dashboard in headless Chromium, as a program measures it. Chromium draws by SwiftShader here, on the processor: a graphics card is faster.

    screen.py frames ADDRESS TOKEN HASH SECONDS   drags and zooms the map; prints {"cells", "frames", "median", "p95", "slowest"} in ms
    screen.py watch ADDRESS TOKEN LAYER SHOWN     prints a line `MILLISECONDS COUNT` each time that the layer's counter shows another
                                                  count, while the map shows the layer SHOWN

`watch` prints `ready` first. Its input is a number, told at its end: it watches until the counter has risen by that many, at most 30 s more.
Needs playwright from PyPI and Debian's chromium.
"""
import json
import sys
import threading
import time

from playwright.sync_api import sync_playwright

FLAGS = ["--no-sandbox", "--use-gl=angle", "--use-angle=swiftshader", "--enable-unsafe-swiftshader"]
LAYERS = ["risk", "transactions", "fraud", "alerts", "complaints"]
# The times between the frames that the page was given, while `window.measuring` is true.
FRAMES = """() => {
  window.times = []; window.measuring = true;
  let last = performance.now();
  const frame = (now) => { window.times.push(now - last); last = now; if (window.measuring) requestAnimationFrame(frame); };
  requestAnimationFrame(frame);
}"""
WATCH = """(index) => {
  const figure = document.querySelectorAll('.counter strong')[index];
  const tell = () => window.tell(Date.now(), figure.textContent);
  new MutationObserver(tell).observe(figure, { childList: true, characterData: true, subtree: true });
  tell();
}"""


def page_of(playwright, address, token, fragment):
    browser = playwright.chromium.launch(executable_path="/usr/bin/chromium", args=FLAGS)
    context = browser.new_context(viewport={"width": 1280, "height": 720}, color_scheme="dark", ignore_https_errors=True)
    context.add_cookies([{"name": "vigil_session", "value": token, "url": address, "secure": True, "httpOnly": True, "sameSite": "Strict"}])
    page = context.new_page()
    page.set_default_timeout(120_000)
    page.goto(f"{address}/#{fragment}")
    page.wait_for_selector("#app:not([hidden])")
    page.wait_for_selector("#live.is-on")
    return page


def frames(playwright, address, token, fragment, seconds):
    page = page_of(playwright, address, token, fragment)
    page.wait_for_selector("#map[aria-busy=false]")
    page.mouse.move(600, 330)
    page.evaluate(FRAMES)
    page.mouse.down()
    began = page.evaluate("performance.now()")
    step = 0
    while page.evaluate("performance.now()") - began < seconds * 1000:
        step += 1
        page.mouse.move(600 + 80 * ((step % 40) / 20 - 1), 330 + 50 * ((step % 30) / 15 - 1))
    page.mouse.up()
    times = sorted(page.evaluate("() => { window.measuring = false; return window.times.slice(1); }"))
    print(json.dumps({
        "frames": len(times), "median": times[len(times) // 2], "p95": times[len(times) * 95 // 100], "slowest": times[-1]}))


def watch(playwright, address, token, layer, shown):
    page = page_of(playwright, address, token, f"layer={shown}&span=all")
    counts, wanted = [], []

    def tell(when, words):
        counts.append(int("".join(c for c in words if c.isdigit()) or 0))
        print(when, counts[-1], flush=True)

    page.expose_function("tell", tell)
    print("ready", flush=True)
    page.evaluate(WATCH, LAYERS.index(layer))
    threading.Thread(target=lambda: wanted.append(int(sys.stdin.read() or 0)), daemon=True).start()
    deadline = None
    while not wanted or (counts[-1] < counts[0] + wanted[0] and time.monotonic() < deadline):
        page.wait_for_timeout(50)
        deadline = deadline or (time.monotonic() + 30 if wanted else None)


with sync_playwright() as playwright:
    if sys.argv[1] == "frames":
        frames(playwright, sys.argv[2], sys.argv[3], sys.argv[4], float(sys.argv[5]))
    else:
        watch(playwright, *sys.argv[2:6])
