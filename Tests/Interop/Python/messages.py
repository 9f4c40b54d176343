"""The messages and methods of grpc.testing, made at run time from the description that protoc wrote to $DESCRIPTORS.

No generated Python code is needed, which would have to match the installed protobuf's version.
"""
import os

import grpc
from google.protobuf import descriptor_pb2, descriptor_pool

import classes

_pool = descriptor_pool.DescriptorPool()
with open(os.environ["DESCRIPTORS"], "rb") as _file:
    for _description in descriptor_pb2.FileDescriptorSet.FromString(_file.read()).file:
        _pool.Add(_description)


def __getattr__(name):
    """messages.SimpleRequest and so on."""
    return classes.of(_pool.FindMessageTypeByName("grpc.testing." + name))


def _methods(service):
    for method in _pool.FindServiceByName("grpc.testing." + service).methods:
        kind = ("stream" if method.client_streaming else "unary") + "_" + ("stream" if method.server_streaming else "unary")
        yield method.name, kind, __getattr__(method.input_type.name), __getattr__(method.output_type.name)


class Stub:
    """The methods of a service, to be called over a channel."""

    def __init__(self, channel, service="TestService"):
        for name, kind, request, response in _methods(service):
            make = getattr(channel, kind)
            path = f"/grpc.testing.{service}/{name}"
            setattr(self, name, make(path, request_serializer=request.SerializeToString, response_deserializer=response.FromString))


def handlers(implementation, service="TestService"):
    """What a server is given; methods that the implementation lacks are left out."""
    found = {}
    for name, kind, request, response in _methods(service):
        if hasattr(implementation, name):
            make = getattr(grpc, kind + "_rpc_method_handler")
            found[name] = make(
                getattr(implementation, name), request_deserializer=request.FromString, response_serializer=response.SerializeToString)
    return grpc.method_handlers_generic_handler("grpc.testing." + service, found)
