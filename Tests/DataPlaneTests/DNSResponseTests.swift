// The time to live of a DNS response, and that no response makes the reader run out of it.

import CCares
import Testing

struct DNSResponseTests {
    /// One question for `a.b` and two answers under a compressed name, of 300 and 60 seconds.
    private static let response: [UInt8] =
        [0, 1, 0x81, 0x80, 0, 1, 0, 2, 0, 0, 0, 0, 1, 97, 1, 98, 0, 0, 33, 0, 1]
        + [0xc0, 12, 0, 33, 0, 1, 0, 0, 1, 44, 0, 2, 9, 9]
        + [1, 97, 0xc0, 14, 0, 33, 0, 1, 0, 0, 0, 60, 0, 1, 9]

    private func ttl(_ bytes: [UInt8]) -> Int { causeway_dns_ttl(bytes, Int32(bytes.count)) }

    @Test func theSmallestCounts() {
        #expect(ttl(Self.response) == 60)
    }

    @Test func cutResponsesAreMalformed() {
        for length in 0..<Self.response.count { #expect(ttl(Array(Self.response.prefix(length))) == -1, "\(length)") }
    }

    @Test func aResponseWithoutAnswersHasNone() {
        #expect(ttl([0, 1, 0x81, 0x80] + [UInt8](repeating: 0, count: 8)) == -1)
    }

    @Test func anyBytesAreTaken() {
        var state: UInt64 = 0x5eed
        for _ in 0..<20_000 {
            var bytes = Self.response
            for _ in 0..<3 {
                state = state &* 6_364_136_223_846_793_005 &+ 1_442_695_040_888_963_407
                bytes[Int(state >> 33) % bytes.count] = UInt8(truncatingIfNeeded: state >> 24)
            }
            #expect(ttl(bytes) >= -1)
        }
    }
}
