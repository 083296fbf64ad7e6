// Mirrors GRPCFrames.swift.

import DataPlane
import Testing

@Suite struct GRPCFramesTests {
    private func feed(_ frames: inout GRPCFrames, _ bytes: ArraySlice<UInt8>) {
        Array(bytes).withUnsafeBufferPointer { buffer in
            if let start = buffer.baseAddress { frames.consume(start, buffer.count) }
        }
    }

    private func message(_ length: Int, compressed: Bool = false) -> [UInt8] {
        [
            compressed ? 1 : 0, UInt8(length >> 24), UInt8(length >> 16 & 255), UInt8(length >> 8 & 255),
            UInt8(length & 255),
        ] + [UInt8](repeating: 0xff, count: length)
    }

    @Test func countsMessagesHoweverTheBytesAreCut() {
        let seed = UInt64.random(in: 0...UInt64.max)
        var random = SeededGenerator(seed: seed)
        for _ in 0..<300 {
            var bytes: [UInt8] = []
            var ends: [Int] = []
            for _ in 0..<Int.random(in: 1...8, using: &random) {
                let length = [0, 1, 4, 5, 6, 300, 70_000].randomElement(using: &random) ?? 0
                bytes += message(length, compressed: Bool.random(using: &random))
                ends.append(bytes.count)
            }
            var frames = GRPCFrames()
            var at = 0
            while at < bytes.count {
                let size = min(
                    bytes.count - at, Int.random(in: 1...(Bool.random(using: &random) ? 7 : 90_000), using: &random))
                feed(&frames, bytes[at..<at + size])
                at += size
                #expect(frames.count == UInt64(ends.count { $0 <= at }), "seed \(seed)")
            }
        }
    }

    @Test func aHugeLengthIsOnlyAMessageThatNeverEnds() {
        var frames = GRPCFrames()
        feed(&frames, [0, 0xff, 0xff, 0xff, 0xff, 1, 2, 3])
        feed(&frames, message(3)[...])
        #expect(frames.count == 0)
    }
}
