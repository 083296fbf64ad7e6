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

    @Test func remembersResetsOfTheLatestThousandStreams() {
        var recent = RecentStreams()
        defer { recent.release() }
        #expect(!recent.contains(1))
        for number in 0..<1_100 where number % 3 == 0 { recent.insert(Int32(number * 2 + 1)) }
        let latest = 1_098
        for number in 0..<1_200 {
            let isRemembered = number % 3 == 0 && number <= latest && number > latest - 1_024
            #expect(recent.contains(Int32(number * 2 + 1)) == isRemembered, "\(number)")
        }
    }

    @Test func remembersResetsOutOfOrderAndAcrossGaps() {
        var recent = RecentStreams()
        defer { recent.release() }
        recent.insert(2_001)
        recent.insert(1_501)
        recent.insert(1)
        #expect(recent.contains(2_001) && recent.contains(1_501) && recent.contains(1))
        #expect(recent.remove(1_501) && !recent.contains(1_501) && recent.contains(2_001))
        #expect(!recent.remove(1_501) && !recent.remove(1_503))
        recent.insert(Int32.max)
        #expect(recent.contains(Int32.max))
        #expect(!recent.contains(2_001) && !recent.contains(Int32.max - 2))
    }
}
