// The one rule that every request path goes through before anything looks at it. What routes match is what the upstream
// gets, so no path can take one route here and mean another one there.
//
// 1. A path begins with `/` (the `*` of OPTIONS never comes here).
// 2. Refused: control characters, blanks, `#`, `\` (some servers take it for `/`), a `%` without two hex digits, `%00`.
// 3. Escapes of unreserved characters (letters, digits, `-._~`) are decoded, as RFC 3986 §6.2.2.2 allows without change
//    of meaning. All other escapes stay, hex digits in upper case: `%2F` inside a segment is data, not a separator.
// 4. `.` and `..` are resolved (RFC 3986 §5.2.4), after step 3, so that `%2e%2e` is no way around. Above the root: refused.
// 5. Refused: a `..` that only a laxer reader would see: beside an escaped `/` or `\`, or with parameters (`..;x`).
// 6. Empty segments (`//`) stay: they are part of names in object stores. A route for `/a` does not match `//a`.
// Bytes above 0x7f pass. The result is never longer than the path.

/// Normalises request paths.
package enum PathNormalizer {
    package enum Result: Hashable, Sendable {
        /// The path is normal already; the buffer was not touched.
        case unchanged
        /// That many bytes of the buffer are the path.
        case changed(Int)
        case refused(Refusal)
    }

    package enum Refusal: String, Hashable, Sendable, CaseIterable {
        case notAbsolute = "path does not begin with /"
        case forbiddenCharacter = "path holds a character that is not allowed"
        case badEscape = "path holds a bad percent escape"
        case aboveRoot = "path leads above the root"
        case ambiguousDots = "path holds .. in a form that readers understand differently"
    }

    /// The buffer must be as large as the path.
    package static func normalize(
        _ path: UnsafeRawBufferPointer, into buffer: UnsafeMutableRawBufferPointer
    ) -> Result {
        guard path.first == 0x2f else { return .refused(.notAbsolute) }
        precondition(buffer.count >= path.count, "normalising never makes a path longer")
        return isPlain(path) ? .unchanged : rewrite(path, buffer)
    }

    /// Whether nothing in the path calls for a second look: no special byte, no segment that begins with a dot.
    @inline(__always)
    private static func isPlain(_ path: UnsafeRawBufferPointer) -> Bool {
        var previous: UInt8 = 0
        for byte in path {
            if isSpecial(byte) { return false }
            if byte == 0x2e, previous == 0x2f { return false }
            previous = byte
        }
        return true
    }

    /// Controls, blank, `#`, `%`, `\` and DEL.
    @inline(__always)
    private static func isSpecial(_ byte: UInt8) -> Bool {
        let low: UInt64 = 0xffff_ffff | 1 << 0x20 | 1 << 0x23 | 1 << 0x25
        let high: UInt64 = 1 << (0x5c - 64) | 1 << (0x7f - 64)
        return byte < 128 && (byte < 64 ? low : high) &>> UInt64(byte & 63) & 1 != 0
    }

    private static func rewrite(_ path: UnsafeRawBufferPointer, _ buffer: UnsafeMutableRawBufferPointer) -> Result {
        var count = 0
        var position = 0
        while position < path.count {
            let byte = path[position]
            position += 1
            guard isSpecial(byte) else {
                buffer[count] = byte
                count += 1
                continue
            }
            guard byte == 0x25 else { return .refused(.forbiddenCharacter) }
            guard position + 1 < path.count, let high = PercentDecoding.hexDigit(path[position]),
                let low = PercentDecoding.hexDigit(path[position + 1]), high | low != 0
            else { return .refused(.badEscape) }
            position += 2
            if isUnreserved(high << 4 | low) {
                buffer[count] = high << 4 | low
                count += 1
            } else {
                buffer[count] = 0x25
                buffer[count + 1] = upperHex(high)
                buffer[count + 2] = upperHex(low)
                count += 3
            }
        }
        return resolveDots(UnsafeMutableRawBufferPointer(rebasing: buffer[..<count]), path)
    }

    /// Step 4 and 5, in place: what is written never overtakes what is read.
    private static func resolveDots(
        _ bytes: UnsafeMutableRawBufferPointer, _ original: UnsafeRawBufferPointer
    ) -> Result {
        var written = 0
        var position = 0
        while position < bytes.count {
            // `position` is at a slash; the segment is what follows up to the next one.
            var end = position + 1
            while end < bytes.count, bytes[end] != 0x2f { end += 1 }
            let segment = UnsafeRawBufferPointer(rebasing: bytes[position + 1..<end])
            let isLast = end == bytes.count
            if segment.elementsEqual(".".utf8) {
                if isLast { append(0x2f) }
            } else if segment.elementsEqual("..".utf8) {
                guard written > 0 else { return .refused(.aboveRoot) }
                repeat { written -= 1 } while bytes[written] != 0x2f
                if isLast { append(0x2f) }
            } else {
                if hidesDots(segment) { return .refused(.ambiguousDots) }
                for index in position..<end { append(bytes[index]) }
            }
            position = end
        }
        func append(_ byte: UInt8) {
            bytes[written] = byte
            written += 1
        }
        return written == original.count && original.elementsEqual(bytes[..<written]) ? .unchanged : .changed(written)
    }

    /// Whether the segment, split at `%2F` and `%5C` and cut at `;`, has a part `..`.
    private static func hidesDots(_ segment: UnsafeRawBufferPointer) -> Bool {
        var start = 0
        var position = 0
        while position <= segment.count {
            let atEnd = position == segment.count
            if atEnd || isEscapedSeparator(segment, position) {
                let part = segment[start..<position]
                if part.starts(with: "..".utf8), part.count == 2 || part[start + 2] == 0x3b { return true }
                start = position + 3
                position = atEnd ? position + 1 : start
            } else {
                position += 1
            }
        }
        return false
    }

    private static func isEscapedSeparator(_ segment: UnsafeRawBufferPointer, _ position: Int) -> Bool {
        guard segment[position] == 0x25, position + 2 < segment.count else { return false }
        let (high, low) = (segment[position + 1], segment[position + 2])
        return high == 0x32 && low == 0x46 || high == 0x35 && low == 0x43
    }

    private static func isUnreserved(_ byte: UInt8) -> Bool {
        switch byte {
        case 0x30...0x39, 0x41...0x5a, 0x61...0x7a, 0x2d, 0x2e, 0x5f, 0x7e: true
        default: false
        }
    }

    private static func upperHex(_ digit: UInt8) -> UInt8 {
        digit < 10 ? 0x30 + digit : 0x37 + digit
    }
}
