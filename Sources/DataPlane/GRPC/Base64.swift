// Base64 (RFC 4648 §4) as gRPC-Web's text form uses it: a sequence of pieces, each padded for itself, cut anywhere on its way.

internal import Glibc

/// Decodes pieces as they come.
package struct Base64Decoder {
    private var bits: UInt32 = 0
    /// Characters of the group of four at hand.
    private var have = 0
    /// `=` characters among them.
    private var padding = 0

    package init() {}

    /// Whether the text may end here.
    package var isBetweenGroups: Bool { have == 0 }

    /// Appends what the text means. False: it is no base64.
    package mutating func decode(_ text: UnsafeRawBufferPointer, into output: inout ByteQueue) -> Bool {
        let start = output.reserve(text.count / 4 * 3 + 6)
        var written = 0
        for byte in text {
            let value: UInt32
            switch byte {
            case UInt8(ascii: "A")...UInt8(ascii: "Z"): value = UInt32(byte) - 65
            case UInt8(ascii: "a")...UInt8(ascii: "z"): value = UInt32(byte) - 71
            case UInt8(ascii: "0")...UInt8(ascii: "9"): value = UInt32(byte) + 4
            case UInt8(ascii: "+"): value = 62
            case UInt8(ascii: "/"): value = 63
            case UInt8(ascii: "="):
                guard have >= 2 else { return false }
                padding += 1
                value = 0
            default: return false
            }
            guard padding == 0 || byte == UInt8(ascii: "=") else { return false }
            bits = bits << 6 | value
            have += 1
            guard have == 4 else { continue }
            start[written] = UInt8(truncatingIfNeeded: bits >> 16)
            start[written + 1] = UInt8(truncatingIfNeeded: bits >> 8)
            start[written + 2] = UInt8(truncatingIfNeeded: bits)
            written += 3 - padding
            bits = 0
            have = 0
            padding = 0
        }
        output.commit(written)
        return true
    }
}

/// Appends one piece of text, padded.
package func appendBase64(_ bytes: UnsafeRawBufferPointer, to output: inout ByteQueue) {
    let alphabet: StaticString = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/"
    let letters = alphabet.utf8Start
    let size = (bytes.count + 2) / 3 * 4
    let text = output.reserve(size)
    var from = 0
    var to = 0
    while from < bytes.count {
        let left = bytes.count - from
        let second = left > 1 ? UInt32(bytes[from + 1]) : 0
        let third = left > 2 ? UInt32(bytes[from + 2]) : 0
        let group = UInt32(bytes[from]) << 16 | second << 8 | third
        text[to] = letters[Int(group >> 18)]
        text[to + 1] = letters[Int(group >> 12 & 63)]
        text[to + 2] = left > 1 ? letters[Int(group >> 6 & 63)] : UInt8(ascii: "=")
        text[to + 3] = left > 2 ? letters[Int(group & 63)] : UInt8(ascii: "=")
        from += 3
        to += 4
    }
    output.commit(size)
}
