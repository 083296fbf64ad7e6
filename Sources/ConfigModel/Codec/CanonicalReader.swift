// Reads the canonical form and nothing else: what it accepts, `CanonicalWriter` would have written byte for byte.
//
// Fields are asked for in ascending order of their tags, and each call takes its field if it comes next. Whatever no call
// has taken (unknown, repeated, out of order, trailing) is found by `end()`. No input traps: every read is checked.

import Seal

/// A position in canonical bytes, and the end of the struct that is being read.
struct CanonicalReader {
    private let bytes: ArraySlice<UInt8>
    private var position: Int
    private var limit: Int

    init(_ bytes: ArraySlice<UInt8>) {
        self.bytes = bytes
        position = bytes.startIndex
        limit = bytes.endIndex
    }

    func end() throws(CanonicalCodingError) {
        guard position == limit else { throw error(.unexpectedField(bytes[position])) }
    }

    mutating func integer<T: FixedWidthInteger & UnsignedInteger>(
        _ tag: UInt8, default: T = 0
    ) throws(CanonicalCodingError) -> T {
        guard let value: T = try optional(tag) else { return `default` }
        guard value != `default` else { throw error(.explicitDefault(tag)) }
        return value
    }

    mutating func optional<T: FixedWidthInteger & UnsignedInteger>(
        _ tag: UInt8
    ) throws(CanonicalCodingError) -> T? {
        guard take(tag) else { return nil }
        guard let value = T(exactly: try varint()) else { throw error(.outOfRange(tag)) }
        return value
    }

    mutating func bool(_ tag: UInt8, default: Bool = false) throws(CanonicalCodingError) -> Bool {
        let value: UInt8 = try integer(tag, default: `default` ? 1 : 0)
        guard value <= 1 else { throw error(.outOfRange(tag)) }
        return value == 1
    }

    mutating func required<T: RawRepresentable<UInt8>>(_ tag: UInt8) throws(CanonicalCodingError) -> T {
        guard let raw: UInt8 = try optional(tag) else { throw error(.missingField(tag)) }
        guard let value = T(rawValue: raw) else { throw error(.outOfRange(tag)) }
        return value
    }

    mutating func choice<T: RawRepresentable<UInt8>>(_ tag: UInt8, default: T) throws(CanonicalCodingError) -> T {
        let raw: UInt8 = try integer(tag, default: `default`.rawValue)
        guard let value = T(rawValue: raw) else { throw error(.outOfRange(tag)) }
        return value
    }

    mutating func string(_ tag: UInt8) throws(CanonicalCodingError) -> String {
        guard let value: String = try optional(tag) else { return "" }
        guard !value.isEmpty else { throw error(.explicitDefault(tag)) }
        return value
    }

    mutating func optional(_ tag: UInt8) throws(CanonicalCodingError) -> String? {
        guard let range = try field(tag) else { return nil }
        // Not `String(validating:as:)`: that is generic down to each byte.
        guard let text = try? UTF8Span(validating: bytes[range].span) else { throw error(.badUTF8(tag)) }
        return String(copying: text)
    }

    mutating func strings(_ tag: UInt8) throws(CanonicalCodingError) -> [String] {
        var values: [String] = []
        while let value: String = try optional(tag) { values.append(value) }
        return values
    }

    mutating func hash(_ tag: UInt8) throws(CanonicalCodingError) -> Hash256 {
        guard let range = try field(tag) else { throw error(.missingField(tag)) }
        guard let value = Hash256(bytes[range]) else { throw error(.outOfRange(tag)) }
        return value
    }

    mutating func secret(_ tag: UInt8) throws(CanonicalCodingError) -> Secret {
        guard let range = try field(tag) else { return Secret([]) }
        guard !range.isEmpty else { throw error(.explicitDefault(tag)) }
        return Secret(Array(bytes[range]))
    }

    mutating func required<T: CanonicalCodable>(_ tag: UInt8) throws(CanonicalCodingError) -> T {
        guard let value: T = try optional(tag) else { throw error(.missingField(tag)) }
        return value
    }

    mutating func defaulted<T: CanonicalCodable>(_ tag: UInt8, _ default: T) throws(CanonicalCodingError) -> T {
        guard let range = try field(tag) else { return `default` }
        guard !range.isEmpty else { throw error(.explicitDefault(tag)) }
        return try nested(range)
    }

    mutating func optional<T: CanonicalCodable>(_ tag: UInt8) throws(CanonicalCodingError) -> T? {
        guard let range = try field(tag) else { return nil }
        return try nested(range)
    }

    mutating func list<T: CanonicalCodable>(_ tag: UInt8) throws(CanonicalCodingError) -> [T] {
        var values: [T] = []
        while let value: T = try optional(tag) { values.append(value) }
        return values
    }

    func error(_ reason: CanonicalCodingError.Reason) -> CanonicalCodingError {
        CanonicalCodingError(reason, offset: position - bytes.startIndex)
    }

    private func nested<T: CanonicalCodable>(_ range: Range<Int>) throws(CanonicalCodingError) -> T {
        var inner = self
        inner.position = range.lowerBound
        inner.limit = range.upperBound
        let value = try T(from: &inner)
        try inner.end()
        return value
    }

    /// Steps over the tag if it comes next.
    private mutating func take(_ tag: UInt8) -> Bool {
        guard position < limit, bytes[position] == tag else { return false }
        position += 1
        return true
    }

    /// Steps over a length-prefixed field if it comes next.
    private mutating func field(_ tag: UInt8) throws(CanonicalCodingError) -> Range<Int>? {
        guard take(tag) else { return nil }
        let length = try varint()
        guard length <= UInt64(limit - position) else { throw error(.truncated) }
        let range = position..<(position + Int(length))
        position = range.upperBound
        return range
    }

    private mutating func varint() throws(CanonicalCodingError) -> UInt64 {
        var value: UInt64 = 0
        var shift: UInt64 = 0
        while position < limit {
            let byte = bytes[position]
            position += 1
            // The tenth byte holds one bit; a last byte of zero says nothing, so a shorter form exists.
            guard shift < 63 || byte <= 1, byte != 0 || shift == 0 else { throw error(.badVarint) }
            value |= UInt64(byte & 0x7f) << shift
            if byte < 0x80 { return value }
            shift += 7
        }
        throw error(.truncated)
    }
}
