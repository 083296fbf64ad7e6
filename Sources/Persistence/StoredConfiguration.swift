// Everything that a version covers, as one value: what the database holds and what the compiler turns into a snapshot.
// The store keeps the current one in memory; an edit works on a copy, which is compiled and judged before it is written. Copies
// share what they have in common.

package import ConsoleModel
package import Seal
import Synchronization

/// The whole configuration at one version.
package struct StoredConfiguration: Sendable {
    /// Number of the version that this is; 0: nothing was ever saved.
    package var version: UInt64 = 0
    /// Tells configurations apart within this process: every one that was loaded or drafted has its own.
    package private(set) var identity = newIdentity()
    /// Resources by name.
    package var domains = ResourceTable<Console.Domain>()
    package var certificates = ResourceTable<StoredCertificate>()
    package var routes = ResourceTable<Console.Route>()
    package var serviceSources = ResourceTable<Console.ServiceSource>()
    package var consumers = ResourceTable<Console.Consumer>()
    package var proxyServers = ResourceTable<Console.ProxyServer>()
    package var listeners = ResourceTable<Console.Listener>()

    package init() {}

    private static let identities = Atomic<UInt64>(0)

    private static func newIdentity() -> UInt64 {
        identities.wrappingAdd(1, ordering: .relaxed).newValue
    }

    /// A copy to be changed into the next version.
    func next() -> StoredConfiguration {
        var next = self
        next.version += 1
        next.identity = Self.newIdentity()
        return next
    }

    /// The source that offers the service of this name, as in `greeter.static`.
    package func serviceSource(offering service: String) -> Console.ServiceSource? {
        guard let dot = service.lastIndex(of: "."),
            let source = serviceSources[String(service[..<dot])]?.value,
            source.offersService, source.serviceName == service
        else { return nil }
        return source
    }
}

/// A resource with its identity in the database.
package struct Stored<Value: Hashable & Sendable>: Hashable, Sendable {
    /// Grows in order of creation and is never used again: the order of routes that rank equal.
    package var id: Int64
    package var value: Value

    package init(id: Int64, value: Value) {
        self.id = id
        self.value = value
    }
}

/// A certificate as it is kept: parsed once, when it came in.
package struct StoredCertificate: Hashable, Sendable {
    package var name: String
    /// Number of the version that last wrote it.
    package var version: String?
    /// PEM, leaf first.
    package var chain: String
    /// PEM, PKCS#8, not encrypted. Sealed in the database.
    package var privateKey: Secret
    package var facts: Facts

    /// What parsing told, for answers and warnings.
    package struct Facts: Codable, Hashable, Sendable {
        /// The subject's common name, then the DNS names.
        package var names: [String]
        package var hasSAN: Bool
        /// Unix seconds.
        package var notBefore: Int64
        package var notAfter: Int64
        /// As in `RSA 2048`.
        package var keyDescription: String
        package var selfSigned: Bool
        /// SHA-256 of the leaf, in hexadecimal.
        package var fingerprint: String
        /// When the first of the chain's other certificates expires.
        package var chainExpiry: ChainExpiry?
        /// What is wrong with it at any time, in words.
        package var weaknesses: [String]

        package struct ChainExpiry: Codable, Hashable, Sendable {
            package var subject: String
            package var notAfter: Int64

            package init(subject: String, notAfter: Int64) {
                self.subject = subject
                self.notAfter = notAfter
            }
        }

        package init(
            names: [String], hasSAN: Bool, notBefore: Int64, notAfter: Int64, keyDescription: String, selfSigned: Bool,
            fingerprint: String, chainExpiry: ChainExpiry? = nil, weaknesses: [String] = []
        ) {
            self.names = names
            self.hasSAN = hasSAN
            self.notBefore = notBefore
            self.notAfter = notAfter
            self.keyDescription = keyDescription
            self.selfSigned = selfSigned
            self.fingerprint = fingerprint
            self.chainExpiry = chainExpiry
            self.weaknesses = weaknesses
        }
    }

    package init(name: String, version: String? = nil, chain: String, privateKey: Secret, facts: Facts) {
        self.name = name
        self.version = version
        self.chain = chain
        self.privateKey = privateKey
        self.facts = facts
    }
}
