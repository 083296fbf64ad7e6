// Bytes of a request body into a model: says which field has the wrong type and which fields the model does not know.

import Foundation

/// A decoded body and the paths of the fields in it that mean nothing to us.
package struct DecodedBody<Value: Sendable>: Sendable {
    package var value: Value
    package var unknownFields: [String]
}

/// Reads and writes the JSON of the console's models.
package enum ConsoleJSON {
    /// Members that answers carry and clients may send back unchanged.
    private static let answerOnly: Set<String> = ["warnings", "usedBy", "usedByTotal"]

    package static func decode<Value: Codable & Sendable>(
        _ type: Value.Type, from bytes: [UInt8]
    ) throws(BodyError) -> DecodedBody<Value> {
        if bytes.isEmpty { throw .malformed("The body is empty; a JSON object is expected.") }
        if let problem = JSONSyntax.problem(in: bytes) {
            throw .malformed("The body is not valid JSON: \(problem).")
        }
        let data = Data(bytes)
        let tree: JSONValue
        do {
            tree = try JSONDecoder().decode(JSONValue.self, from: data)
        } catch DecodingError.typeMismatch(_, let context) where !context.codingPath.isEmpty {
            // Of all JSON only a number beyond every type of ours ends here.
            throw .wrongType(FieldError(Self.path(context.codingPath), "Must be a number in range."))
        } catch {
            throw .malformed("The body cannot be read as JSON.")
        }
        guard case .object = tree else {
            throw .wrongType(FieldError("", "The body must be a JSON object, not \(tree.kind)."))
        }
        let value: Value
        do {
            value = try JSONDecoder().decode(type, from: data)
        } catch {
            throw .wrongType(Self.typeMessage(of: error, in: tree))
        }
        let echo = (try? JSONDecoder().decode(JSONValue.self, from: Data(encode(value)))) ?? .null
        let unknown = tree.members(missingFrom: echo).filter { !answerOnly.contains($0) }
        return DecodedBody(value: value, unknownFields: unknown)
    }

    /// Member names in alphabetical order, so that equal values have equal bytes.
    package static func encode(_ value: some Encodable) throws -> [UInt8] {
        let encoder = JSONEncoder()
        encoder.outputFormatting = [.sortedKeys, .withoutEscapingSlashes]
        return Array(try encoder.encode(value))
    }

    private static func typeMessage(of error: any Error, in tree: JSONValue) -> FieldError {
        switch error as? DecodingError {
        case .typeMismatch(let type, let context), .valueNotFound(let type, let context):
            let found = tree.value(at: context.codingPath)?.kind ?? "another type"
            return FieldError(path(context.codingPath), "Must be \(words(for: type)), not \(found).")
        case .keyNotFound(let key, let context):
            return FieldError(path(context.codingPath + [key]), "Is missing.")
        case .dataCorrupted(let context):
            // The document is well-formed here, so this is a number that its type cannot hold. Foundation names the
            // number, not the place.
            let reason = (context.underlyingError as? NSError)?.userInfo[NSDebugDescriptionErrorKey] as? String ?? ""
            let numbers = tree.fractions()
            let culprit = numbers.first { reason.contains("\($0.value)") } ?? numbers.first
            return FieldError(culprit?.path ?? "", "Must be a whole number in range.")
        default:
            return FieldError("", "The body cannot be read.")
        }
    }

    private static func words(for type: any Any.Type) -> String {
        if type is String.Type { return "text" }
        if type is Bool.Type { return "true or false" }
        if type is any BinaryInteger.Type { return "a whole number" }
        if type is Console.KeySet.Type { return "a JWK Set" }
        let name = String(describing: type)
        if name.hasPrefix("Array") { return "a list" }
        if name.hasPrefix("Dictionary") { return "an object" }
        return "of another type"
    }

    private static func path(_ keys: [any CodingKey]) -> String {
        keys.reduce(into: "") { text, key in
            if let index = key.intValue {
                text += "[\(index)]"
            } else {
                text += text.isEmpty ? key.stringValue : ".\(key.stringValue)"
            }
        }
    }
}

extension JSONValue {
    /// Numbers that are not whole, or too large to be, with their paths.
    fileprivate func fractions(path: String = "") -> [(path: String, value: Double)] {
        switch self {
        case .number(let value): [(path, value)]
        case .array(let values): values.enumerated().flatMap { $1.fractions(path: "\(path)[\($0)]") }
        case .object(let members):
            members.keys.sorted().flatMap { key in
                members[key]?.fractions(path: path.isEmpty ? key : "\(path).\(key)") ?? []
            }
        default: []
        }
    }

    fileprivate func value(at path: [any CodingKey]) -> JSONValue? {
        path.reduce(Optional(self)) { value, key in
            switch value {
            case .array(let values): key.intValue.flatMap { values.indices.contains($0) ? values[$0] : nil }
            case .object(let members): members[key.stringValue]
            default: nil
            }
        }
    }
}
