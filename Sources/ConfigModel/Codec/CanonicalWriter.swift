// Writes the canonical form: the one sequence of bytes that stands for a value, on the wire, on disk and under the hash.
//
// A struct is its fields in ascending order of their tags, each a tag byte and a value; a value is a varint or a length
// and that many bytes; a list repeats its tag; a nested struct is bytes. A field at its default is left out, an optional
// without a value too. Tags and defaults never change once released: a stored hash depends on them.

import Seal

/// A value with a canonical form.
protocol CanonicalCodable {
    func write(to writer: inout CanonicalWriter)
    init(from reader: inout CanonicalReader) throws(CanonicalCodingError)
}

/// Appends fields to a growing canonical form.
struct CanonicalWriter {
    private(set) var bytes: [UInt8] = []

    mutating func integer(_ tag: UInt8, _ value: some FixedWidthInteger & UnsignedInteger, default: UInt64 = 0) {
        guard UInt64(value) != `default` else { return }
        present(tag, value)
    }

    mutating func optional(_ tag: UInt8, _ value: (some FixedWidthInteger & UnsignedInteger)?) {
        if let value { present(tag, value) }
    }

    /// An integer that is written whatever its value.
    private mutating func present(_ tag: UInt8, _ value: some FixedWidthInteger & UnsignedInteger) {
        bytes.append(tag)
        varint(UInt64(value))
    }

    mutating func bool(_ tag: UInt8, _ value: Bool, default: Bool = false) {
        integer(tag, value ? UInt8(1) : 0, default: `default` ? 1 : 0)
    }

    /// An enumeration without a default: always written.
    mutating func required(_ tag: UInt8, _ value: some RawRepresentable<UInt8>) {
        present(tag, value.rawValue)
    }

    mutating func choice<T: RawRepresentable<UInt8>>(_ tag: UInt8, _ value: T, default: T) {
        integer(tag, value.rawValue, default: UInt64(`default`.rawValue))
    }

    mutating func string(_ tag: UInt8, _ value: String) {
        if !value.isEmpty { text(tag, value) }
    }

    mutating func optional(_ tag: UInt8, _ value: String?) {
        if let value { text(tag, value) }
    }

    mutating func strings(_ tag: UInt8, _ values: [String]) {
        for value in values { text(tag, value) }
    }

    /// Always written.
    mutating func hash(_ tag: UInt8, _ value: Hash256) {
        bytes.append(tag)
        varint(UInt64(Hash256.byteCount))
        value.withUnsafeBytes { bytes.append(contentsOf: $0) }
    }

    mutating func secret(_ tag: UInt8, _ value: Secret) {
        guard !value.bytes.isEmpty else { return }
        bytes.append(tag)
        varint(UInt64(value.bytes.count))
        bytes.append(contentsOf: value.bytes)
    }

    /// A nested struct that is written even when all its fields are at their defaults.
    mutating func required(_ tag: UInt8, _ value: some CanonicalCodable) {
        nested(tag, value, skipEmpty: false)
    }

    /// A nested struct that is left out when all its fields are at their defaults.
    mutating func defaulted(_ tag: UInt8, _ value: some CanonicalCodable) {
        nested(tag, value, skipEmpty: true)
    }

    mutating func optional(_ tag: UInt8, _ value: (some CanonicalCodable)?) {
        if let value { nested(tag, value, skipEmpty: false) }
    }

    mutating func list(_ tag: UInt8, _ values: [some CanonicalCodable]) {
        for value in values { nested(tag, value, skipEmpty: false) }
    }

    private mutating func text(_ tag: UInt8, _ value: String) {
        bytes.append(tag)
        varint(UInt64(value.utf8.count))
        bytes.append(contentsOf: value.utf8)
    }

    private mutating func nested(_ tag: UInt8, _ value: some CanonicalCodable, skipEmpty: Bool) {
        var inner = CanonicalWriter()
        value.write(to: &inner)
        guard !(skipEmpty && inner.bytes.isEmpty) else { return }
        bytes.append(tag)
        varint(UInt64(inner.bytes.count))
        bytes.append(contentsOf: inner.bytes)
    }

    /// Seven bits a byte, least significant first, high bit on all but the last.
    private mutating func varint(_ value: UInt64) {
        var rest = value
        while rest >= 0x80 {
            bytes.append(UInt8(truncatingIfNeeded: rest) | 0x80)
            rest >>= 7
        }
        bytes.append(UInt8(truncatingIfNeeded: rest))
    }
}
