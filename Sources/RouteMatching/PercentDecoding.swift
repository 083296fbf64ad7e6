// Query parameters compared as what they stand for. Only values that really hold an escape are decoded, on the stack.

package enum PercentDecoding {
    /// Whether `bytes[start..<end]`, decoded, is the key. Decodes while comparing.
    package static func equal(
        _ bytes: UnsafeRawBufferPointer, _ start: Int, _ end: Int, key: UnsafeRawPointer, _ count: Int
    ) -> Bool {
        var position = start
        var compared = 0
        while position < end {
            guard compared < count else { return false }
            let byte = next(bytes, &position, end)
            guard byte == key.load(fromByteOffset: compared, as: UInt8.self) else { return false }
            compared &+= 1
        }
        return compared == count
    }

    /// Gives `bytes[start..<end]` to `body`, decoded.
    @inline(__always)
    static func decoded(
        _ bytes: UnsafeRawBufferPointer, _ start: Int, _ end: Int, _ body: (UnsafeRawBufferPointer) -> Bool
    ) -> Bool {
        let raw = UnsafeRawBufferPointer(rebasing: bytes[start..<end])
        guard raw.contains(0x25) else { return body(raw) }
        return withUnsafeTemporaryAllocation(byteCount: raw.count, alignment: 1) { buffer in
            var position = 0
            var count = 0
            while position < raw.count {
                buffer[count] = next(raw, &position, raw.count)
                count &+= 1
            }
            return body(UnsafeRawBufferPointer(rebasing: buffer[..<count]))
        }
    }

    /// The next decoded byte. A percent sign that begins no escape stands for itself.
    @inline(__always)
    private static func next(_ bytes: UnsafeRawBufferPointer, _ position: inout Int, _ end: Int) -> UInt8 {
        let byte = bytes[position]
        if byte == 0x25, position &+ 2 < end, let high = hexDigit(bytes[position &+ 1]),
            let low = hexDigit(bytes[position &+ 2])
        {
            position &+= 3
            return high << 4 | low
        }
        position &+= 1
        return byte
    }

    @inline(__always)
    static func hexDigit(_ byte: UInt8) -> UInt8? {
        switch byte {
        case 0x30...0x39: byte &- 0x30
        case 0x41...0x46: byte &- 0x37
        case 0x61...0x66: byte &- 0x57
        default: nil
        }
    }
}
