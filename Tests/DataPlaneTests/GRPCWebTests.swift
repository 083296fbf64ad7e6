// Mirrors GRPC/Base64.swift and GRPC/GRPCWebTrailers.swift.

import DataPlane
import Testing

struct GRPCWebTests {
    private func decode(_ pieces: [String]) -> (bytes: [UInt8], ended: Bool)? {
        var decoder = Base64Decoder()
        var output = ByteQueue()
        defer { output.release() }
        for piece in pieces {
            let taken = Array(piece.utf8).withUnsafeBytes { decoder.decode($0, into: &output) }
            guard taken else { return nil }
        }
        return (bytes(output), decoder.isBetweenGroups)
    }

    private func encode(_ bytes: [UInt8]) -> String {
        var output = ByteQueue()
        defer { output.release() }
        bytes.withUnsafeBytes { appendBase64($0, to: &output) }
        return String(decoding: self.bytes(output), as: UTF8.self)
    }

    private func bytes(_ queue: ByteQueue) -> [UInt8] {
        queue.isEmpty ? [] : Array(UnsafeBufferPointer(start: queue.start, count: queue.count))
    }

    /// RFC 4648 §10.
    @Test(arguments: [
        ("", ""), ("f", "Zg=="), ("fo", "Zm8="), ("foo", "Zm9v"), ("foob", "Zm9vYg=="), ("fooba", "Zm9vYmE="),
        ("foobar", "Zm9vYmFy"),
    ])
    func knowsTheVectorsOfTheStandard(_ plain: String, _ text: String) {
        #expect(encode(Array(plain.utf8)) == text)
        #expect(decode([text])?.bytes == Array(plain.utf8))
    }

    @Test func decodesPaddedPiecesHoweverTheyAreCut() {
        let seed = UInt64.random(in: 0...UInt64.max)
        var random = SeededGenerator(seed: seed)
        for _ in 0..<300 {
            var plain: [UInt8] = []
            var text = ""
            for _ in 0..<Int.random(in: 1...5, using: &random) {
                let piece = (0..<Int.random(in: 0...40, using: &random)).map { _ in
                    UInt8.random(in: 0...255, using: &random)
                }
                plain += piece
                text += encode(piece)
            }
            var cuts: [String] = []
            var rest = Substring(text)
            while !rest.isEmpty {
                let size = Int.random(in: 1...9, using: &random)
                cuts.append(String(rest.prefix(size)))
                rest = rest.dropFirst(size)
            }
            let result = decode(cuts)
            #expect(result?.bytes == plain, "seed \(seed)")
            #expect(result?.ended == true, "seed \(seed)")
        }
    }

    @Test(arguments: ["=", "A=", "A===", "====", "AA=A", "Zg==A=", "Zm9v\n", "Zm9*", "Zm-_", "Zm9v Zm9v"])
    func refusesWhatIsNoBase64(_ text: String) {
        #expect(decode([text]) == nil)
    }

    @Test(arguments: ["Z", "Zg", "Zg=", "Zm9vY"])
    func knowsThatMoreMustCome(_ text: String) {
        #expect(decode([text])?.ended == false)
    }

    @Test func trailersAreAFrameOfLines() {
        var trailers = GRPCWebTrailers()
        for (name, value) in [("grpc-status", "5"), ("grpc-message", "not here"), ("x-empty", "")] {
            Array(name.utf8).withUnsafeBytes { name in
                Array(value.utf8).withUnsafeBytes { trailers.append(name: name, value: $0) }
            }
        }
        var frame = trailers.finish()
        let lines = Array("grpc-status: 5\r\ngrpc-message: not here\r\nx-empty: \r\n".utf8)
        #expect(bytes(frame) == [0x80, 0, 0, 0, UInt8(lines.count)] + lines)
        frame.release()
    }

    @Test func aFrameWithoutTrailersIsEmpty() {
        var trailers = GRPCWebTrailers()
        var frame = trailers.finish()
        #expect(bytes(frame) == [0x80, 0, 0, 0, 0])
        frame.release()
    }
}
