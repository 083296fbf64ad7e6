// Mirrors WebSocketFrames.swift.

import DataPlane
import Testing

struct WebSocketFramesTests {
    private func frame(_ opcode: UInt8, _ length: Int, masked: Bool) -> [UInt8] {
        var bytes: [UInt8] = [0x80 | opcode]
        let mask: UInt8 = masked ? 0x80 : 0
        if length < 126 {
            bytes.append(mask | UInt8(length))
        } else if length < 65_536 {
            bytes += [mask | 126, UInt8(length >> 8), UInt8(length & 255)]
        } else {
            bytes.append(mask | 127)
            for shift in stride(from: 56, through: 0, by: -8) {
                bytes.append(UInt8(truncatingIfNeeded: length >> shift))
            }
        }
        if masked { bytes += [1, 2, 3, 4] }
        return bytes + [UInt8](repeating: 0x88, count: length)
    }

    @Test func findsTheBoundariesHoweverTheBytesAreCut() {
        let seed = UInt64.random(in: 0...UInt64.max)
        var random = SeededGenerator(seed: seed)
        for _ in 0..<200 {
            var bytes: [UInt8] = []
            var boundaries: Set<Int> = [0]
            for _ in 0..<Int.random(in: 1...6, using: &random) {
                let length = [0, 1, 125, 126, 300, 65_535, 65_536].randomElement(using: &random) ?? 0
                bytes += frame(UInt8.random(in: 0...2, using: &random), length, masked: Bool.random(using: &random))
                boundaries.insert(bytes.count)
            }
            var frames = WebSocketFrames()
            var at = 0
            while at < bytes.count {
                let size = min(bytes.count - at, Int.random(in: 1...70_000, using: &random))
                bytes[at..<at + size].withUnsafeBytes { frames.consume($0) }
                at += size
                #expect(frames.isBetweenFrames == boundaries.contains(at), "seed \(seed)")
            }
            #expect(frames.count == UInt64(boundaries.count - 1), "seed \(seed)")
            #expect(!frames.sawClose, "seed \(seed)")
        }
    }

    @Test func noticesAClose() {
        var frames = WebSocketFrames()
        frame(8, 2, masked: false).withUnsafeBytes { frames.consume($0) }
        #expect(frames.sawClose)
        #expect(frames.isBetweenFrames)
    }

    @Test func makesCloseFrames() {
        #expect(WebSocketFrames.close(code: 1001, masked: false) == [0x88, 0x02, 0x03, 0xe9])
        let masked = WebSocketFrames.close(code: 1001, masked: true)
        #expect(masked.count == 8)
        #expect(masked[6] ^ masked[2] == 0x03)
        #expect(masked[7] ^ masked[3] == 0xe9)
    }
}
