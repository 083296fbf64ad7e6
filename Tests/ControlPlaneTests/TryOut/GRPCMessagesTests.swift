// Messages out of the bytes of a gRPC stream, and what an answer that is no gRPC counts as.

import ControlPlane
import NIOCore
import Testing

struct GRPCMessagesTests {
    private static let hello: [UInt8] = [0, 0, 0, 0, 2, 0xca, 0xfe]

    private static func all(_ messages: inout GRPCMessages) throws -> [[UInt8]] {
        var found: [[UInt8]] = []
        while let next = try messages.next() { found.append(Array(next.readableBytesView)) }
        return found
    }

    @Test func piecesOfAnySizeMakeTheSameMessages() throws {
        let bytes = Self.hello + [0, 0, 0, 0, 0] + Self.hello
        for size in 1...bytes.count {
            var messages = GRPCMessages(most: 10, encoding: nil)
            var found: [[UInt8]] = []
            for start in stride(from: 0, to: bytes.count, by: size) {
                messages.append(ByteBuffer(bytes: bytes[start..<min(start + size, bytes.count)]))
                found += try Self.all(&messages)
            }
            #expect(found == [[0xca, 0xfe], [], [0xca, 0xfe]] && messages.isWhole)
        }
    }

    @Test(
        arguments: [
            ([2, 0, 0, 0, 0], nil, "flag 2"), ([0, 0, 0, 0, 11], nil, "11 bytes"),
            ([0, 255, 255, 255, 255], nil, "4294967295"),
            ([1, 0, 0, 0, 0], nil, "does not tell how"), ([1, 0, 0, 0, 0], "snappy", "snappy"),
            ([1, 0, 0, 0, 1, 0], "gzip", "not gzip"),
        ] as [([UInt8], String?, String)])
    func refusesWhatIsNoMessage(bytes: [UInt8], encoding: String?, words: String) {
        var messages = GRPCMessages(most: 10, encoding: encoding)
        messages.append(ByteBuffer(bytes: bytes))
        #expect {
            try messages.next()
        } throws: { error in
            (error as? GRPCFault)?.reason.contains(words) == true
        }
    }

    @Test func decompressesWithinItsBound() throws {
        // 1 MiB of zeros: gzip of a zlib of its own, in 1 KiB.
        let zeros = [UInt8](repeating: 0, count: 1 << 20)
        let packed = try #require(Gzip.compress(zeros))
        #expect(Gzip.decompress(packed, most: 1 << 20) == zeros)
        #expect(Gzip.decompress(packed, most: (1 << 20) - 1) == nil)
        #expect(Gzip.decompress(Array(packed.dropLast()), most: 1 << 20) == nil)
        #expect(Gzip.decompress([], most: 10) == nil)
    }

    @Test(arguments: [
        (400, 13), (401, 16), (403, 7), (404, 12), (429, 14), (502, 14), (503, 14), (504, 14), (200, 2), (308, 2),
        (0, 2),
    ])
    func anAnswerThatIsNoGRPCHasAStatusToo(http: Int, code: Int) {
        let status = GRPCStatus(http: http, type: "text/html", body: "<h1>")
        #expect(status.code == code && status.message.contains("HTTP \(http) with content-type text/html"))
    }
}
