// Appending bytes, numbers, times, and JSON strings out of bytes that a client chose.

import Foundation
import Telemetry
import Testing

/// What the closure appended, as text.
func written(_ write: (inout LineBuffer) -> Void) -> String {
    var buffer = LineBuffer(capacity: 1)
    write(&buffer)
    return buffer.withUnsafeBytes { String(decoding: $0, as: UTF8.self) }
}

@Suite struct LineBufferTests {
    @Test func growsAndKeepsWhatWasAppended() {
        var expected: [UInt8] = []
        var buffer = LineBuffer(capacity: 1)
        for round in 0..<300 {
            let bytes = (0..<round).map { UInt8(truncatingIfNeeded: $0 &+ round) }
            bytes.withUnsafeBytes { buffer.append($0) }
            buffer.append(byte: 10)
            expected += bytes + [10]
        }
        #expect(buffer.withUnsafeBytes { Array($0) } == expected)
        buffer.removeFirst(0)
        buffer.removeFirst(1_000)
        #expect(buffer.withUnsafeBytes { Array($0) } == Array(expected[1_000...]))
        buffer.removeFirst(buffer.count)
        #expect(buffer.withUnsafeBytes { $0.isEmpty })
        buffer.append("again")
        #expect(buffer.withUnsafeBytes { Array($0) } == Array("again".utf8))
        buffer.removeAll()
        #expect(buffer.withUnsafeBytes { $0.isEmpty })
    }

    @Test func numbersAreWrittenInFull() {
        for value in [0, 9, 10, 99, 100, 12_345, UInt64.max] {
            #expect(written { $0.append(decimal: value) } == String(value))
        }
        #expect(written { $0.append(decimal: 7, width: 3) } == "007")
        #expect(written { $0.append(hex: 0xab, width: 4) } == "00ab")
        #expect(written { $0.append(milliseconds: 0) } == "0.000")
        #expect(written { $0.append(milliseconds: 1_999) } == "0.001")
        #expect(written { $0.append(milliseconds: 61_002_003_999) } == "61002.003")
    }

    @Test func timesAgreeWithFoundation() {
        #expect(written { $0.append(rfc3339: 0) } == "1970-01-01T00:00:00.000Z")
        #expect(written { $0.append(rfc3339: 951_782_400_000) } == "2000-02-29T00:00:00.000Z")
        #expect(written { $0.append(rfc3339: 4_107_542_399_999) } == "2100-02-28T23:59:59.999Z")
        #expect(written { $0.append(rfc3339: .min) } == "0000-01-01T00:00:00.000Z")
        #expect(written { $0.append(rfc3339: .max) } == "9999-12-31T23:59:59.999Z")
        let seed = UInt64.random(in: 0...UInt64.max)
        var generator = SeededGenerator(seed: seed)
        let formatter = ISO8601DateFormatter()
        formatter.formatOptions = [.withInternetDateTime, .withFractionalSeconds]
        for _ in 0..<500 {
            // From 1600 on: before, Foundation's calendar is the Julian one.
            let time = Int64.random(in: -11_676_096_000_000...253_402_300_799_999, using: &generator)
            let text = written { $0.append(rfc3339: time) }
            guard let date = formatter.date(from: text) else {
                Issue.record("\(text) is no date, seed \(seed)")
                continue
            }
            #expect(Int64((date.timeIntervalSince1970 * 1_000).rounded()) == time, "seed \(seed)")
        }
    }
}

@Suite struct JSONTextTests {
    private func json(_ bytes: [UInt8]) -> String {
        written { buffer in bytes.withUnsafeBytes { buffer.append(json: $0) } }
    }

    @Test(arguments: [
        ("", #""""#), ("/a b?c=~", #""/a b?c=~""#), ("\"\\/", #""\"\\/""#),
        ("\n\r\t\0\u{1f}", #""\n\r\t\u0000\u001f""#),
        ("\u{7f}", #""\u007f""#), ("é漢𝄞", #""é漢𝄞""#), ("\u{80}\u{9f}\u{a0}", "\"\\u0080\\u009f\u{a0}\""),
        ("a\u{2028}b\u{202e}c\u{2030}", "\"a\\u2028b\\u202ec\u{2030}\""),
        ("\u{2065}\u{2066}\u{2069}", "\"\u{2065}\\u2066\\u2069\""),
        ("\u{1b}[31m", #""\u001b[31m""#), ("\u{fffd}\u{10ffff}", "\"\u{fffd}\u{10ffff}\""),
    ])
    func whatActsOnAViewerIsEscaped(text: String, expected: String) {
        #expect(json(Array(text.utf8)) == expected)
        #expect(written { $0.append(json: text) } == expected)
    }

    @Test(
        arguments: [
            ([0xff], #""\\xff""#), ([0x80], #""\\x80""#), ([0x61, 0xc3], #""a\\xc3""#), ([0xc3, 0x22], #""\\xc3\"""#),
            ([0xc0, 0xaf], #""\\xc0\\xaf""#), ([0xc1, 0xbf], #""\\xc1\\xbf""#),
            ([0xe0, 0x9f, 0xbf], #""\\xe0\\x9f\\xbf""#),
            ([0xed, 0xa0, 0x80], #""\\xed\\xa0\\x80""#), ([0xf0, 0x8f, 0xbf, 0xbf], #""\\xf0\\x8f\\xbf\\xbf""#),
            ([0xf4, 0x90, 0x80, 0x80], #""\\xf4\\x90\\x80\\x80""#),
            ([0xf5, 0x80, 0x80, 0x80], #""\\xf5\\x80\\x80\\x80""#),
            ([0xf0, 0x9d, 0x84], #""\\xf0\\x9d\\x84""#), ([0xe6, 0xbc, 0x41], #""\\xe6\\xbcA""#),
        ] as [([UInt8], String)])
    func bytesThatAreNotUTF8AreShownAsNumbers(bytes: [UInt8], expected: String) {
        #expect(json(bytes) == expected)
    }

    @Test func anyBytesMakeOneLineOfValidJSON() throws {
        let seed = UInt64.random(in: 0...UInt64.max)
        var generator = SeededGenerator(seed: seed)
        // Bytes that make up UTF-8 at its edges come often.
        let edges: [UInt8] = [0xc2, 0xe0, 0xed, 0xef, 0xf0, 0xf4, 0x80, 0x8f, 0x90, 0x9f, 0xa0, 0xbf, 0x22, 0x5c, 0x0a]
        for _ in 0..<5_000 {
            let bytes = (0..<Int.random(in: 0...12, using: &generator)).map { _ in
                Bool.random(using: &generator)
                    ? edges.randomElement(using: &generator) ?? 0 : UInt8.random(in: 0...255, using: &generator)
            }
            let text = json(bytes)
            let parsed = try? JSONSerialization.jsonObject(with: Data(text.utf8), options: .fragmentsAllowed)
            #expect(parsed is String, "seed \(seed), bytes \(bytes)")
            #expect(!text.unicodeScalars.contains { $0.value < 0x20 }, "seed \(seed), bytes \(bytes)")
            if !bytes.contains(UInt8(ascii: "\\")), let whole = String(validating: bytes, as: UTF8.self) {
                #expect((parsed as? String).map { Array($0.utf8) } == Array(whole.utf8), "seed \(seed), bytes \(bytes)")
            }
        }
    }
}
