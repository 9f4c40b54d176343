"""gRPC's published interop cases, from Python's grpcio against a server: client.py ADDRESS CASE"""
import queue
import sys
import threading

import grpc

import messages as M

address, case = sys.argv[1:3]
options = [("grpc.max_receive_message_length", 1 << 24), ("grpc.max_send_message_length", 1 << 24)]
channel = grpc.insecure_channel(address, options=options)
stub = M.Stub(channel)


def payload(size):
    return M.Payload(body=b"\0" * size)


def parameters(*sizes):
    return [M.ResponseParameters(size=size) for size in sizes]


def status_of(call):
    try:
        call()
    except grpc.RpcError as error:
        return error
    raise AssertionError("the call did not fail")


def empty_unary():
    assert stub.EmptyCall(M.Empty()) == M.Empty()


def large_unary():
    response = stub.UnaryCall(M.SimpleRequest(response_size=314159, payload=payload(271828)))
    assert response.payload.body == b"\0" * 314159


def client_compressed_unary():
    request = M.SimpleRequest(expect_compressed=M.BoolValue(value=True), response_size=314159, payload=payload(271828))
    assert status_of(lambda: stub.UnaryCall(request)).code() == grpc.StatusCode.INVALID_ARGUMENT
    response = stub.UnaryCall(request, compression=grpc.Compression.Gzip)
    assert len(response.payload.body) == 314159
    request.expect_compressed.value = False
    assert len(stub.UnaryCall(request).payload.body) == 314159


def server_compressed_unary():
    for compressed in (True, False):
        request = M.SimpleRequest(response_compressed=M.BoolValue(value=compressed), response_size=314159, payload=payload(271828))
        assert stub.UnaryCall(request).payload.body == b"\0" * 314159


def client_streaming():
    requests = (M.StreamingInputCallRequest(payload=payload(size)) for size in (27182, 8, 1828, 45904))
    assert stub.StreamingInputCall(requests).aggregated_payload_size == 74922


def client_compressed_streaming():
    def requests():
        for size in (27182, 45904):
            yield M.StreamingInputCallRequest(expect_compressed=M.BoolValue(value=True), payload=payload(size))
    assert status_of(lambda: stub.StreamingInputCall(requests())).code() == grpc.StatusCode.INVALID_ARGUMENT
    assert stub.StreamingInputCall(requests(), compression=grpc.Compression.Gzip).aggregated_payload_size == 73086


def server_streaming():
    sizes = (31415, 9, 2653, 58979)
    responses = list(stub.StreamingOutputCall(M.StreamingOutputCallRequest(response_parameters=parameters(*sizes))))
    assert [len(response.payload.body) for response in responses] == list(sizes)


def server_compressed_streaming():
    request = M.StreamingOutputCallRequest(response_parameters=parameters(31415, 92653))
    request.response_parameters[0].compressed.value = True
    request.response_parameters[1].compressed.value = False
    assert [len(response.payload.body) for response in stub.StreamingOutputCall(request)] == [31415, 92653]


def ping_pong():
    requests = queue.Queue()
    responses = stub.FullDuplexCall(iter(requests.get, None))
    for request_size, response_size in zip((27182, 8, 1828, 45904), (31415, 9, 2653, 58979)):
        requests.put(M.StreamingOutputCallRequest(response_parameters=parameters(response_size), payload=payload(request_size)))
        assert len(next(responses).payload.body) == response_size
    requests.put(None)
    assert list(responses) == []


def empty_stream():
    assert list(stub.FullDuplexCall(iter(()))) == []


def cancel_after_begin():
    begun = threading.Event()

    def requests():
        begun.set()
        threading.Event().wait(5)
        yield M.StreamingInputCallRequest()
    call = stub.StreamingInputCall.future(requests())
    begun.wait()
    call.cancel()
    assert call.cancelled() and call.code() == grpc.StatusCode.CANCELLED


def cancel_after_first_response():
    requests = queue.Queue()
    call = stub.FullDuplexCall(iter(requests.get, None))
    requests.put(M.StreamingOutputCallRequest(response_parameters=parameters(31415), payload=payload(27182)))
    assert len(next(call).payload.body) == 31415
    call.cancel()
    assert status_of(lambda: next(call)).code() == grpc.StatusCode.CANCELLED
    requests.put(None)


def timeout_on_sleeping_server():
    requests = queue.Queue()
    call = stub.FullDuplexCall(iter(requests.get, None), timeout=0.2)
    requests.put(M.StreamingOutputCallRequest(payload=payload(27182), response_parameters=[M.ResponseParameters(size=1, interval_us=10_000_000)]))
    assert status_of(lambda: next(call)).code() == grpc.StatusCode.DEADLINE_EXCEEDED
    requests.put(None)


def custom_metadata():
    metadata = (("x-grpc-test-echo-initial", "test_initial_metadata_value"), ("x-grpc-test-echo-trailing-bin", b"\xab\xab\xab"))
    request = M.SimpleRequest(response_size=314159, payload=payload(271828))
    _, call = stub.UnaryCall.with_call(request, metadata=metadata)
    assert ("x-grpc-test-echo-initial", "test_initial_metadata_value") in call.initial_metadata()
    assert ("x-grpc-test-echo-trailing-bin", b"\xab\xab\xab") in call.trailing_metadata()
    stream = stub.FullDuplexCall(iter([M.StreamingOutputCallRequest(response_parameters=parameters(9))]), metadata=metadata)
    list(stream)
    assert ("x-grpc-test-echo-initial", "test_initial_metadata_value") in stream.initial_metadata()
    assert ("x-grpc-test-echo-trailing-bin", b"\xab\xab\xab") in stream.trailing_metadata()


def echo_status(message):
    status = M.EchoStatus(code=2, message=message)
    error = status_of(lambda: stub.UnaryCall(M.SimpleRequest(response_status=status)))
    assert error.code() == grpc.StatusCode.UNKNOWN and error.details() == message, error
    error = status_of(lambda: list(stub.FullDuplexCall(iter([M.StreamingOutputCallRequest(response_status=status)]))))
    assert error.code() == grpc.StatusCode.UNKNOWN and error.details() == message, error


def status_code_and_message():
    echo_status("test status message")


def special_status_message():
    echo_status("\t\ntest with whitespace\r\nand Unicode BMP ☺ and non-BMP 😈\t\n")


def unimplemented_method():
    assert status_of(lambda: stub.UnimplementedCall(M.Empty())).code() == grpc.StatusCode.UNIMPLEMENTED


def unimplemented_service():
    other = M.Stub(channel, "UnimplementedService")
    assert status_of(lambda: other.UnimplementedCall(M.Empty())).code() == grpc.StatusCode.UNIMPLEMENTED


globals()[case]()
print("passed", case)
