// What the worker that goes and the one that comes tell each other, a packet a message: a byte for its kind, then fields of tag,
// length and value. They may be of different versions: fields that are not known are passed over, and what must be understood
// by both gets another protocol number. Descriptors travel beside the bytes, in the order in which they are named there.

/// Why a message cannot be used.
package struct HandoverFailure: Error, Equatable, CustomStringConvertible {
    package let description: String

    package init(_ description: String) { self.description = description }
}

/// What a descriptor is that travels beside a message.
package struct HandedDescriptor: Hashable, Sendable {
    package enum Kind: UInt8, Sendable {
        /// The lock of the state folder.
        case lock = 1
        /// A listening socket for clients. Its address is what the kernel says.
        case listener = 2
        case metrics = 3
        case inspect = 4
    }

    package let kind: Kind
    /// Of the loop that accepts on it.
    package let loop: UInt16
    /// Of the listener.
    package let name: String

    package init(_ kind: Kind, loop: UInt16 = 0, name: String = "") {
        self.kind = kind
        self.loop = loop
        self.name = name
    }
}

package enum HandoverMessage: Equatable, Sendable {
    /// The old one opens: the keys that open session tickets, the newest first, seconds until there is a new one, and how
    /// many descriptors follow.
    case offer(ticketKeys: [UInt8], rotatesIn: UInt32, descriptors: UInt32)
    /// The old one: what comes with this packet. Some may come later, right before `go`.
    case descriptors([HandedDescriptor])
    /// The new one is warm, and accepts nothing yet.
    case ready
    /// The old one writes nothing to the state folder any more; `served` names what it serves, and is on disk.
    case go(served: String)
    /// The new one accepts.
    case serving
    /// The new one cannot.
    case refused(String)

    package static let protocolNumber: UInt16 = 1
    /// The most descriptors of one message.
    package static let descriptorLimit = 100
    package static let sizeLimit = 64 << 10

    private static let protocolTag: UInt8 = 1
    private static let keysTag: UInt8 = 2
    private static let rotatesTag: UInt8 = 3
    private static let countTag: UInt8 = 4
    private static let descriptorTag: UInt8 = 5
    private static let textTag: UInt8 = 6

    // MARK: - Bytes

    package var bytes: [UInt8] {
        var out: [UInt8] = []
        func field(_ tag: UInt8, _ value: some Collection<UInt8>) {
            let value = value.prefix(Int(UInt16.max))
            out += [tag, UInt8(value.count >> 8), UInt8(value.count & 255)]
            out += value
        }
        switch self {
        case .offer(let keys, let rotatesIn, let descriptors):
            out.append(1)
            field(Self.protocolTag, Self.bigEndian(Self.protocolNumber))
            field(Self.keysTag, keys)
            field(Self.rotatesTag, Self.bigEndian(rotatesIn))
            field(Self.countTag, Self.bigEndian(descriptors))
        case .descriptors(let list):
            out.append(2)
            for each in list {
                field(Self.descriptorTag, [each.kind.rawValue] + Self.bigEndian(each.loop) + Array(each.name.utf8))
            }
        case .ready: out.append(3)
        case .go(let served):
            out.append(4)
            field(Self.textTag, served.utf8)
        case .serving: out.append(5)
        case .refused(let reason):
            out.append(6)
            field(Self.textTag, reason.utf8.prefix(1_000))
        }
        return out
    }

    package init(_ bytes: some Collection<UInt8>) throws(HandoverFailure) {
        let all = Array(bytes)
        guard let kind = all.first else { throw HandoverFailure("an empty message") }
        var fields: [(tag: UInt8, value: ArraySlice<UInt8>)] = []
        var rest = all.dropFirst()
        while !rest.isEmpty {
            let head = Array(rest.prefix(3))
            guard head.count == 3 else { throw HandoverFailure("a field is cut off") }
            let length = Int(head[1]) << 8 | Int(head[2])
            let value = rest.dropFirst(3).prefix(length)
            guard value.count == length else { throw HandoverFailure("a field is cut off") }
            fields.append((head[0], value))
            rest = rest.dropFirst(3 + length)
        }
        func first(_ tag: UInt8) throws(HandoverFailure) -> ArraySlice<UInt8> {
            guard let field = fields.first(where: { $0.tag == tag }) else {
                throw HandoverFailure("field \(tag) of message \(kind) is missing")
            }
            return field.value
        }
        switch kind {
        case 1:
            let number = Self.integer(try first(Self.protocolTag))
            guard number == UInt64(Self.protocolNumber) else {
                throw HandoverFailure("protocol \(number) is not \(Self.protocolNumber)")
            }
            self = .offer(
                ticketKeys: Array(try first(Self.keysTag)),
                rotatesIn: UInt32(truncatingIfNeeded: Self.integer(try first(Self.rotatesTag))),
                descriptors: UInt32(truncatingIfNeeded: Self.integer(try first(Self.countTag))))
        case 2:
            var list: [HandedDescriptor] = []
            for field in fields where field.tag == Self.descriptorTag {
                guard field.value.count >= 3, let first = field.value.first,
                    let kind = HandedDescriptor.Kind(rawValue: first)
                else { throw HandoverFailure("a descriptor of an unknown kind") }
                list.append(
                    HandedDescriptor(
                        kind, loop: UInt16(truncatingIfNeeded: Self.integer(field.value.dropFirst().prefix(2))),
                        name: String(decoding: field.value.dropFirst(3), as: UTF8.self)))
            }
            self = .descriptors(list)
        case 3: self = .ready
        case 4: self = .go(served: String(decoding: try first(Self.textTag), as: UTF8.self))
        case 5: self = .serving
        case 6: self = .refused(String(decoding: try first(Self.textTag), as: UTF8.self))
        default: throw HandoverFailure("message \(kind) is not known")
        }
    }

    private static func bigEndian(_ value: some FixedWidthInteger) -> [UInt8] {
        withUnsafeBytes(of: value.bigEndian) { Array($0) }
    }

    private static func integer(_ bytes: ArraySlice<UInt8>) -> UInt64 {
        bytes.prefix(8).reduce(0) { $0 << 8 | UInt64($1) }
    }
}
