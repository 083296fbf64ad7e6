// Deadlines of gRPC, addresses, and the memory of streams that were reset.

import DataPlane
import Testing

struct SmallPartsTests {
    private func timeout(_ text: String) -> UInt64? {
        Array(text.utf8).withUnsafeBytes { parseGRPCTimeout($0) }
    }

    @Test func readsTimeoutsOfGRPC() {
        #expect(timeout("1H") == 3_600_000)
        #expect(timeout("2M") == 120_000)
        #expect(timeout("99999999S") == 99_999_999_000)
        #expect(timeout("100m") == 100)
        #expect(timeout("1u") == 1)
        #expect(timeout("2000001n") == 3)
    }

    @Test func refusesMalformedTimeouts() {
        for text in ["", "m", "1", "1 m", "-1m", "123456789m", "1x", "1.5S", "mm"] {
            #expect(timeout(text) == nil, "\(text)")
        }
    }

    @Test func readsAddresses() {
        #expect(SocketAddress(literal: "127.0.0.1", port: 80)?.text == "127.0.0.1:80")
        #expect(SocketAddress(literal: "::1", port: 443)?.text == "[::1]:443")
        #expect(SocketAddress(literal: "unix:/run/a.sock", port: 0)?.text == "unix:/run/a.sock")
        #expect(SocketAddress(literal: "example.com", port: 80) == nil)
        #expect(SocketAddress(literal: "unix:", port: 0) == nil)
        #expect(SocketAddress(literal: "unix:/" + String(repeating: "a", count: 200), port: 0) == nil)
        #expect(SocketAddress(literal: "1.2.3.4", port: 1)?.with(port: 9) == SocketAddress(literal: "1.2.3.4", port: 9))
        #expect(SocketAddress(literal: "1.2.3.4", port: 1) != SocketAddress(literal: "1.2.3.4", port: 2))
    }

    @Test func remembersTheLastThirtyTwoResets() {
        var recent = RecentStreams()
        for stream in 1...40 { recent.insert(Int32(stream)) }
        #expect(!recent.contains(8))
        #expect(recent.contains(9))
        #expect(recent.contains(40))
    }
}
