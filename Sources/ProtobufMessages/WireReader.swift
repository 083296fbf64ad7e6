// The wire format of protocol buffers, read: fields in their order, whatever type they may belong to.

/// What is wrong with bytes that should be a message, or with the types that should tell of it.
package struct MessageFault: Error, Hashable, Sendable {
    package var reason: String

    package init(_ reason: String) {
        self.reason = reason
    }
}

/// Bounds of what peers send.
package enum MessageLimits {
    /// Messages within messages.
    package static let depth = 100
    /// Files, messages, fields, values of enums, services and methods of all descriptors together.
    static let elements = 100_000
    /// Bytes of a full name.
    static let name = 512
}

/// The value of a field, as its wire type has it.
enum WireValue {
    case varint(UInt64)
    case fixed64(UInt64)
    case fixed32(UInt32)
    case bytes(WireReader)
    case group(WireReader)
}

/// A range of bytes and a place in it. Copies share the bytes.
struct WireReader {
    private let bytes: [UInt8]
    private var position: Int
    private let end: Int

    init(_ bytes: [UInt8]) {
        self.init(bytes, 0, bytes.count)
    }

    private init(_ bytes: [UInt8], _ position: Int, _ end: Int) {
        self.bytes = bytes
        self.position = position
        self.end = end
    }

    var isAtEnd: Bool { position == end }
    var count: Int { end - position }
    var rest: ArraySlice<UInt8> { bytes[position..<end] }

    var text: String? { String(validating: rest, as: UTF8.self) }

    /// The next field; `nil` at the end.
    mutating func next() throws(MessageFault) -> (number: Int, value: WireValue)? {
        if isAtEnd { return nil }
        let (number, type) = try tag()
        guard type != 4 else { throw MessageFault("A group ends that did not begin.") }
        return (number, try value(number, type, depth: 0))
    }

    private mutating func tag() throws(MessageFault) -> (number: Int, type: UInt8) {
        let tag = try varint()
        guard tag >> 3 >= 1, tag >> 3 < 1 << 29 else { throw MessageFault("A field has no valid number.") }
        return (Int(tag >> 3), UInt8(tag & 7))
    }

    private mutating func value(_ number: Int, _ type: UInt8, depth: Int) throws(MessageFault) -> WireValue {
        switch type {
        case 0: return .varint(try varint())
        case 1: return .fixed64(try fixed64())
        case 2:
            let length = try varint()
            guard length <= UInt64(count) else { throw MessageFault("A field is longer than what holds it.") }
            let start = position
            position += Int(length)
            return .bytes(WireReader(bytes, start, position))
        case 3:
            guard depth < MessageLimits.depth else { throw Self.tooDeep }
            let start = position
            while true {
                let before = position
                let (inner, type) = try tag()
                if type == 4 {
                    guard inner == number else { throw MessageFault("A group ends that did not begin.") }
                    return .group(WireReader(bytes, start, before))
                }
                _ = try value(inner, type, depth: depth + 1)
            }
        case 5: return .fixed32(try fixed32())
        default: throw MessageFault("A field has no valid wire type.")
        }
    }

    static let tooDeep = MessageFault("Messages are nested more than \(MessageLimits.depth) deep.")

    mutating func varint() throws(MessageFault) -> UInt64 {
        var value: UInt64 = 0
        var shift: UInt64 = 0
        while shift < 64 {
            guard position < end else { throw Self.cutOff }
            let byte = bytes[position]
            position += 1
            value |= UInt64(byte & 0x7f) << shift
            if byte < 0x80 { return value }
            shift += 7
        }
        throw MessageFault("A number has more than ten bytes.")
    }

    private static let cutOff = MessageFault("The bytes end within a field.")

    mutating func fixed32() throws(MessageFault) -> UInt32 { UInt32(truncatingIfNeeded: try fixed(4)) }

    mutating func fixed64() throws(MessageFault) -> UInt64 { try fixed(8) }

    private mutating func fixed(_ width: Int) throws(MessageFault) -> UInt64 {
        guard count >= width else { throw Self.cutOff }
        defer { position += width }
        return bytes[position..<(position + width)].reversed().reduce(0) { $0 << 8 | UInt64($1) }
    }
}
