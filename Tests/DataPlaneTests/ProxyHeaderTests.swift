// Headers of the PROXY protocol, byte by byte, and entries of X-Forwarded-For.

import DataPlane
import Testing

@Suite struct ProxyHeaderTests {
    private func parse(_ bytes: some Sequence<UInt8>) -> ProxyHeader {
        Array(bytes).withUnsafeBytes { ProxyHeader($0) }
    }

    private func text(_ peer: PeerAddress) -> String {
        withUnsafeTemporaryAllocation(of: UInt8.self, capacity: 48) { buffer in
            let count = buffer.baseAddress.map { peer.write(to: $0) } ?? 0
            return String(decoding: buffer.prefix(count), as: UTF8.self) + " \(peer.port)"
        }
    }

    /// As `address port length`, `local length`, `incomplete` or `invalid`.
    private func words(_ bytes: some Sequence<UInt8>) -> String {
        switch parse(bytes) {
        case .incomplete: "incomplete"
        case .invalid: "invalid"
        case .header(let length, let client): (client.map(text) ?? "local") + " \(length)"
        }
    }

    private static let signature: [UInt8] = [0x0d, 0x0a, 0x0d, 0x0a, 0x00, 0x0d, 0x0a, 0x51, 0x55, 0x49, 0x54, 0x0a]

    private static func binary(_ command: UInt8, _ family: UInt8, _ rest: [UInt8]) -> [UInt8] {
        signature + [command, family, UInt8(rest.count >> 8), UInt8(rest.count & 0xff)] + rest
    }

    private static let four: [UInt8] = [203, 0, 113, 9, 127, 0, 0, 1, 0xc0, 0x01, 0x01, 0xbb]
    private static let six: [UInt8] =
        [0x20, 0x01, 0x0d, 0xb8] + Array(repeating: 0, count: 11) + [7] + Array(repeating: 0, count: 15) + [
            1, 0, 80, 1, 0xbb,
        ]

    @Test(arguments: [
        ("PROXY TCP4 203.0.113.9 127.0.0.1 49153 443\r\n", "203.0.113.9 49153 44"),
        ("PROXY TCP6 2001:db8::7 ::1 80 443\r\nGET", "2001:db8::7 80 35"),
        ("PROXY UNKNOWN\r\n", "local 15"), ("PROXY UNKNOWN ffff::1 whatever 1 2\r\n", "local 36"),
        ("PROXY TCP4 255.255.255.255 255.255.255.255 65535 65535\r\n", "255.255.255.255 65535 56"),
        ("", "incomplete"), ("P", "incomplete"), ("PROXY TCP4 1.2.3.4 1.2.3.4 1 2\r", "incomplete"),
        ("GET / HTTP/1.1\r\n", "invalid"), ("PROXX", "invalid"), ("proxy tcp4", "invalid"), ("PROXY\r\n", "invalid"),
        ("PROXY TCP4 1.2.3.4 1.2.3.4 1 2\n", "invalid"), ("PROXY TCP4 1.2.3.4 1.2.3.4 1\r\n", "invalid"),
        ("PROXY TCP4 1.2.3.4 1.2.3.4 1 2 3\r\n", "invalid"), ("PROXY TCP4  1.2.3.4 1.2.3.4 1 2\r\n", "invalid"),
        ("PROXY TCP4 1.2.3.256 1.2.3.4 1 2\r\n", "invalid"), ("PROXY TCP4 ::1 ::1 1 2\r\n", "invalid"),
        ("PROXY TCP6 1.2.3.4 1.2.3.4 1 2\r\n", "invalid"), ("PROXY TCP4 1.2.3.4 1.2.3.4 65536 2\r\n", "invalid"),
        ("PROXY TCP4 1.2.3.4 1.2.3.4 01 2\r\n", "invalid"), ("PROXY TCP4 1.2.3.4 1.2.3.4 -1 2\r\n", "invalid"),
        ("PROXY UDP4 1.2.3.4 1.2.3.4 1 2\r\n", "invalid"),
    ])
    func version1(header: String, expected: String) {
        #expect(words(header.utf8) == expected)
    }

    @Test func aLineHasAnEndOrIsNone() {
        #expect(words("PROXY UNKNOWN ".utf8 + Array(repeating: 0x41, count: 90)) == "incomplete")
        #expect(words("PROXY UNKNOWN ".utf8 + Array(repeating: 0x41, count: 93)) == "invalid")
        #expect(words("PROXY UNKNOWN ".utf8 + Array(repeating: 0x41, count: 200)) == "invalid")
    }

    @Test func version2() {
        #expect(words(Self.binary(0x21, 0x11, Self.four)) == "203.0.113.9 49153 28")
        #expect(words(Self.binary(0x21, 0x11, Self.four + [3, 0, 1, 9]) + [0x16]) == "203.0.113.9 49153 32")
        #expect(words(Self.binary(0x21, 0x21, Self.six)) == "2001:db8::7 80 52")
        #expect(words(Self.binary(0x20, 0x00, [])) == "local 16")
        #expect(words(Self.binary(0x20, 0x11, Self.four)) == "local 28")
        #expect(words(Self.binary(0x21, 0x31, Array(repeating: 1, count: 216))) == "local 232")
        #expect(words(Self.binary(0x21, 0x11, Array(Self.four.dropLast()))) == "invalid")
        #expect(words(Self.binary(0x21, 0x21, Self.four)) == "invalid")
        #expect(words(Self.binary(0x11, 0x11, Self.four)) == "invalid")
        #expect(words(Self.binary(0x22, 0x11, Self.four)) == "invalid")
        #expect(words(Self.binary(0x21, 0x41, Self.four)) == "invalid")
        let most = Array(repeating: UInt8(0), count: ProxyHeader.longestRest)
        #expect(words(Self.binary(0x21, 0x11, most)) == "0.0.0.0 0 \(most.count + 16)")
        #expect(words(Self.binary(0x21, 0x11, most + [0])) == "invalid", "before all of it has come")
    }

    @Test func everyBeginningOfAHeaderIsIncompleteAndNothingElseIs() {
        let whole = [
            Array("PROXY TCP4 203.0.113.9 127.0.0.1 49153 443\r\n".utf8), Self.binary(0x21, 0x11, Self.four),
            Self.binary(0x21, 0x21, Self.six + [4, 0, 2, 1, 1]),
        ]
        for header in whole {
            for count in 0..<header.count { #expect(words(header.prefix(count)) == "incomplete") }
        }
        let seed = UInt64.random(in: 0...UInt64.max)
        var state = seed
        for _ in 0..<20_000 {
            var bytes = whole[Int(state % 3)]
            for _ in 0..<(state >> 8) % 4 {
                state = state &* 6_364_136_223_846_793_005 &+ 1
                bytes[Int((state >> 16) % UInt64(bytes.count))] = UInt8(truncatingIfNeeded: state >> 40)
            }
            state = state &* 6_364_136_223_846_793_005 &+ 1
            if case .header(let length, _) = parse(bytes) { #expect(length <= bytes.count, "seed \(seed)") }
        }
    }

    @Test(
        arguments: [
            ("203.0.113.9", "203.0.113.9 0"), ("203.0.113.9:4711", "203.0.113.9 0"), ("2001:db8::7", "2001:db8::7 0"),
            ("[2001:db8::7]", "2001:db8::7 0"), ("[2001:db8::7]:443", "2001:db8::7 0"),
            ("::ffff:10.0.0.1", "10.0.0.1 0"),
            ("", nil), ("unknown", nil), ("_hidden", nil), ("203.0.113", nil), ("[2001:db8::7", nil),
            ("1.2.3.4, 5", nil),
            ("203.0.113.9\0", nil), (":80", nil), ("a:b:c", nil),
        ] as [(String, String?)])
    func entriesOfForwardedFor(entry: String, expected: String?) {
        let found = Array(entry.utf8).withUnsafeBytes { PeerAddress(forwarded: $0) }
        #expect(found.map(text) == expected)
    }
}
