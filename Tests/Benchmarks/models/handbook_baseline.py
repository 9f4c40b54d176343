#!/usr/bin/env python3
"""XGBoost with the Fraud Detection Handbook's own features, by the handbook's protocol: the peer of `vigil evaluate fraud`.

    handbook_baseline.py transactions.csv.gz 2018-06-13 [--scores ours.csv]

Prints one JSON object with AUC ROC, average precision and card precision at 100 on the test week. With --scores, a CSV of
TRANSACTION_ID,score, it also measures those scores on the same rows by the same code.
Needs pandas, scikit-learn and xgboost.
"""
import argparse
import datetime
import json

import pandas
import sklearn.metrics
import xgboost

TRAIN_DAYS = DELAY_DAYS = TEST_DAYS = 7
WINDOWS = (1, 7, 30)


def with_customer_features(own):
    own = own.sort_values("TX_DATETIME", kind="stable").set_index("TX_DATETIME", drop=False)
    for days in WINDOWS:
        rolling = own["TX_AMOUNT"].rolling(f"{days}D")
        own[f"CUSTOMER_NB_TX_{days}"] = rolling.count()
        own[f"CUSTOMER_AVG_AMOUNT_{days}"] = rolling.mean()
    return own.reset_index(drop=True)


def with_terminal_features(own):
    own = own.sort_values("TX_DATETIME", kind="stable").set_index("TX_DATETIME", drop=False)
    frauds_delay = own["TX_FRAUD"].rolling(f"{DELAY_DAYS}D").sum()
    count_delay = own["TX_FRAUD"].rolling(f"{DELAY_DAYS}D").count()
    for days in WINDOWS:
        frauds = own["TX_FRAUD"].rolling(f"{DELAY_DAYS + days}D").sum() - frauds_delay
        count = own["TX_FRAUD"].rolling(f"{DELAY_DAYS + days}D").count() - count_delay
        own[f"TERMINAL_NB_TX_{days}"] = count
        own[f"TERMINAL_RISK_{days}"] = (frauds / count).fillna(0)
    return own.reset_index(drop=True)


def with_all_features(rows):
    rows["TX_DURING_WEEKEND"] = (rows.TX_DATETIME.dt.day_of_week >= 5).astype(int)
    rows["TX_DURING_NIGHT"] = (rows.TX_DATETIME.dt.hour <= 6).astype(int)
    rows = pandas.concat([with_customer_features(own) for _, own in rows.groupby("CUSTOMER_ID")])
    return pandas.concat([with_terminal_features(own) for _, own in rows.groupby("TERMINAL_ID")])


def split(rows, start):
    """The handbook's split: cards known to be compromised before a test day are not in it."""
    first_day = (start - datetime.datetime(2018, 4, 1)).days
    train = rows[(rows.TX_DAY >= first_day) & (rows.TX_DAY < first_day + TRAIN_DAYS)]
    known = set(train[train.TX_FRAUD == 1].CUSTOMER_ID)
    test = []
    for day in range(TEST_DAYS):
        delayed = rows[rows.TX_DAY == first_day + TRAIN_DAYS + day - 1]
        known |= set(delayed[delayed.TX_FRAUD == 1].CUSTOMER_ID)
        today = rows[rows.TX_DAY == first_day + TRAIN_DAYS + DELAY_DAYS + day]
        test.append(today[~today.CUSTOMER_ID.isin(known)])
    return train, pandas.concat(test)


def card_precision(test, scores, k=100):
    """Mean over days of the share of compromised cards among the k cards with the highest score; found ones leave."""
    frame = test.assign(score=scores)
    detected, precisions = set(), []
    for _, day in frame.groupby("TX_DAY"):
        cards = day[~day.CUSTOMER_ID.isin(detected)].groupby("CUSTOMER_ID").agg(score=("score", "max"), fraud=("TX_FRAUD", "max"))
        top = cards.sort_values("score", ascending=False, kind="stable").head(k)
        found = set(top[top.fraud == 1].index)
        detected |= found
        precisions.append(len(found) / k)
    return sum(precisions) / len(precisions)


def figures(test, scores):
    return {
        "auc_roc": sklearn.metrics.roc_auc_score(test.TX_FRAUD, scores),
        "average_precision": sklearn.metrics.average_precision_score(test.TX_FRAUD, scores),
        "card_precision_at_100": card_precision(test, scores),
    }


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("transactions")
    parser.add_argument("start", type=datetime.datetime.fromisoformat)
    parser.add_argument("--scores")
    arguments = parser.parse_args()

    rows = pandas.read_csv(arguments.transactions, parse_dates=["TX_DATETIME"])
    begin = arguments.start - datetime.timedelta(days=40)
    end = arguments.start + datetime.timedelta(days=TRAIN_DAYS + DELAY_DAYS + TEST_DAYS)
    rows = rows[(rows.TX_DATETIME >= begin) & (rows.TX_DATETIME < end)].copy()
    rows["TX_DAY"] = (rows.TX_DATETIME - datetime.datetime(2018, 4, 1)).dt.days
    rows = with_all_features(rows)
    rows = rows.sort_values(["TX_DATETIME", "TRANSACTION_ID"], kind="stable")

    features = ["TX_AMOUNT", "TX_DURING_WEEKEND", "TX_DURING_NIGHT"] + [
        name for name in rows.columns if name.startswith(("CUSTOMER_NB", "CUSTOMER_AVG", "TERMINAL_NB", "TERMINAL_RISK"))]
    train, test = split(rows, arguments.start)
    model = xgboost.XGBClassifier(random_state=0, n_jobs=1)
    model.fit(train[features], train.TX_FRAUD)
    result = {"rows": len(test), "peer": figures(test, model.predict_proba(test[features])[:, 1])}
    if arguments.scores:
        ours = pandas.read_csv(arguments.scores).set_index("TRANSACTION_ID")["score"]
        result["ours"] = figures(test, ours.reindex(test.TRANSACTION_ID).to_numpy())
    print(json.dumps(result))


if __name__ == "__main__":
    main()
