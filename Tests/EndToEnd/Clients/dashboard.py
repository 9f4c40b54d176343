"""Uses the dashboard of a running suite in Chromium, as a duty officer and an analyst would.

    dashboard.py HOME OUT

HOME is the suite's folder; pictures are left in OUT. Ends with a line of JSON that says what was seen, or with the failure.
Needs playwright and axe-playwright-python from PyPI and Debian's chromium.
"""
import datetime
import json
import os
import pathlib
import re
import signal
import subprocess
import sys
import time
import urllib.parse

import axe_playwright_python
from playwright.sync_api import expect, sync_playwright

home, out = pathlib.Path(sys.argv[1]), pathlib.Path(sys.argv[2])
suite = json.loads((home / "suite.json").read_text())
address = suite["services"]["heatmap-tiles"]["url"]
axe = (pathlib.Path(axe_playwright_python.__file__).parent / "axe.min.js").read_text()
PATIENCE = 60_000
# Without a graphics card most of the time goes into drawing, so it is drawn coarsely; DASHBOARD_SCALE=1 makes pictures to look at.
SCALE = float(os.environ.get("DASHBOARD_SCALE", "0.5"))
FLAGS = ["--no-sandbox", "--use-gl=angle", "--use-angle=swiftshader", "--enable-unsafe-swiftshader"]
# What the page keeps open or asks again and again on its own, and is not waited for.
ENDLESS = "/live"
# Keeps the page's map where it can be asked what it draws.
KEEP_MAP = """(() => {
  let library;
  Object.defineProperty(window, 'maplibregl', { get: () => library, set(value) {
    library = value;
    library.Map = class extends value.Map { constructor(options) { super(options); window.keptMap = this; } };
  } });
})()"""
seen = {"requests": 0, "axe": {}, "seconds": {}}


def secret(name):
    return (home / "secrets" / f"{name}.password").read_text().strip()


def curl(*arguments):
    answer = subprocess.run(
        ["/usr/bin/curl", "--http2", "--silent", "--show-error", "--fail-with-body", "--cacert", suite["trust"], *arguments],
        check=True, capture_output=True, text=True)
    return json.loads(answer.stdout)


def submit_transaction():
    """One payment through the gateway, as the partner bank sends it."""
    bank = suite["bank"]
    token = curl(
        "--user", f"{bank['subject']}:{pathlib.Path(bank['secretFile']).read_text().strip()}", "--data", "grant_type=client_credentials",
        suite["services"]["auth-gateway"]["url"] + "/oauth2/token")["access_token"]
    now = datetime.datetime.now(datetime.timezone.utc)
    body = {"transaction": {
        "key": {"transactionId": f"dashboard-{now.timestamp()}"}, "eventTime": now.isoformat().replace("+00:00", "Z"),
        "customerId": "dashboard-customer", "channel": "CHANNEL_ATM", "amount": {"minorUnits": "150000", "currency": "INR"},
        "location": {"latitude": 17.2, "longitude": 75.35},
    }}
    curl(
        "--header", f"authorization: Bearer {token}", "--json", json.dumps(body),
        suite["services"]["ingestion-gateway"]["url"] + "/vigil.ingestion.v1.IngestionService/SubmitTransaction")


class Viewer:
    """A browser of one person, whose network is watched."""

    def __init__(self, browser, scheme="dark", viewport=(1280, 720)):
        self.context = browser.new_context(
            viewport={"width": viewport[0], "height": viewport[1]}, color_scheme=scheme, ignore_https_errors=True,
            timezone_id="Asia/Kolkata", reduced_motion="reduce", device_scale_factor=SCALE)
        self.context.add_init_script(KEEP_MAP)
        # The context hears also what the map's workers ask for, which the page does not.
        self.faults, self.addresses, self.under_way, self.last_asked = [], [], set(), time.monotonic()
        self.context.on("request", self.watch)
        for end in ("requestfinished", "requestfailed"):
            self.context.on(end, lambda request: self.under_way.discard(request))
        self.page = self.context.new_page()
        self.page.set_default_timeout(PATIENCE)
        self.page.on("pageerror", lambda error: self.faults.append(str(error)))
        self.page.on("console", lambda message: self.hear(message))

    def watch(self, request):
        if request.url.startswith(("blob:", "data:")):
            return
        self.addresses.append(request.url)
        seen["requests"] += 1
        if not request.url.startswith(address + "/"):
            self.faults.append(f"the page asked another host: {request.url}")
        if ENDLESS not in request.url:
            self.under_way.add(request)
            self.last_asked = time.monotonic()

    def visit(self, path):
        """Opens an address anew, even one that differs from the last only behind the #."""
        self.page.goto("about:blank")
        self.under_way.clear()
        self.page.goto(address + path)

    def rest(self):
        """Returns when the page has had all it asked for, has asked for nothing more for a moment, and has drawn it."""
        settled(lambda: not self.under_way and time.monotonic() - self.last_asked > 0.7, bool)
        if self.page.locator("#app:not([hidden])").count():
            expect(self.page.locator("#map")).to_have_attribute("aria-busy", "false", timeout=PATIENCE)

    def hear(self, message):
        if "Content Security Policy" in message.text or "Refused to" in message.text:
            self.faults.append(message.text)

    def sign_in(self, name):
        page = self.page
        page.fill("#username", name)
        page.fill("#password", secret(name))
        page.click("#login-form button[type=submit]")
        page.wait_for_selector("#app:not([hidden])")
        cookies = {cookie["name"]: cookie for cookie in self.context.cookies()}
        session = cookies["vigil_session"]
        assert session["httpOnly"] and session["secure"] and session["sameSite"] == "Strict", session
        expect(page.locator(".counter strong").first).to_contain_text(re.compile(r"\d"), timeout=PATIENCE)
        expect(page.locator("#live")).to_have_class("live is-on", timeout=PATIENCE)

    def check_access(self, name):
        """No serious finding of axe-core on what is shown."""
        # What is dim while its figures are on their way is not to be read.
        expect(self.page.locator(".is-waiting")).to_have_count(0, timeout=PATIENCE)
        self.page.evaluate(axe)
        found = self.page.evaluate("axe.run(document, {resultTypes: ['violations']})")
        serious = [
            f"{violation['id']}: {node['target']} {node.get('failureSummary', '')}"
            for violation in found["violations"] if violation["impact"] in ("serious", "critical") for node in violation["nodes"]]
        seen["axe"][name] = len(found["violations"])
        assert not serious, f"{name}: " + "\n".join(serious)

    def picture(self, name):
        self.rest()
        self.page.screenshot(path=str(out / f"{name}.png"))

    def parameters(self):
        return self.page.evaluate("Object.fromEntries(new URLSearchParams(location.hash.slice(1)))")

    def heat(self):
        """How many events the cells of each drawing of the map's heat count around what is in view; two while one fades over into the other.
        Cells are drawn from near only."""
        return self.page.evaluate("""() => keptMap.getStyle().layers.filter(({ id }) => id.startsWith('cells-')).map(({ source, 'source-layer': sourceLayer }) => {
          // A cell at the edge of a tile is in its neighbour too.
          const counts = new Map(keptMap.querySourceFeatures(source, { sourceLayer }).map(({ id, properties }) => [id, properties.count]));
          return [...counts.values()].reduce((sum, count) => sum + count, 0);
        })""")

    def transactions(self):
        text = self.page.locator(".counter").nth(1).locator("strong").text_content()
        return int("".join(digit for digit in text if digit.isdigit()))


def log_in(viewer):
    page = viewer.page
    viewer.visit("/")
    page.wait_for_selector("#login:not([hidden])")
    viewer.check_access("login")
    page.fill("#username", "duty-officer")
    page.fill("#password", "wrong")
    page.click("#login-form button[type=submit]")
    expect(page.locator("#login-error")).not_to_be_empty()
    viewer.picture("login")
    # Who guesses too often is told how long to wait.
    too_many = {"status": 429, "headers": {"retry-after": "30"}, "content_type": "application/json", "body": '{"code": "resource_exhausted"}'}
    page.route("**/login", lambda route: route.fulfill(**too_many))
    page.click("#login-form button[type=submit]")
    expect(page.locator("#login-error")).to_contain_text("Wait 30 s")
    page.unroute("**/login")
    # Once that time has passed, it is not said any more.
    page.route("**/login", lambda route: route.fulfill(**{**too_many, "headers": {"retry-after": "1"}}))
    page.click("#login-form button[type=submit]")
    expect(page.locator("#login-error")).to_contain_text("Wait 1 s")
    expect(page.locator("#login-error")).to_contain_text("try again now")
    page.unroute("**/login")
    viewer.sign_in("duty-officer")


def lose_the_session(viewer):
    """A session that ends leads to the login, which says so, and from there back to the same view."""
    page = viewer.page
    viewer.visit("/#layer=transactions&span=7d&daytime=night")
    page.wait_for_selector("#app:not([hidden])")
    viewer.rest()
    view = viewer.parameters()
    viewer.context.clear_cookies()
    page.click("#hotspots button")
    page.wait_for_selector("#login:not([hidden])")
    expect(page.locator("#login-error")).to_contain_text("session has ended")
    viewer.picture("session-ended")
    viewer.sign_in("duty-officer")
    viewer.rest()
    back = viewer.parameters()
    assert all(back[name] == view[name] for name in ("layer", "span", "daytime")), (view, back)


def brush_and_play(viewer):
    page = viewer.page
    page.click("#presets [data-value=all]")
    settled(page.locator("#histogram .bars rect").count, lambda count: count > 10)
    viewer.rest()
    everything = settled(viewer.transactions, lambda count: count > 0)
    box = page.locator("#histogram").bounding_box()
    page.mouse.move(box["x"] + box["width"] * 0.7, box["y"] + 30)
    page.mouse.down()
    page.mouse.move(box["x"] + box["width"] * 0.8, box["y"] + 30, steps=5)
    page.mouse.up()
    part = settled(viewer.transactions, lambda count: count < everything)
    address_bar = viewer.parameters()
    assert address_bar["from"] < address_bar["to"], address_bar
    # A tenth of all, not all of it moved on by a tenth.
    assert hours(address_bar["from"], address_bar["to"]) < 5 * 24, address_bar
    # The same with the keyboard.
    page.locator(".handle").first.focus()
    page.keyboard.press("ArrowLeft")
    moved = settled(viewer.parameters, lambda view: view["from"] != address_bar["from"])
    assert moved["from"] < address_bar["from"] and moved["to"] == address_bar["to"], (address_bar, moved)
    # To the ends and back; the other end stays.
    page.keyboard.press("End")
    last = settled(viewer.parameters, lambda view: view["from"] > address_bar["from"])
    page.keyboard.press("Home")
    began = settled(viewer.parameters, lambda view: view["from"] < moved["from"])
    page.keyboard.press("ArrowLeft")
    assert last["to"] == began["to"] == viewer.parameters()["to"] == address_bar["to"], (address_bar, last, began)
    # The forecast has a span of its own; the one that was brushed is there again after it.
    page.click("#layers [data-value=forecast]")
    settled(viewer.parameters, lambda view: view["layer"] == "forecast" and "from" not in view)
    page.click("#layers [data-value=risk]")
    back = settled(viewer.parameters, lambda view: view["layer"] == "risk" and "from" in view)
    assert (back["from"], back["to"]) == (began["from"], began["to"]), (began, back)
    box = page.locator("#histogram").bounding_box()
    page.mouse.move(box["x"] + box["width"] * 0.4, box["y"] + 30)
    page.mouse.down()
    page.mouse.move(box["x"] + box["width"] * 0.5, box["y"] + 30, steps=5)
    page.mouse.up()
    page.mouse.click(box["x"] + box["width"] * 0.2, box["y"] + 30)
    settled(viewer.parameters, lambda view: view["from"] != began["from"])
    play(viewer)
    # All of time has a part of it moved through it, though its data ends before its last bar does.
    page.click("#presets [data-value=all]")
    viewer.rest()
    play(viewer)
    page.click("#presets [data-value=all]")
    seen["brushed"] = [everything, part]


def hours(start, end):
    start, end = (datetime.datetime.fromisoformat(moment.replace("Z", "+00:00")) for moment in (start, end))
    return (end - start) / datetime.timedelta(hours=1)


def play(viewer):
    """The play says how far it goes at once, and goes as far as it is told. What is brushed is far from the end, where it begins anew."""
    page = viewer.page
    assert page.locator("#step option:checked").text_content().strip()
    page.select_option("#step", label="by the hour")
    page.click("#play")
    moved = []
    for _ in range(3):
        moved.append(settled(lambda: viewer.parameters().get("from"), lambda start: start and start not in moved))
    page.click("#play")
    assert [hours(earlier, later) for earlier, later in zip(moved, moved[1:])] == [1, 1], moved


def go_back(viewer):
    """What is chosen is a step back in the browser, and on; what passes is none. An opened thing is closed by going back."""
    page = viewer.page
    viewer.visit("/#layer=risk&span=all")
    page.wait_for_selector("#app:not([hidden])")
    viewer.rest()
    length = page.evaluate("history.length")
    page.click("#layers [data-value=fraud]")
    page.click("#presets [data-value='7d']")
    viewer.rest()
    # Moving the map and brushing are no steps.
    page.evaluate("keptMap.panBy([40, 0], {animate: false})")
    page.locator(".handle").first.focus()
    page.keyboard.press("ArrowRight")
    settled(viewer.parameters, lambda parameters: "from" in parameters)
    viewer.rest()
    assert page.evaluate("history.length") == length + 2
    page.click("#presets [data-value=all]")
    page.locator("#hotspots button").first.click()
    page.wait_for_selector("#detail:not([hidden]) .facts")
    assert viewer.parameters()["cell"]
    viewer.rest()
    page.go_back()
    page.wait_for_selector("#detail", state="hidden")
    page.go_forward()
    page.wait_for_selector("#detail:not([hidden]) .facts")
    for _ in range(3):
        page.go_back()
        viewer.rest()
    expect(page.locator("#layers [aria-checked=true]")).to_have_attribute("data-value", "fraud")
    expect(page.locator("#presets [aria-checked=true]")).to_have_attribute("data-value", "all")
    page.go_back()
    expect(page.locator("#layers [aria-checked=true]")).to_have_attribute("data-value", "risk")
    viewer.rest()
    assert viewer.parameters()["layer"] == "risk"


def filter_events(viewer):
    page = viewer.page
    page.click("#presets [data-value=all]")
    viewer.rest()
    everything = settled(viewer.transactions, lambda count: count > 0)
    page.select_option("#type", "atm")
    settled(viewer.parameters, lambda parameters: parameters.get("type") == "atm")
    settled(lambda: any("/tiles/" in url and "types=atm" in url for url in viewer.addresses), lambda found: found)
    # The figures follow the channel too.
    settled(viewer.transactions, lambda count: 0 < count < everything)
    page.select_option("#type", "")
    settled(viewer.transactions, lambda count: count >= everything)
    page.select_option("#jurisdiction", index=1)
    part = settled(viewer.transactions, lambda count: 0 < count < everything)
    assert viewer.parameters()["district"]
    page.select_option("#jurisdiction", "")
    settled(viewer.transactions, lambda count: count >= everything)
    seen["filtered"] = [everything, part]


def name_times_of_day(viewer):
    """A time of day says the hours that are counted in the viewer's zone: those of UTC, wherever in an hour of the zone they begin."""
    options = viewer.page.locator("#daytime option").all_text_contents()
    assert "Night, 22:30–6:30" in options and "Weekends, Sat 0:30 – Mon 0:30" in options, options
    names = viewer.page.evaluate("""async () => {
      const { daytimeName } = await import('/static/controls.js'), { getTimezoneOffset } = Date.prototype, names = [];
      for (const minutes of [60, 345, -210]) {
        Date.prototype.getTimezoneOffset = () => -minutes;
        names.push(daytimeName('night'), daytimeName('weekend'));
      }
      Date.prototype.getTimezoneOffset = getTimezoneOffset;
      return names;
    }""")
    assert names == [
        "Night, 22–6", "Weekends", "Night, 22:45–6:45", "Weekends, Sat 0:45 – Mon 0:45", "Night, 22:30–6:30", "Weekends, Sat 0:30 – Mon 0:30"], names


def middle(viewer):
    box = viewer.page.locator("#map").bounding_box()
    return box["x"] + box["width"] / 2, box["y"] + box["height"] / 2


def look_at_a_cell(viewer):
    page = viewer.page
    # What is expected is never told as none beside a bar.
    figures = page.locator("#hotspots .figure").all_text_contents()
    assert figures and "0" not in figures, figures
    tiny = page.evaluate("import('/static/format.js').then(({ formatLayer }) => ['risk', 'forecast', 'fraud'].map((layer) => formatLayer(layer, layer === 'fraud' ? 2 : 0.04)))")
    assert tiny == ["0.04", "0.04", "2"], tiny
    # Amounts in reasons have a currency where it is known.
    reasons = page.evaluate("""import('/static/format.js').then(({ formatReason }) => ['INR', undefined].map(
      (currency) => formatReason({ feature: 'customer_mean_7d', value: 8400, text: '' }, currency)))""")
    assert reasons == [f"Customer’s payments in the last 7 days average {amount}" for amount in ("₹8,400", "8,400")], reasons
    spots = page.locator("#hotspots .row-head + .muted").all_text_contents()
    assert spots and len(set(spots)) == len(spots), spots
    page.locator("#hotspots button").first.click()
    page.wait_for_selector("#detail:not([hidden]) .facts")
    viewer.rest()
    assert viewer.parameters()["place"].count(",") == 2
    # All of time has no time before it to be held against.
    assert viewer.parameters()["span"] == "all"
    expect(page.locator("#detail")).to_contain_text("no span of the same length before")
    assert "+" not in page.locator("#detail .facts").first.text_content()
    # Wherever the focus is.
    page.focus("#models-open")
    page.keyboard.press("Escape")
    page.wait_for_selector("#detail", state="hidden")
    page.mouse.click(*middle(viewer))
    page.wait_for_selector("#detail:not([hidden]) .facts")
    clicked = viewer.parameters()["cell"]
    # The same with keys alone.
    page.keyboard.press("Escape")
    page.wait_for_selector("#detail", state="hidden")
    page.locator("#map canvas").focus()
    page.keyboard.press("Enter")
    page.wait_for_selector("#detail:not([hidden]) .facts")
    # The hotspot's middle is where four cells meet.
    assert viewer.parameters()["cell"][:-1] == clicked[:-1], (viewer.parameters(), clicked)
    viewer.check_access("cell")
    viewer.picture("cell")
    seen["cell"] = page.locator("#detail-title").text_content()
    page.keyboard.press("Escape")
    page.wait_for_selector("#detail", state="hidden")


def look_at_a_complaint(viewer):
    """A link to a place that a colleague sent, and there a complaint with the machines at which its money may be taken out."""
    page = viewer.page
    newest = page.evaluate("fetch('/api/complaints?limit=1').then((answer) => answer.json())")[0]
    viewer.visit(f"/#layer=complaints&span=all&place={newest['latitude']},{newest['longitude']},15")
    page.wait_for_selector("#app:not([hidden])")
    viewer.rest()
    page.mouse.click(*middle(viewer))
    page.wait_for_selector("#detail:not([hidden]) .golden")
    page.wait_for_selector("#detail .ranking li")
    chances = page.locator("#detail .ranking .risk").all_text_contents()
    ranked = [0 if chance.startswith("<") else float(chance.split()[0]) for chance in chances]
    assert ranked == sorted(ranked, reverse=True), ranked
    # No chance is told finer than by two figures, nor below a tenth of a percent; and one scale holds for all machines: one bar alone is the highest.
    lines = page.locator("#detail .ranking .risk, #detail .ranking .row > .muted").all_text_contents()
    told = [found[1] for found in (re.search(r"(< [\d.]+|[\d.]+) %$", line) for line in lines) if found]
    assert told and all(chance == "< 0.1" or len(chance.replace(".", "").strip("0")) <= 2 for chance in told), told
    heights = page.evaluate("[...document.querySelectorAll('#detail .ranking .chart')].map((chart) => Math.max(...[...chart.querySelectorAll('rect')].map((bar) => Number(bar.getAttribute('height')))))")
    assert len(heights) < 2 or min(heights) < max(heights), heights
    viewer.check_access("complaint")
    viewer.picture("complaint")
    seen["cash-out"] = chances
    page.keyboard.press("Escape")
    # The same without pointing: from the list, with keys alone.
    page.wait_for_selector("#complaints:not([hidden]) .row")
    page.locator("#complaints .row").first.focus()
    key = page.evaluate("document.activeElement.closest('li').dataset.complaint")
    page.keyboard.press("Enter")
    page.wait_for_selector("#detail:not([hidden]) .golden")
    assert viewer.parameters()["complaint"] == key
    page.keyboard.press("Escape")
    page.wait_for_selector("#detail", state="hidden")
    assert page.evaluate("document.activeElement.closest('li')?.dataset.complaint") == key
    order = page.evaluate("""async () => {
      const known = await (await fetch('/api/complaints?limit=200')).json();
      const times = new Map(known.map((complaint) => [`${complaint.reporterID}/${complaint.complaintID}`, Date.parse(complaint.occurredAt)]));
      return [...document.querySelectorAll('#complaints li[data-complaint]')].map((item) => times.get(item.dataset.complaint));
    }""")
    assert len(order) > 1 and order == sorted(order, reverse=True), order
    viewer.check_access("complaints")
    viewer.picture("complaints")
    page.click("#lists [data-value=alerts]")
    page.wait_for_selector("#alerts:not([hidden])")


def look_ahead(viewer):
    """What is expected, drawn otherwise than what has happened, and played hour by hour from the one into the other."""
    page = viewer.page
    viewer.visit("/#layer=forecast&span=24h")
    page.wait_for_selector("#expected:not([hidden])")
    settled(lambda: any("/tiles/forecast/" in url for url in viewer.addresses), bool)
    # How much of it there is in all, as the sum of the hours says.
    expect(page.locator("#expected-total")).to_contain_text("in 24 h", timeout=PATIENCE)
    hourly = page.evaluate("fetch('/api/series?layer=forecast&bucket_hours=1').then((answer) => answer.json())")["expected"]
    total = float(page.locator("#expected-total strong").text_content())
    assert abs(total - sum(hourly[:24])) <= 0.06 + 0.02 * sum(hourly[:24]), (total, sum(hourly[:24]))
    settled(lambda: page.locator("#histogram rect.is-expected").count(), lambda count: count > 24)
    page.select_option("#type", index=1)
    settled(lambda: any("/tiles/forecast/" in url and "types=" in url for url in viewer.addresses), bool)
    page.select_option("#type", "")
    viewer.rest()
    # Where a complaint lies there too, the click tells of that.
    for aside in range(0, 200, 20):
        x, y = middle(viewer)
        page.mouse.click(x + aside, y)
        page.wait_for_selector("#detail:not([hidden]) h3")
        if not page.locator("#detail .golden").count():
            break
        page.keyboard.press("Escape")
    page.wait_for_selector("#detail .facts + .facts, #detail .chart .is-expected")
    viewer.check_access("forecast")
    viewer.picture("forecast")
    seen["expected"] = page.locator("#detail .facts").last.text_content()
    assert "(0 to 0)" not in seen["expected"], seen["expected"]
    expect(page.locator("#detail h3").first).to_have_text("In the 72 h before the forecast")
    # A cell of one district while another one is chosen has no figures, and not those of nothing.
    name = page.locator("#detail-title").text_content().removeprefix("Cell in ")
    for option in page.locator("#jurisdiction option").all()[1:]:
        if option.text_content() != name:
            page.select_option("#jurisdiction", option.get_attribute("value"))
            break
    cell, district = viewer.parameters()["cell"], viewer.parameters()["district"]
    deep = cell + "0" * (17 - len(cell))
    viewer.visit(f"/#layer=forecast&span=24h&district={district}&cell={deep}")
    expect(page.locator("#detail-body")).to_contain_text("Outside the chosen district", timeout=PATIENCE)
    viewer.picture("outside")
    page.select_option("#jurisdiction", "")
    expect(page.locator("#detail-body")).not_to_contain_text("Outside the chosen district", timeout=PATIENCE)
    page.wait_for_selector("#detail-body .facts")
    expect(page.locator("#detail-body")).not_to_contain_text("no span of the same length")
    page.keyboard.press("Escape")
    # The day before now is drawn as what it is: complaints that came.
    box = page.locator("#histogram").bounding_box()
    page.mouse.move(box["x"] + box["width"] * 0.3, box["y"] + 30)
    page.mouse.down()
    page.mouse.move(box["x"] + box["width"] * 0.4, box["y"] + 30, steps=3)
    page.mouse.up()
    page.wait_for_selector("#expected", state="hidden")
    settled(lambda: any("/tiles/complaints/" in url for url in viewer.addresses), bool)


def acknowledge(viewer):
    page = viewer.page
    open_ones = page.locator("#alerts li", has=page.locator(".acknowledge"))
    alert, other = [open_ones.nth(index).get_attribute("data-alert") for index in range(2)]
    # The panel tells of that payment, and there it can be taken.
    page.locator(f"#alerts li[data-alert='{alert}'] .row").click()
    expect(page.locator("#detail .facts")).to_contain_text(alert)
    # What the bank knows it by.
    expect(page.locator("#detail .facts")).to_contain_text(suite["bank"]["subject"])
    note = page.evaluate("(id) => fetch(`/api/alerts/${id}`).then((answer) => answer.json())", alert)
    expect(page.locator("#detail .facts")).to_contain_text(note["transactionID"])
    viewer.check_access("alert")
    # Its ring stays, also beneath the page of models and after it.
    if note.get("latitude") is not None:
        page.wait_for_selector("#map .spot")
        page.click("#models-open")
        page.wait_for_selector("#models:not([hidden])")
        page.click("#models .close")
        page.wait_for_selector("#map .spot")
    viewer.picture("alert")
    page.click("#detail .acknowledge")
    for place in ("#detail .acknowledged", f"#alerts li[data-alert='{alert}'] .acknowledged"):
        expect(page.locator(place)).to_contain_text("duty-officer", timeout=PATIENCE)
    page.keyboard.press("Escape")
    # And in the list as well.
    page.click(f"#alerts li[data-alert='{other}'] .acknowledge")
    expect(page.locator(f"#alerts li[data-alert='{other}'] .acknowledged")).to_contain_text("duty-officer", timeout=PATIENCE)
    # The link that a mail holds.
    viewer.visit(f"/#alert={alert}")
    page.wait_for_selector("#detail:not([hidden]) .facts")
    expect(page.locator(f"#alerts li[data-alert='{alert}']")).to_have_class("alert is-chosen is-acknowledged", timeout=PATIENCE)
    page.keyboard.press("Escape")
    seen["acknowledged"] = alert


def move_live(viewer):
    page = viewer.page
    # The payment's place is in view, from as near that single cells are there.
    viewer.visit("/#layer=risk&span=all&place=17.2,75.35,12.8")
    page.wait_for_selector("#app:not([hidden])")
    viewer.rest()
    before = settled(viewer.transactions, lambda count: count > 0)
    viewer.rest()
    heat = settled(viewer.heat, lambda counts: len(counts) == 1)
    submit_transaction()
    began = time.monotonic()
    settled(viewer.transactions, lambda count: count > before)
    # The map's heat has it too, and one drawing of it is left.
    settled(viewer.heat, lambda counts: len(counts) == 1 and counts[0] > heat[0])
    seen["secondsUntilOnScreen"] = round(time.monotonic() - began, 2)


def begin_an_hour(viewer):
    """The page's own module: the first event of an hour is counted, though the span that is asked for ends before it."""
    asked, counted, order = viewer.page.evaluate("""async () => {
      const { keepUp, latest } = await import('/static/live.js');
      // A service with events in these hours, and a span of six hours that ends with what is known of them.
      const hours = [3, 8, 9], span = () => [known - 6, known], asked = [];
      let known = 10, counted = 0;
      const load = async () => {
        const [from, to] = span();
        asked.push(to);
        counted = hours.filter((hour) => hour >= from && hour < to).length;
        known = Math.max(...hours) + 1;
      };
      const moved = [await keepUp(span, load)];
      hours.push(10);
      moved.push(await keepUp(span, load));
      hours.push(10);
      moved.push(await keepUp(span, load));
      // Who asks while an answer is on its way hears of the one that was asked for after.
      const order = [], doors = [];
      const run = latest(() => new Promise((open) => { order.push('begun'); doors.push(open); }));
      const first = run(), second = run().then(() => order.push('heard'));
      run();
      doors[0]();
      await first;
      await new Promise((done) => setTimeout(done));
      doors[1]();
      await second;
      return [[...asked, ...moved], counted, order];
    }""")
    assert asked == [10, 10, 11, 11, False, True, False], asked
    assert counted == 4, counted
    assert order == ["begun", "begun", "heard"], order


def show_models(viewer, may):
    page = viewer.page
    if not may:
        refusal = {"status": 403, "content_type": "application/json", "body": '{"code": "permission_denied", "message": "no"}'}
        page.route("**/models", lambda route: route.fulfill(**refusal))
    page.click("#models-open")
    if may:
        page.wait_for_selector("#models:not([hidden]) table tbody tr")
        page.wait_for_selector("#models .plots svg")
        viewer.check_access("models")
        viewer.picture("models")
        # What lies behind the page is not reached from it.
        for _ in range(12):
            page.keyboard.press("Tab")
            assert page.evaluate("document.activeElement === document.body || Boolean(document.activeElement.closest('#models'))")
        hang_models(viewer)
        reliability(viewer)
        viewer.check_access("calibration")
        viewer.picture("calibration")
        page.unroute("**/models/health")
        expect(page.locator("#models .plots")).to_have_count(2)
        expect(page.locator("#models .plots").last).to_contain_text("with a place")
    else:
        expect(page.locator("#models .models-body")).to_contain_text("may not see", timeout=PATIENCE)
        page.unroute("**/models")
    page.click("#models .close")
    page.wait_for_selector("#models", state="hidden")
    assert page.evaluate("document.activeElement.id") == "models-open"


def hang_models(viewer):
    """What the page of models has stays there, dim, while the model server gives no answer, and under a note when it has given none."""
    page, held, is_lost = viewer.page, [], []
    page.route("**/models/health", lambda route: route.abort() if is_lost else held.append(route))
    page.click("#models .close")
    page.click("#models-open")
    page.wait_for_selector("#models .plots.is-waiting figure")
    expect(page.locator("#models .plots svg").last).to_be_visible()
    expect(page.locator("#models table tbody tr").first).to_be_visible()
    settled(lambda: len(held), bool)
    is_lost.append(True)
    for route in held:
        route.abort()
    page.wait_for_selector("#models .retry")
    expect(page.locator("#models .plots.is-waiting figure").first).to_be_visible()
    page.unroute("**/models/health")
    page.click("#models .retry")
    expect(page.locator("#models .is-waiting")).to_have_count(0, timeout=PATIENCE)
    expect(page.locator("#models .retry")).to_have_count(0)


def reliability(viewer):
    """How stated chances compare with what came out is drawn, and stands in a table."""
    page = viewer.page
    health = page.evaluate("fetch('/models/health').then((answer) => answer.json())")
    bins = [{"meanScore": 0.02, "observed": 0.01, "decisions": 9000}, {"meanScore": 0.44, "observed": 0.5, "decisions": 40}, {"meanScore": 0.97, "observed": 0.9, "decisions": 300}]
    outcomes = {"decisions": 9340, "frauds": 380, "calibrationError": 0.01, "averagePrecision": 0.6, "reliability": bins}
    page.route("**/models/health", lambda route: route.fulfill(json={**health, "outcomes": outcomes}))
    page.click("#models .close")
    page.click("#models-open")
    expect(page.locator("#models .reliability circle")).to_have_count(3, timeout=PATIENCE)
    expect(page.locator("#models table.small tbody tr")).to_have_text(["2 %1 %9,000", "44 %50 %40", "97 %90 %300"])


def show_no_models(viewer):
    """A list that is none has no bullets."""
    page = viewer.page
    page.route("**/models", lambda route: route.fulfill(status=200, content_type="application/json", body="[]"))
    page.click("#models-open")
    expect(page.locator("#models .models-body")).to_contain_text("No model is registered", timeout=PATIENCE)
    stray = page.evaluate("[...document.querySelectorAll('li')].filter((item) => !['OL', 'UL'].includes(item.parentElement.tagName)).length")
    assert stray == 0, stray
    viewer.picture("no-models")
    page.unroute("**/models")
    page.click("#models .close")


def read_the_timeline(viewer, theme):
    """The dates over the bars can be read: nothing lies on them, and they stand out from the ground as WCAG's AA asks, 4.5 to 1."""
    contrast, covers = viewer.page.evaluate("""() => {
      const label = document.querySelector('#histogram text'), ground = document.querySelector('.timeline');
      const channels = (colour) => colour.match(/[\\d.]+/g).map(Number);
      const luminance = (colour) => channels(colour).slice(0, 3).map((value) => value / 255)
        .map((value) => (value <= 0.04045 ? value / 12.92 : ((value + 0.055) / 1.055) ** 2.4))
        .reduce((sum, value, index) => sum + value * [0.2126, 0.7152, 0.0722][index], 0);
      const [one, other] = [getComputedStyle(label).fill, getComputedStyle(ground).backgroundColor].map(luminance);
      const after = [...document.querySelectorAll('#histogram svg .shade')]
        .filter((shade) => label.compareDocumentPosition(shade) & Node.DOCUMENT_POSITION_FOLLOWING);
      return [(Math.max(one, other) + 0.05) / (Math.min(one, other) + 0.05), after.length];
    }""")
    assert contrast >= 4.5 and covers == 0, (theme, contrast, covers)
    seen["contrast"] = {**seen.get("contrast", {}), theme: round(contrast, 1)}


def walk_by_keyboard(viewer):
    """Every control is reached by the tabulator key, and shows that it is."""
    page, reached, ends = viewer.page, set(), 0
    for _ in range(400):
        page.keyboard.press("Tab")
        name, is_seen = page.evaluate("""() => {
          const element = document.activeElement, style = getComputedStyle(element);
          return [element.id || element.tagName, style.outlineStyle !== 'none' || style.boxShadow !== 'none'];
        }""")
        if name == "BODY":
            # The first walk begins wherever the last click was; the second one is whole.
            ends += 1
            if ends == 2:
                break
            continue
        assert is_seen, f"{name} does not show that it has the focus"
        reached.add(name)
        if name == "min-risk":
            viewer.picture("focus")
    missing = {"models-open", "language", "theme", "logout", "jurisdiction", "type", "min-risk", "daytime", "play"} - reached
    assert not missing, missing


def follow_the_span(viewer):
    """The list of alerts holds to the span; without any there, and without an answer, it says so and what to do."""
    page = viewer.page
    everything = settled(page.locator("#alerts li.alert").count, lambda count: count > 0)
    viewer.visit("/#layer=alerts&from=2020-01-01T00:00:00.000Z&to=2020-01-03T00:00:00.000Z")
    expect(page.locator("#alerts")).to_contain_text("No alerts in this span", timeout=PATIENCE)
    expect(page.locator("#map-note")).to_contain_text("longer span", timeout=PATIENCE)
    viewer.check_access("empty")
    viewer.picture("empty")
    page.route("**/api/hotspots*", lambda route: route.abort())
    page.click("#presets [data-value=all]")
    page.wait_for_selector("#hotspots .retry")
    assert settled(page.locator("#alerts li.alert").count, lambda count: count > 0) >= everything
    viewer.check_access("error")
    viewer.picture("error")
    # It is asked for at once by the button, and without it as soon as it can be had.
    hotspots = lambda: sum("/api/hotspots" in url for url in viewer.addresses)
    before = hotspots()
    page.click("#hotspots .retry")
    settled(hotspots, lambda count: count > before)
    page.unroute("**/api/hotspots*")
    page.wait_for_selector("#hotspots .meter")


def fail_and_heal(viewer):
    """While the service cannot answer, the page says so with a button; when it can again, all is there without one, though the stream of news never broke."""
    page = viewer.page
    viewer.visit("/#layer=risk&span=all")
    page.wait_for_selector("#app:not([hidden])")
    viewer.rest()
    fault = {"status": 503, "content_type": "application/json", "body": '{"code": "unavailable", "message": "no"}'}
    page.route("**/api/*", lambda route: route.fulfill(**fault))
    page.click("#presets [data-value='7d']")
    page.wait_for_selector("#map-note .retry")
    expect(page.locator("#map-note")).to_contain_text("figures cannot be loaded")
    page.wait_for_selector("#counters.is-waiting")
    expect(page.locator("#live")).to_have_class("live is-on")
    page.screenshot(path=str(out / "failed-figures.png"))
    page.unroute("**/api/*")
    began = time.monotonic()
    page.wait_for_selector("#counters:not(.is-waiting)", timeout=35_000)
    page.wait_for_selector("#map-note", state="hidden")
    expect(page.locator(".retry")).to_have_count(0)
    seen["secondsUntilHealed"] = round(time.monotonic() - began, 1)


def choose_a_district(viewer):
    """The map goes to the district that is chosen, unless a link says where to look, and the risk can be chosen where there is one."""
    page = viewer.page
    viewer.visit("/#layer=risk&span=all")
    page.wait_for_selector("#app:not([hidden])")
    viewer.rest()
    everywhere = viewer.parameters()["place"]
    page.select_option("#jurisdiction", index=1)
    there = settled(lambda: viewer.parameters()["place"], lambda place: place != everywhere)
    viewer.rest()
    there, district = viewer.parameters()["place"], viewer.parameters()["district"]
    assert float(there.split(",")[2]) > float(everywhere.split(",")[2]), (everywhere, there)
    viewer.picture("district")
    viewer.visit(f"/#layer=risk&span=all&district={district}&place={everywhere}")
    page.wait_for_selector("#app:not([hidden])")
    viewer.rest()
    assert viewer.parameters()["place"] == everywhere, viewer.parameters()
    viewer.visit("/#layer=complaints&span=all&risk=0.5&daytime=night&from=2020-01-01T00:00:00.000Z&to=2020-01-03T00:00:00.000Z")
    expect(page.locator("#min-risk")).to_be_disabled(timeout=PATIENCE)
    expect(page.locator("#min-risk-why")).to_contain_text("Complaints have no risk")
    # What lets nothing through is named, and nothing else.
    expect(page.locator("#map-note")).to_contain_text("with these filters: Time of day.", timeout=PATIENCE)
    page.click("#layers [data-value=risk]")
    expect(page.locator("#min-risk")).to_be_enabled()
    expect(page.locator("#map-note")).to_contain_text("Mean risk at least", timeout=PATIENCE)


def be_limited(viewer):
    """Who may see a district that is not known is told that; nobody who is limited can choose everywhere."""
    page = viewer.page
    session = page.evaluate("fetch('/session').then((answer) => answer.json())")
    page.route("**/session", lambda route: route.fulfill(json={**session, "jurisdictions": ["atlantis"]}))
    page.route("**/api/areas", lambda route: route.fulfill(json={"type": "FeatureCollection", "features": []}))
    summary = {**page.evaluate("fetch('/api/summary').then((answer) => answer.json())"), "jurisdictions": 0}
    page.route("**/api/summary*", lambda route: route.fulfill(json={name: value for name, value in summary.items() if name not in ("from", "to")}))
    viewer.visit("/")
    expect(page.locator("#map-note")).to_contain_text("atlantis", timeout=PATIENCE)
    expect(page.locator("#jurisdiction option")).to_have_text(["None known"])
    viewer.picture("limited")
    # That nothing was scored is said of these districts, not of all.
    page.route("**/api/series?*", lambda route: route.fulfill(json={"layer": "fraud", "bucketHours": 24, "counts": [], "expected": []}))
    page.click("#models-open")
    expect(page.locator("#models .plots").last).to_contain_text("in your districts", timeout=PATIENCE)
    page.click("#models .close")
    page.unroute("**/api/series?*")
    for pattern in ("**/session", "**/api/areas", "**/api/summary*"):
        page.unroute(pattern)
    viewer.visit("/#layer=alerts&span=all")
    page.wait_for_selector("#alerts li.alert")
    viewer.rest()


def settled(read, holds):
    """What `read` gives as soon as `holds` is true of it."""
    deadline = time.monotonic() + PATIENCE / 1000
    while True:
        value = read()
        if holds(value):
            return value
        assert time.monotonic() < deadline, f"{value} does not become what is awaited"
        current.page.wait_for_timeout(50)


def reach_all_alerts(viewer):
    """A long list says how much of it is shown and gives the rest, by keyboard too; those that are taken can be left out of it."""
    page = viewer.page
    viewer.visit("/#layer=alerts&span=all&daytime=night&risk=0.1")
    page.wait_for_selector("#alerts li.alert")
    expect(page.locator("#list-note")).to_have_text("Not applied to this list: Time of day, Mean risk at least.")
    viewer.visit("/#layer=alerts&span=all")
    first = page.evaluate("fetch('/api/alerts?limit=1').then((answer) => answer.json())")[0]
    many = [{**first, "decisionID": f"many-{number}"} for number in range(124)]
    page.route("**/api/alerts?*", lambda route: route.fulfill(json=many))
    page.reload()
    expect(page.locator("#alerts-count")).to_have_text("40 of 124", timeout=PATIENCE)
    # The list is one stop of the tabulator key, and the button behind it the next.
    page.locator("#alerts .row").first.focus()
    page.keyboard.press("ArrowDown")
    assert page.evaluate("document.activeElement.closest('li').dataset.alert") == "many-1"
    for _ in range(2):
        page.keyboard.press("Tab")
    assert page.evaluate("document.activeElement.className") == "more"
    expect(page.locator("#list-note")).to_be_hidden()
    viewer.check_access("many alerts")
    for shown in (80, 120, 124):
        page.locator("#alerts .more").press("Enter")
        expect(page.locator("#alerts li.alert")).to_have_count(shown)
        expect(page.locator("#alerts-count")).to_have_text(f"{shown} of 124")
        if shown == 120:
            assert page.evaluate("document.activeElement.closest('li').dataset.alert") == "many-80"
            viewer.picture("many-alerts")
    expect(page.locator("#alerts .more")).to_have_count(0)
    # One that is taken is gone from the open ones, and the next has the focus.
    taken = {"alertID": "many-0", "isAcknowledged": True, "acknowledgedBy": "duty-officer", "acknowledgedAt": "2026-01-01T00:00:00Z"}
    page.route("**/alerts/many-0/acknowledge", lambda route: route.fulfill(json=taken))
    page.check("#open-only")
    page.locator("#alerts .acknowledge").first.press("Enter")
    expect(page.locator("#alerts-count")).to_have_text("40 of 123")
    assert page.evaluate("document.activeElement.closest('li').dataset.alert") == "many-1"
    assert page.locator("#alerts li[data-alert='many-0']").count() == 0
    viewer.picture("open-alerts")
    page.uncheck("#open-only")
    expect(page.locator("#alerts-count")).to_have_text("40 of 124")
    page.unroute("**/api/alerts?*")
    page.unroute("**/alerts/many-0/acknowledge")


def turn_pages_of_alerts(viewer):
    """However many alerts there are, the list goes on to the last, page by page."""
    page = viewer.page
    viewer.visit("/#layer=alerts&span=all")
    first = page.evaluate("fetch('/api/alerts?limit=1').then((answer) => answer.json())")[0]
    many = [{**first, "decisionID": f"many-{number}"} for number in range(650)]

    def answer(route):
        after = urllib.parse.parse_qs(urllib.parse.urlsplit(route.request.url).query).get("after", [",many--1"])[0]
        begin = int(after.rpartition("-")[2]) + 1 if after != ",many--1" else 0
        route.fulfill(json=many[begin:begin + 200])

    page.route("**/api/alerts?*", answer)
    page.reload()
    expect(page.locator("#alerts-count")).to_have_text("40 of the newest 200", timeout=PATIENCE)
    for shown in range(80, 700, 40):
        page.locator("#alerts .more").press("Enter")
        expect(page.locator("#alerts li.alert")).to_have_count(min(shown, 650))
    expect(page.locator("#alerts-count")).to_have_text("650 of 650")
    expect(page.locator("#alerts .more")).to_have_count(0)
    page.unroute("**/api/alerts?*")


def agree_on_counts(viewer):
    """The counter of alerts, with those that have no place, tells as many as there are."""
    page = viewer.page
    viewer.visit("/#layer=alerts&span=all")
    page.wait_for_selector("#alerts li.alert")
    layers = {layer["name"]: layer for layer in page.evaluate("fetch('/api/summary').then((answer) => answer.json())")["layers"]}
    everything = page.evaluate("fetch('/api/alerts?limit=500').then((answer) => answer.json())")
    if len(everything) < 500:
        assert layers["alerts"]["count"] + layers["alerts"]["withoutPlace"] == len(everything), (layers["alerts"], len(everything))
    without = {name: layer["withoutPlace"] for name, layer in layers.items() if name != "risk" and layer["withoutPlace"]}
    if without:
        expect(page.locator("#left-out")).to_contain_text("Without a place", timeout=PATIENCE)
    # What has a date far outside all of time is left out of it, which is said.
    summary = page.evaluate("fetch('/api/summary').then((answer) => answer.json())")
    page.route("**/api/summary*", lambda route: route.fulfill(json={**summary, "strays": 3}))
    page.reload()
    expect(page.locator("#left-out")).to_contain_text("3 with a date far outside are left out", timeout=PATIENCE)
    page.click("#presets [data-value='24h']")
    expect(page.locator("#left-out")).not_to_contain_text("left out", timeout=PATIENCE)
    page.unroute("**/api/summary*")
    seen["withoutPlace"] = without


def read_the_names(viewer):
    """No district's name lies on another's: where there is no room for all, some are left out."""
    page = viewer.page
    areas = page.evaluate("fetch('/api/areas').then((answer) => answer.json())")["features"]
    place = viewer.parameters()["place"]
    latitude, longitude, zoom = (float(number) for number in place.split(","))
    for out in (0, 3):
        viewer.visit(f"/#layer=risk&span=all&place={latitude},{longitude},{zoom - out}")
        page.wait_for_selector("#app:not([hidden])")
        viewer.rest()
        shown, on_another = page.evaluate("""() => {
          const boxes = keptMap.queryRenderedFeatures({ layers: ['names'] }).map(({ geometry, properties: { picture } }) => {
            const { x, y } = keptMap.project(geometry.coordinates), { data, pixelRatio } = keptMap.style.getImage(picture);
            return [x, y, data.width / pixelRatio / 2, data.height / pixelRatio / 2];
          });
          const touch = ([x, y, wide, high], [otherX, otherY, otherWide, otherHigh]) => Math.abs(x - otherX) < wide + otherWide - 1 && Math.abs(y - otherY) < high + otherHigh - 1;
          return [boxes.length, boxes.filter((box, index) => boxes.slice(index + 1).some((other) => touch(box, other))).length];
        }""")
        assert on_another == 0 and 0 < shown <= len(areas), (out, shown, on_another)
    viewer.visit(f"/#layer=risk&span=all&place={place}")
    page.wait_for_selector("#app:not([hidden])")
    viewer.rest()


def refit(viewer):
    """What is looked at stays in view, and free of what lies over the map, when the window becomes smaller, and is there again when it grows."""
    page = viewer.page
    viewer.visit("/#layer=risk&span=all")
    page.wait_for_selector("#app:not([hidden])")
    viewer.rest()
    before = viewer.parameters()["place"]
    page.set_viewport_size({"width": 1000, "height": 640})
    smaller = settled(lambda: viewer.parameters()["place"], lambda place: place != before)
    assert float(smaller.split(",")[2]) < float(before.split(",")[2]), (before, smaller)
    page.set_viewport_size({"width": 1280, "height": 720})
    settled(lambda: viewer.parameters()["place"], lambda place: all(abs(float(one) - float(other)) < 0.05 for one, other in zip(place.split(","), before.split(","))))


def dim_what_is_old(viewer):
    """Figures of what was chosen before are dim while those of what is chosen now are on their way, and stay so where these do not come."""
    page, held = viewer.page, []
    viewer.visit("/#layer=risk&span=all")
    page.wait_for_selector("#app:not([hidden])")
    viewer.rest()
    page.wait_for_selector("#waiting", state="hidden")
    is_open, pattern = [], re.compile("/api/(summary|hotspots|alerts)|/tiles/risk/")
    let = lambda route: route.abort() if "/api/summary" in route.request.url else route.continue_()
    page.route(pattern, lambda route: let(route) if is_open else held.append(route))
    page.click("#presets [data-value='24h']")
    for part in ("counters", "hotspots", "alerts"):
        page.wait_for_selector(f"#{part}.is-waiting[aria-busy=true]")
    page.wait_for_selector("#map.is-waiting")
    expect(page.locator("#waiting")).to_have_text("loading …")
    page.screenshot(path=str(out / "waiting.png"))
    is_open.append(True)
    for route in held:
        let(route)
    page.wait_for_selector("#hotspots:not(.is-waiting)")
    page.wait_for_selector("#map:not(.is-waiting)")
    expect(page.locator("#map-note")).to_contain_text("figures cannot be loaded", timeout=PATIENCE)
    expect(page.locator("#counters")).to_have_class("counters is-waiting")
    page.unroute(pattern)
    page.click("#presets [data-value='7d']")
    page.wait_for_selector("#counters:not(.is-waiting)")
    page.wait_for_selector("#waiting", state="hidden")


def lose_and_heal(viewer):
    """The service dies, which shows; the launcher starts it again, and the page comes back by itself."""
    os.kill(int((home / "run" / "heatmap-tiles.pid").read_text()), signal.SIGKILL)
    live = viewer.page.locator("#live")
    expect(live).to_have_class("live is-off", timeout=PATIENCE)
    expect(live).to_have_class("live is-on", timeout=PATIENCE)


def hang_and_heal(viewer):
    """The service stands still with all connections open, which shows; when it goes on, the page does too, and has all that failed meanwhile."""
    process = int((home / "run" / "heatmap-tiles.pid").read_text())
    live = viewer.page.locator("#live")
    os.kill(process, signal.SIGSTOP)
    try:
        # It says every 15 s that it is alive.
        expect(live).to_have_class("live is-off", timeout=23_000)
        expect(viewer.page.locator("#map-note")).to_contain_text("connection is lost")
    finally:
        os.kill(process, signal.SIGCONT)
    expect(live).to_have_class("live is-on", timeout=PATIENCE)
    expect(viewer.page.locator("#map-note")).not_to_contain_text("connection is lost")
    viewer.rest()
    assert viewer.page.locator(".retry").count() == 0


def go_offline(viewer):
    """That the machine has no network any more shows at once, and that it has one again does too."""
    live, note = viewer.page.locator("#live"), viewer.page.locator("#map-note")
    # Where the machine has no other network than its own, the browser is offline already and tells of no change.
    tell = lambda event: viewer.page.evaluate("(event) => dispatchEvent(new Event(event))", event)
    viewer.context.set_offline(True)
    tell("offline")
    expect(live).to_have_class("live is-off", timeout=3_000)
    expect(note).to_contain_text("connection is lost", timeout=3_000)
    viewer.context.set_offline(False)
    tell("online")
    expect(live).to_have_class("live is-on", timeout=10_000)
    expect(note).not_to_contain_text("connection is lost")
    viewer.rest()


def open_bad_links(viewer):
    """What a link holds that is not there is said, and the note stays when the map has been drawn."""
    page = viewer.page
    viewer.visit("/#alert=no-such-alert&span=all")
    expect(page.locator("#map-note")).to_contain_text("no such alert", timeout=PATIENCE)
    viewer.rest()
    expect(page.locator("#map-note")).to_contain_text("no such alert")
    assert "alert" not in viewer.parameters()
    strange = {"layer": "love", "span": "5y", "type": "barter", "district": "nowhere", "from": "then", "to": "2026-01-01T00:00:00Z"}
    viewer.visit("/#" + "&".join(f"{name}={value}" for name, value in strange.items() if name not in ("from", "to")))
    for name in ("layer", "span", "type", "district"):
        expect(page.locator("#map-note")).to_contain_text(f"“{strange[name]}”", timeout=PATIENCE)
    viewer.rest()
    expect(page.locator("#map-note")).to_contain_text("Not understood")
    expect(page.locator("#layers [aria-checked=true]")).to_have_attribute("data-value", "risk")
    for choice in ("#type", "#jurisdiction"):
        assert page.locator(choice).input_value() == ""
        assert not page.locator(f"{choice} option", has_text=re.compile("barter|nowhere", re.IGNORECASE)).count()
    assert not {"type", "district"} & set(viewer.parameters()), viewer.parameters()
    viewer.check_access("bad link")
    viewer.picture("bad-link")
    viewer.visit(f"/#from={strange['from']}&to={strange['to']}")
    expect(page.locator("#map-note")).to_contain_text("from “then”", timeout=PATIENCE)
    viewer.rest()
    assert "from" not in viewer.parameters() and viewer.parameters()["span"]
    # What begins before there were any data ends where it is to end all the same.
    for start in ("1900-01-01T00:00:00.000Z", "1990-01-01T00:00:00.000Z", "2020-01-01T00:00:00.000Z"):
        viewer.visit(f"/#from={start}&to=2026-01-01T00:00:00.000Z")
        page.wait_for_selector("#app:not([hidden])")
        viewer.rest()
        assert viewer.parameters()["to"] == "2026-01-01T00:00:00.000Z" and "from" in viewer.parameters(), viewer.parameters()
        expect(page.locator("#map-note")).not_to_contain_text("Not understood")
    viewer.visit(f"/#from={strange['from']}&to={strange['to']}")
    expect(page.locator("#map-note")).to_contain_text("from “then”", timeout=PATIENCE)
    # What the viewer chooses next needs no such words.
    page.click("#presets [data-value=all]")
    expect(page.locator("#map-note")).not_to_contain_text("Not understood")


def step(work, *arguments, **options):
    global current
    began = time.monotonic()
    current = arguments[0]
    try:
        work(*arguments, **options)
    except BaseException:
        current.page.screenshot(path=str(out / "failed.png"))
        raise
    finally:
        name = f"{work.__name__} {seen['requests']}"
        seen["seconds"][name] = round(time.monotonic() - began, 1)
        print(f"{name}: {seen['seconds'][name]} s", file=sys.stderr)


def as_analyst(viewer):
    viewer.visit("/#span=all&layer=transactions")
    # The login is light where the system is, and speaks the other language too.
    page = viewer.page
    page.wait_for_selector("#login:not([hidden])")
    expect(page.locator("html")).to_have_attribute("data-theme", "light")
    page.click("#login-language")
    expect(page.locator("html")).to_have_attribute("lang", "hi")
    viewer.check_access("login, Hindi")
    viewer.picture("login-hindi")
    page.click("#login-language")
    expect(page.locator("html")).to_have_attribute("lang", "en")
    viewer.sign_in("analyst")
    assert viewer.page.locator("#alerts .acknowledge").count() == 0
    # Browsers may still call it Asia/Calcutta.
    expect(viewer.page.locator("#zone")).to_contain_text("Asia/Kolkata", timeout=PATIENCE)
    viewer.check_access("map, light")
    viewer.picture("light")


def in_hindi(viewer):
    viewer.page.click("#language")
    expect(viewer.page.locator("html")).to_have_attribute("lang", "hi", timeout=PATIENCE)
    viewer.page.wait_for_selector("#app:not([hidden])")
    # A model says its reasons in English; the page has words of its own for them.
    expect(viewer.page.locator("#alerts .why").first).to_have_text(re.compile("[\u0900-\u097f]"), timeout=PATIENCE)
    viewer.check_access("map, Hindi")
    viewer.picture("hindi")


def on_a_small_screen(viewer, name):
    """Nothing is wider than the screen, and no part lies on another."""
    viewer.visit("/")
    viewer.sign_in("analyst")
    viewer.rest()
    overflow = viewer.page.evaluate("document.documentElement.scrollWidth - innerWidth")
    assert overflow <= 0, f"the page is {overflow} pixels wider than a {name}"
    on_another = viewer.page.evaluate("""() => {
      const note = document.querySelector('#map-note'), words = note.firstChild.textContent;
      [note.hidden, note.firstChild.textContent] = [false, 'A note of many words. '.repeat(8)];
      const parts = [...document.querySelectorAll('.bar, .side, .filters, .timeline, .map-note')].filter((part) => innerWidth > 640 || part.id !== 'map-note').map((part) => [part.className, part.getBoundingClientRect()]);
      const found = parts.flatMap(([name, one], index) => parts.slice(index + 1)
        .filter(([, other]) => one.left < other.right && other.left < one.right && one.top < other.bottom && other.top < one.bottom)
        .map(([other]) => `${name} on ${other}`));
      [note.hidden, note.firstChild.textContent] = [!words, words];
      return found;
    }""")
    assert not on_another, on_another
    # An alert's time is there whole.
    cut = viewer.page.evaluate("[...document.querySelectorAll('#alerts .where-when span:last-child')].filter((time) => time.scrollWidth > time.clientWidth || time.getBoundingClientRect().right > time.closest('li').getBoundingClientRect().right + 1).length")
    assert cut == 0, f"{cut} times are cut on a {name}"
    viewer.picture(name)
    # What is wider than the screen there can be moved within it.
    viewer.page.click("#models-open")
    viewer.page.wait_for_selector("#models table tbody tr")
    hidden = viewer.page.evaluate("""() => {
      const scroller = document.querySelector('#models .scroller'), box = scroller.getBoundingClientRect();
      return box.right > innerWidth || document.querySelector('#models').scrollWidth > innerWidth || getComputedStyle(scroller).overflowX !== 'auto';
    }""")
    assert not hidden, f"the table of models is cut off on a {name}"
    viewer.picture(f"{name}-models")


with sync_playwright() as playwright:
    browser = playwright.chromium.launch(executable_path="/usr/bin/chromium", args=FLAGS)
    officer = Viewer(browser)
    step(log_in, officer)
    step(brush_and_play, officer)
    step(filter_events, officer)
    step(name_times_of_day, officer)
    officer.check_access("map, dark")
    officer.picture("dark")
    read_the_timeline(officer, "dark")
    step(look_at_a_cell, officer)
    step(go_back, officer)
    step(walk_by_keyboard, officer)
    step(follow_the_span, officer)
    step(fail_and_heal, officer)
    step(choose_a_district, officer)
    step(be_limited, officer)
    step(acknowledge, officer)
    step(reach_all_alerts, officer)
    step(turn_pages_of_alerts, officer)
    step(agree_on_counts, officer)
    step(refit, officer)
    step(read_the_names, officer)
    step(dim_what_is_old, officer)
    step(move_live, officer)
    step(begin_an_hour, officer)
    step(lose_and_heal, officer)
    step(hang_and_heal, officer)
    step(go_offline, officer)
    step(open_bad_links, officer)
    step(look_at_a_complaint, officer)
    step(look_ahead, officer)
    step(show_models, officer, may=False)
    step(show_no_models, officer)
    step(lose_the_session, officer)
    officer.context.close()
    analyst = Viewer(browser, scheme="light")
    step(as_analyst, analyst)
    read_the_timeline(analyst, "light")
    step(show_models, analyst, may=True)
    step(in_hindi, analyst)
    analyst.context.close()
    tablet = Viewer(browser, viewport=(820, 1180))
    step(on_a_small_screen, tablet, name="tablet")
    old_tablet = Viewer(browser, viewport=(768, 1024))
    step(on_a_small_screen, old_tablet, name="old tablet")
    phone = Viewer(browser, viewport=(390, 844))
    step(on_a_small_screen, phone, name="phone")
    for viewer in (officer, analyst, tablet, old_tablet, phone):
        assert not viewer.faults, viewer.faults
    browser.close()
print(json.dumps(seen))
