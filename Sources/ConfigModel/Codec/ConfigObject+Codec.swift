// The canonical form and the hash of an object. Objects are compared, sent and stored by these.

package import Seal

extension ConfigObject {
    /// Kind and value determine these bytes, and these bytes with the kind determine the value.
    package func canonicalBytes() -> [UInt8] {
        var writer = CanonicalWriter()
        switch self {
        case .listener(let value): value.write(to: &writer)
        case .tlsIdentity(let value): value.write(to: &writer)
        case .virtualHost(let value): value.write(to: &writer)
        case .cluster(let value): value.write(to: &writer)
        case .route(let value): value.write(to: &writer)
        case .consumer(let value): value.write(to: &writer)
        }
        return writer.bytes
    }

    package init(kind: ObjectKind, canonicalBytes bytes: [UInt8]) throws(CanonicalCodingError) {
        try self.init(kind: kind, canonicalBytes: bytes[...])
    }

    /// Accepts exactly what `canonicalBytes()` returns for some value of that kind.
    package init(kind: ObjectKind, canonicalBytes bytes: ArraySlice<UInt8>) throws(CanonicalCodingError) {
        var reader = CanonicalReader(bytes)
        switch kind {
        case .listener: self = .listener(try Listener(from: &reader))
        case .tlsIdentity: self = .tlsIdentity(try TLSIdentity(from: &reader))
        case .virtualHost: self = .virtualHost(try VirtualHost(from: &reader))
        case .cluster: self = .cluster(try Cluster(from: &reader))
        case .route: self = .route(try Route(from: &reader))
        case .consumer: self = .consumer(try Consumer(from: &reader))
        }
        try reader.end()
    }

    package var hash: Hash256 {
        Self.hash(kind: key.kind, canonicalBytes: canonicalBytes()[...])
    }

    /// SHA-256 over the kind's byte and the canonical bytes.
    package static func hash(kind: ObjectKind, canonicalBytes bytes: ArraySlice<UInt8>) -> Hash256 {
        bytes.withUnsafeBytes { SHA256.hash(kind.rawValue, $0) }
    }
}
