// What is known of a type of message, an enum or a service.

/// What a field holds.
enum FieldKind: Hashable, Sendable {
    case double, float, int32, int64, uint32, uint64, sint32, sint64, fixed32, fixed64, sfixed32, sfixed64
    case bool, string, bytes
    /// Of that full name.
    case enumeration(String)
    case message(String)
    /// Of proto2, or an edition's delimited encoding.
    case group(String)

    var isMessage: Bool {
        switch self {
        case .message, .group: true
        default: false
        }
    }

    /// Values of a repeated field may stand together in one.
    var isPackable: Bool {
        switch self {
        case .string, .bytes, .message, .group: false
        default: true
        }
    }

    /// As people write it in a .proto file.
    var words: String {
        switch self {
        case .enumeration(let name): "enum \(name)"
        case .message(let name): name
        case .group(let name): "group \(name)"
        default: "\(self)"
        }
    }
}

/// A field of a message.
struct FieldType: Sendable {
    var name: String
    var jsonName: String
    var number: Int
    var kind: FieldKind
    var isRepeated = false
    var isRequired = false
    var isPacked = false
    /// Whether a value that is the default differs from none.
    var hasPresence = false
    /// Of the message's oneofs; not the one that a `optional` of proto3 makes.
    var oneof: Int?

    var words: String { isRepeated ? "repeated \(kind.words)" : kind.words }
}

/// A type of message.
struct MessageType: Sendable {
    let name: String
    /// By number.
    let fields: [FieldType]
    let oneofs: [String]
    let isMapEntry: Bool
    private let byNumber: [Int: Int]
    private let byName: [String: Int]

    init(_ name: String, _ fields: [FieldType], oneofs: [String] = [], isMapEntry: Bool = false) {
        self.name = name
        self.fields = fields.sorted { $0.number < $1.number }
        self.oneofs = oneofs
        self.isMapEntry = isMapEntry
        let indexed = Array(self.fields.enumerated())
        byNumber = Dictionary(indexed.map { ($1.number, $0) }) { first, _ in first }
        byName = Dictionary(indexed.map { ($1.jsonName, $0) } + indexed.map { ($1.name, $0) }) { first, _ in first }
    }

    func index(number: Int) -> Int? { byNumber[number] }

    /// By the name in JSON or the one in the .proto file.
    func index(name: String) -> Int? { byName[name] }
}

/// An enum.
struct EnumType: Sendable {
    let name: String
    let values: [String]
    private let byName: [String: Int32]
    private let byNumber: [Int32: String]

    init(_ name: String, _ values: [(name: String, number: Int32)]) {
        self.name = name
        self.values = values.map(\.name)
        byName = Dictionary(values.map { ($0.name, $0.number) }) { first, _ in first }
        // The first name of a number is the one that is told.
        byNumber = Dictionary(values.map { ($0.number, $0.name) }) { first, _ in first }
    }

    func number(of name: String) -> Int32? { byName[name] }
    func name(of number: Int32) -> String? { byNumber[number] }
}

/// A method of a service.
package struct MethodType: Hashable, Sendable {
    package var name: String
    /// Full names.
    package var input: String
    package var output: String
    package var clientStreaming = false
    package var serverStreaming = false
}
