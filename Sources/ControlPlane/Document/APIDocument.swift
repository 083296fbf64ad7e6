// The description of the API as it is written, in YAML, and as JSON for the page, which has no parser for YAML.

import ConsoleModel
import Seal
import Synchronization
import Yams

/// The text of docs/openapi.yaml in both forms. The JSON is made when it is asked for first.
package final class APIDocument: Sendable {
    let yaml: String
    private let made = Mutex<String?>(nil)

    package init(yaml: String) {
        self.yaml = yaml
    }

    /// The same document with its members in their order. Throws where the file is no YAML.
    package func json() throws -> String {
        try made.withLock { made in
            if let made { return made }
            let text = try Self.json(ofYAML: yaml)
            made = text
            return text
        }
    }

    /// Changes when the document does.
    static func tag(_ text: String) -> String { "\"\(SHA256.hash(Array(text.utf8)).hex.prefix(24))\"" }

    private static func json(ofYAML text: String) throws -> String {
        guard let node = try Yams.compose(yaml: text) else { return "null" }
        var json = ""
        json.reserveCapacity(text.utf8.count * 3 / 2)
        append(node, to: &json)
        return json
    }

    private static func append(_ node: Node, to json: inout String) {
        switch node {
        case .scalar(let scalar):
            let isQuoted = [.singleQuoted, .doubleQuoted, .literal, .folded].contains(scalar.style)
            if isQuoted {
                append(scalar.string, to: &json)
            } else if node.null != nil {
                json += "null"
            } else if let value = node.bool {
                json += value ? "true" : "false"
            } else if let value = node.int {
                json += String(value)
            } else if let value = node.float, value.isFinite {
                json += String(value)
            } else {
                append(scalar.string, to: &json)
            }
        case .sequence(let nodes):
            json += "["
            for (index, each) in nodes.enumerated() {
                if index > 0 { json += "," }
                append(each, to: &json)
            }
            json += "]"
        case .mapping(let pairs):
            json += "{"
            for (index, (key, value)) in pairs.enumerated() {
                if index > 0 { json += "," }
                append(key.scalar?.string ?? "", to: &json)
                json += ":"
                append(value, to: &json)
            }
            json += "}"
        case .alias: json += "null"
        }
    }

    private static func append(_ text: String, to json: inout String) {
        json += "\""
        for scalar in text.unicodeScalars {
            switch scalar {
            case "\"": json += "\\\""
            case "\\": json += "\\\\"
            case "\n": json += "\\n"
            case _ where scalar.value < 0x20:
                let digits = String(scalar.value, radix: 16)
                json += "\\u" + String(repeating: "0", count: 4 - digits.count) + digits
            default: json.unicodeScalars.append(scalar)
            }
        }
        json += "\""
    }
}
