"""What grpcurl does, in Python's grpcio: learns everything from reflection alone, then calls. reflection.py ADDRESS"""
import json
import os
import sys

import grpc
from google.protobuf import descriptor_pb2, descriptor_pool, json_format

import classes

with open(os.environ["DESCRIPTORS"], "rb") as file:
    described = descriptor_pool.DescriptorPool()
    for description in descriptor_pb2.FileDescriptorSet.FromString(file.read()).file:
        described.Add(description)


def known(name):
    return classes.of(described.FindMessageTypeByName("grpc.reflection.v1." + name))


Request, Response = known("ServerReflectionRequest"), known("ServerReflectionResponse")
channel = grpc.insecure_channel(sys.argv[1])
ask_all = channel.stream_stream(
    "/grpc.reflection.v1.ServerReflection/ServerReflectionInfo",
    request_serializer=Request.SerializeToString, response_deserializer=Response.FromString)


def ask(**question):
    return next(ask_all(iter([Request(**question)]), timeout=20))


services = [service.name for service in ask(list_services="*").list_services_response.service]
files = {}
for service in services:
    for serialized in ask(file_containing_symbol=service).file_descriptor_response.file_descriptor_proto:
        file = descriptor_pb2.FileDescriptorProto.FromString(serialized)
        files[file.name] = file
while missing := {name for file in files.values() for name in file.dependency} - set(files):
    for name in missing:
        for serialized in ask(file_by_filename=name).file_descriptor_response.file_descriptor_proto:
            file = descriptor_pb2.FileDescriptorProto.FromString(serialized)
            files[file.name] = file

learnt = descriptor_pool.DescriptorPool()


def add(name):
    for needed in files[name].dependency:
        add(needed)
    learnt.Add(files[name])


for name in files:
    add(name)
for service in services:
    print(service, *(method.name for method in learnt.FindServiceByName(service).methods))

method = learnt.FindServiceByName("grpc.testing.TestService").FindMethodByName("UnaryCall")
request, response = (classes.of(type) for type in (method.input_type, method.output_type))
call = channel.unary_unary(
    "/grpc.testing.TestService/UnaryCall", request_serializer=request.SerializeToString, response_deserializer=response.FromString)
answer = call(json_format.ParseDict({"responseSize": 5}, request()), timeout=20)
print(json.dumps(json_format.MessageToDict(answer)))
unknown = ask(file_containing_symbol="no.such.Symbol")
assert unknown.error_response.error_code == grpc.StatusCode.NOT_FOUND.value[0], unknown
print("passed reflection")
