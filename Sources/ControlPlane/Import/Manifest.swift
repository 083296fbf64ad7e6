// One Kubernetes object, and which of its parts something was made of: what nobody asked for is told at the end.

import ConsoleModel

/// What became of a part of a manifest that was not simply taken over.
struct ImportRemark: Encodable, Hashable, Sendable {
    enum Severity: String, Encodable, Sendable {
        /// Left out; nothing depends on it.
        case ignored
        /// Taken over as something else than it says.
        case changed
        /// What it belongs to cannot be made.
        case refused
    }

    var origin: ImportOrigin
    /// Inside the document; empty: the document as a whole.
    var path: String
    var message: String
    var severity: Severity

    private enum Key: CodingKey {
        case path, message, severity
    }

    func encode(to encoder: any Encoder) throws {
        try origin.encode(to: encoder)
        var container = encoder.container(keyedBy: Key.self)
        try container.encode(path, forKey: .path)
        try container.encode(message, forKey: .message)
        try container.encode(severity, forKey: .severity)
    }

    /// For the list of errors that every refused write has.
    var error: FieldError {
        let place = "\(origin.kind) \(origin.namespace)/\(origin.name)"
        return FieldError(path.isEmpty ? place : "\(place): \(path)", message)
    }
}

/// Which object of the body something came from.
struct ImportOrigin: Encodable, Hashable, Sendable {
    /// Counted from 1.
    var document: Int
    var kind: String
    var name: String
    var namespace: String
}

/// A Kubernetes object that is being read. Belongs to one translation on one thread.
final class Manifest {
    let origin: ImportOrigin
    private let value: JSONValue
    /// Where it stands in its document: `items[3].` in a list, else nothing.
    private let place: String
    /// Leaves and whole parts that were made use of, or spoken of.
    private var taken: Set<String> = []
    private(set) var remarks: [ImportRemark] = []
    private var told: Set<ImportRemark> = []

    init(_ value: JSONValue, origin: ImportOrigin, place: String = "") {
        self.value = value
        self.origin = origin
        self.place = place
        taken = ["apiVersion", "kind", "metadata.name", "metadata.namespace"]
    }

    var root: ManifestNode { ManifestNode(manifest: self, path: "", value: value) }
    var name: String { origin.name }
    var namespace: String { origin.namespace }
    /// As in `shop/web`, also how other objects are looked up.
    var key: String { "\(namespace)/\(name)" }
    /// Whether more of it was looked at than what every object has.
    private(set) var isTouched = false
    var isRefused: Bool { remarks.contains { $0.severity == .refused } }

    func take(_ path: String) {
        isTouched = true
        taken.insert(path)
    }

    func remark(_ severity: ImportRemark.Severity, _ path: String, _ message: String) {
        take(path)
        let whole = path.isEmpty && place.hasSuffix(".") ? String(place.dropLast()) : place + path
        let remark = ImportRemark(origin: origin, path: whole, message: message, severity: severity)
        if told.insert(remark).inserted { remarks.append(remark) }
    }

    private static let bookkeeping: Set<String> = [
        "creationTimestamp", "deletionGracePeriodSeconds", "finalizers", "generateName", "generation", "managedFields",
        "ownerReferences", "resourceVersion", "selfLink", "uid",
    ]

    /// Names whatever was not taken: a part as a whole where nothing in it was.
    func remarkOnTheRest(_ message: String) {
        if taken.contains("") { return }
        let kept = root["metadata"].members.filter { Self.bookkeeping.contains($0.name) && !$0.node.saysNothing }
        if !kept.isEmpty {
            for member in kept { take(member.node.path) }
            let names = kept.map(\.name).joined(separator: ", ")
            remark(.ignored, "metadata", "\(names): kept by the cluster for itself.")
            taken.remove("metadata")
        }
        let status = root["status"]
        if !status.saysNothing { status.ignore("Kept by the cluster for itself.") }
        root["metadata"]["annotations"]["kubectl.kubernetes.io/last-applied-configuration"].ifGiven {
            $0.ignore("Kept by kubectl for itself.")
        }
        for path in rest(of: root).untaken { remark(.ignored, path, message) }
    }

    private func rest(of node: ManifestNode) -> (hasTaken: Bool, untaken: [String]) {
        if taken.contains(node.path) { return (true, []) }
        if node.saysNothing { return (false, []) }
        let children = node.children
        if children.isEmpty { return (false, [node.path]) }
        let rests = children.map(rest)
        if node.path.isEmpty || rests.contains(where: \.hasTaken) { return (true, rests.flatMap(\.untaken)) }
        return (false, [node.path])
    }
}

/// A place in a manifest, there or not.
struct ManifestNode {
    let manifest: Manifest
    let path: String
    /// `nil`: it is not there.
    let value: JSONValue?

    subscript(name: String) -> ManifestNode {
        let isPlain = name.utf8.allSatisfy {
            (UInt8(ascii: "a")...UInt8(ascii: "z")).contains($0 | 0x20)
                || (UInt8(ascii: "0")...UInt8(ascii: "9")).contains($0)
        }
        let step = !isPlain || name.isEmpty ? "\(path)[\(name)]" : path.isEmpty ? name : "\(path).\(name)"
        return ManifestNode(manifest: manifest, path: step, value: value?[name])
    }

    /// Whether it is left out, `null` or empty.
    var saysNothing: Bool {
        switch value {
        case nil, .null, .array([]): true
        case .object(let members): members.isEmpty
        default: false
        }
    }

    var isGiven: Bool { !saysNothing }

    func ifGiven(_ body: (ManifestNode) -> Void) {
        if isGiven { body(self) }
    }

    /// By name, of an object.
    var members: [(name: String, node: ManifestNode)] {
        switch value {
        case .object(let members): return members.keys.sorted().map { ($0, self[$0]) }
        case nil, .null: return []
        default:
            refuseType("an object")
            return []
        }
    }

    var items: [ManifestNode] {
        switch value {
        case .array(let values):
            return values.enumerated().map {
                ManifestNode(manifest: manifest, path: "\(path)[\($0)]", value: $1)
            }
        case nil, .null: return []
        default:
            refuseType("a list")
            return []
        }
    }

    fileprivate var children: [ManifestNode] {
        switch value {
        case .object: members.map(\.node)
        case .array: items
        default: []
        }
    }

    /// Text; `nil` where there is none.
    var text: String? {
        switch value {
        case .string(let text):
            take()
            return text
        case nil, .null: return nil
        default:
            refuseType("text; put it in quotes")
            return nil
        }
    }

    var integer: Int? {
        switch value {
        case .integer(let number):
            take()
            return Int(number)
        case nil, .null: return nil
        default:
            refuseType("a whole number")
            return nil
        }
    }

    var flag: Bool? {
        switch value {
        case .bool(let flag):
            take()
            return flag
        case nil, .null: return nil
        default:
            refuseType("true or false")
            return nil
        }
    }

    /// Says that the whole of it was made use of, or need not be told.
    func take() { manifest.take(path) }

    func ignore(_ message: String) { manifest.remark(.ignored, path, message) }
    func change(_ message: String) { manifest.remark(.changed, path, message) }
    func refuse(_ message: String) { manifest.remark(.refused, path, message) }

    private func refuseType(_ wanted: String) {
        refuse("Must be \(wanted), not \(value?.kind ?? "nothing").")
    }
}
