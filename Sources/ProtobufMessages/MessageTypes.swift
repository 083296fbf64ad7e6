// The types that descriptors have told of, by their full names, beside those that every JSON mapping knows.

/// Messages, enums and services.
package struct MessageTypes: Sendable {
    private var messages = WellKnownTypes.messages
    private var enums = WellKnownTypes.enums
    private var services: [String: [MethodType]] = [:]
    private var files: Set<String> = []
    private var elements = MessageLimits.elements

    package init() {}

    /// Adds the types of a FileDescriptorProto, if its file is new, and says what it imports. What was told first stays.
    package mutating func add(file bytes: [UInt8]) throws(MessageFault) -> [String] {
        let file = try FileDescriptor(bytes, elements: &elements)
        guard files.insert(file.name).inserted else { return [] }
        for each in file.messages where messages[each.name] == nil { messages[each.name] = each }
        for each in file.enums where enums[each.name] == nil { enums[each.name] = each }
        for each in file.services where services[each.name] == nil { services[each.name] = each.methods }
        return file.imports
    }

    package func has(file: String) -> Bool { files.contains(file) }

    package func methods(of service: String) -> [MethodType]? { services[service] }

    func message(_ name: String) -> MessageType? { messages[name] }

    func enumeration(_ name: String) -> EnumType? { enums[name] }

    func knownMessage(_ name: String) throws(MessageFault) -> MessageType {
        guard let type = messages[name] else { throw MessageFault("The type \(name) is not known.") }
        return type
    }

    /// The entry of a map that the field is, if it is one.
    func mapEntry(_ field: FieldType) -> (key: FieldType, value: FieldType)? {
        guard field.isRepeated, case .message(let name) = field.kind, let type = messages[name], type.isMapEntry,
            let key = type.index(number: 1).map({ type.fields[$0] }), !key.isRepeated, !key.kind.isMessage,
            let value = type.index(number: 2).map({ type.fields[$0] }), !value.isRepeated
        else { return nil }
        return (key, value)
    }
}
