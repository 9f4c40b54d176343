"""Submits one transaction as a foreign client would: the published .proto files, grpcio, a bearer token, nothing of ours.

usage: submit_transaction.py PROTO_FOLDER TARGET TRUST_FILE TOKEN TRANSACTION_ID
Prints the answer as JSON.
"""
import json
import sys
import tempfile
import time
from pathlib import Path

import grpc
from google.protobuf import json_format
from grpc_tools import protoc
import grpc_tools

protos, target, trust, token, transaction_id = sys.argv[1:]
with tempfile.TemporaryDirectory() as folder:
    files = [str(p.relative_to(protos)) for p in Path(protos).glob("vigil/*/v1/*.proto")]
    include = str(Path(grpc_tools.__file__).parent / "_proto")
    extra = [f"-I{include}"] if Path(include).exists() else []
    status = protoc.main(["protoc", f"-I{protos}", *extra, f"--python_out={folder}", f"--grpc_python_out={folder}", *files])
    if status != 0:
        sys.exit(status)
    sys.path.insert(0, folder)
    from vigil.ingestion.v1 import ingestion_pb2, ingestion_pb2_grpc

    request = ingestion_pb2.SubmitTransactionRequest()
    transaction = request.transaction
    transaction.key.transaction_id = transaction_id
    transaction.event_time.FromSeconds(int(time.time()) - 60)
    transaction.customer_id = "customer-1"
    transaction.account_id = "account-1"
    transaction.terminal_id = "terminal-1"
    transaction.channel = 1
    transaction.amount.minor_units = 125050
    transaction.amount.currency = "INR"

    credentials = grpc.ssl_channel_credentials(Path(trust).read_bytes())
    with grpc.secure_channel(target, credentials) as channel:
        stub = ingestion_pb2_grpc.IngestionServiceStub(channel)
        answer = stub.SubmitTransaction(request, metadata=[("authorization", f"Bearer {token}")], timeout=20)
        again = stub.SubmitTransaction(request, metadata=[("authorization", f"Bearer {token}")], timeout=20)
        try:
            transaction.amount.currency = "XQX"
            stub.SubmitTransaction(request, metadata=[("authorization", f"Bearer {token}")], timeout=20)
            refusal = "none"
        except grpc.RpcError as error:
            refusal = error.code().name
        try:
            stub.SubmitTransaction(request, timeout=20)
            anonymous = "none"
        except grpc.RpcError as error:
            anonymous = error.code().name
    print(json.dumps({
        "first": json_format.MessageToDict(answer), "second": json_format.MessageToDict(again),
        "refusal": refusal, "anonymous": anonymous,
    }))
