"""Feast's Python feature server on SQLite: milliseconds of single calls, one connection, as a JSON list.

    feast_latency.py FOLDER ENTITIES-A-CALL CALLS FEATURE...
"""
import http.client
import json
import os
import pathlib
import socket
import subprocess
import sys
import time

os.environ["FEAST_USAGE"] = "False"
import pandas as pd
from feast import Entity, FeatureStore, FeatureView, Field, FileSource, ValueType
from feast.types import Float64

CUSTOMERS = 5_000


def prepare(folder, features):
    data = folder / "data"
    data.mkdir(parents=True)
    (folder / "feature_store.yaml").write_text(
        "project: bench\nprovider: local\nregistry: data/registry.db\n"
        "online_store:\n  type: sqlite\n  path: data/online.db\nentity_key_serialization_version: 3\n"
    )
    now = pd.Timestamp.now(tz="UTC")
    rows = pd.DataFrame({"customer_id": [f"customer-{i}" for i in range(CUSTOMERS)], "event_timestamp": now, "created": now})
    for place, feature in enumerate(features):
        rows[feature] = [float(i * 7 % 1000 + place) for i in range(CUSTOMERS)]
    rows.to_parquet(data / "customers.parquet")
    customer = Entity(name="customer", join_keys=["customer_id"], value_type=ValueType.STRING)
    view = FeatureView(
        name="customer_view", entities=[customer], schema=[Field(name=name, dtype=Float64) for name in features], online=True,
        source=FileSource(path=str(data / "customers.parquet"), timestamp_field="event_timestamp", created_timestamp_column="created"))
    store = FeatureStore(repo_path=str(folder))
    store.apply([customer, view])
    store.write_to_online_store("customer_view", rows)


def free_port():
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return probe.getsockname()[1]


def main():
    folder, size, calls, features = pathlib.Path(sys.argv[1]), int(sys.argv[2]), int(sys.argv[3]), sys.argv[4:]
    prepare(folder, features)
    port = free_port()
    feast = pathlib.Path(sys.executable).parent / "feast"
    with open(folder / "server.log", "w") as log:
        server = subprocess.Popen(
            [feast, "--chdir", folder, "serve", "--host", "127.0.0.1", "--port", str(port), "--no-access-log"], stdout=log, stderr=log)
    try:
        deadline = time.monotonic() + 120
        while True:
            try:
                socket.create_connection(("127.0.0.1", port), timeout=1).close()
                break
            except OSError:
                if server.poll() is not None or time.monotonic() > deadline:
                    raise SystemExit("Feast did not start: " + (folder / "server.log").read_text()[-800:])
                time.sleep(0.1)
        connection = http.client.HTTPConnection("127.0.0.1", port)
        milliseconds = []
        for call in range(calls + 20):
            ids = [f"customer-{(call * 97 + i * 31) % CUSTOMERS}" for i in range(size)]
            body = json.dumps({"features": [f"customer_view:{name}" for name in features], "entities": {"customer_id": ids}})
            began = time.perf_counter()
            connection.request("POST", "/get-online-features", body, {"content-type": "application/json"})
            answer = connection.getresponse()
            payload = answer.read()
            if call >= 20:
                milliseconds.append((time.perf_counter() - began) * 1000)
            if answer.status != 200 or len(json.loads(payload)["results"]) != len(features) + 1:
                raise SystemExit(f"Feast answered {answer.status}: {payload[:400]!r}")
        print(json.dumps(milliseconds))
    finally:
        server.terminate()
        server.wait()


main()
