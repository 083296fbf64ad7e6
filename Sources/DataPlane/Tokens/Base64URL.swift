// base64url as JOSE writes it (RFC 7515 §2): without padding, and in the one form that encoders write, so that a token has one text.

internal import Glibc

package enum Base64URL {
    /// Decodes into `target`, which has room for `text.count * 3 / 4` bytes; nil: it is not base64url.
    package static func decode(_ text: UnsafeRawBufferPointer, into target: UnsafeMutablePointer<UInt8>) -> Int? {
        guard text.count & 3 != 1 else { return nil }
        var (bits, pending, count) = (UInt32(0), UInt32(0), 0)
        for byte in text {
            guard let value = value(byte) else { return nil }
            bits = bits << 6 | UInt32(value)
            pending += 6
            if pending >= 8 {
                pending -= 8
                target[count] = UInt8(truncatingIfNeeded: bits >> pending)
                count += 1
            }
        }
        // What is left over of the last character must be zero.
        return bits & (1 << pending - 1) == 0 ? count : nil
    }

    @inline(__always)
    private static func value(_ byte: UInt8) -> UInt8? {
        switch byte {
        case 0x41...0x5a: byte &- 0x41
        case 0x61...0x7a: byte &- 0x47
        case 0x30...0x39: byte &+ 4
        case 0x2d: 62
        case 0x5f: 63
        default: nil
        }
    }
}
