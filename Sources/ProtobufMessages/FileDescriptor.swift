// A FileDescriptorProto, as server reflection tells it, and what of descriptor.proto we need of it. The few fields are read by
// their numbers: a generated descriptor.proto, and the library under it, would be the larger part of the build.

/// A .proto file: its types under their full names.
struct FileDescriptor: Sendable {
    private(set) var name = ""
    private(set) var imports: [String] = []
    private(set) var messages: [MessageType] = []
    private(set) var enums: [EnumType] = []
    private(set) var services: [(name: String, methods: [MethodType])] = []

    /// What a syntax or an edition says of fields that say nothing themselves.
    private struct Features {
        var hasPresence = true
        var isRequired = false
        var isPacked = false
        var isDelimited = false
    }

    private struct Names {
        var package = ""
        /// How many elements there still may be.
        var left: Int

        mutating func take() throws(MessageFault) {
            left -= 1
            if left < 0 { throw MessageFault("The descriptors have more than \(MessageLimits.elements) elements.") }
        }
    }

    /// `elements`: how many there still may be, and afterwards are left.
    init(_ bytes: [UInt8], elements: inout Int) throws(MessageFault) {
        var names = Names(left: elements)
        defer { elements = names.left }
        try names.take()
        var syntax = "proto2"
        var features: [WireReader] = []
        var parts: [(number: Int, reader: WireReader)] = []
        var reader = WireReader(bytes)
        while let (number, value) = try reader.next() {
            guard case .bytes(let part) = value else { continue }
            switch number {
            case 1: name = try Self.name(part)
            case 2: names.package = try Self.name(part)
            case 3: imports.append(try Self.name(part))
            case 4, 5, 6: parts.append((number, part))
            case 8: features += try Self.members(part, 50)
            case 12: syntax = try Self.name(part)
            default: break
            }
        }
        var base = Features()
        if syntax == "proto3" { base.hasPresence = false }
        if syntax != "proto2" { base.isPacked = true }
        base = try Self.apply(features, to: base)
        for (number, part) in parts {
            switch number {
            case 4: try addMessage(part, within: names.package, base, &names, depth: 0)
            case 5: try addEnum(part, within: names.package, &names)
            default: try addService(part, &names)
            }
        }
    }

    // MARK: Types

    private mutating func addMessage(
        _ reader: WireReader, within scope: String, _ inherited: Features, _ names: inout Names, depth: Int
    ) throws(MessageFault) {
        guard depth < MessageLimits.depth else { throw WireReader.tooDeep }
        try names.take()
        var own = ""
        var isMapEntry = false
        var features = inherited
        var oneofs: [String] = []
        var parts: [(number: Int, reader: WireReader)] = []
        var reader = reader
        while let (number, value) = try reader.next() {
            guard case .bytes(var part) = value else { continue }
            switch number {
            case 1: own = try Self.name(part)
            case 2, 3, 4: parts.append((number, part))
            case 7:
                features = try Self.apply(try Self.members(part, 12), to: features)
                while let (option, value) = try part.next() {
                    if option == 7, case .varint(let flag) = value { isMapEntry = flag != 0 }
                }
            case 8:
                try names.take()
                oneofs.append(try Self.members(part, 1).last.map(Self.name) ?? "")
            default: break
            }
        }
        let full = try Self.join(scope, own)
        var fields: [FieldType] = []
        for (number, part) in parts {
            switch number {
            case 2: fields.append(try Self.field(part, features, oneofs.count, &names))
            case 3: try addMessage(part, within: full, features, &names, depth: depth + 1)
            default: try addEnum(part, within: full, &names)
            }
        }
        messages.append(MessageType(full, fields, oneofs: oneofs, isMapEntry: isMapEntry))
    }

    private static func field(
        _ reader: WireReader, _ inherited: Features, _ oneofs: Int, _ names: inout Names
    ) throws(MessageFault) -> FieldType {
        try names.take()
        var (own, json, typeName) = ("", "", "")
        var (number, label, type): (UInt64, UInt64, UInt64) = (0, 0, 0)
        var oneof: Int?
        var isOptional = false
        var packed: Bool?
        var features = inherited
        var reader = reader
        while let (field, value) = try reader.next() {
            switch (field, value) {
            case (1, .bytes(let part)): own = try name(part)
            case (3, .varint(let value)): number = value
            case (4, .varint(let value)): label = value
            case (5, .varint(let value)): type = value
            case (6, .bytes(let part)): typeName = try name(part)
            case (8, .bytes(var part)):
                features = try apply(try members(part, 21), to: features)
                while let (option, value) = try part.next() {
                    if option == 2, case .varint(let flag) = value { packed = flag != 0 }
                }
            case (9, .varint(let value)): oneof = Int(exactly: value).flatMap { $0 < oneofs ? $0 : nil }
            case (10, .bytes(let part)): json = try name(part)
            case (17, .varint(let value)): isOptional = value != 0
            default: break
            }
        }
        guard let place = Int(exactly: number), (1..<1 << 29).contains(place) else {
            throw MessageFault("The field \(own) has no valid number.")
        }
        let full = typeName.hasPrefix(".") ? String(typeName.dropFirst()) : typeName
        guard let kind = kind(type, full, isDelimited: features.isDelimited) else {
            throw MessageFault("The field \(own) has no known type.")
        }
        let isRepeated = label == 3
        return FieldType(
            name: own, jsonName: json.isEmpty ? camelCase(own) : json, number: place, kind: kind,
            isRepeated: isRepeated, isRequired: !isRepeated && (label == 2 || features.isRequired),
            isPacked: isRepeated && kind.isPackable && (packed ?? features.isPacked),
            hasPresence: !isRepeated && (features.hasPresence || isOptional || oneof != nil || kind.isMessage),
            oneof: isOptional ? nil : oneof)
    }

    private static func kind(_ type: UInt64, _ name: String, isDelimited: Bool) -> FieldKind? {
        switch type {
        case 1: .double
        case 2: .float
        case 3: .int64
        case 4: .uint64
        case 5: .int32
        case 6: .fixed64
        case 7: .fixed32
        case 8: .bool
        case 9: .string
        case 10: .group(name)
        case 11: isDelimited ? .group(name) : .message(name)
        case 12: .bytes
        case 13: .uint32
        case 14: .enumeration(name)
        case 15: .sfixed32
        case 16: .sfixed64
        case 17: .sint32
        case 18: .sint64
        default: nil
        }
    }

    private mutating func addEnum(_ reader: WireReader, within scope: String, _ names: inout Names) throws(MessageFault)
    {
        try names.take()
        var own = ""
        var values: [(name: String, number: Int32)] = []
        var reader = reader
        while let (number, value) = try reader.next() {
            guard case .bytes(var part) = value else { continue }
            if number == 1 { own = try Self.name(part) }
            if number == 2 {
                try names.take()
                var each: (name: String, number: Int32) = ("", 0)
                while let (number, value) = try part.next() {
                    switch (number, value) {
                    case (1, .bytes(let part)): each.name = try Self.name(part)
                    case (2, .varint(let value)): each.number = Int32(truncatingIfNeeded: value)
                    default: break
                    }
                }
                values.append(each)
            }
        }
        enums.append(EnumType(try Self.join(scope, own), values))
    }

    private mutating func addService(_ reader: WireReader, _ names: inout Names) throws(MessageFault) {
        try names.take()
        var own = ""
        var methods: [MethodType] = []
        var reader = reader
        while let (number, value) = try reader.next() {
            guard case .bytes(var part) = value else { continue }
            if number == 1 { own = try Self.name(part) }
            if number == 2 {
                try names.take()
                var method = MethodType(name: "", input: "", output: "")
                while let (number, value) = try part.next() {
                    switch (number, value) {
                    case (1, .bytes(let part)): method.name = try Self.name(part)
                    case (2, .bytes(let part)): method.input = String(try Self.name(part).drop { $0 == "." })
                    case (3, .bytes(let part)): method.output = String(try Self.name(part).drop { $0 == "." })
                    case (5, .varint(let value)): method.clientStreaming = value != 0
                    case (6, .varint(let value)): method.serverStreaming = value != 0
                    default: break
                    }
                }
                methods.append(method)
            }
        }
        services.append((try Self.join(names.package, own), methods))
    }

    // MARK: Parts

    /// The members of that number that are messages.
    private static func members(_ reader: WireReader, _ wanted: Int) throws(MessageFault) -> [WireReader] {
        var found: [WireReader] = []
        var reader = reader
        while let (number, value) = try reader.next() {
            if number == wanted, case .bytes(let part) = value { found.append(part) }
        }
        return found
    }

    /// A FeatureSet: `field_presence`, `repeated_field_encoding` and `message_encoding`.
    private static func apply(_ sets: [WireReader], to base: Features) throws(MessageFault) -> Features {
        var features = base
        for var set in sets {
            while let (number, value) = try set.next() {
                guard case .varint(let value) = value else { continue }
                switch number {
                case 1:
                    features.hasPresence = value != 2
                    features.isRequired = value == 3
                case 3: features.isPacked = value == 1
                case 5: features.isDelimited = value == 2
                default: break
                }
            }
        }
        return features
    }

    private static func name(_ reader: WireReader) throws(MessageFault) -> String {
        guard reader.count <= MessageLimits.name, let text = reader.text else {
            throw MessageFault(
                "A descriptor has a name that is not UTF-8 or has more than \(MessageLimits.name) bytes.")
        }
        return text
    }

    private static func join(_ scope: String, _ own: String) throws(MessageFault) -> String {
        let full = scope.isEmpty ? own : "\(scope).\(own)"
        guard full.utf8.count <= MessageLimits.name else {
            throw MessageFault("A descriptor has a name of more than \(MessageLimits.name) bytes.")
        }
        return full
    }

    /// As protoc makes the name in JSON of one in a .proto file.
    static func camelCase(_ name: String) -> String {
        var made = ""
        var isNext = false
        for character in name.unicodeScalars {
            if character == "_" {
                isNext = true
            } else {
                let isLower = isNext && ("a"..."z").contains(character)
                made.unicodeScalars.append(
                    isLower ? Unicode.Scalar(UInt8(ascii: character) - 0x20) : character)
                isNext = false
            }
        }
        return made
    }
}
