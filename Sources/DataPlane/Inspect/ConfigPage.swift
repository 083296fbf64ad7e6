// The configuration as the worker runs it, in JSON: what is in force, not what was saved somewhere. Secrets never show.

internal import ConfigModel
internal import Seal
internal import Telemetry

/// What a snapshot holds, for people.
struct ConfigPage {
    let snapshot: Snapshot

    /// Objects in one answer: one more than the admin API shows, which tells by it that there are more.
    static let most = 1_001

    /// Which version it is, and how many objects of each kind.
    func summary() -> [UInt8] {
        var line = LineBuffer()
        line.append("{\"version\":")
        line.append(decimal: snapshot.version)
        line.append(",\"history\":")
        line.append(json: "\(snapshot.historyID)")
        line.append(",\"root\":")
        line.append(json: "\(snapshot.root)")
        line.append(",\"objects\":{")
        for (index, kind) in ObjectKind.allCases.enumerated() {
            if index > 0 { line.append(",") }
            line.append(json: "\(kind)")
            line.append(":")
            line.append(decimal: UInt64(snapshot.objects.of(kind).count))
        }
        line.append("}}\n")
        return line.withUnsafeBytes { Array($0) }
    }

    /// Objects in the order of their names, one a line: one by its name, or those behind a name.
    func objects(of kind: ObjectKind, named name: String?, after: String?, limit: Int) -> [UInt8] {
        var found: [SnapshotObject]
        if let name {
            found = snapshot[ObjectKey(kind, name)].map { [$0] } ?? []
        } else {
            let first = after.map { ObjectKey(kind, $0) }
            found = snapshot.objects.of(kind).filter { object in first.map { $0 < object.key } ?? true }
            found.sort { $0.key < $1.key }
        }
        var line = LineBuffer()
        for object in found.prefix(limit) {
            line.append("{\"kind\":")
            line.append(json: "\(kind)")
            line.append(",\"name\":")
            line.append(json: object.key.name)
            line.append(",\"hash\":")
            line.append(json: "\(object.hash)")
            line.append(",\"value\":")
            line.append(value: object.object.value)
            line.append("}\n")
        }
        return line.withUnsafeBytes { Array($0) }
    }
}

extension ConfigObject {
    fileprivate var value: Any {
        switch self {
        case .listener(let value): value
        case .tlsIdentity(let value): value
        case .virtualHost(let value): value
        case .cluster(let value): value
        case .route(let value): value
        case .consumer(let value): value
        }
    }
}

extension LineBuffer {
    /// Any value of the model under the names of its fields, so that a new field shows without more ado.
    fileprivate mutating func append(value: Any) {
        switch value {
        // Hashes of the model stand for what a consumer sends, which may be guessed from them.
        case is Secret, is Hash256: append(json: "[redacted]")
        case let text as String: append(json: text)
        case let flag as Bool: append(utf8: flag ? "true" : "false")
        case let number as any BinaryInteger: append(utf8: "\(number)")
        case let number as Double: append(utf8: number.isFinite ? "\(number)" : "null")
        default: append(parts: Swift.Mirror(reflecting: value), of: value)
        }
    }

    private mutating func append(parts mirror: Swift.Mirror, of value: Any) {
        switch mirror.displayStyle {
        case .optional:
            if let child = mirror.children.first { append(value: child.value) } else { append("null") }
        case .collection, .set:
            append("[")
            for (index, child) in mirror.children.enumerated() {
                if index > 0 { append(",") }
                append(value: child.value)
            }
            append("]")
        case .dictionary:
            append(
                fields: mirror.children.map { child in
                    let pair = Array(Swift.Mirror(reflecting: child.value).children)
                    return ("\(pair[0].value)", pair[1].value)
                })
        case .enum where mirror.children.isEmpty: append(json: "\(value)")
        case .struct, .enum, .class, .tuple: append(fields: mirror.children.map { ($0.label ?? "", $0.value) })
        default: append(json: "\(value)")
        }
    }

    private mutating func append(fields: [(String, Any)]) {
        append("{")
        for (index, field) in fields.enumerated() {
            if index > 0 { append(",") }
            // What a property wrapper keeps has its property's name behind a `_`.
            append(json: field.0.hasPrefix("_") ? String(field.0.dropFirst()) : field.0)
            append(":")
            append(value: field.1)
        }
        append("}")
    }
}
