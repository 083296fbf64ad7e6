// Why bytes are not a canonical form. They come from another process or from disk, so each reason says where.

/// The first thing that is wrong with bytes that should be canonical.
package struct CanonicalCodingError: Error, Hashable, Sendable, CustomStringConvertible {
    package enum Reason: Hashable, Sendable {
        case truncated
        /// A varint with more than 64 bits, or longer than its value needs.
        case badVarint
        /// A tag that is unknown here, repeated, or lower than one before it.
        case unexpectedField(UInt8)
        case missingField(UInt8)
        case badUTF8(UInt8)
        case outOfRange(UInt8)
        /// Written although it has its default value, which canonical bytes leave out.
        case explicitDefault(UInt8)
    }

    package var reason: Reason
    /// How many bytes into the object the problem lies.
    package var offset: Int

    package init(_ reason: Reason, offset: Int) {
        self.reason = reason
        self.offset = offset
    }

    package var description: String {
        let what =
            switch reason {
            case .truncated: "the bytes end too early"
            case .badVarint: "a number is not in its shortest form"
            case .unexpectedField(let tag): "field \(tag) is unknown or out of order"
            case .missingField(let tag): "field \(tag) is missing"
            case .badUTF8(let tag): "field \(tag) is not UTF-8"
            case .outOfRange(let tag): "the value of field \(tag) is out of range"
            case .explicitDefault(let tag): "field \(tag) states its default"
            }
        return "\(what) (byte \(offset))"
    }
}
