// Where a stream of WebSocket frames stands (RFC 6455 §5.2). Bytes are relayed without being reframed; only headers are
// looked at, so that a close frame of ours goes between two frames and never into one, that messages can be counted, and that
// nothing goes on of a frame that declares more than its route allows.

package import ConfigModel

package struct WebSocketFrames {
    /// Payload bytes of the frame at hand that are still to come.
    private var payload: UInt64 = 0
    private var pendingLength: UInt64 = 0
    /// What the frames of the message at hand have declared, where messages are limited.
    private var messageSize: UInt64 = 0
    /// Frames whose header has been seen.
    package private(set) var count: UInt64 = 0
    /// Messages whose last byte has been seen; control frames are none.
    package private(set) var messages: UInt64 = 0
    private var mask: UInt32 = 0
    /// Position in the header at hand; 0: between frames.
    private var position: UInt8 = 0
    private var lengthBytes: UInt8 = 0
    private var maskBytes: UInt8 = 0
    /// Of the header at hand: FIN, reserved bits and the opcode.
    private var firstByte: UInt8 = 0
    /// Of the first close frame; 1005 where it has none (§7.4.1), 0 before.
    package private(set) var closeCode: UInt16 = 0
    private var code: UInt16 = 0
    private var codeBytes: UInt8 = 0
    /// The frame at hand is a close frame, whose code is still to come.
    private var awaitsCode = false
    /// A close frame has passed: nothing may follow it.
    package private(set) var sawClose = false

    package init() {}

    /// Whether a frame may be put in here.
    package var isBetweenFrames: Bool { position == 0 && payload == 0 }

    /// What of some bytes may go on to the other side.
    package struct Passage {
        package let count: Int
        /// The frame behind them is over a limit; it counts as not having come.
        package let exceeds: Bool
    }

    /// With limits a frame passes once its length is known: a header that is not whole waits (`copyHeldHeader`).
    @discardableResult
    package mutating func consume(_ bytes: UnsafeRawBufferPointer, within limits: WebSocketLimits? = nil) -> Passage {
        var i = 0
        // Where the header at hand begins; one that began before these bytes passes with none of them.
        var start = 0
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
            if position == 0 { start = i }
            header(bytes[i])
            i += 1
            guard position >= 2 else { continue }
            if let limits, position == 2 + lengthBytes, exceeds(limits) {
                forgetFrame()
                return Passage(count: start, exceeds: true)
            }
            if position == 2 + lengthBytes + maskBytes { beginPayload() }
        }
        return Passage(count: awaitsLength ? start : bytes.count, exceeds: false)
    }

    private mutating func header(_ byte: UInt8) {
        switch position {
        case 0:
            firstByte = byte
            let opcode = byte & 0x0f
            awaitsCode = opcode == 8 && !sawClose
            sawClose = sawClose || opcode == 8
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
    }

    private mutating func beginPayload() {
        payload = pendingLength
        position = 0
        count &+= 1
        if payload == 0 { endFrame() }
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
        if firstByte & 0x80 != 0, !isControl { messages &+= 1 }
        if awaitsCode {
            closeCode = WebSocketClose.noCode
            awaitsCode = false
        }
    }

    // MARK: - Limits

    private var isControl: Bool { firstByte & 0x08 != 0 }

    private var awaitsLength: Bool { position == 1 || (position >= 2 && position < 2 + lengthBytes) }

    /// The length of the frame at hand is known. Control frames are no part of a message (§5.4), and small (§5.5): one that declares
    /// more would otherwise be a way past the limits.
    private mutating func exceeds(_ limits: WebSocketLimits) -> Bool {
        if isControl { return pendingLength > 125 }
        if limits.maxFrameSize > 0, pendingLength > UInt64(limits.maxFrameSize) { return true }
        guard limits.maxMessageSize > 0 else { return false }
        let most = UInt64(limits.maxMessageSize)
        // The sum so far is within the limit.
        guard pendingLength <= most, messageSize + pendingLength <= most else { return true }
        messageSize = firstByte & 0x80 != 0 ? 0 : messageSize + pendingLength
        return false
    }

    private mutating func forgetFrame() {
        position = 0
        if awaitsCode { sawClose = false }
        awaitsCode = false
    }

    /// Writes the bytes so far of a header whose length is not known yet, nine at most; returns how many.
    package func copyHeldHeader(to bytes: UnsafeMutablePointer<UInt8>) -> Int {
        guard awaitsLength else { return 0 }
        bytes[0] = firstByte
        guard position >= 2 else { return 1 }
        bytes[1] = (maskBytes > 0 ? 0x80 : 0) | (lengthBytes == 2 ? 126 : 127)
        let count = Int(position)
        for index in 2..<count {
            bytes[index] = UInt8(truncatingIfNeeded: pendingLength >> UInt64(8 * (count - 1 - index)))
        }
        return count
    }

    /// A close frame with a code and no reason; masked as a client must (§5.3).
    package static func close(code: UInt16, masked: Bool) -> [UInt8] {
        let high = UInt8(code >> 8)
        let low = UInt8(truncatingIfNeeded: code)
        // The mask need not be a secret here: there is nothing of an attacker's in the frame.
        return masked ? [0x88, 0x82, 0x4b, 0x1d, 0x90, 0x37, high ^ 0x4b, low ^ 0x1d] : [0x88, 0x02, high, low]
    }
}
