// JSON into bytes of a message, as the JSON mapping of protocol buffers has it. Whatever does not fit is refused with its place.

package import ConsoleModel
import Foundation

/// Writes messages by their types.
package struct MessageWriter {
    private let types: MessageTypes

    package static func bytes(
        of json: JSONValue, as type: String, by types: MessageTypes
    ) throws(Refusal) -> [UInt8] {
        var writer = WireWriter()
        try MessageWriter(types: types).message(json, type, into: &writer, depth: 0)
        return writer.bytes
    }

    /// What does not fit its type, and where it stands, as in `.user.names[2]`.
    package struct Refusal: Error {
        package fileprivate(set) var path = ""
        package let message: String

        fileprivate init(_ message: String) {
            self.message = message
        }
    }

    private func within<Made>(_ step: String, _ body: () throws(Refusal) -> Made) throws(Refusal) -> Made {
        do {
            return try body()
        } catch {
            var refusal = error
            refusal.path = step + error.path
            throw refusal
        }
    }

    // MARK: Messages

    private func message(
        _ json: JSONValue, _ name: String, into writer: inout WireWriter, depth: Int
    ) throws(Refusal) {
        guard depth < MessageLimits.depth else {
            throw Refusal("Messages are nested more than \(MessageLimits.depth) deep.")
        }
        guard let type = types.message(name) else {
            throw Refusal("The type \(name) is not known: the server's reflection does not tell of it. Send base64.")
        }
        if name == SpecialForm.any { return try any(json, type, into: &writer, depth: depth) }
        if let form = SpecialForm(name) {
            let plain: [String: JSONValue]
            do {
                plain = try form.plain(of: json)
            } catch {
                throw Refusal(error.reason)
            }
            return try members(plain, type, into: &writer, depth: depth, isSpecial: true)
        }
        guard case .object(let given) = json else {
            throw Refusal("Must be an object (\(name)), not \(json.kind).")
        }
        try members(given, type, into: &writer, depth: depth)
    }

    private func any(
        _ json: JSONValue, _ any: MessageType, into writer: inout WireWriter, depth: Int
    ) throws(Refusal) {
        guard case .object(var rest) = json else { throw Refusal("Must be an object with @type, not \(json.kind).") }
        if rest.isEmpty { return }
        guard case .string(let url)? = rest.removeValue(forKey: "@type") else {
            throw Refusal("Must have @type, as in \"type.googleapis.com/google.rpc.ErrorInfo\".")
        }
        let name = String(url.split(separator: "/", omittingEmptySubsequences: false).last ?? "")
        var inner = WireWriter()
        if types.message(name) == nil {
            guard case .string(let base64)? = rest["base64"], rest.count == 1, let bytes = Self.base64(base64) else {
                throw Refusal("The type \(name) is not known here: beside @type its bytes must stand, as base64.")
            }
            inner.raw(bytes)
        } else if SpecialForm(name) != nil || name == SpecialForm.any {
            guard let value = rest["value"], rest.count == 1 else {
                throw Refusal("A \(name) in an Any stands in value, beside @type alone.")
            }
            try within(".value") { () throws(Refusal) in
                try message(value, name, into: &inner, depth: depth + 1)
            }
        } else {
            try message(.object(rest), name, into: &inner, depth: depth + 1)
        }
        let plain: [String: JSONValue] = [
            "typeUrl": .string(url), "value": .string(Data(inner.bytes).base64EncodedString()),
        ]
        try members(plain, any, into: &writer, depth: depth)
    }

    private func members(
        _ given: [String: JSONValue], _ type: MessageType, into writer: inout WireWriter, depth: Int,
        isSpecial: Bool = false
    ) throws(Refusal) {
        var found: [Int: (name: String, value: JSONValue)] = [:]
        var oneofs: [Int: String] = [:]
        for name in given.keys.sorted() {
            guard let value = given[name] else { continue }
            let step = isSpecial ? "" : ".\(name)"
            try within(step) { () throws(Refusal) in
                guard let index = type.index(name: name) else { throw unknown(type) }
                let field = type.fields[index]
                guard value != .null || takesNull(field) else { return }
                if let other = found[index] {
                    throw Refusal("Is the same field of \(type.name) as \(other.name): give one of them.")
                }
                if let oneof = field.oneof, type.oneofs.indices.contains(oneof) {
                    if let other = oneofs[oneof] {
                        throw Refusal("Is in the oneof \(type.oneofs[oneof]) as \(other) is: give one of them.")
                    }
                    oneofs[oneof] = name
                }
                found[index] = (name, value)
            }
        }
        for (index, field) in type.fields.enumerated() {
            guard let (name, value) = found[index] else {
                if field.isRequired { throw Refusal("The field \(field.jsonName) of \(type.name) is required.") }
                continue
            }
            try within(isSpecial ? "" : ".\(name)") { () throws(Refusal) in
                try self.field(field, value, into: &writer, depth: depth)
            }
        }
    }

    private func unknown(_ type: MessageType) -> Refusal {
        let names = type.fields.prefix(12).map(\.jsonName).joined(separator: ", ")
        let more = type.fields.count > 12 ? " and \(type.fields.count - 12) more" : ""
        return Refusal(
            "\(type.name) has no field of this name; " + (names.isEmpty ? "it has none." : "it has \(names)\(more)."))
    }

    /// `null` is a value of these, and elsewhere none.
    private func takesNull(_ field: FieldType) -> Bool {
        guard !field.isRepeated else { return false }
        return takesNull(field.kind)
    }

    private func takesNull(_ kind: FieldKind) -> Bool {
        kind == .message("google.protobuf.Value") || kind == .enumeration("google.protobuf.NullValue")
    }

    // MARK: Fields

    private func field(
        _ field: FieldType, _ value: JSONValue, into writer: inout WireWriter, depth: Int
    ) throws(Refusal) {
        if let entry = types.mapEntry(field) {
            return try map(field, entry, value, into: &writer, depth: depth)
        }
        guard field.isRepeated else {
            return try single(
                field, value, into: &writer, depth: depth, isOmittable: !field.hasPresence && !field.isRequired)
        }
        guard case .array(let values) = value else {
            throw Refusal("Must be a list (\(field.words)), not \(value.kind).")
        }
        var packed = WireWriter()
        for (index, each) in values.enumerated() {
            try within("[\(index)]") { () throws(Refusal) in
                if each == .null, !takesNull(field.kind) { throw Refusal("Must be \(field.kind.words), not null.") }
                if field.isPacked {
                    packed.raw(try scalar(field.kind, each).bytes)
                } else {
                    try single(field, each, into: &writer, depth: depth)
                }
            }
        }
        if field.isPacked, !values.isEmpty { writer.field(field.number, packed.bytes) }
    }

    private func map(
        _ field: FieldType, _ entry: (key: FieldType, value: FieldType), _ value: JSONValue,
        into writer: inout WireWriter, depth: Int
    ) throws(Refusal) {
        guard case .object(let members) = value else {
            throw Refusal(
                "Must be an object (map<\(entry.key.kind.words), \(entry.value.kind.words)>), not \(value.kind).")
        }
        for key in members.keys.sorted() {
            guard let each = members[key] else { continue }
            try within("[\(key)]") { () throws(Refusal) in
                if each == .null, !takesNull(entry.value.kind) {
                    throw Refusal("Must be \(entry.value.kind.words), not null.")
                }
                var inner = WireWriter()
                try single(entry.key, keyValue(key, entry.key.kind), into: &inner, depth: depth)
                try single(entry.value, each, into: &inner, depth: depth + 1)
                writer.field(field.number, inner.bytes)
            }
        }
    }

    private func keyValue(_ key: String, _ kind: FieldKind) -> JSONValue {
        guard kind == .bool else { return .string(key) }
        return key == "true" ? .bool(true) : key == "false" ? .bool(false) : .string(key)
    }

    private func single(
        _ field: FieldType, _ value: JSONValue, into writer: inout WireWriter, depth: Int, isOmittable: Bool = false
    ) throws(Refusal) {
        switch field.kind {
        case .message(let name):
            var inner = WireWriter()
            try message(value, name, into: &inner, depth: depth + 1)
            writer.field(field.number, inner.bytes)
        case .group(let name):
            writer.tag(field.number, .groupBegins)
            try message(value, name, into: &writer, depth: depth + 1)
            writer.tag(field.number, .groupEnds)
        default:
            let made = try scalar(field.kind, value)
            if isOmittable, made.isDefault { return }
            writer.tag(field.number, made.type)
            writer.raw(made.bytes)
        }
    }

    // MARK: Scalars

    /// A value with its length, where its type has one.
    private struct Scalar {
        var type: WireWriter.WireType
        var bytes: [UInt8]

        var isDefault: Bool { type == .bytes ? bytes.count == 1 : bytes.allSatisfy { $0 == 0 } }

        init(varint value: UInt64) {
            var writer = WireWriter()
            writer.varint(value)
            (type, bytes) = (.varint, writer.bytes)
        }

        init(fixed32 value: UInt32) {
            var writer = WireWriter()
            writer.fixed(value)
            (type, bytes) = (.fixed32, writer.bytes)
        }

        init(fixed64 value: UInt64) {
            var writer = WireWriter()
            writer.fixed(value)
            (type, bytes) = (.fixed64, writer.bytes)
        }

        init(_ more: some Collection<UInt8>) {
            var writer = WireWriter()
            writer.delimited(more)
            (type, bytes) = (.bytes, writer.bytes)
        }
    }

    private func scalar(_ kind: FieldKind, _ value: JSONValue) throws(Refusal) -> Scalar {
        switch kind {
        case .int32: return Scalar(varint: UInt64(bitPattern: Int64(try whole(Int32.self, kind, value))))
        case .int64: return Scalar(varint: UInt64(bitPattern: try whole(Int64.self, kind, value)))
        case .uint32: return Scalar(varint: UInt64(try whole(UInt32.self, kind, value)))
        case .uint64: return Scalar(varint: try whole(UInt64.self, kind, value))
        case .sint32:
            let value = try whole(Int32.self, kind, value)
            return Scalar(varint: UInt64(UInt32(bitPattern: value << 1 ^ value >> 31)))
        case .sint64:
            let value = try whole(Int64.self, kind, value)
            return Scalar(varint: UInt64(bitPattern: value << 1 ^ value >> 63))
        case .fixed32: return Scalar(fixed32: try whole(UInt32.self, kind, value))
        case .sfixed32: return Scalar(fixed32: UInt32(bitPattern: try whole(Int32.self, kind, value)))
        case .fixed64: return Scalar(fixed64: try whole(UInt64.self, kind, value))
        case .sfixed64: return Scalar(fixed64: UInt64(bitPattern: try whole(Int64.self, kind, value)))
        case .double: return Scalar(fixed64: try number(kind, value).bitPattern)
        case .float:
            let number = try number(kind, value)
            let narrow = Float(number)
            guard narrow.isFinite || !number.isFinite else { throw Refusal("Is beyond what a float can be.") }
            return Scalar(fixed32: narrow.bitPattern)
        case .bool:
            guard case .bool(let flag) = value else { throw Refusal("Must be true or false, not \(value.kind).") }
            return Scalar(varint: flag ? 1 : 0)
        case .string:
            guard case .string(let text) = value else { throw Refusal("Must be text, not \(value.kind).") }
            return Scalar(text.utf8)
        case .bytes:
            guard case .string(let text) = value else { throw Refusal("Must be bytes as base64, not \(value.kind).") }
            guard let bytes = Self.base64(text) else { throw Refusal("Is not base64.") }
            return Scalar(bytes)
        case .enumeration(let name): return Scalar(varint: UInt64(bitPattern: Int64(try enumeration(name, value))))
        case .message(let name), .group(let name): throw Refusal("A \(name) cannot stand here.")
        }
    }

    private func enumeration(_ name: String, _ value: JSONValue) throws(Refusal) -> Int32 {
        let type = types.enumeration(name)
        switch value {
        case .string(let text):
            if let number = type?.number(of: text) { return number }
        case .null where name == "google.protobuf.NullValue": return 0
        case .integer, .number:
            return try whole(Int32.self, .enumeration(name), value)
        default: break
        }
        guard let type else { throw Refusal("The enum \(name) is not known: give its number.") }
        let names = type.values.prefix(12).joined(separator: ", ")
        let more = type.values.count > 12 ? " and \(type.values.count - 12) more" : ""
        throw Refusal("Must be a value of \(name), by name or number: \(names)\(more).")
    }

    private func whole<Number: FixedWidthInteger>(
        _ type: Number.Type, _ kind: FieldKind, _ value: JSONValue
    ) throws(Refusal) -> Number {
        switch value {
        case .integer(let number):
            if let made = Number(exactly: number) { return made }
        case .number(let number):
            // Beyond it a Double has lost digits that were written.
            if abs(number) >= 0x1p53 {
                throw Refusal("Must be \(kind.words): a number as large as this one must be written as text.")
            }
            if let made = Number(exactly: number) { return made }
        case .string(let text):
            if !text.hasPrefix("+"), let made = Number(text) { return made }
        default: break
        }
        throw Refusal("Must be \(kind.words): a whole number from \(Number.min) to \(Number.max)\(found(value)).")
    }

    private func found(_ value: JSONValue) -> String {
        switch value {
        case .integer, .number: ""
        default: ", not \(value.kind)"
        }
    }

    private func number(_ kind: FieldKind, _ value: JSONValue) throws(Refusal) -> Double {
        switch value {
        case .integer(let number): return Double(number)
        case .number(let number): return number
        case .string("NaN"): return .nan
        case .string("Infinity"): return .infinity
        case .string("-Infinity"): return -.infinity
        case .string(let text):
            // Not what Swift takes beyond it: hexadecimal digits, and other words for what is not finite.
            if text.utf8.allSatisfy({ "0123456789+-.eE".utf8.contains($0) }), let number = Double(text), number.isFinite
            {
                return number
            }
        default: break
        }
        throw Refusal("Must be \(kind.words): a number, or \"NaN\", \"Infinity\" or \"-Infinity\"\(found(value)).")
    }

    /// With or without padding, of either alphabet.
    private static func base64(_ text: String) -> [UInt8]? {
        var text = text.replacing("-", with: "+").replacing("_", with: "/")
        while text.hasSuffix("=") { text.removeLast() }
        text += String(repeating: "=", count: (4 - text.utf8.count % 4) % 4)
        return Data(base64Encoded: text).map { Array($0) }
    }
}
