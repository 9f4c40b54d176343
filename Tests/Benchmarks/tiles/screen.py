"""The dashboard in headless Chromium, as a program measures it. It draws on the processor here, by Mesa's llvmpipe: a graphics card is faster.

    screen.py frames ADDRESS TOKEN HASH SECONDS PART   drags the map, drawn with that part of the screen's pixels along each side; prints
                                                  {"frames", "median", "p95", "slowest"} in ms: the times between frames; and "first", when
                                                  after its address was opened the page had drawn its map whole. With `empty` for HASH
                                                  the same of MapLibre alone, with a background and nothing else
    screen.py work ADDRESS TOKEN HASH SECONDS     drags the map, zooms it, then plays through time; prints {"dragged", "zoomed", "played"},
                                                  each as above: the processor time of the page's own thread (scripts, style, layout,
                                                  paint) for a frame; "between", the longest of its tasks that are no frame's; and
                                                  "busy", the part of all time that all took
    screen.py watch ADDRESS TOKEN LAYER SHOWN CENTRE PLACE   while the map shows the layer SHOWN round CENTRE (latitude,longitude,zoom), prints
                                                  a line `counter MILLISECONDS COUNT` each time that a frame with another count of the layer's counter has been painted, the first
                                                  at once; `map MILLISECONDS COUNT` likewise for what the map's heat counts within a
                                                  kilometre of PLACE (latitude,longitude), once it is drawn in full; `.` once a second; at
                                                  its end `longest MILLISECONDS`, the longest time that the page's thread heard of nothing
                                                  because it was at work

`watch` ends with its input, or when the counter is out of sight.
Needs playwright from PyPI and Debian's chromium.
"""
import bisect
import json
import sys
import threading
import time

from playwright.sync_api import sync_playwright

# Mesa's llvmpipe, which takes half the time of Chromium's own SwiftShader.
FLAGS = ["--no-sandbox", "--use-gl=angle", "--use-angle=gl-egl", "--ignore-gpu-blocklist"]
LAYERS = ["risk", "transactions", "fraud", "alerts", "complaints"]
# The times between the frames that the page was given, while `window.measuring` is true.
FRAMES = """() => {
  window.times = []; window.measuring = true;
  let last = performance.now();
  const frame = (now) => { window.times.push(now - last); last = now; if (window.measuring) requestAnimationFrame(frame); };
  requestAnimationFrame(frame);
}"""
# Keeps the page's map where `WATCH` finds it.
KEEP_MAP = """(() => {
  let library;
  Object.defineProperty(window, 'maplibregl', { get: () => library, set(value) {
    library = value;
    library.Map = class extends value.Map { constructor(options) { super(options); window.keptMap = this; } };
  } });
})()"""
EMPTY = """<!doctype html><style>html, body, #map { height: 100%; margin: 0 }</style><div id="map"></div>
<script src="/maplibre/maplibre-gl.js"></script><script>
  const ground = { id: 'ground', type: 'background', paint: { 'background-color': '#123' } };
  const map = new maplibregl.Map({ container: 'map', center: [77.2, 28.6], zoom: 11, style: { version: 8, sources: {}, layers: [ground] } });
  map.on('idle', () => { document.querySelector('#map').ariaBusy = 'false'; });
</script>"""
# A count is on the screen when the frame after its change has been painted: a task behind the frame's callbacks finds it so.
WATCH = """([index, shown, latitude, longitude]) => {
  const figure = document.querySelectorAll('.counter strong')[index];
  const isSeen = () => {
    const { left, top, width, height } = figure.getBoundingClientRect();
    return figure.contains(document.elementFromPoint(left + width / 2, top + height / 2));
  };
  const tell = () => requestAnimationFrame(() => setTimeout(() => window.tell('counter', Date.now(), isSeen() ? figure.textContent : 'hidden')));
  window.longest = 0;
  new PerformanceObserver((tasks) => tasks.getEntries().forEach(({ duration }) => { window.longest = Math.max(window.longest, duration); }))
    .observe({ type: 'longtask' });
  new MutationObserver(tell).observe(figure, { childList: true, characterData: true, subtree: true });
  tell();
  const map = window.keptMap, near = 0.006;
  // What waits for all of its tiles is there already, and not to be seen.
  const visible = () => map.getStyle().layers.filter(({ id }) => id.startsWith('cells-') && map.getPaintProperty(id, 'fill-opacity') !== 0);
  const count = (source) => {
    // A cell at the edge of a tile is in its neighbour too.
    const counts = new Map(map.querySourceFeatures(source, { sourceLayer: shown }).map(({ id, geometry: { coordinates: [[[x, y]]] }, properties }) =>
      [id, Math.abs(y - latitude) < near && Math.abs(x - longitude) < near ? properties.count : 0]));
    return [...counts.values()].reduce((sum, each) => sum + each, 0);
  };
  let isNew = true, last = null, told = 0;
  map.on('sourcedata', () => { isNew = true; });
  map.on('render', () => {
    const layer = visible().at(-1);
    if (!layer || !isNew && layer.id === last) return;
    isNew = false;
    last = layer.id;
    const now = count(layer.source);
    if (now > told) setTimeout(() => window.tell('map', Date.now(), String(now)));
    told = now;
  });
}"""


def page_of(playwright, address, token, fragment, script="", part=1):
    browser = playwright.chromium.launch(executable_path="/usr/bin/chromium", args=FLAGS)
    context = browser.new_context(
        viewport={"width": 1280, "height": 720}, device_scale_factor=part, color_scheme="dark", ignore_https_errors=True)
    context.add_cookies([{"name": "vigil_session", "value": token, "url": address, "secure": True, "httpOnly": True, "sameSite": "Strict"}])
    context.add_init_script(script)
    page = context.new_page()
    page.set_default_timeout(120_000)
    if fragment == "empty":
        context.route("**/empty", lambda route: route.fulfill(content_type="text/html", body=EMPTY))
        page.goto(f"{address}/empty")
        return page
    page.goto(f"{address}/#{fragment}")
    page.wait_for_selector("#app:not([hidden])")
    page.wait_for_selector("#live.is-on")
    return page


def figures(times):
    times = sorted(times)
    return {"frames": len(times), "median": times[len(times) // 2], "p95": times[len(times) * 95 // 100], "slowest": times[-1]}


def drag(page, seconds):
    page.mouse.move(600, 330)
    page.mouse.down()
    began = time.monotonic()
    step = 0
    while time.monotonic() - began < seconds:
        step += 1
        page.mouse.move(600 + 80 * ((step % 40) / 20 - 1), 330 + 50 * ((step % 30) / 15 - 1))
    page.mouse.up()


def zoom(page, seconds):
    page.mouse.move(600, 330)
    began = time.monotonic()
    step = 0
    while time.monotonic() - began < seconds:
        step += 1
        page.mouse.wheel(0, 40 if step % 40 < 20 else -40)


def frames(playwright, address, token, fragment, seconds, part):
    page = page_of(playwright, address, token, fragment, part=part)
    page.wait_for_selector("#map[aria-busy=false]")
    first = page.evaluate("performance.now()")
    page.evaluate(FRAMES)
    drag(page, seconds)
    print(json.dumps({**figures(page.evaluate("() => { window.measuring = false; return window.times.slice(1); }")), "first": first}))


def work_of_frames(trace):
    """Milliseconds of processor that the page's main thread took to make each frame, and its part of all the time that it was busy."""
    events = json.loads(trace)["traceEvents"]
    fired = [event for event in events if event["name"] == "FireAnimationFrame"]
    # Chromium's own pages have threads too: the page's is the one that draws frames.
    threads = [(event["pid"], event["tid"]) for event in fired]
    thread = max(set(threads), key=threads.count)
    times = sorted(event["ts"] for event, of in zip(fired, threads) if of == thread)
    tasks = [event for event in events if event["name"] == "RunTask" and event["ph"] == "X" and (event["pid"], event["tid"]) == thread]
    frames, between = [], []
    for task in tasks:
        # A frame's callbacks, of which there may be several, run in one task, with style, layout and paint.
        first = bisect.bisect_left(times, task["ts"])
        is_frame = first < len(times) and times[first] < task["ts"] + task["dur"]
        (frames if is_frame else between).append(task["tdur"] / 1000)
    start, end = min(task["ts"] for task in tasks), max(task["ts"] + task["dur"] for task in tasks)
    return {**figures(frames), "between": max(between), "busy": sum(task["tdur"] for task in tasks) / (end - start)}


def work(playwright, address, token, fragment, seconds):
    page = page_of(playwright, address, token, fragment)
    browser, found = page.context.browser, {}

    def play():
        page.click("#play")
        page.wait_for_timeout(seconds * 1000)
        page.click("#play")

    for name, move in (("dragged", lambda: drag(page, seconds)), ("zoomed", lambda: zoom(page, seconds)), ("played", play)):
        page.wait_for_selector("#map[aria-busy=false]")
        browser.start_tracing(page=page, categories=["devtools.timeline", "disabled-by-default-devtools.timeline"])
        move()
        found[name] = work_of_frames(browser.stop_tracing())
    print(json.dumps(found))


def watch(playwright, address, token, layer, shown, centre, place):
    page = page_of(playwright, address, token, f"layer={shown}&span=all&place={centre}", KEEP_MAP)
    is_over = threading.Event()

    def tell(what, when, words):
        digits = "".join(c for c in words if c.isdigit())
        if words == "hidden" or not digits:
            is_over.set()
        else:
            print(what, when, int(digits), flush=True)

    page.expose_function("tell", tell)
    # The first drawing takes seconds without a graphics card, in which the page's thread hears of nothing: somebody who watches has the map before them.
    page.wait_for_selector("#map[aria-busy=false]")
    page.evaluate(WATCH, [LAYERS.index(layer), shown, *map(float, place.split(","))])
    threading.Thread(target=lambda: (sys.stdin.read(), is_over.set()), daemon=True).start()
    turns = 0
    while not is_over.is_set():
        page.wait_for_timeout(50)
        turns += 1
        if turns % 20 == 0:
            print(".", flush=True)
    print("longest", page.evaluate("window.longest"), flush=True)


with sync_playwright() as playwright:
    if sys.argv[1] == "frames":
        frames(playwright, sys.argv[2], sys.argv[3], sys.argv[4], float(sys.argv[5]), float(sys.argv[6]))
    elif sys.argv[1] == "work":
        work(playwright, sys.argv[2], sys.argv[3], sys.argv[4], float(sys.argv[5]))
    else:
        watch(playwright, *sys.argv[2:8])
