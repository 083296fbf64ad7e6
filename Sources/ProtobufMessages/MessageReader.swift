// Bytes of a message into JSON, as the JSON mapping of protocol buffers has it.

package import ConsoleModel
import Foundation

/// Reads messages by their types. What it makes of one message has a bound: small bytes can mean large texts, by names of
/// enums and fields that the peer chose.
package struct MessageReader {
    private let types: MessageTypes
    private var left: Int

    package static func json(
        of type: String, in bytes: [UInt8], by types: MessageTypes, most: Int
    ) throws(MessageFault) -> JSONValue {
        var reader = MessageReader(types: types, left: most)
        return try reader.message(type, WireReader(bytes), depth: 0)
    }

    private mutating func charge(_ bytes: Int) throws(MessageFault) {
        left -= bytes
        if left < 0 { throw MessageFault("The message is too large to be told as JSON.") }
    }

    /// With what JSON has to escape.
    private mutating func charge(_ text: String) throws(MessageFault) {
        try charge(
            text.utf8.reduce(4) { $0 + ($1 < 0x20 ? 6 : $1 == UInt8(ascii: "\"") || $1 == UInt8(ascii: "\\") ? 2 : 1) })
    }

    private mutating func message(_ name: String, _ reader: WireReader, depth: Int) throws(MessageFault) -> JSONValue {
        guard depth < MessageLimits.depth else { throw WireReader.tooDeep }
        // More than its braces: a dictionary is made.
        try charge(32)
        let plain = try members(of: try types.knownMessage(name), reader, depth: depth)
        if name == SpecialForm.any { return try any(plain, depth: depth) }
        guard let form = SpecialForm(name) else { return .object(plain) }
        guard let special = form.special(of: plain) else {
            throw MessageFault("A value of \(name) has no form in JSON.")
        }
        return special
    }

    /// An object with its type, or with bytes where nothing is known of the type.
    private mutating func any(_ plain: [String: JSONValue], depth: Int) throws(MessageFault) -> JSONValue {
        guard case .string(let url)? = plain["typeUrl"] else { return .object([:]) }
        let name = String(url.split(separator: "/", omittingEmptySubsequences: false).last ?? "")
        var base64 = ""
        if case .string(let text)? = plain["value"] { base64 = text }
        guard types.message(name) != nil, let bytes = Data(base64Encoded: base64) else {
            return .object(["@type": .string(url), "base64": .string(base64)])
        }
        let value = try message(name, WireReader(Array(bytes)), depth: depth + 1)
        if SpecialForm(name) == nil, name != SpecialForm.any, case .object(var members) = value {
            members["@type"] = .string(url)
            return .object(members)
        }
        return .object(["@type": .string(url), "value": value])
    }

    private mutating func members(
        of type: MessageType, _ reader: WireReader, depth: Int
    ) throws(MessageFault) -> [String: JSONValue] {
        var values: [Int: JSONValue] = [:]
        var lists: [Int: [JSONValue]] = [:]
        var maps: [Int: [String: JSONValue]] = [:]
        // A message that comes in parts is all of them together, which is what their bytes one behind another mean.
        var parts: [Int: [WireReader]] = [:]
        var reader = reader
        while let (number, wire) = try reader.next() {
            guard let index = type.index(number: number) else { continue }
            let field = type.fields[index]
            if let inner = Self.content(wire, field.kind) {
                if let entry = types.mapEntry(field) {
                    let (key, value) = try pair(entry, inner, depth: depth)
                    maps[index, default: [:]][key] = value
                } else if field.isRepeated, case .message(let name) = field.kind {
                    lists[index, default: []].append(try message(name, inner, depth: depth + 1))
                } else if field.isRepeated, case .group(let name) = field.kind {
                    lists[index, default: []].append(try message(name, inner, depth: depth + 1))
                } else {
                    clear(&values, &parts, type, field)
                    parts[index, default: []].append(inner)
                }
            } else if field.isRepeated, field.kind.isPackable, case .bytes(var packed) = wire {
                while !packed.isAtEnd { lists[index, default: []].append(try packedScalar(field.kind, &packed)) }
            } else if let value = try scalar(field.kind, wire) {
                if field.isRepeated {
                    lists[index, default: []].append(value)
                } else {
                    clear(&values, &parts, type, field)
                    values[index] = value
                }
            }
        }
        for (index, pieces) in parts {
            guard case .message(let name) = type.fields[index].kind.asMessage else { continue }
            let whole = pieces.count == 1 ? pieces[0] : WireReader(pieces.flatMap { Array($0.rest) })
            values[index] = try message(name, whole, depth: depth + 1)
        }
        for (index, list) in lists { values[index] = .array(list) }
        for (index, map) in maps { values[index] = .object(map) }
        var made: [String: JSONValue] = [:]
        for (index, value) in values {
            let field = type.fields[index]
            if !field.hasPresence, !field.isRepeated, !field.isRequired, Self.isDefault(value, field.kind, types) {
                continue
            }
            try charge(field.jsonName)
            made[field.jsonName] = value
        }
        return made
    }

    /// The last of a oneof is the one that counts.
    private func clear(
        _ values: inout [Int: JSONValue], _ parts: inout [Int: [WireReader]], _ type: MessageType, _ field: FieldType
    ) {
        guard let oneof = field.oneof else { return }
        for index in Set(values.keys).union(parts.keys)
        where type.fields[index].oneof == oneof && type.fields[index].number != field.number {
            values[index] = nil
            parts[index] = nil
        }
    }

    /// What a message or group holds, if it is one here and by its type.
    private static func content(_ wire: WireValue, _ kind: FieldKind) -> WireReader? {
        switch (wire, kind) {
        case (.bytes(let inner), .message), (.group(let inner), .group): inner
        default: nil
        }
    }

    private mutating func pair(
        _ entry: (key: FieldType, value: FieldType), _ reader: WireReader, depth: Int
    ) throws(MessageFault) -> (String, JSONValue) {
        guard depth + 1 < MessageLimits.depth else { throw WireReader.tooDeep }
        try charge(8)
        var key: JSONValue?
        var value: JSONValue?
        var parts: [WireReader] = []
        var reader = reader
        while let (number, wire) = try reader.next() {
            if number == 1 {
                key = try scalar(entry.key.kind, wire) ?? key
            } else if number == 2, let inner = Self.content(wire, entry.value.kind) {
                parts.append(inner)
            } else if number == 2 {
                value = try scalar(entry.value.kind, wire) ?? value
            }
        }
        if case .message(let name) = entry.value.kind.asMessage {
            let whole = parts.count == 1 ? parts[0] : WireReader(parts.flatMap { Array($0.rest) })
            value = try message(name, whole, depth: depth + 1)
        }
        if key == nil { key = try zero(entry.key.kind) }
        if value == nil { value = try zero(entry.value.kind) }
        return (try Self.keyText(key ?? .null), value ?? .null)
    }

    private static func keyText(_ key: JSONValue) throws(MessageFault) -> String {
        switch key {
        case .string(let text): text
        case .integer(let value): String(value)
        case .bool(let value): value ? "true" : "false"
        default: throw MessageFault("A map has a key of no type that keys may have.")
        }
    }

    private mutating func zero(_ kind: FieldKind) throws(MessageFault) -> JSONValue {
        switch kind {
        case .string, .bytes: .string("")
        case .float, .fixed32, .sfixed32: try scalar(kind, .fixed32(0)) ?? .null
        case .double, .fixed64, .sfixed64: try scalar(kind, .fixed64(0)) ?? .null
        default: try scalar(kind, .varint(0)) ?? .null
        }
    }

    // MARK: Scalars

    private mutating func packedScalar(_ kind: FieldKind, _ packed: inout WireReader) throws(MessageFault) -> JSONValue
    {
        let value: WireValue
        switch kind {
        case .float, .fixed32, .sfixed32: value = .fixed32(try packed.fixed32())
        case .double, .fixed64, .sfixed64: value = .fixed64(try packed.fixed64())
        default: value = .varint(try packed.varint())
        }
        return try scalar(kind, value) ?? .null
    }

    /// `nil`: a wire type that the field cannot have, which makes it an unknown one.
    private mutating func scalar(_ kind: FieldKind, _ wire: WireValue) throws(MessageFault) -> JSONValue? {
        try charge(20)
        switch (kind, wire) {
        case (.double, .fixed64(let bits)): return Self.number(Double(bitPattern: bits))
        case (.float, .fixed32(let bits)):
            let value = Float(bitPattern: bits)
            // The shortest text of a Float, which is longer as that of the Double beside it.
            return Self.number(Double("\(value)") ?? Double(value))
        case (.int32, .varint(let value)): return .integer(Int64(Int32(truncatingIfNeeded: value)))
        case (.int64, .varint(let value)): return .string(String(Int64(bitPattern: value)))
        case (.uint32, .varint(let value)): return .integer(Int64(UInt32(truncatingIfNeeded: value)))
        case (.uint64, .varint(let value)), (.fixed64, .fixed64(let value)): return .string(String(value))
        case (.sint32, .varint(let value)):
            let bits = UInt32(truncatingIfNeeded: value)
            return .integer(Int64(Int32(bitPattern: bits >> 1 ^ (0 &- (bits & 1)))))
        case (.sint64, .varint(let value)):
            return .string(String(Int64(bitPattern: value >> 1 ^ (0 &- (value & 1)))))
        case (.fixed32, .fixed32(let value)): return .integer(Int64(value))
        case (.sfixed32, .fixed32(let value)): return .integer(Int64(Int32(bitPattern: value)))
        case (.sfixed64, .fixed64(let value)): return .string(String(Int64(bitPattern: value)))
        case (.bool, .varint(let value)): return .bool(value != 0)
        case (.string, .bytes(let inner)):
            guard let text = inner.text else { throw MessageFault("A text is not UTF-8.") }
            try charge(text)
            return .string(text)
        case (.bytes, .bytes(let inner)):
            try charge(inner.count * 4 / 3)
            return .string(Data(inner.rest).base64EncodedString())
        case (.enumeration(let name), .varint(let value)):
            let number = Int32(truncatingIfNeeded: value)
            if name == "google.protobuf.NullValue", number == 0 { return .null }
            guard let text = types.enumeration(name)?.name(of: number) else { return .integer(Int64(number)) }
            try charge(text)
            return .string(text)
        default: return nil
        }
    }

    private static func number(_ value: Double) -> JSONValue {
        if value.isNaN { return .string("NaN") }
        if value.isInfinite { return .string(value < 0 ? "-Infinity" : "Infinity") }
        return .number(value)
    }

    private static func isDefault(_ value: JSONValue, _ kind: FieldKind, _ types: MessageTypes) -> Bool {
        switch (kind, value) {
        case (.enumeration(let name), .string(let text)): types.enumeration(name)?.number(of: text) == 0
        case (.int64, .string(let text)), (.uint64, .string(let text)), (.sint64, .string(let text)),
            (.fixed64, .string(let text)), (.sfixed64, .string(let text)):
            text == "0"
        case (_, .string(let text)): text.isEmpty
        case (_, .integer(let value)): value == 0
        case (_, .number(let value)): value == 0 && value.sign == .plus
        case (_, .bool(let value)): !value
        case (_, .null): true
        default: false
        }
    }
}

extension FieldKind {
    /// Groups are messages but for how they travel.
    var asMessage: FieldKind {
        if case .group(let name) = self { .message(name) } else { self }
    }
}
