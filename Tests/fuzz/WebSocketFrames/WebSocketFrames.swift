// Headers of WebSocket frames, whole and byte by byte: both ways must agree.

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
    return 0
}

@main
enum Main {
    static func main() {
        fuzz { target($0, $1) }
    }
}
