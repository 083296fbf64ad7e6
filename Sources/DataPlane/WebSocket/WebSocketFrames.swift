// Where a stream of WebSocket frames stands (RFC 6455 §5.2). Bytes are relayed without being reframed; only headers are
// looked at, so that a close frame of ours goes between two frames and never into one.

package struct WebSocketFrames {
    /// Payload bytes of the frame at hand that are still to come.
    private var payload: UInt64 = 0
    /// Position in the header at hand; 0: between frames.
    private var position = 0
    private var lengthBytes = 0
    private var maskBytes = 0
    /// Frames whose header has been seen.
    package private(set) var count: UInt64 = 0
    /// A close frame has passed: nothing may follow it.
    package private(set) var sawClose = false

    package init() {}

    /// Whether a frame may be put in here.
    package var isBetweenFrames: Bool { position == 0 && payload == 0 }

    package mutating func consume(_ bytes: UnsafeRawBufferPointer) {
        var i = 0
        while i < bytes.count {
            if payload > 0 {
                let taken = Int(min(payload, UInt64(bytes.count - i)))
                payload -= UInt64(taken)
                i += taken
                continue
            }
            header(bytes[i])
            i += 1
        }
    }

    private mutating func header(_ byte: UInt8) {
        switch position {
        case 0:
            sawClose = sawClose || byte & 0x0f == 8
            position = 1
            return
        case 1:
            maskBytes = byte & 0x80 != 0 ? 4 : 0
            switch byte & 0x7f {
            case 126: lengthBytes = 2
            case 127: lengthBytes = 8
            default: lengthBytes = 0
            }
            pendingLength = lengthBytes == 0 ? UInt64(byte & 0x7f) : 0
        case 2..<(2 + lengthBytes):
            pendingLength = pendingLength << 8 | UInt64(byte)
        default:
            break
        }
        position += 1
        if position == 2 + lengthBytes + maskBytes {
            payload = pendingLength
            position = 0
            count += 1
        }
    }

    private var pendingLength: UInt64 = 0

    /// A close frame with a code and no reason; masked as a client must (§5.3).
    package static func close(code: UInt16, masked: Bool) -> [UInt8] {
        let high = UInt8(code >> 8)
        let low = UInt8(truncatingIfNeeded: code)
        // The mask need not be a secret here: there is nothing of an attacker's in the frame.
        return masked ? [0x88, 0x82, 0x4b, 0x1d, 0x90, 0x37, high ^ 0x4b, low ^ 0x1d] : [0x88, 0x02, high, low]
    }
}
