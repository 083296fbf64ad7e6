// Headers of WebSocket frames, whole and byte by byte: both ways must agree on what they see, and on what passes within limits.

import ConfigModel
import DataPlane
import FuzzDriver

private func target(_ start: UnsafePointer<UInt8>?, _ count: Int) -> CInt {
    guard let start else { return 0 }
    var whole = WebSocketFrames()
    var bytewise = WebSocketFrames()
    whole.consume(UnsafeRawBufferPointer(start: start, count: count))
    for index in 0..<count { bytewise.consume(UnsafeRawBufferPointer(start: start + index, count: 1)) }
    precondition(
        whole.count == bytewise.count && whole.sawClose == bytewise.sawClose
            && whole.isBetweenFrames == bytewise.isBetweenFrames && whole.messages == bytewise.messages
            && whole.closeCode == bytewise.closeCode, "pieces change what is seen")
    compareWithinLimits(UnsafeRawBufferPointer(start: start, count: count))
    return 0
}

/// The first byte chooses the limits.
private func compareWithinLimits(_ bytes: UnsafeRawBufferPointer) {
    guard let choice = bytes.first else { return }
    let limits = WebSocketLimits(maxFrameSize: UInt32(choice >> 4) * 60, maxMessageSize: UInt32(choice & 15) * 100)
    let rest = UnsafeRawBufferPointer(rebasing: bytes[1...])
    var whole = WebSocketFrames()
    let passage = whole.consume(rest, within: limits)
    var bytewise = WebSocketFrames()
    var passed = 0
    withUnsafeTemporaryAllocation(of: UInt8.self, capacity: 9) { held in
        for index in rest.indices {
            let waiting = held.baseAddress.map { bytewise.copyHeldHeader(to: $0) } ?? 0
            let passage = bytewise.consume(UnsafeRawBufferPointer(rebasing: rest[index...index]), within: limits)
            if passage.count > 0 {
                precondition(
                    held[..<waiting].elementsEqual(rest[passed..<passed + waiting]), "a held header has changed")
                passed += waiting + passage.count
            }
            if passage.exceeds { break }
        }
    }
    precondition(passed == passage.count, "pieces change what passes")
}

@main
enum Main {
    static func main() {
        fuzz { target($0, $1) }
    }
}
