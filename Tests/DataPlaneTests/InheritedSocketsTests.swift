// Which listener takes which socket, and which loop accepts on it.

import DataPlane
import Testing

struct InheritedSocketsTests {
    private func sockets(_ list: [(String, String, UInt16)]) throws -> InheritedSockets {
        var sockets = InheritedSockets()
        for (number, (name, host, port)) in list.enumerated() {
            let address = try #require(SocketAddress(literal: host, port: port))
            sockets.add(InheritedSockets.Entry(name: name, address: address, descriptor: Int32(100 + number)))
        }
        return sockets
    }

    @Test func aListenerTakesAllSocketsOfItsAddressWhateverTheirName() throws {
        var inherited = try sockets([
            ("http", "127.0.0.1", 80), ("", "127.0.0.1", 80), ("http", "::", 80), ("http", "127.0.0.1", 81),
        ])
        let taken = inherited.take(try #require(SocketAddress(literal: "127.0.0.1", port: 80)), name: "other")
        #expect(taken.map(\.descriptor) == [100, 101])
        #expect(inherited.entries.map(\.descriptor) == [102, 103])
        #expect(inherited.take(try #require(SocketAddress(literal: "127.0.0.1", port: 80)), name: "other").isEmpty)
    }

    @Test func withAnyPortTheNameTells() throws {
        var inherited = try sockets([("a", "127.0.0.1", 4_000), ("b", "127.0.0.1", 4_001), ("a", "127.0.0.2", 4_002)])
        let taken = inherited.take(try #require(SocketAddress(literal: "127.0.0.1", port: 0)), name: "a")
        #expect(taken.map(\.descriptor) == [100])
    }

    @Test func aLastGoodFormIsFoundByName() throws {
        var inherited = try sockets([("a", "127.0.0.1", 4_000), ("", "127.0.0.1", 4_001)])
        #expect(inherited.take(named: "").isEmpty)
        #expect(inherited.take(named: "a").map(\.descriptor) == [100])
        #expect(inherited.takeAll().map(\.descriptor) == [101])
        #expect(inherited.entries.isEmpty)
    }

    @Test func everySocketHasALoopAndEveryLoopASocket() {
        for count in 1...9 {
            for loops in 1...9 {
                let spread = InheritedSockets.spread(count, over: loops)
                #expect(spread.count == loops)
                #expect(Set(spread.joined()) == Set(0..<count))
                #expect(spread.allSatisfy { !$0.isEmpty })
                #expect(spread.map(\.count).max().unsafelyUnwrapped - spread.map(\.count).min().unsafelyUnwrapped <= 1)
            }
        }
        #expect(InheritedSockets.spread(0, over: 2) == [[], []])
    }
}
