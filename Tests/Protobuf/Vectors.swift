// Written by make-vectors.py. Do not edit.

/// One message as Google's protobuf for Python encodes it.
struct Vector: Sendable, CustomStringConvertible {
    var description: String
    var type: String
    var hex: String
    var json: String
}

let vectors: [Vector] = [
    Vector(
        description: "empty", type: "vigil.testing.v1.Scalars",
        hex: "",
        json: #"""
            {}
            """#),
    Vector(
        description: "every scalar", type: "vigil.testing.v1.Scalars",
        hex: """
            09355800662deb41fe15cdcccc3d1880808080f8ffffffff01208080808080808080800128ffffffff0f30ffffffffffffff\
            ffff0138ffffffff0f40feffffffffffffffff014dffffffff5101000000000000005dffffffff6100000000000000806801\
            72216e61c3af7665202271756f74656422205c200a090120e697a5e69cac20f09f98807a8002000102030405060708090a0b\
            0c0d0e0f101112131415161718191a1b1c1d1e1f202122232425262728292a2b2c2d2e2f303132333435363738393a3b3c3d\
            3e3f404142434445464748494a4b4c4d4e4f505152535455565758595a5b5c5d5e5f606162636465666768696a6b6c6d6e6f\
            707172737475767778797a7b7c7d7e7f808182838485868788898a8b8c8d8e8f909192939495969798999a9b9c9d9e9fa0a1\
            a2a3a4a5a6a7a8a9aaabacadaeafb0b1b2b3b4b5b6b7b8b9babbbcbdbebfc0c1c2c3c4c5c6c7c8c9cacbcccdcecfd0d1d2d3\
            d4d5d6d7d8d9dadbdcdddedfe0e1e2e3e4e5e6e7e8e9eaebecedeeeff0f1f2f3f4f5f6f7f8f9fafbfcfdfeff8001ffffffff\
            ffffffffff01807d9601
            """,
        json: #"""
            {"doubleValue": -1.5e+300, "floatValue": 0.1, "int32Value": -2147483648, "int64Value": "-92233720368\#
            54775808", "uint32Value": 4294967295, "uint64Value": "18446744073709551615", "sint32Value": -2147483\#
            648, "sint64Value": "9223372036854775807", "fixed32Value": 4294967295, "fixed64Value": "1", "sfixed3\#
            2Value": -1, "sfixed64Value": "-9223372036854775808", "boolValue": true, "stringValue": "na\u00efve \#
            \"quoted\" \\ \n\t\u0001 \u65e5\u672c \ud83d\ude00", "bytesValue": "AAECAwQFBgcICQoLDA0ODxAREhMUFRYX\#
            GBkaGxwdHh8gISIjJCUmJygpKissLS4vMDEyMzQ1Njc4OTo7PD0+P0BBQkNERUZHSElKS0xNTk9QUVJTVFVWV1hZWltcXV5fYGFi\#
            Y2RlZmdoaWprbG1ub3BxcnN0dXZ3eHl6e3x9fn+AgYKDhIWGh4iJiouMjY6PkJGSk5SVlpeYmZqbnJ2en6ChoqOkpaanqKmqq6yt\#
            rq+wsbKztLW2t7i5uru8vb6/wMHCw8TFxsfIycrLzM3Oz9DR0tPU1dbX2Nna29zd3t/g4eLj5OXm5+jp6uvs7e7v8PHy8/T19vf4\#
            +fr7/P3+/w==", "colour": "COLOUR_INFRA_RED", "farAway": 150}
            """#),
    Vector(
        description: "negative zero", type: "vigil.testing.v1.Scalars",
        hex: """
            0900000000000000801500000080
            """,
        json: #"""
            {"doubleValue": -0.0, "floatValue": -0.0}
            """#),
    Vector(
        description: "not numbers", type: "vigil.testing.v1.Scalars",
        hex: """
            09000000000000f87f15000080ff
            """,
        json: #"""
            {"doubleValue": "NaN", "floatValue": "-Infinity"}
            """#),
    Vector(
        description: "smallest double", type: "vigil.testing.v1.Scalars",
        hex: """
            0901000000000000001500008000
            """,
        json: #"""
            {"doubleValue": 5e-324, "floatValue": 1.1754944e-38}
            """#),
    Vector(
        description: "an unknown enum number", type: "vigil.testing.v1.Scalars",
        hex: """
            80014d
            """,
        json: #"""
            {"colour": 77}
            """#),
    Vector(
        description: "an alias", type: "vigil.testing.v1.Scalars",
        hex: """
            800102
            """,
        json: #"""
            {"colour": "COLOUR_GREEN"}
            """#),
    Vector(
        description: "lists", type: "vigil.testing.v1.Lists",
        hex: """
            0a180000000000000000000000000000f43f00000000000008c012080000003f000000001a0c00ffffffffffffffffff0101\
            2210808080808020ffffffffffffffffff012a03008001320a808080808080808080013a030102004209ffffffffffffffff\
            7f4a04070000005210080000000000000009000000000000005a04f9ffffff6208f8ffffffffffffff6a0201007200720161\
            7202c39f7a007a0200ff8201030163008a01008a019a0309355800662deb41fe15cdcccc3d1880808080f8ffffffff012080\
            80808080808080800128ffffffff0f30ffffffffffffffffff0138ffffffff0f40feffffffffffffffff014dffffffff5101\
            000000000000005dffffffff610000000000000080680172216e61c3af7665202271756f74656422205c200a090120e697a5\
            e69cac20f09f98807a8002000102030405060708090a0b0c0d0e0f101112131415161718191a1b1c1d1e1f20212223242526\
            2728292a2b2c2d2e2f303132333435363738393a3b3c3d3e3f404142434445464748494a4b4c4d4e4f505152535455565758\
            595a5b5c5d5e5f606162636465666768696a6b6c6d6e6f707172737475767778797a7b7c7d7e7f808182838485868788898a\
            8b8c8d8e8f909192939495969798999a9b9c9d9e9fa0a1a2a3a4a5a6a7a8a9aaabacadaeafb0b1b2b3b4b5b6b7b8b9babbbc\
            bdbebfc0c1c2c3c4c5c6c7c8c9cacbcccdcecfd0d1d2d3d4d5d6d7d8d9dadbdcdddedfe0e1e2e3e4e5e6e7e8e9eaebecedee\
            eff0f1f2f3f4f5f6f7f8f9fafbfcfdfeff8001ffffffffffffffffff01807d96019001019001029001ac029a01020801
            """,
        json: #"""
            {"doubles": [0.0, 1.25, -3.0], "floats": [0.5, 0.0], "int32s": [0, -1, 1], "int64s": ["1099511627776\#
            ", "-1"], "uint32s": [0, 128], "uint64s": ["9223372036854775808"], "sint32s": [-1, 1, 0], "sint64s":\#
             ["-4611686018427387904"], "fixed32s": [7], "fixed64s": ["8", "9"], "sfixed32s": [-7], "sfixed64s": \#
            ["-8"], "bools": [true, false], "strings": ["", "a", "\u00df"], "blobs": ["", "AP8="], "colours": ["\#
            COLOUR_RED", 99, "COLOUR_UNSPECIFIED"], "scalars": [{}, {"doubleValue": -1.5e+300, "floatValue": 0.1\#
            , "int32Value": -2147483648, "int64Value": "-9223372036854775808", "uint32Value": 4294967295, "uint6\#
            4Value": "18446744073709551615", "sint32Value": -2147483648, "sint64Value": "9223372036854775807", "\#
            fixed32Value": 4294967295, "fixed64Value": "1", "sfixed32Value": -1, "sfixed64Value": "-922337203685\#
            4775808", "boolValue": true, "stringValue": "na\u00efve \"quoted\" \\ \n\t\u0001 \u65e5\u672c \ud83d\#
            \ude00", "bytesValue": "AAECAwQFBgcICQoLDA0ODxAREhMUFRYXGBkaGxwdHh8gISIjJCUmJygpKissLS4vMDEyMzQ1Njc4\#
            OTo7PD0+P0BBQkNERUZHSElKS0xNTk9QUVJTVFVWV1hZWltcXV5fYGFiY2RlZmdoaWprbG1ub3BxcnN0dXZ3eHl6e3x9fn+AgYKD\#
            hIWGh4iJiouMjY6PkJGSk5SVlpeYmZqbnJ2en6ChoqOkpaanqKmqq6ytrq+wsbKztLW2t7i5uru8vb6/wMHCw8TFxsfIycrLzM3O\#
            z9DR0tPU1dbX2Nna29zd3t/g4eLj5OXm5+jp6uvs7e7v8PHy8/T19vf4+fr7/P3+/w==", "colour": "COLOUR_INFRA_RED",\#
             "farAway": 150}], "unpacked": [1, 2, 300], "timestamps": ["1970-01-01T00:00:01Z"]}
            """#),
    Vector(
        description: "maps", type: "vigil.testing.v1.Maps",
        hex: """
            0a040a001200120f08fbffffffffffffffff01120218051a0408011000220d088080808080808080800110012a0c0a017811\
            000000000000e03f320508011201013a180d03000000121108ffffffffffffffffff011080cab5ee01
            """,
        json: #"""
            {"strings": {"": ""}, "messages": {"-5": {"int32Value": 5}}, "flags": {"true": "0"}, "colours": {"92\#
            23372036854775808": "COLOUR_RED"}, "weights": {"x": 0.5}, "blobs": {"-1": "AQ=="}, "timestamps": {"3\#
            ": "1969-12-31T23:59:59.500Z"}}
            """#),
    Vector(
        description: "a number chosen, though zero", type: "vigil.testing.v1.Choice",
        hex: """
            0800
            """,
        json: #"""
            {"number": 0}
            """#),
    Vector(
        description: "a text chosen", type: "vigil.testing.v1.Choice",
        hex: """
            12037965734800
            """,
        json: #"""
            {"text": "yes", "limit": "0"}
            """#),
    Vector(
        description: "bytes chosen", type: "vigil.testing.v1.Choice",
        hex: """
            1a0100
            """,
        json: #"""
            {"blob": "AA=="}
            """#),
    Vector(
        description: "a message chosen", type: "vigil.testing.v1.Choice",
        hex: """
            2200
            """,
        json: #"""
            {"scalars": {}}
            """#),
    Vector(
        description: "an enum chosen", type: "vigil.testing.v1.Choice",
        hex: """
            2800
            """,
        json: #"""
            {"colour": "COLOUR_UNSPECIFIED"}
            """#),
    Vector(
        description: "a flag chosen", type: "vigil.testing.v1.Choice",
        hex: """
            300048f7ffffffffffffffff01
            """,
        json: #"""
            {"flag": false, "limit": "-9"}
            """#),
    Vector(
        description: "a time chosen", type: "vigil.testing.v1.Choice",
        hex: """
            3a08088098ecc5031001
            """,
        json: #"""
            {"timestamp": "2000-02-29T00:00:00.000000001Z"}
            """#),
    Vector(
        description: "a real chosen", type: "vigil.testing.v1.Choice",
        hex: """
            410000000000000000
            """,
        json: #"""
            {"real": 0.0}
            """#),
    Vector(
        description: "a tree", type: "vigil.testing.v1.Tree",
        hex: """
            0a04726f6f7412060a046c656166120212001a081a060a046465657022080a017812030a0179
            """,
        json: #"""
            {"name": "root", "children": [{"name": "leaf"}, {"children": [{}]}], "favourite": {"favourite": {"na\#
            me": "deep"}}, "named": {"x": {"name": "y"}}}
            """#),
    Vector(
        description: "well-known types", type: "vigil.testing.v1.WellKnown",
        hex: """
            0a0b0880edf6cb061080e59a77121608ffffffffffffffffff011080b6ca91feffffffff011a0022320a2c747970652e676f\
            6f676c65617069732e636f6d2f676f6f676c652e70726f746f6275662e4475726174696f6e120208032a0032050d0000c03f\
            3a0b08ffffffffffffffffff01420208014a00520208025a0062006a040a02fbff
            """,
        json: #"""
            {"timestamp": "2026-01-31T08:00:00.250Z", "duration": "-1.500s", "empty": {}, "any": {"@type": "type\#
            .googleapis.com/google.protobuf.Duration", "value": "3s"}, "doubleValue": 0.0, "floatValue": 1.5, "i\#
            nt64Value": "-1", "uint64Value": "1", "int32Value": 0, "uint32Value": 2, "boolValue": false, "string\#
            Value": "", "bytesValue": "+/8="}
            """#),
    Vector(
        description: "the first and the last second", type: "vigil.testing.v1.Lists",
        hex: """
            9a010b088092b8c398feffffff019a010d08ff82d1ffaf0710ff93ebdc039a01009a010e08ffffffffffffffffff0110e807\
            9a01050880dfc020
            """,
        json: #"""
            {"timestamps": ["0001-01-01T00:00:00Z", "9999-12-31T23:59:59.999999999Z", "1970-01-01T00:00:00Z", "1\#
            969-12-31T23:59:59.000001Z", "1972-02-29T00:00:00Z"]}
            """#),
    Vector(
        description: "any of any", type: "vigil.testing.v1.WellKnown",
        hex: """
            225f0a27747970652e676f6f676c65617069732e636f6d2f676f6f676c652e70726f746f6275662e416e7912340a2e747970\
            652e676f6f676c65617069732e636f6d2f676f6f676c652e70726f746f6275662e496e74363456616c756512020807
            """,
        json: #"""
            {"any": {"@type": "type.googleapis.com/google.protobuf.Any", "value": {"@type": "type.googleapis.com\#
            /google.protobuf.Int64Value", "value": "7"}}}
            """#),
    Vector(
        description: "any of an empty", type: "vigil.testing.v1.WellKnown",
        hex: """
            222b0a29747970652e676f6f676c65617069732e636f6d2f676f6f676c652e70726f746f6275662e456d707479
            """,
        json: #"""
            {"any": {"@type": "type.googleapis.com/google.protobuf.Empty"}}
            """#),
    Vector(
        description: "hard names", type: "vigil.testing.v1.Names",
        hex: """
            0a016b1201731a0208022201642a01633201753a0435343131400148045201215a01686201016a01777201727a0173
            """,
        json: #"""
            {"class": "k", "self": "s", "type": {"kind": "KIND_2D"}, "description": "d", "customerIds": "c", "im\#
            ageUrl": "u", "mcc": "5411", "in": true, "init": 4, "SHOUT!": "!", "hashValue": "h", "protocol": ["K\#
            IND_DEFAULT"], "writer": "w", "reader": "r", "sink": "s"}
            """#),
]
