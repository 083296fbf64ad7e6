// JSON values in YAML and back.

import ConsoleModel
import Yams

/// YAML as far as JSON goes: nothing of YAML beyond JSON's kinds of values comes in.
enum YAMLText {
    static func text(_ value: JSONValue) throws -> String {
        try Yams.serialize(node: node(value), width: -1, allowUnicode: true)
    }

    private static func node(_ value: JSONValue) -> Node {
        switch value {
        case .null: return Node("null", Tag(.null))
        case .bool(let value): return Node(value ? "true" : "false", Tag(.bool))
        case .integer(let value): return Node(String(value), Tag(.int))
        case .number(let value): return Node(String(value), Tag(.float))
        case .string(let text):
            // Text that reads like another kind of value is quoted; text of several lines stands as it is.
            let style: Node.Scalar.Style = text.contains("\n") ? .literal : isPlain(text) ? .any : .doubleQuoted
            return .scalar(Node.Scalar(text, Tag(.str), style))
        case .array(let values): return .sequence(Node.Sequence(values.map(node), Tag(.seq)))
        case .object(let members):
            let pairs = members.keys.sorted().map { (Node($0), node(members[$0] ?? .null)) }
            return .mapping(Node.Mapping(pairs, Tag(.map)))
        }
    }

    private static func isPlain(_ text: String) -> Bool {
        Resolver.default.resolveTag(of: Node(text)).rawValue == Tag.Name.str.rawValue && !text.isEmpty
    }

    /// Each document of a text. Throws what is wrong, in words.
    static func documents(_ text: String) throws(BodyError) -> [JSONValue] {
        do {
            // Without aliases a value takes a byte of the text at least: with them a few lines could mean gigabytes.
            var budget = text.utf8.count + 16
            var nodes = try Yams.compose_all(yaml: text)
            var documents: [JSONValue] = []
            while let node = nodes.next() { documents.append(try value(node, depth: 0, &budget)) }
            // What cannot be read ends the sequence like its end does: only this tells the two apart.
            if let error = nodes.error { throw error }
            return documents
        } catch let error as BodyError {
            throw error
        } catch {
            throw .malformed("The body is not valid YAML: \(error)")
        }
    }

    private static let deepest = 64

    private static func value(_ node: Node, depth: Int, _ budget: inout Int) throws -> JSONValue {
        guard depth < deepest else { throw BodyError.malformed("The YAML is nested more than \(deepest) deep.") }
        budget -= 1
        guard budget >= 0 else { throw BodyError.malformed("The aliases of the YAML stand for too much.") }
        switch node {
        case .scalar(let scalar):
            if node.null != nil { return .null }
            if [.singleQuoted, .doubleQuoted, .literal, .folded].contains(scalar.style) {
                return .string(scalar.string)
            }
            if let value = node.bool { return .bool(value) }
            if let value = node.int { return .integer(Int64(value)) }
            if let value = node.float, value.isFinite { return .number(value) }
            return .string(scalar.string)
        case .sequence(let nodes): return .array(try nodes.map { try value($0, depth: depth + 1, &budget) })
        case .mapping(let pairs):
            var members: [String: JSONValue] = [:]
            for (key, member) in pairs {
                guard let name = key.string else { throw BodyError.malformed("A name in the YAML is no text.") }
                members[name] = try value(member, depth: depth + 1, &budget)
            }
            return .object(members)
        case .alias: throw BodyError.malformed("The YAML has an alias that stands for nothing.")
        }
    }
}
