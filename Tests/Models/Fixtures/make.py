#!/usr/bin/env python3
"""Makes the fixtures beside it with XGBoost and scikit-learn from PyPI: run it in this folder to make them anew."""
import json

import numpy
import pandas
import xgboost
from sklearn.metrics import average_precision_score, roc_auc_score

random = numpy.random.RandomState(7)


def number(x):
    return None if numpy.isnan(x) else float(x)


def models():
    x = random.normal(size=(600, 5)).astype(numpy.float32)
    x[random.uniform(size=x.shape) < 0.1] = numpy.nan
    y = (numpy.nan_to_num(x[:, 0]) * numpy.nan_to_num(x[:, 1]) + numpy.nan_to_num(x[:, 2], nan=1) + random.normal(size=600) > 1).astype(int)
    data = xgboost.DMatrix(x, y, feature_names=["a", "b", "c", "d", "e"])
    rows = x[:40]
    for name, parameters in {
        "logistic": {"objective": "binary:logistic", "max_depth": 4},
        "dart": {"objective": "binary:logistic", "booster": "dart", "rate_drop": 0.3, "max_depth": 3},
        "poisson": {"objective": "count:poisson", "max_depth": 3},
    }.items():
        model = xgboost.train({"nthread": 1, "seed": 3, "eta": 0.3, **parameters}, data, 10)
        model.save_model(f"{name}.json")
        model.save_model(f"{name}.ubj")
        few = xgboost.DMatrix(rows, feature_names=["a", "b", "c", "d", "e"])
        expected = {
            "rows": [[number(v) for v in row] for row in rows],
            "margins": [float(v) for v in model.predict(few, output_margin=True)],
            "predictions": [float(v) for v in model.predict(few)],
            "contributions": [[float(v) for v in row] for row in model.predict(few, pred_contribs=True)],
        }
        json.dump(expected, open(f"{name}.expected.json", "w"))


def card_precision(frame, k):
    """The handbook's section 4.4: cards found on one day are left out of the next."""
    found, shares = set(), []
    for _, day in frame.groupby("day"):
        cards = day[~day.customer.isin(found)].groupby("customer")[["score", "fraud"]].max()
        top = cards.sort_values("score", ascending=False).head(k)
        hits = top.index[top.fraud == 1]
        shares.append(len(hits) / k)
        found |= set(hits)
    return float(numpy.mean(shares))


def metrics():
    cases = []
    for count, levels in [(50, 8), (400, 60), (400, 100000)]:
        fraud = (random.uniform(size=count) < 0.15).astype(int)
        score = numpy.round((random.normal(size=count) + fraud) * levels / 6) / levels
        frame = pandas.DataFrame({"day": random.randint(0, 4, count), "customer": random.randint(0, 60, count), "score": score, "fraud": fraud})
        distinct = frame.assign(score=frame.score + frame.customer * 1e-7)
        cases.append({
            "day": frame.day.tolist(), "customer": [f"{c:03}" for c in frame.customer], "score": score.tolist(), "fraud": fraud.tolist(),
            "aucROC": float(roc_auc_score(fraud, score)), "averagePrecision": float(average_precision_score(fraud, score)),
            "distinctScore": distinct.score.tolist(), "cardPrecision": card_precision(distinct, 10),
        })
    json.dump(cases, open("metrics.json", "w"))


models()
metrics()
