#!/usr/bin/env python3
"""Scores `vigil forecast` beside the usual baselines, week by week.

    spatial_score.py --vigil .build/release/vigil --events crimes.csv.gz --first 2010-03-15 --weeks 11

For each week the file is cut at the week's begin, `vigil forecast --cells` ranks the cells, and so do plain counts, counts of 60 days,
a kernel density and a decayed one. Printed are the hit rate (share of the week's incidents in the first 1, 2 and 5 % of the cells), PAI
(hit rate by share of the area) and PEI (hit rate by the best one possible), means over weeks and coverages, and ours less each
baseline's, paired by week, with its standard error. Written against the command's output alone.
"""
import argparse
import csv
import datetime as dt
import gzip
import math
import os
import subprocess
import tempfile
from collections import Counter, defaultdict

COVERAGES = (0.01, 0.02, 0.05)


def parse():
    p = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    p.add_argument("--vigil", required=True)
    p.add_argument("--events", required=True, help="CSV, gzip or not: datetime, offense, lat, lon")
    p.add_argument("--mapping", default="houston-crimes")
    p.add_argument("--first", required=True, help="the first week's first day")
    p.add_argument("--weeks", type=int, default=4)
    p.add_argument("--step-days", type=int, default=7)
    p.add_argument("--types", default="robbery,burglary,auto theft")
    p.add_argument("--keep", type=float, default=1, help="share of the incidents to keep, as of a smaller city")
    p.add_argument("--cell-metres", type=float, default=250)
    p.add_argument("--extra", default="", help="options handed on to vigil forecast")
    return p.parse_args()


def load(path, keep):
    opener = gzip.open if path.endswith(".gz") else open
    rows, fraction = [], 0.0
    with opener(path, "rt", newline="") as f:
        for row in csv.DictReader(f):
            fraction += keep
            if fraction < 1:
                continue
            fraction -= 1
            rows.append((dt.datetime.fromisoformat(row["datetime"]), row["offense"], float(row["lat"]), float(row["lon"]), row))
    return rows


class Grid:
    """Square cells, as many as ever had an incident."""

    def __init__(self, rows, metres):
        self.lat0 = sorted(r[2] for r in rows)[len(rows) // 2]
        self.lon0 = sorted(r[3] for r in rows)[len(rows) // 2]
        self.metres = metres
        self.per_lat = 111320.0
        self.per_lon = 111320.0 * math.cos(math.radians(self.lat0))
        self.cells = sorted({self.cell(r[2], r[3]) for r in rows})

    def cell(self, lat, lon):
        return (math.floor((lat - self.lat0) * self.per_lat / self.metres), math.floor((lon - self.lon0) * self.per_lon / self.metres))

    def centre(self, cell):
        return (self.lat0 + (cell[0] + 0.5) * self.metres / self.per_lat, self.lon0 + (cell[1] + 0.5) * self.metres / self.per_lon)


def smooth(counts, sigma):
    radius = math.ceil(3 * sigma)
    kernel = [
        (i, j, math.exp(-(i * i + j * j) / (2 * sigma * sigma))) for i in range(-radius, radius + 1) for j in range(-radius, radius + 1)]
    out = defaultdict(float)
    for (a, b), n in counts.items():
        for i, j, w in kernel:
            out[a + i, b + j] += n * w
    return out


def baselines(grid, history, at):
    def count(weight):
        c = Counter()
        for when, _, lat, lon, _ in history:
            c[grid.cell(lat, lon)] += weight((at - when).total_seconds() / 86400)
        return c

    plain = count(lambda age: 1.0)
    return {
        "count": plain,
        "60 days": count(lambda age: 1.0 if age <= 60 else 0.0),
        "kde": smooth(plain, 1),
        "decayed kde": smooth(count(lambda age: 0.5 ** (age / 30)), 1),
    }


def ours(args, rows, at, kind, grid, folder):
    events = os.path.join(folder, "events.csv")
    with open(events, "w", newline="") as f:
        writer = csv.DictWriter(f, fieldnames=list(rows[0][4].keys()), lineterminator="\n")
        writer.writeheader()
        writer.writerows(r[4] for r in rows if r[0] < at)
    cells, output = os.path.join(folder, "cells.csv"), os.path.join(folder, "out.csv")
    with open(cells, "w") as f:
        f.write("cell_id,latitude,longitude\n")
        for i, cell in enumerate(grid.cells):
            f.write("%d,%.8f,%.8f\n" % ((i,) + grid.centre(cell)))
    subprocess.run(
        [args.vigil, "forecast", "--events", events, "--mapping", args.mapping, "--at", at.isoformat(), "--hours", "168", "--type", kind,
         "--cell-metres", str(args.cell_metres), "--cells", cells, "--output", output] + args.extra.split(),
        check=True, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    with open(output, newline="") as f:
        answer = list(csv.DictReader(f))
    assert [r["cell_id"] for r in answer] == [str(i) for i in range(len(grid.cells))], "all cells, in their order"
    return {cell: float(r["expected"]) for cell, r in zip(grid.cells, answer)}


def hit_rates(grid, score, happened):
    # Equal scores in an order that has nothing to do with the map.
    order = sorted(grid.cells, key=lambda c: (-score.get(c, 0), (c[0] * 7919 + c[1] * 104729) % 1000003))
    best = sorted(happened.values(), reverse=True)
    total = sum(happened.values())
    rates = []
    for coverage in COVERAGES:
        k = max(1, round(coverage * len(order)))
        hits = sum(happened.get(c, 0) for c in order[:k])
        rates.append((hits / total, hits / total / coverage, hits / sum(best[:k])))
    return [sum(r[i] for r in rates) / len(rates) for i in range(3)]


def main():
    args = parse()
    rows = load(args.events, args.keep)
    grid = Grid(rows, args.cell_metres)
    print(f"{len(rows)} incidents, {len(grid.cells)} cells")
    first = dt.datetime.fromisoformat(args.first)
    results = defaultdict(list)
    with tempfile.TemporaryDirectory() as folder:
        for kind in args.types.split(","):
            for week in range(args.weeks):
                at = first + dt.timedelta(days=args.step_days * week)
                of_kind = [r for r in rows if kind in ("all", r[1])]
                happened = Counter(grid.cell(r[2], r[3]) for r in of_kind if at <= r[0] < at + dt.timedelta(days=7))
                if not happened:
                    continue
                scores = baselines(grid, [r for r in of_kind if r[0] < at], at)
                scores["vigil"] = ours(args, rows, at, kind, grid, folder)
                for name, score in scores.items():
                    results[kind, name].append(hit_rates(grid, score, happened))
            report(kind, {n: v for (k, n), v in results.items() if k == kind})
    together = defaultdict(list)
    for (_, name), values in results.items():
        together[name] += values
    report("mean of the types", together)


def report(kind, by_name):
    mine = by_name.get("vigil")
    if not mine:
        return
    print(f"{kind}: {len(mine)} weeks")
    for name, values in by_name.items():
        means = [sum(v[i] for v in values) / len(values) for i in range(3)]
        line = f"  {name:12s} hit rate {means[0]:.4f}  PAI {means[1]:6.2f}  PEI {means[2]:.4f}"
        if name != "vigil":
            gaps = [m[0] - v[0] for m, v in zip(mine, values)]
            mean = sum(gaps) / len(gaps)
            spread = math.sqrt(sum((g - mean) ** 2 for g in gaps) / max(1, len(gaps) - 1) / len(gaps))
            line += f"   vigil {mean:+.4f} (se {spread:.4f})"
        print(line, flush=True)


if __name__ == "__main__":
    main()
