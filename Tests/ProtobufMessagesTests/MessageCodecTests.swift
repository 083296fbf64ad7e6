// Messages by descriptors to JSON and back, where the wire allows what a library would not write. What JSON looks like for every
// type is held against google's own library in Tests/integration/test_try_grpc.py.

import ConsoleModel
import ProtobufMessages
import Testing

struct MessageCodecTests {
    private static func types(syntax: String = "proto3") throws -> MessageTypes {
        var types = MessageTypes()
        let mood = bytes(5, text(1, "Mood") + bytes(2, text(1, "CALM")) + bytes(2, text(1, "WILD") + number(2, 1)))
        let choice = bytes(8, text(1, "choice"))
        _ = try types.add(
            file: file(
                "a.proto", syntax: syntax,
                message(
                    "M", field("id", 1, type: 5), field("many", 2, type: 5, label: 3),
                    field("m", 3, type: 11, of: ".t.M"),
                    field("name", 4, type: 9, more: number(9, 0)), field("data", 5, type: 12, more: number(9, 0)),
                    field("other", 6, type: 11, of: ".t.M", more: number(9, 0)), choice,
                    field("mood", 7, type: 14, of: ".t.Mood"), field("moods", 8, type: 14, of: ".t.Mood", label: 3),
                    field("gone", 9, type: 11, of: ".t.Gone"), field("snake_case_9a", 10, type: 8)), mood))
        return types
    }

    private static func json(_ raw: [UInt8], syntax: String = "proto3", most: Int = 10_000) throws -> JSONValue {
        try MessageReader.json(of: "t.M", in: raw, by: try types(syntax: syntax), most: most)
    }

    @Test func takesPackedAndUnpackedValuesMixed() throws {
        let raw = number(2, 1) + bytes(2, [2, 3]) + number(2, 4)
        #expect(try Self.json(raw) == .object(["many": .array([1, 2, 3, 4].map { .integer($0) })]))
    }

    @Test func partsOfAMessageAreOne() throws {
        let raw = bytes(3, number(1, 1) + number(2, 1)) + number(1, 9) + bytes(3, number(1, 2) + number(2, 2))
        let inner = JSONValue.object(["id": .integer(2), "many": .array([.integer(1), .integer(2)])])
        #expect(try Self.json(raw) == .object(["id": .integer(9), "m": inner]))
    }

    @Test func theLastOfAOneofCounts() throws {
        #expect(try Self.json(text(4, "x") + bytes(5, [1])) == .object(["data": .string("AQ==")]))
        #expect(try Self.json(bytes(6, number(1, 1)) + text(4, "")) == .object(["name": .string("")]))
        #expect(try Self.json(text(4, "x") + bytes(6, [])) == .object(["other": .object([:])]))
    }

    @Test func leavesOutWhatIsUnknownOrOfAnotherWireType() throws {
        let group = varint(99 << 3 | 3) + number(1, 1) + varint(98 << 3 | 3) + varint(98 << 3 | 4) + varint(99 << 3 | 4)
        #expect(try Self.json(number(77, 1) + text(1, "x") + group + number(1, 5)) == .object(["id": .integer(5)]))
    }

    @Test func tellsNumbersOfAnEnumThatHaveNoName() throws {
        let raw = number(7, 1) + bytes(8, [0, 1, 2])
        #expect(
            try Self.json(raw)
                == .object(["mood": .string("WILD"), "moods": .array([.string("CALM"), .string("WILD"), .integer(2)])]))
    }

    @Test func presenceIsThatOfTheSyntax() throws {
        #expect(try Self.json(number(1, 0)) == .object([:]))
        #expect(try Self.json(number(1, 0), syntax: "proto2") == .object(["id": .integer(0)]))
        #expect(try Self.json(number(1, 0), syntax: "editions") == .object(["id": .integer(0)]))
        func written(_ syntax: String) throws -> [UInt8] {
            let json = JSONValue.object(["id": .integer(0), "many": .array([.integer(1), .integer(2)])])
            return try MessageWriter.bytes(of: json, as: "t.M", by: try Self.types(syntax: syntax))
        }
        #expect(try written("proto3") == bytes(2, [1, 2]))
        #expect(try written("proto2") == number(1, 0) + number(2, 1) + number(2, 2))
        #expect(try written("editions") == number(1, 0) + bytes(2, [1, 2]))
    }

    @Test func namesInJSONAreThoseThatProtocMakes() throws {
        #expect(try Self.json(number(10, 1)) == .object(["snakeCase9a": .bool(true)]))
    }

    @Test(arguments: [
        ([0x08], "end within"), ([0x0a, 0x05, 0x01], "longer than what holds it"), ([0x00], "number"),
        ([0x0c], "group ends"), ([0x0b], "end within"), ([0x0b, 0x14], "group ends"), ([0x0e], "wire type"),
        ([UInt8](repeating: 0xff, count: 11), "ten bytes"), ([0x22, 0x01, 0xff], "UTF-8"),
        ([0x4a, 0x00], "t.Gone is not known"),
    ])
    func saysWhatIsWrong(raw: [UInt8], words: String) {
        #expect {
            try Self.json(raw)
        } throws: { error in
            (error as? MessageFault)?.reason.contains(words) == true
        }
    }

    @Test func depthHasABound() throws {
        func nested(_ levels: Int) -> [UInt8] { (0..<levels).reduce([]) { raw, _ in bytes(3, raw) } }
        #expect(throws: Never.self) { try Self.json(nested(99)) }
        #expect(throws: MessageFault.self) { try Self.json(nested(100)) }
        let groups = [UInt8](repeating: 0x6b, count: 1_000_000)
        #expect(throws: MessageFault.self) { try Self.json(groups) }
    }

    @Test func smallBytesDoNotMakeLargeJSON() throws {
        // A megabyte of an enum's name for each byte would be a terabyte.
        let raw = bytes(8, [UInt8](repeating: 1, count: 100_000))
        #expect(throws: MessageFault.self) { try Self.json(raw, most: 1 << 20) }
        #expect(throws: Never.self) { try Self.json(raw, most: 4 << 20) }
    }

    @Test func groupsTravelAsGroups() throws {
        var types = MessageTypes()
        _ = try types.add(
            file: file(
                "g.proto", syntax: "proto2", message("G", field("id", 1, type: 5), field("g", 2, type: 10, of: ".t.G")))
        )
        let json = JSONValue.object(["g": .object(["id": .integer(7), "g": .object([:])])])
        let raw = try MessageWriter.bytes(of: json, as: "t.G", by: types)
        #expect(raw == [0x13, 0x08, 0x07, 0x13, 0x14, 0x14])
        #expect(try MessageReader.json(of: "t.G", in: raw, by: types, most: 1_000) == json)
    }

    @Test func featuresOfAnEditionAreInherited() throws {
        var types = MessageTypes()
        let implicit = bytes(8, bytes(50, number(1, 2) + number(3, 2)))
        let explicit = bytes(8, bytes(21, number(1, 1)))
        let delimited = bytes(8, bytes(21, number(5, 2)))
        _ = try types.add(
            file: file(
                "e.proto", syntax: "editions", implicit,
                message(
                    "E", field("a", 1, type: 5), field("b", 2, type: 5, more: explicit),
                    field("c", 3, type: 5, label: 3),
                    field("d", 4, type: 11, of: ".t.E", more: delimited))))
        let json = JSONValue.object([
            "a": .integer(0), "b": .integer(0), "c": .array([.integer(1)]), "d": .object([:]),
        ])
        let raw = try MessageWriter.bytes(of: json, as: "t.E", by: types)
        #expect(raw == [0x10, 0x00, 0x18, 0x01, 0x23, 0x24])
    }

    @Test func randomBytesAndDescriptorsAreErrorsAtWorst() throws {
        let seed = UInt64.random(in: 0 ... .max)
        var random = SystemRandomNumberGenerator.seeded(seed)
        let good = file(
            "a.proto", bytes(8, bytes(50, number(1, 1))),
            message(
                "M", field("id", 1, type: 5), field("m", 3, type: 11, of: ".t.M", label: 3), bytes(8, text(1, "o"))),
            bytes(5, text(1, "E") + bytes(2, text(1, "A"))),
            bytes(6, text(1, "S") + bytes(2, text(1, "C") + text(2, ".t.M"))))
        for _ in 0..<3_000 {
            var raw = good
            for _ in 0..<Int.random(in: 0...4, using: &random) {
                raw[Int.random(in: raw.indices, using: &random)] = UInt8.random(in: 0 ... .max, using: &random)
            }
            var types = MessageTypes()
            _ = try? types.add(file: raw)
            let bytes = (0..<Int.random(in: 0...60, using: &random)).map { _ in
                [0x08, 0x1a, 0x03, 0x00, 0x0a, UInt8.random(in: 0 ... .max, using: &random)].randomElement(
                    using: &random) ?? 0
            }
            for name in ["t.M", "google.protobuf.Any", "google.protobuf.Struct", "google.rpc.Status"] {
                guard let json = try? MessageReader.json(of: name, in: bytes, by: types, most: 10_000) else { continue }
                // What was read can be written, and says the same then.
                guard let again = try? MessageWriter.bytes(of: json, as: name, by: types) else { continue }
                let second = try? MessageReader.json(of: name, in: again, by: types, most: 10_000)
                #expect(second == json, "seed \(seed), \(name) of \(bytes)")
            }
            _ = MessageSchema.json(of: "t.M", by: types, most: 10_000)
        }
    }
}

extension SystemRandomNumberGenerator {
    /// A run that can be repeated by its seed.
    fileprivate static func seeded(_ seed: UInt64) -> Seeded { Seeded(state: seed) }

    /// SplitMix64.
    fileprivate struct Seeded: RandomNumberGenerator {
        var state: UInt64

        mutating func next() -> UInt64 {
            state &+= 0x9e37_79b9_7f4a_7c15
            var z = state
            z = (z ^ z >> 30) &* 0xbf58_476d_1ce4_e5b9
            z = (z ^ z >> 27) &* 0x94d0_49bb_1331_11eb
            return z ^ z >> 31
        }
    }
}
