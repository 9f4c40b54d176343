import Contracts
import Protobuf
import StandardContracts
import Testing

@Suite("proto3 JSON")
struct JSONTests {
    @Test("names are accepted in lowerCamelCase and as the .proto file has them")
    func names() throws {
        #expect(try fromJSON(#"{"int32Value": 1}"#) == TestingV1.Scalars(int32Value: 1))
        #expect(try fromJSON(#"{"int32_value": 1}"#) == TestingV1.Scalars(int32Value: 1))
        #expect(text(TestingV1.Names(shout: "x")) == #"{"SHOUT!":"x"}"#)
    }

    @Test("null stands for a field's default")
    func nulls() throws {
        let message = try fromJSON(#"{"int32Value": null, "stringValue": null, "colour": null}"#, as: TestingV1.Scalars.self)
        #expect(message == TestingV1.Scalars())
        #expect(try fromJSON(#"{"timestamp": null, "text": "a"}"#) == TestingV1.Choice(value: .text("a")))
    }

    @Test("integers may come as numbers, as strings, and as numbers with nothing behind the point")
    func integers() throws {
        for json in ["5", "\"5\"", "5.0", "5e0", "50e-1", "0.5e1", "5.000"] {
            #expect(try fromJSON("{\"int64Value\": \(json)}") == TestingV1.Scalars(int64Value: 5), "\(json)")
        }
        #expect(try fromJSON(#"{"int64Value": "-9223372036854775808"}"#) == TestingV1.Scalars(int64Value: .min))
        #expect(try fromJSON(#"{"uint64Value": 18446744073709551615}"#) == TestingV1.Scalars(uint64Value: .max))
        #expect(try fromJSON(#"{"int32Value": -0}"#) == TestingV1.Scalars())
    }

    @Test(
        "values that do not fit their field",
        arguments: [
            #"{"int32Value": 2147483648}"#, #"{"int32Value": -2147483649}"#, #"{"uint32Value": -1}"#,
            #"{"uint64Value": 18446744073709551616}"#,
            #"{"int32Value": 1.5}"#, #"{"int32Value": 1e400}"#, #"{"int32Value": 1e-1}"#, #"{"int32Value": true}"#, #"{"int32Value": "x"}"#,
            #"{"int32Value": ""}"#, #"{"int32Value": 01}"#, #"{"int32Value": +1}"#, #"{"int32Value": .5}"#, #"{"int32Value": 1.}"#,
            #"{"doubleValue": 1e400}"#, #"{"doubleValue": "infinity"}"#, #"{"doubleValue": 0x1}"#, #"{"floatValue": 1e39}"#,
            #"{"boolValue": "true"}"#, #"{"boolValue": 1}"#, #"{"stringValue": 1}"#, #"{"bytesValue": "!"}"#, #"{"bytesValue": "A"}"#,
            #"{"bytesValue": "AB=C"}"#, #"{"colour": "RED"}"#, #"{"colour": 1.5}"#, #"{"int32Value": [1]}"#, #"{"int32Value": {}}"#,
        ])
    func misfits(_ json: String) {
        let error = protobufError { try fromJSON(json, as: TestingV1.Scalars.self, refusesUnknownFields: true) }
        #expect(error?.code == .invalidJSON)
        #expect(error?.fieldPath?.hasSuffix("_value") == true || error?.fieldPath == "colour")
    }

    @Test(
        "documents that are no JSON",
        arguments: [
            "", " ", "{", "}", "[]", "{]", #"{"int32Value"}"#, #"{"int32Value":}"#, #"{"int32Value":1,}"#, #"{,"int32Value":1}"#,
            #"{"int32Value":1 "int64Value":2}"#, #"{"int32Value":1}x"#, #"{int32Value:1}"#, #"{'int32Value':1}"#, "nul",
            "{\"stringValue\":\"\n\"}",
            #"{"stringValue":"\x"}"#, #"{"stringValue":"\u12"}"#, #"{"stringValue":"\ud800"}"#, #"{"stringValue":"\udc00\ud800"}"#,
            #"{"stringValue":"open"#, #"{"a":tru}"#, #"{"a":[1,]}"#, #"{"a":[1 2]}"#, #"{"a":-}"#, "\u{FEFF}{}", "// comment\n{}", "null",
        ])
    func noJSON(_ json: String) {
        #expect(protobufError { try fromJSON(json, as: TestingV1.Scalars.self) }?.code == .invalidJSON)
    }

    @Test("strings: every escape, surrogate pairs, NUL refused, invalid UTF-8 refused")
    func strings() throws {
        let escaped = #"{"stringValue": "\" \\ \/ \b \f \n \r \t \u00e9 \uD83D\uDE00 é"}"#
        let plain = "\" \\ / \u{8} \u{C} \n \r \t é 😀 é"
        #expect(try fromJSON(escaped) == TestingV1.Scalars(stringValue: plain))
        #expect(try fromJSON(text(TestingV1.Scalars(stringValue: plain))) == TestingV1.Scalars(stringValue: plain))
        #expect(protobufError { try fromJSON(#"{"stringValue": "a\u0000"}"#, as: TestingV1.Scalars.self) }?.code == .nulInString)
        let invalid = [UInt8](#"{"stringValue": ""#.utf8) + [0xFF] + [UInt8](#""}"#.utf8)
        #expect(protobufError { try TestingV1.Scalars(jsonBytes: invalid) }?.code == .invalidUTF8)
    }

    @Test("bytes come in either alphabet of base64, padded or not")
    func base64() throws {
        for json in ["+/8=", "-_8=", "+/8", "-_8"] {
            #expect(try fromJSON("{\"bytesValue\": \"\(json)\"}") == TestingV1.Scalars(bytesValue: [0xFB, 0xFF]), "\(json)")
        }
    }

    @Test("unknown fields are passed over, or refused by their path where asked")
    func unknownFields() throws {
        let json = #"{"extra": {"a": [1, {"b": null}], "c": "\u0041"}, "int32Value": 1}"#
        #expect(try fromJSON(json) == TestingV1.Scalars(int32Value: 1))
        let error = protobufError { try fromJSON(json, as: TestingV1.Scalars.self, refusesUnknownFields: true) }
        #expect(error?.fieldPath == "extra")
        // Null is no excuse for a name that is mistyped.
        let null = protobufError { try fromJSON(#"{"int32Vaule": null}"#, as: TestingV1.Scalars.self, refusesUnknownFields: true) }
        #expect(null?.fieldPath == "int32Vaule")
        #expect(try fromJSON(#"{"int32Vaule": null}"#) == TestingV1.Scalars())
    }

    @Test("a name that comes twice is refused where typing errors are, whichever of its forms it has; a map's names are as they are")
    func repeatedNames() throws {
        for json in [#"{"int32Value": 1, "int32Value": 2}"#, #"{"int32Value": null, "int32_value": 2}"#] {
            #expect(try fromJSON(json) == TestingV1.Scalars(int32Value: 2))
            let error = protobufError { try fromJSON(json, as: TestingV1.Scalars.self, refusesUnknownFields: true) }
            #expect(error?.code == .invalidJSON && error?.fieldPath?.hasPrefix("int32") == true)
        }
        let lists = #"{"scalars": [{"int32Value": 1}, {"int32Value": 2}]}"#
        #expect(try fromJSON(lists, as: TestingV1.Lists.self, refusesUnknownFields: true).scalars.count == 2)
        let twice = protobufError {
            try fromJSON(#"{"messages": {"7": {}, "7": {}}}"#, as: TestingV1.Maps.self, refusesUnknownFields: true)
        }
        #expect(twice?.fieldPath == "messages.7")
    }

    @Test("an enum's name that nobody knows is passed over or, where asked, refused; its number is kept")
    func unknownEnums() throws {
        let error = protobufError {
            try fromJSON(#"{"colour": "COLOUR_MAUVE"}"#, as: TestingV1.Scalars.self, refusesUnknownFields: true)
        }
        #expect(error?.fieldPath == "colour")
        #expect(try fromJSON(#"{"colour": "COLOUR_MAUVE"}"#) == TestingV1.Scalars())
        #expect(try fromJSON(#"{"colour": 77}"#) == TestingV1.Scalars(colour: .unrecognized(77)))
        #expect(text(TestingV1.Scalars(colour: .unrecognized(77))) == #"{"colour":77}"#)
    }

    @Test("an error names the field's path through objects, lists and maps")
    func paths() {
        let nested = protobufError { try fromJSON(#"{"scalars": [{}, {"int32Value": "x"}]}"#, as: TestingV1.Lists.self) }
        #expect(nested?.fieldPath == "scalars[1].int32_value")
        let mapped = protobufError { try fromJSON(#"{"messages": {"7": {"boolValue": 1}}}"#, as: TestingV1.Maps.self) }
        #expect(mapped?.fieldPath == "messages.7.bool_value")
    }

    @Test("two members of a oneof are refused")
    func twoOfOneof() {
        #expect(protobufError { try fromJSON(#"{"number": 1, "text": "a"}"#, as: TestingV1.Choice.self) }?.code == .invalidJSON)
    }

    @Test("map keys are checked as their kind")
    func mapKeys() throws {
        #expect(try fromJSON(#"{"flags": {"true": "1"}}"#) == TestingV1.Maps(flags: [true: 1]))
        #expect(protobufError { try fromJSON(#"{"flags": {"yes": "1"}}"#, as: TestingV1.Maps.self) }?.code == .invalidJSON)
        #expect(protobufError { try fromJSON(#"{"messages": {"x": {}}}"#, as: TestingV1.Maps.self) }?.code == .invalidJSON)
    }

    @Test("nesting beyond the limit is refused, in known and in unknown fields", arguments: ["favourite", "stranger"])
    func nesting(_ name: String) {
        let deep = String(repeating: "{\"\(name)\":", count: 100_000)
        #expect(protobufError { try fromJSON(deep, as: TestingV1.Tree.self) }?.code == .tooDeep)
        let lists = "{\"\(name)s\":" + String(repeating: "[", count: 100_000)
        #expect(protobufError { try fromJSON(lists, as: TestingV1.Scalars.self) }?.code == .tooDeep)
    }

    @Test(
        "times are RFC 3339, with any offset",
        arguments: [
            ("2026-01-31T08:00:00Z", 1_769_846_400, 0), ("2026-01-31T13:30:00+05:30", 1_769_846_400, 0),
            ("2026-01-31t08:00:00.5z", 1_769_846_400, 500_000_000), ("1969-12-31T23:59:59.999999999Z", -1, 999_999_999),
            ("2000-02-29T00:00:00-00:00", 951_782_400, 0), ("0001-01-01T00:00:00Z", -62_135_596_800, 0),
        ] as [(String, Int64, Int32)])
    func times(_ json: String, seconds: Int64, nanos: Int32) throws {
        #expect(try fromJSON("\"\(json)\"") == GoogleProtobuf.Timestamp(seconds: seconds, nanos: nanos))
    }

    @Test(
        "times that are none",
        arguments: [
            "2026-02-29T00:00:00Z", "2100-02-29T00:00:00Z", "2026-13-01T00:00:00Z", "2026-01-32T00:00:00Z", "2026-01-31T24:00:00Z",
            "2026-01-31T08:00:60Z", "2026-01-31 08:00:00Z", "2026-01-31T08:00:00", "2026-01-31T08:00:00.Z",
            "2026-01-31T08:00:00.1234567890Z",
            "0000-01-01T00:00:00Z", "9999-12-31T23:59:59-01:00", "2026-01-31T08:00Z", "now", "", "2026-01-31T08:00:00+25:00",
        ])
    func noTimes(_ json: String) {
        #expect(protobufError { try fromJSON("\"\(json)\"", as: GoogleProtobuf.Timestamp.self) }?.code == .invalidJSON)
    }

    @Test("every day from the first year to the last is written as it is read")
    func everyDay() throws {
        for day in stride(from: Int64(-719_162), through: 2_932_896, by: 37) {
            let time = GoogleProtobuf.Timestamp(seconds: day * 86_400 + 43_201)
            #expect(try fromJSON(text(time)) == time)
        }
    }

    @Test(
        "spans are seconds with a suffix",
        arguments: [
            ("1.5s", 1, 500_000_000), ("-0.25s", 0, -250_000_000), ("0s", 0, 0), ("-3s", -3, 0), ("315576000000s", 315_576_000_000, 0),
        ] as [(String, Int64, Int32)])
    func spans(_ json: String, seconds: Int64, nanos: Int32) throws {
        let span = GoogleProtobuf.Duration(seconds: seconds, nanos: nanos)
        #expect(try fromJSON("\"\(json)\"") == span)
        #expect(try fromJSON(text(span)) == span)
    }

    @Test("spans that are none", arguments: ["1.5", "s", "1.5m", "--1s", "1e3s", "315576000001s", "1.s", ".5s", ""])
    func noSpans(_ json: String) {
        #expect(protobufError { try fromJSON("\"\(json)\"", as: GoogleProtobuf.Duration.self) }?.code == .invalidJSON)
    }

    @Test("a time that the format cannot say is written as the nearest it can")
    func timesOutOfRange() {
        #expect(text(GoogleProtobuf.Timestamp(seconds: .max)) == "\"9999-12-31T23:59:59Z\"")
        #expect(text(GoogleProtobuf.Timestamp(seconds: .min, nanos: -5)) == "\"0001-01-01T00:00:00Z\"")
        #expect(text(GoogleProtobuf.Duration(seconds: .min, nanos: 1)) == "\"-315576000000s\"")
        #expect(text(GoogleProtobuf.Duration(seconds: 1, nanos: -500_000_000)) == "\"0.500s\"")
    }

    @Test("an Any of a type unknown here keeps its bytes")
    func anyOfUnknownType() throws {
        let packed = GoogleProtobuf.AnyMessage(packing: TestingV1.Scalars(int32Value: 1))
        #expect(try fromJSON(text(packed)) == packed)
        #expect(text(GoogleProtobuf.AnyMessage()) == "{}")
        #expect(try fromJSON("{}") == GoogleProtobuf.AnyMessage())
        let foreign = #"{"@type": "type.googleapis.com/some.Stranger", "field": 1}"#
        #expect(protobufError { try fromJSON(foreign, as: GoogleProtobuf.AnyMessage.self) }?.code == .invalidJSON)
    }

    @Test("an Any inside an Any, time and again, is bounded")
    func anyInAny() throws {
        var packed = GoogleProtobuf.AnyMessage(packing: GoogleProtobuf.Empty())
        for _ in 0..<2_000 { packed = GoogleProtobuf.AnyMessage(packing: packed) }
        #expect(try fromJSON(text(packed)) == packed)
    }
}
