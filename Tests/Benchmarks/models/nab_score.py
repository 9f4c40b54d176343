#!/usr/bin/env python3
"""Scores results by the Numenta Anomaly Benchmark's standard profile, written from its published definition
(Lavin and Ahmad, "Evaluating Real-time Anomaly Detection Algorithms", 2015).

    nab_score.py RESULTS WINDOWS.json --threshold 0.99      # one threshold for all series
    nab_score.py RESULTS WINDOWS.json --optimise            # the threshold that is best over all series, and its score
    nab_score.py --self-check

RESULTS is a folder of CSV files with the columns timestamp and anomaly_score, under the paths that WINDOWS.json names;
WINDOWS.json maps each path to its labelled windows, [[first timestamp, last timestamp], ...]. Only those that RESULTS has are scored.

A point scores as detected when its score reaches the threshold. In a window the earliest detection counts, by a scaled sigmoid of its
place: 1 at the left edge, falling to 0 at the right. A missed window costs 1.
A detection outside costs 0.11, less just after a window. The first 15 % of a file, at most 750 points, count nothing.
100 is all windows found at once, 0 is silence.
"""
import argparse
import csv
import datetime
import json
import math
import os
import sys

TRUE_POSITIVE, FALSE_NEGATIVE, FALSE_POSITIVE = 1.0, 1.0, 0.11


def sigmoid(place):
    """+1 far before the right edge of a window (place 0), -1 far behind."""
    return -1.0 if place > 3.0 else 2.0 / (1.0 + math.exp(5.0 * place)) - 1.0


def weights(times, windows):
    """For each point: the index of its window, or None, and what a detection there is worth; None in the probation."""
    probation = min(math.floor(0.15 * len(times)), 750)
    out, current, previous, upcoming = [], None, None, list(enumerate(windows))
    for index, time in enumerate(times):
        if current is None and upcoming and time >= upcoming[0][1][0]:
            number, (first, last) = upcoming.pop(0)
            right = max(i for i, t in enumerate(times) if t <= last)
            current = (number, index, right)
        if current:
            number, left, right = current
            width = right - left + 1
            value = sigmoid(-(right - index + 1) / width) * TRUE_POSITIVE / sigmoid(-1.0)
            entry = (number, value)
        else:
            number = None
            value = -FALSE_POSITIVE if previous is None else FALSE_POSITIVE * sigmoid((index - previous[1]) / max(1, previous[1] - previous[0]))
            entry = (None, value)
        out.append(entry if index >= probation else None)
        if current and index == current[2]:
            previous, current = (current[1], current[2]), None
    return out


class Series:
    def __init__(self, name, times, scores, windows):
        self.name, self.scores = name, scores
        self.weights = weights(times, windows)
        self.windows = {entry[0] for entry in self.weights if entry and entry[0] is not None}

    def at(self, threshold):
        """Raw score, windows found, false positives."""
        best, cost, false = {}, 0.0, 0
        for entry, score in zip(self.weights, self.scores):
            if entry is None or not score >= threshold:
                continue
            window, value = entry
            if window is None:
                cost += value
                false += 1
            else:
                best[window] = max(best.get(window, -math.inf), value)
        raw = sum(best.values()) + cost - FALSE_NEGATIVE * (len(self.windows) - len(best))
        return raw, len(best), false


def normalised(series, threshold):
    """0 for a detector that says nothing, 100 for one that finds each window at its first point and nothing else."""
    count = sum(len(one.windows) for one in series)
    raw = sum(one.at(threshold)[0] for one in series)
    null, perfect = -FALSE_NEGATIVE * count, TRUE_POSITIVE * count
    return 100.0 * (raw - null) / (perfect - null) if count else 0.0


def optimum(series):
    """The best threshold: all points in order of their scores, each score tried as the threshold."""
    points = sorted(
        ((score, number, entry) for number, one in enumerate(series) for entry, score in zip(one.weights, one.scores)
         if entry is not None and score == score), key=lambda point: -point[0])
    best, raw, found = (-math.inf, 1.0), -FALSE_NEGATIVE * sum(len(one.windows) for one in series), {}
    for index, (score, number, (window, value)) in enumerate(points):
        if window is None:
            raw += value
        else:
            key = (number, window)
            before = found.get(key, -FALSE_NEGATIVE)
            found[key] = max(before, value)
            raw += found[key] - before
        if index + 1 == len(points) or points[index + 1][0] < score:
            best = max(best, (raw, score))
    return best[1]


def parse(text):
    return datetime.datetime.fromisoformat(text.strip().replace("Z", "+00:00"))


def load(results, windows):
    series = []
    for name, spans in sorted(windows.items()):
        path = os.path.join(results, name)
        if not os.path.exists(path):
            continue
        with open(path, newline="") as file:
            rows = list(csv.DictReader(file))
        times = [parse(row["timestamp"]) for row in rows]
        scores = [float(row["anomaly_score"]) if row["anomaly_score"] else math.nan for row in rows]
        series.append(Series(name, times, scores, [(parse(first), parse(last)) for first, last in spans]))
    return series


def self_check():
    start = datetime.datetime(2020, 1, 1)
    times = [start + datetime.timedelta(minutes=5 * i) for i in range(1000)]
    windows = [(times[400], times[499]), (times[700], times[799])]

    def score(*hits):
        return normalised([Series("it", times, [1.0 if i in hits else 0.0 for i in range(1000)], windows)], 0.5)

    assert score() == 0.0
    assert abs(score(400, 700) - 100.0) < 1e-9, "the first point of each window is worth all"
    assert abs(score(400, 450, 700) - 100.0) < 1e-9, "only the first detection in a window counts"
    assert score(10, 400, 700) == score(400, 700), "the probation counts nothing"
    assert abs(score(200, 400, 700) - (100.0 - 100.0 * 0.11 / 4)) < 1e-9, "a false positive far from windows"
    assert score(200, 400, 700) < score(505, 400, 700) < score(400, 700), "one just after a window costs less"
    assert 49.9 < score(400) <= 50.0, "a missed window"
    assert score(499, 700) < score(450, 700) < score(400, 700), "late is worth less"
    graded = Series("it", times, [0.9 if i in (400, 700) else 0.8 if i == 200 else 0.1 for i in range(1000)], windows)
    assert optimum([graded]) == 0.9
    print("the scorer's own checks hold")


def main():
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("results", nargs="?")
    parser.add_argument("windows", nargs="?")
    parser.add_argument("--threshold", type=float)
    parser.add_argument("--optimise", action="store_true")
    parser.add_argument("--each", action="store_true", help="a line for each series")
    parser.add_argument("--self-check", action="store_true")
    arguments = parser.parse_args()
    if arguments.self_check:
        return self_check()
    if not arguments.windows or (arguments.threshold is None) != arguments.optimise:
        parser.error("give RESULTS, WINDOWS.json and either --threshold or --optimise")
    with open(arguments.windows) as file:
        windows = json.load(file)
    series = load(arguments.results, windows)
    if not series:
        sys.exit(f"{arguments.results} has none of the files that {arguments.windows} names")
    threshold = optimum(series) if arguments.optimise else arguments.threshold
    if arguments.each:
        for one in series:
            raw, found, false = one.at(threshold)
            print(f"{one.name}: {found} of {len(one.windows)} windows, {false} false positives, {raw:.3f}")
    found, false = (sum(one.at(threshold)[i] for one in series) for i in (1, 2))
    count = sum(len(one.windows) for one in series)
    print(f"score {normalised(series, threshold):.2f} at threshold {threshold!r}: "
          f"{found} of {count} windows, {false} false positives, {len(series)} of {len(windows)} series")


if __name__ == "__main__":
    main()
