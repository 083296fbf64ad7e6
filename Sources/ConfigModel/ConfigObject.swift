// The unit of distribution: an object with a kind, a name, canonical bytes and a hash. ACK and NACK speak of these.

import Seal

/// The kinds of objects, in the order in which a snapshot lists them. Raw values travel on the wire and never change.
package enum ObjectKind: UInt8, Hashable, Sendable, CaseIterable {
    case listener = 1
    case tlsIdentity = 2
    case virtualHost = 3
    case cluster = 4
    case route = 5
    case consumer = 6
}

/// What identifies an object in a snapshot.
package struct ObjectKey: Hashable, Sendable, Comparable, CustomStringConvertible {
    package var kind: ObjectKind
    package var name: String

    package init(_ kind: ObjectKind, _ name: String) {
        self.kind = kind
        self.name = name
    }

    package var description: String { "\(kind) \(name)" }

    /// Where an object of this key stands in a tree: the first 64 bits of SHA-256 over the kind's byte and the name.
    var place: UInt64 {
        var name = name
        let hash = name.withUTF8 { SHA256.hash(kind.rawValue, UnsafeRawBufferPointer($0)) }
        return hash.withUnsafeBytes { UInt64(bigEndian: $0.loadUnaligned(as: UInt64.self)) }
    }

    /// By bytes, as `<` and the hashes do: `String` takes texts for equal that differ only in Unicode composition.
    package static func == (a: ObjectKey, b: ObjectKey) -> Bool {
        a.kind == b.kind && a.name.utf8.elementsEqual(b.name.utf8)
    }

    package static func < (a: ObjectKey, b: ObjectKey) -> Bool {
        a.kind == b.kind ? a.name.utf8.lexicographicallyPrecedes(b.name.utf8) : a.kind.rawValue < b.kind.rawValue
    }
}

/// An object of any kind. Its value stands apart: kinds differ much in size, and none pays for the largest.
package indirect enum ConfigObject: Hashable, Sendable {
    case listener(Listener)
    case tlsIdentity(TLSIdentity)
    case virtualHost(VirtualHost)
    case cluster(Cluster)
    case route(Route)
    case consumer(Consumer)

    package var key: ObjectKey {
        switch self {
        case .listener(let value): ObjectKey(.listener, value.name)
        case .tlsIdentity(let value): ObjectKey(.tlsIdentity, value.name)
        case .virtualHost(let value): ObjectKey(.virtualHost, value.name)
        case .cluster(let value): ObjectKey(.cluster, value.name)
        case .route(let value): ObjectKey(.route, value.name)
        case .consumer(let value): ObjectKey(.consumer, value.name)
        }
    }
}
