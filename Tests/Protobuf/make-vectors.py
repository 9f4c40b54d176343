#!/usr/bin/env python3
"""Writes Vectors.swift: messages of vigil.testing.v1 as Google's own protobuf for Python encodes them, in both forms.

Needs grpcio-tools. Run it by hand after testing.proto has changed; the tests only read what it wrote.
"""
import os
import subprocess
import sys
import tempfile

import grpc_tools
from google.protobuf import (
    any_pb2, descriptor_pb2, descriptor_pool, duration_pb2, empty_pb2, json_format, message_factory, timestamp_pb2, wrappers_pb2)

here = os.path.dirname(os.path.abspath(__file__))
protos = os.path.join(here, "..", "..", "Protos")
with tempfile.TemporaryDirectory() as folder:
    described = os.path.join(folder, "testing.pb")
    # The well-known types are those of grpcio-tools, not ours.
    well_known = os.path.join(os.path.dirname(grpc_tools.__file__), "_proto")
    subprocess.run(
        [sys.executable, "-m", "grpc_tools.protoc", f"-I{well_known}", f"-I{protos}", f"--descriptor_set_out={described}",
         "vigil/testing/v1/testing.proto"],
        check=True)
    with open(described, "rb") as read:
        files = descriptor_pb2.FileDescriptorSet.FromString(read.read())
pool = descriptor_pool.Default()
for file in files.file:
    pool.Add(file)


def message_class(name):
    return message_factory.GetMessageClass(pool.FindMessageTypeByName("vigil.testing.v1." + name))


class t:
    """What generated code would offer."""

    Scalars, Lists, Maps, Choice, Tree, WellKnown, Names = map(
        message_class, ["Scalars", "Lists", "Maps", "Choice", "Tree", "WellKnown", "Names"])
    COLOUR_UNSPECIFIED, COLOUR_RED, COLOUR_VERDANT, COLOUR_INFRA_RED = 0, 1, 2, -1


vectors = []


def add(label, message):
    json = json_format.MessageToJson(message, indent=None)
    vectors.append((label, message.DESCRIPTOR.full_name, message.SerializeToString(deterministic=True).hex(), json))


full = t.Scalars(
    double_value=-1.5e300, float_value=0.1, int32_value=-2147483648, int64_value=-9223372036854775808,
    uint32_value=4294967295, uint64_value=18446744073709551615, sint32_value=-2147483648, sint64_value=9223372036854775807,
    fixed32_value=4294967295, fixed64_value=1, sfixed32_value=-1, sfixed64_value=-9223372036854775808, bool_value=True,
    string_value="naïve \"quoted\" \\ \n\t\u0001 日本 😀", bytes_value=bytes(range(256)), colour=t.COLOUR_INFRA_RED, far_away=150)
add("empty", t.Scalars())
add("every scalar", full)
add("negative zero", t.Scalars(double_value=-0.0, float_value=-0.0))
add("not numbers", t.Scalars(double_value=float("nan"), float_value=float("-inf")))
add("smallest double", t.Scalars(double_value=5e-324, float_value=1.17549435e-38))
add("an unknown enum number", t.Scalars(colour=77))
add("an alias", t.Scalars(colour=t.COLOUR_VERDANT))
add("lists", t.Lists(
    doubles=[0, 1.25, -3], floats=[0.5, 0], int32s=[0, -1, 1], int64s=[1 << 40, -1], uint32s=[0, 128], uint64s=[1 << 63],
    sint32s=[-1, 1, 0], sint64s=[-(1 << 62)], fixed32s=[7], fixed64s=[8, 9], sfixed32s=[-7], sfixed64s=[-8], bools=[True, False],
    strings=["", "a", "ß"], blobs=[b"", b"\0\xff"], colours=[t.COLOUR_RED, 99, t.COLOUR_UNSPECIFIED],
    scalars=[t.Scalars(), full], unpacked=[1, 2, 300], timestamps=[timestamp_pb2.Timestamp(seconds=1)]))
add("maps", t.Maps(
    strings={"": ""}, messages={-5: t.Scalars(int32_value=5)}, flags={True: 0},
    colours={1 << 63: t.COLOUR_RED}, weights={"x": 0.5}, blobs={-1: b"\x01"},
    timestamps={3: timestamp_pb2.Timestamp(seconds=-1, nanos=500000000)}))
add("a number chosen, though zero", t.Choice(number=0))
add("a text chosen", t.Choice(text="yes", limit=0))
add("bytes chosen", t.Choice(blob=b"\0"))
add("a message chosen", t.Choice(scalars=t.Scalars()))
add("an enum chosen", t.Choice(colour=t.COLOUR_UNSPECIFIED))
add("a flag chosen", t.Choice(flag=False, limit=-9))
add("a time chosen", t.Choice(timestamp=timestamp_pb2.Timestamp(seconds=951782400, nanos=1)))
add("a real chosen", t.Choice(real=0.0))
add("a tree", t.Tree(
    name="root", children=[t.Tree(name="leaf"), t.Tree(children=[t.Tree()])], favourite=t.Tree(favourite=t.Tree(name="deep")),
    named={"x": t.Tree(name="y")}))


def packed(message):
    any_value = any_pb2.Any()
    any_value.Pack(message)
    return any_value


known = t.WellKnown(
    timestamp=timestamp_pb2.Timestamp(seconds=1769846400, nanos=250000000), duration=duration_pb2.Duration(seconds=-1, nanos=-500000000),
    empty=empty_pb2.Empty(), any=packed(duration_pb2.Duration(seconds=3)), double_value=wrappers_pb2.DoubleValue(value=0),
    float_value=wrappers_pb2.FloatValue(value=1.5), int64_value=wrappers_pb2.Int64Value(value=-1),
    uint64_value=wrappers_pb2.UInt64Value(value=1), int32_value=wrappers_pb2.Int32Value(value=0),
    uint32_value=wrappers_pb2.UInt32Value(value=2), bool_value=wrappers_pb2.BoolValue(value=False),
    string_value=wrappers_pb2.StringValue(value=""), bytes_value=wrappers_pb2.BytesValue(value=b"\xfb\xff"))
add("well-known types", known)
add("the first and the last second", t.Lists(timestamps=[
    timestamp_pb2.Timestamp(seconds=-62135596800), timestamp_pb2.Timestamp(seconds=253402300799, nanos=999999999),
    timestamp_pb2.Timestamp(), timestamp_pb2.Timestamp(seconds=-1, nanos=1000), timestamp_pb2.Timestamp(seconds=68169600)]))
add("any of any", t.WellKnown(any=packed(packed(wrappers_pb2.Int64Value(value=7)))))
add("any of an empty", t.WellKnown(any=packed(empty_pb2.Empty())))
add("hard names", t.Names(
    type={"kind": 2}, description="d", customer_ids="c", image_url="u", mcc="5411", init=4,
    shout="!", hash_value="h", protocol=[1], writer="w", reader="r", sink="s", **{"class": "k", "self": "s", "in": True}))

with open(os.path.join(here, "Vectors.swift"), "w") as out:
    out.write("// Written by make-vectors.py. Do not edit.\n\n")
    out.write("/// One message as Google's protobuf for Python encodes it.\n")
    out.write("struct Vector: Sendable, CustomStringConvertible {\n    var description: String\n    var type: String\n")
    out.write("    var hex: String\n    var json: String\n}\n\n")
    out.write("let vectors: [Vector] = [\n")
    for label, name, hexed, json in vectors:
        lines = [hexed[i:i + 100] for i in range(0, len(hexed), 100)] 
        out.write(f"    Vector(\n        description: \"{label}\", type: \"{name}\",\n")
        if hexed:
            out.write("        hex: \"\"\"\n")
            out.write("".join(f"            {line}{chr(92) if i < len(lines) - 1 else ''}\n" for i, line in enumerate(lines)))
            out.write("            \"\"\",\n")
        else:
            out.write("        hex: \"\",\n")
        out.write("        json: #\"\"\"\n")
        parts = [json[i:i + 100] for i in range(0, len(json), 100)]
        # A raw literal continues a line with \#.
        out.write("".join(f"            {part}{chr(92) + '#' if i < len(parts) - 1 else ''}\n" for i, part in enumerate(parts)))
        out.write("            \"\"\"#),\n")
    out.write("]\n")
