#!/usr/bin/env python3
"""The Fraud Detection Handbook's own feature code (chapter 3.5) over a whole file: prints the seconds of CPU it took.

    handbook_features.py transactions.csv.gz
"""
import sys
import time

import pandas

import handbook_baseline


def main():
    start = time.process_time()
    rows = pandas.read_csv(sys.argv[1], parse_dates=["TX_DATETIME"])
    handbook_baseline.with_all_features(rows)
    print(time.process_time() - start)


if __name__ == "__main__":
    main()
