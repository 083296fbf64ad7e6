// JSON strings made of arbitrary bytes. What a client sends ends up in logs, so nothing in it may break a line, a parser
// or a terminal: controls, line separators and text-direction marks are escaped, and bytes that are not UTF-8 become
// `\xHH` as readable text (a backslash of the client's own is doubled like any other).

extension LineBuffer {
    /// The bytes as a JSON string with its quotes.
    package mutating func append(json bytes: UnsafeRawBufferPointer) {
        append(byte: UInt8(ascii: "\""))
        append(escaped: bytes)
        append(byte: UInt8(ascii: "\""))
    }

    package mutating func append(json text: String) {
        var text = text
        text.withUTF8 { append(json: UnsafeRawBufferPointer($0)) }
    }

    /// The bytes as they stand inside a JSON string.
    package mutating func append(escaped bytes: UnsafeRawBufferPointer) {
        var start = 0
        var position = 0
        while position < bytes.count {
            let byte = bytes[position]
            // 0x20 to 0x7e but for quote and backslash: the common case, copied in runs.
            if byte &- 0x20 < 0x5f, byte != UInt8(ascii: "\""), byte != UInt8(ascii: "\\") {
                position += 1
                continue
            }
            append(UnsafeRawBufferPointer(rebasing: bytes[start..<position]))
            position += byte < 0x80 ? escape(ascii: byte) : append(sequence: bytes, at: position)
            start = position
        }
        append(UnsafeRawBufferPointer(rebasing: bytes[start..<position]))
    }

    private mutating func escape(ascii byte: UInt8) -> Int {
        switch byte {
        case UInt8(ascii: "\""): append("\\\"")
        case UInt8(ascii: "\\"): append("\\\\")
        case UInt8(ascii: "\n"): append("\\n")
        case UInt8(ascii: "\r"): append("\\r")
        case UInt8(ascii: "\t"): append("\\t")
        default: escape(scalar: UInt32(byte))
        }
        return 1
    }

    /// One scalar beyond ASCII, or one byte that begins none. Returns how many bytes it took.
    private mutating func append(sequence bytes: UnsafeRawBufferPointer, at position: Int) -> Int {
        let length = Self.sequenceLength(bytes, at: position)
        guard length > 0 else {
            append("\\\\x")
            append(hex: UInt64(bytes[position]), width: 2)
            return 1
        }
        let sequence = UnsafeRawBufferPointer(rebasing: bytes[position..<position + length])
        if let hidden = Self.hiddenScalar(sequence) {
            escape(scalar: hidden)
        } else {
            append(sequence)
        }
        return length
    }

    private mutating func escape(scalar: UInt32) {
        append("\\u")
        append(hex: UInt64(scalar), width: 4)
    }

    /// Length of the well-formed UTF-8 sequence that begins here (RFC 3629 §4), 0 if none does.
    private static func sequenceLength(_ bytes: UnsafeRawBufferPointer, at position: Int) -> Int {
        func follows(_ offset: Int, _ range: ClosedRange<UInt8> = 0x80...0xbf) -> Bool {
            position + offset < bytes.count && range ~= bytes[position + offset]
        }
        switch bytes[position] {
        case 0xc2...0xdf: return follows(1) ? 2 : 0
        case 0xe0: return follows(1, 0xa0...0xbf) && follows(2) ? 3 : 0
        case 0xed: return follows(1, 0x80...0x9f) && follows(2) ? 3 : 0
        case 0xe1...0xef: return follows(1) && follows(2) ? 3 : 0
        case 0xf0: return follows(1, 0x90...0xbf) && follows(2) && follows(3) ? 4 : 0
        case 0xf1...0xf3: return follows(1) && follows(2) && follows(3) ? 4 : 0
        case 0xf4: return follows(1, 0x80...0x8f) && follows(2) && follows(3) ? 4 : 0
        default: return 0
        }
    }

    /// Scalars that act on a terminal or a viewer instead of being seen: C1 controls (U+0080–9F), line and paragraph
    /// separators and direction overrides (U+2028–202E), direction isolates (U+2066–2069).
    private static func hiddenScalar(_ sequence: UnsafeRawBufferPointer) -> UInt32? {
        switch (sequence[0], sequence[1], sequence.count > 2 ? sequence[2] : 0) {
        case (0xc2, 0x80...0x9f, _): UInt32(sequence[1])
        case (0xe2, 0x80, 0xa8...0xae): 0x2000 | UInt32(sequence[2] & 0x3f)
        case (0xe2, 0x81, 0xa6...0xa9): 0x2040 | UInt32(sequence[2] & 0x3f)
        default: nil
        }
    }
}
