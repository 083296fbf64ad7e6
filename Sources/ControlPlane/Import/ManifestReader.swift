// The documents of a body into Kubernetes objects: lists are opened, and what cannot be told apart is refused.

import ConsoleModel
import HTTPTypes

enum ManifestReader {
    /// Objects in the order of the body. Throws what makes the body as a whole unreadable.
    static func manifests(in documents: [JSONValue], namespace: String) throws -> [Manifest] {
        var found: [Manifest] = []
        for (index, document) in documents.enumerated() {
            // What stands between two lines of dashes may be nothing.
            if document == .null { continue }
            try read(document, document: index + 1, place: "", namespace: namespace, depth: 0, into: &found)
        }
        if found.isEmpty { throw Problem(.badRequest, .malformedBody, "The body holds no Kubernetes object.") }
        var seen: [String: Manifest] = [:]
        for manifest in found {
            let identity = "\(manifest.origin.kind) \(manifest.key)"
            if let other = seen.updateValue(manifest, forKey: identity) {
                throw Problem.invalid(
                    "",
                    "\(identity) stands twice: in document \(other.origin.document) and in document"
                        + " \(manifest.origin.document). Leave one out.")
            }
        }
        return found
    }

    private static let deepestList = 4

    private static func read(
        _ value: JSONValue, document: Int, place: String, namespace: String, depth: Int, into found: inout [Manifest]
    ) throws {
        let words = "Document \(document)\(place.isEmpty ? "" : ", \(place.dropLast())")"
        guard case .object = value else {
            throw Problem(.badRequest, .malformedBody, "\(words) must be a Kubernetes object, not \(value.kind).")
        }
        guard case .string(let kind)? = value["kind"], !kind.isEmpty, case .string(let version)? = value["apiVersion"],
            !version.isEmpty
        else {
            throw Problem(
                .badRequest, .malformedBody, "\(words) has no apiVersion and kind: it is no Kubernetes object.")
        }
        if kind.hasSuffix("List"), let items = value["items"] {
            guard case .array(let items) = items, depth < deepestList else {
                throw Problem(.badRequest, .malformedBody, "\(words): items must be a list of objects.")
            }
            for (index, item) in items.enumerated() {
                var item = item
                // Lists of one kind need not repeat it.
                if kind != "List", case .object(var members) = item {
                    if members["kind"] == nil { members["kind"] = .string(String(kind.dropLast(4))) }
                    if members["apiVersion"] == nil { members["apiVersion"] = .string(version) }
                    item = .object(members)
                }
                try read(
                    item, document: document, place: "\(place)items[\(index)].", namespace: namespace,
                    depth: depth + 1, into: &found)
            }
            return
        }
        guard case .string(let name)? = value["metadata"]?["name"], !name.isEmpty, isName(name) else {
            throw Problem(.badRequest, .malformedBody, "\(words), \(kind): metadata.name must be a Kubernetes name.")
        }
        var given = namespace
        switch value["metadata"]?["namespace"] {
        case nil, .null: break
        case .string(let text) where isName(text): given = text
        default:
            throw Problem(
                .badRequest, .malformedBody, "\(words), \(kind) \(name): metadata.namespace must be a Kubernetes name.")
        }
        let origin = ImportOrigin(document: document, kind: kind, name: name, namespace: given)
        found.append(Manifest(value, origin: origin, place: place))
    }

    /// A subdomain of RFC 1123, as Kubernetes wants it; some of its kinds take `:` and upper case, too.
    static func isName(_ text: String) -> Bool {
        (1...253).contains(text.utf8.count)
            && text.utf8.allSatisfy {
                (UInt8(ascii: "a")...UInt8(ascii: "z")).contains($0 | 0x20)
                    || (UInt8(ascii: "0")...UInt8(ascii: "9")).contains($0) || "-._:".utf8.contains($0)
            }
    }

    /// A DNS label, or several with dots between.
    static func isHostName(_ text: String, isLabel: Bool) -> Bool {
        func isPlain(_ byte: UInt8) -> Bool {
            (UInt8(ascii: "a")...UInt8(ascii: "z")).contains(byte)
                || (UInt8(ascii: "0")...UInt8(ascii: "9")).contains(byte)
        }
        guard let first = text.utf8.first, let last = text.utf8.last, isPlain(first), isPlain(last) else {
            return false
        }
        return text.utf8.count <= (isLabel ? 63 : 253)
            && text.utf8.allSatisfy {
                isPlain($0) || $0 == UInt8(ascii: "-") || !isLabel && $0 == UInt8(ascii: ".")
            }
    }
}
