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

    @Test func countsMessagesAndNotFragmentsOrPings() {
        var frames = WebSocketFrames()
        var bytes: [UInt8] = [0x01, 3, 1, 2, 3]  // a text begins
        bytes += [0x89, 0]  // a ping between
        bytes += [0x00, 0x80, 9, 9, 9, 9]  // it goes on
        bytes += [0x80, 1, 7]  // and ends
        bytes += [0x82, 0]  // an empty message
        for cut in 0...bytes.count {
            frames = WebSocketFrames()
            bytes[..<cut].withUnsafeBytes { frames.consume($0) }
            bytes[cut...].withUnsafeBytes { frames.consume($0) }
            #expect(frames.messages == 2 && frames.count == 5, "cut at \(cut)")
        }
        frames = WebSocketFrames()
        bytes[..<(bytes.count - 3)].withUnsafeBytes { frames.consume($0) }
        #expect(frames.messages == 0, "the last byte of the first message is still to come")
    }

    @Test(arguments: [UInt16(1000), 1001, 1011, 3000, 4999, 65_535])
    func readsTheCodeOfACloseFrame(_ code: UInt16) {
        for masked in [false, true] {
            let frame = WebSocketFrames.close(code: code, masked: masked)
            for cut in 0...frame.count {
                var frames = WebSocketFrames()
                frame[..<cut].withUnsafeBytes { frames.consume($0) }
                frame[cut...].withUnsafeBytes { frames.consume($0) }
                // What stands behind it is nobody's.
                WebSocketFrames.close(code: 1002, masked: masked).withUnsafeBytes { frames.consume($0) }
                #expect(frames.closeCode == code && frames.messages == 0, "masked \(masked), cut at \(cut)")
            }
        }
    }

    @Test func aCloseFrameMayHaveNoCodeOrAReason() {
        var frames = WebSocketFrames()
        [UInt8]([0x88, 0]).withUnsafeBytes { frames.consume($0) }
        #expect(frames.closeCode == 1005)
        frames = WebSocketFrames()
        [UInt8]([0x88, 1, 3]).withUnsafeBytes { frames.consume($0) }
        #expect(frames.closeCode == 1005)
        frames = WebSocketFrames()
        [UInt8]([0x88, 5, 0x03, 0xe8, 98, 121, 101]).withUnsafeBytes { frames.consume($0) }
        #expect(frames.closeCode == 1000 && frames.isBetweenFrames)
    }

    @Test func everyCloseCodeHasASeries() {
        for code in UInt16.min...UInt16.max {
            let label = WebSocketClose.labels[WebSocketClose.index(of: code)]
            switch code {
            case 1000...1003, 1005...1014: #expect(label == "\(code)")
            case 3000...3999, 4000...4999: #expect(label == "\(code / 1000)xxx")
            default: #expect(label == "other")
            }
        }
    }

    @Test func makesCloseFrames() {
        #expect(WebSocketFrames.close(code: 1001, masked: false) == [0x88, 0x02, 0x03, 0xe9])
        let masked = WebSocketFrames.close(code: 1001, masked: true)
        #expect(masked.count == 8)
        #expect(masked[6] ^ masked[2] == 0x03)
        #expect(masked[7] ^ masked[3] == 0xe9)
    }
}
