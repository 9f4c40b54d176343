"""The server's side of gRPC's published interop cases in Python's grpcio. Prints its port; ends when its input does."""
import sys
import time
from concurrent import futures

import grpc

import messages as M


def echo_metadata(context):
    for name, value in context.invocation_metadata():
        if name == "x-grpc-test-echo-initial":
            context.send_initial_metadata(((name, value),))
        if name == "x-grpc-test-echo-trailing-bin":
            context.set_trailing_metadata(((name, value),))


def fail_if_asked(request, context):
    if request.HasField("response_status") and request.response_status.code:
        code = next(code for code in grpc.StatusCode if code.value[0] == request.response_status.code)
        context.abort(code, request.response_status.message)


def respond(parameters):
    time.sleep(parameters.interval_us / 1e6)
    return M.StreamingOutputCallResponse(payload=M.Payload(body=b"\0" * parameters.size))


class Service:
    def EmptyCall(self, request, context):
        echo_metadata(context)
        return M.Empty()

    def UnaryCall(self, request, context):
        echo_metadata(context)
        fail_if_asked(request, context)
        if request.response_compressed.value:
            context.set_compression(grpc.Compression.Gzip)
        return M.SimpleResponse(payload=M.Payload(body=b"\0" * request.response_size))

    def StreamingOutputCall(self, request, context):
        if any(parameters.compressed.value for parameters in request.response_parameters):
            context.set_compression(grpc.Compression.Gzip)
        for parameters in request.response_parameters:
            if not parameters.compressed.value:
                context.disable_next_message_compression()
            yield respond(parameters)

    def StreamingInputCall(self, requests, context):
        return M.StreamingInputCallResponse(aggregated_payload_size=sum(len(request.payload.body) for request in requests))

    def FullDuplexCall(self, requests, context):
        echo_metadata(context)
        for request in requests:
            fail_if_asked(request, context)
            for parameters in request.response_parameters:
                yield respond(parameters)


server = grpc.server(futures.ThreadPoolExecutor(8), options=[("grpc.max_receive_message_length", 1 << 24)])
server.add_generic_rpc_handlers((M.handlers(Service()),))
port = server.add_insecure_port("127.0.0.1:0")
server.start()
print(port, flush=True)
sys.stdin.read()
server.stop(None)
