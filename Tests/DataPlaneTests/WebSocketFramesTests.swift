// Mirrors WebSocketFrames.swift.

import ConfigModel
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

    // MARK: - Limits

    private func header(_ opcode: UInt8, _ length: UInt64, final: Bool = true, masked: Bool = false) -> [UInt8] {
        var bytes: [UInt8] = [(final ? 0x80 : 0) | opcode, (masked ? 0x80 : 0) | 127]
        for shift in stride(from: UInt64(56), through: 0, by: -8) {
            bytes.append(UInt8(truncatingIfNeeded: length >> shift))
        }
        return bytes + (masked ? [1, 2, 3, 4] : [])
    }

    private func whole(_ opcode: UInt8, _ length: Int, final: Bool = true) -> [UInt8] {
        header(opcode, UInt64(length), final: final) + [UInt8](repeating: 7, count: length)
    }

    private struct Passed: Equatable {
        var bytes: [UInt8]
        var exceeds: Bool
    }

    /// What passes of the bytes, given in pieces of this size, and whether the rest is over a limit.
    private func passed(_ bytes: [UInt8], _ limits: WebSocketLimits, pieces: Int = .max) -> Passed {
        var frames = WebSocketFrames()
        var result: [UInt8] = []
        var at = 0
        while at < bytes.count {
            let piece = Array(bytes[at..<at + min(pieces, bytes.count - at)])
            at += piece.count
            var held = [UInt8](repeating: 0, count: 9)
            let count = held.withUnsafeMutableBufferPointer { buffer in
                buffer.baseAddress.map { frames.copyHeldHeader(to: $0) } ?? 0
            }
            let passage = piece.withUnsafeBytes { frames.consume($0, within: limits) }
            if passage.count > 0 { result += held[..<count] + piece[..<passage.count] }
            if passage.exceeds {
                #expect(frames.isBetweenFrames && !frames.sawClose)
                return Passed(bytes: result, exceeds: true)
            }
        }
        return Passed(bytes: result, exceeds: false)
    }

    @Test(arguments: [1, 2, 3, 9, 10, 13, 14, 1_000, .max])
    func passesNothingOfAFrameOverALimit(pieces: Int) {
        let limits = WebSocketLimits(maxFrameSize: 200, maxMessageSize: 500)
        let before =
            whole(1, 200, final: false) + whole(9, 125) + whole(0, 200, final: false) + whole(0, 100)
            + whole(2, 200, final: false)
        for offending in [
            whole(0, 201), whole(0, 200, final: false) + whole(0, 101), header(0, UInt64(Int64.max)),
            header(0, .max), header(0, UInt64(UInt32.max) + 1), whole(9, 126), header(8, 126),
        ] {
            let extra = offending.count > 300 ? 210 : 0
            let expected = Passed(bytes: before + offending[..<extra], exceeds: true)
            #expect(passed(before + offending, limits, pieces: pieces) == expected)
        }
        #expect(passed(before, limits, pieces: pieces) == Passed(bytes: before, exceeds: false))
    }

    @Test func aLimitOfOneKindIsNoneOfTheOther() {
        #expect(!passed(header(2, 1 << 40), WebSocketLimits()).exceeds)
        let fragments = whole(2, 100, final: false) + whole(0, 100, final: false) + whole(0, 100)
        #expect(!passed(fragments, WebSocketLimits(maxFrameSize: 100)).exceeds)
        #expect(passed(fragments, WebSocketLimits(maxFrameSize: 99)).exceeds)
        #expect(!passed(fragments, WebSocketLimits(maxMessageSize: 300)).exceeds)
        #expect(passed(fragments, WebSocketLimits(maxMessageSize: 299)).bytes == Array(fragments[..<220]))
    }

    @Test func eachMessageBeginsAnew() {
        let bytes = whole(2, 300) + whole(1, 300) + whole(2, 100, final: false) + whole(0, 200) + whole(2, 300)
        #expect(passed(bytes, WebSocketLimits(maxMessageSize: 300)) == Passed(bytes: bytes, exceeds: false))
    }

    /// An open WebSocket is kept small: 32 bytes and one of these for each direction are in one piece of memory.
    @Test func isSmall() {
        #expect(MemoryLayout<WebSocketFrames>.size <= 56)
    }
}
