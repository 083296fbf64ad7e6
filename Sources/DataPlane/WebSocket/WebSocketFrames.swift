// Where a stream of WebSocket frames stands (RFC 6455 §5.2). Bytes are relayed without being reframed; only headers are
// looked at, so that a close frame of ours goes between two frames and never into one, and that messages can be counted.

package struct WebSocketFrames {
    /// Payload bytes of the frame at hand that are still to come.
    private var payload: UInt64 = 0
    private var pendingLength: UInt64 = 0
    /// Position in the header at hand; 0: between frames.
    private var position: UInt8 = 0
    private var lengthBytes: UInt8 = 0
    private var maskBytes: UInt8 = 0
    private var mask: UInt32 = 0
    /// The frame at hand is a message's last.
    private var endsMessage = false
    /// The frame at hand is a close frame, whose code is still to come.
    private var awaitsCode = false
    private var codeBytes: UInt8 = 0
    private var code: UInt16 = 0
    /// Frames whose header has been seen.
    package private(set) var count: UInt64 = 0
    /// Messages whose last byte has been seen; control frames are none.
    package private(set) var messages: UInt64 = 0
    /// A close frame has passed: nothing may follow it.
    package private(set) var sawClose = false
    /// Of the first close frame; 1005 where it has none (§7.4.1), 0 before.
    package private(set) var closeCode: UInt16 = 0

    package init() {}

    /// Whether a frame may be put in here.
    package var isBetweenFrames: Bool { position == 0 && payload == 0 }

    package mutating func consume(_ bytes: UnsafeRawBufferPointer) {
        var i = 0
        while i < bytes.count {
            if payload > 0 {
                if awaitsCode {
                    takeCode(bytes[i])
                    payload -= 1
                    i += 1
                } else {
                    let taken = Int(min(payload, UInt64(bytes.count - i)))
                    payload -= UInt64(taken)
                    i += taken
                }
                if payload == 0 { endFrame() }
                continue
            }
            header(bytes[i])
            i += 1
        }
    }

    private mutating func header(_ byte: UInt8) {
        switch position {
        case 0:
            let opcode = byte & 0x0f
            endsMessage = byte & 0x80 != 0 && opcode < 8
            awaitsCode = opcode == 8 && !sawClose
            sawClose = sawClose || opcode == 8
            position = 1
            return
        case 1:
            maskBytes = byte & 0x80 != 0 ? 4 : 0
            mask = 0
            switch byte & 0x7f {
            case 126: lengthBytes = 2
            case 127: lengthBytes = 8
            default: lengthBytes = 0
            }
            pendingLength = lengthBytes == 0 ? UInt64(byte & 0x7f) : 0
        case 2..<(2 + lengthBytes):
            pendingLength = pendingLength << 8 | UInt64(byte)
        default:
            mask = mask << 8 | UInt32(byte)
        }
        position += 1
        if position == 2 + lengthBytes + maskBytes {
            payload = pendingLength
            position = 0
            count &+= 1
            if payload == 0 { endFrame() }
        }
    }

    private mutating func takeCode(_ byte: UInt8) {
        let unmasked = byte ^ UInt8(truncatingIfNeeded: mask >> (codeBytes == 0 ? 24 : 16))
        code = code << 8 | UInt16(unmasked)
        codeBytes += 1
        if codeBytes == 2 {
            closeCode = code
            awaitsCode = false
        }
    }

    private mutating func endFrame() {
        if endsMessage { messages &+= 1 }
        if awaitsCode {
            closeCode = WebSocketClose.noCode
            awaitsCode = false
        }
    }

    /// A close frame with a code and no reason; masked as a client must (§5.3).
    package static func close(code: UInt16, masked: Bool) -> [UInt8] {
        let high = UInt8(code >> 8)
        let low = UInt8(truncatingIfNeeded: code)
        // The mask need not be a secret here: there is nothing of an attacker's in the frame.
        return masked ? [0x88, 0x82, 0x4b, 0x1d, 0x90, 0x37, high ^ 0x4b, low ^ 0x1d] : [0x88, 0x02, high, low]
    }
}
