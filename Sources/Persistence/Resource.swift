// The kinds of resources as the store sees them: a name, a version, a body of JSON, perhaps a secret beside it.

package import ConsoleModel
import Foundation
package import Seal

/// Kinds of resources. Raw values are in the database and in the API's lists of changes.
package enum ResourceKind: String, Sendable, CaseIterable {
    case domain = "domain"
    case certificate = "tls-certificate"
    case route = "route"
    case serviceSource = "service-source"
    case consumer = "consumer"
    case proxyServer = "proxy-server"
    case listener = "listener"
}

extension ResourceKind {
    package var type: any Resource.Type {
        switch self {
        case .domain: Console.Domain.self
        case .certificate: StoredCertificate.self
        case .route: Console.Route.self
        case .serviceSource: Console.ServiceSource.self
        case .consumer: Console.Consumer.self
        case .proxyServer: Console.ProxyServer.self
        case .listener: Console.Listener.self
        }
    }
}

extension StoredConfiguration {
    /// The resource of that kind and name.
    package func resource(_ kind: ResourceKind, named name: String) -> (any Resource)? {
        func find<R: Resource>(_ type: R.Type) -> (any Resource)? { self[keyPath: R.collection][name]?.value }
        return find(kind.type)
    }
}

/// Something that a version covers.
package protocol Resource: Hashable, Sendable {
    static var kind: ResourceKind { get }
    /// Where a configuration keeps this kind.
    static var collection: WritableKeyPath<StoredConfiguration, ResourceTable<Self>> { get }

    var name: String { get }
    /// Number of the version that last wrote it.
    var version: String? { get set }

    /// What the database keeps in clear: JSON without version and secret.
    func body() throws -> [UInt8]
    init(name: String, body: [UInt8], secret: Secret?) throws
    /// What it keeps sealed.
    var secret: (field: String, value: Secret)? { get }
    /// What must be there for it; one may come twice.
    var references: [ResourceReference] { get }
}

extension Console.Domain: Resource {
    package static var kind: ResourceKind { .domain }
    package static var collection: WritableKeyPath<StoredConfiguration, ResourceTable<Self>> { \.domains }
    package var secret: (field: String, value: Secret)? { nil }
    package var references: [ResourceReference] { certIdentifier.map { [.certificate($0)] } ?? [] }
}

extension Console.Route: Resource {
    package static var kind: ResourceKind { .route }
    package static var collection: WritableKeyPath<StoredConfiguration, ResourceTable<Self>> { \.routes }
    package var secret: (field: String, value: Secret)? { nil }

    /// A route without domains belongs to that of any host.
    package var references: [ResourceReference] {
        servedDomains.map { .domain($0) }
            + namedServices.map { .service($0) }
            + (authConfig?.allowedConsumers ?? []).map { .consumer($0) }
            + (canary == nil ? [] : [.canaries(firstDomain)])
            + (annotatedTLS == nil ? [] : servedDomains.map { .tls($0) })
    }
}

extension Console.ServiceSource: Resource {
    package static var kind: ResourceKind { .serviceSource }
    package static var collection: WritableKeyPath<StoredConfiguration, ResourceTable<Self>> {
        \.serviceSources
    }

    package var references: [ResourceReference] {
        (tlsClientCertificate.map { [.certificate($0)] } ?? []) + (proxyName.map { [.proxyServer($0)] } ?? [])
    }

    /// Credentials travel in the model, because that is how they come in; they never leave it in clear.
    package var secret: (field: String, value: Secret)? {
        guard let properties = authN?.properties?.value, !properties.isEmpty,
            let bytes = try? ConsoleJSON.encode(JSONValue.object(properties))
        else { return nil }
        return ("authN.properties", Secret(bytes))
    }

    package func body() throws -> [UInt8] {
        var clear = self
        clear.version = nil
        clear.authN?.properties = nil
        return try ConsoleJSON.encode(clear)
    }

    package init(name: String, body: [UInt8], secret: Secret?) throws {
        self = try JSONDecoder().decode(Self.self, from: Data(body))
        if let secret {
            let properties = try JSONDecoder().decode([String: JSONValue].self, from: Data(secret.bytes))
            authN?.properties = Concealed(properties)
        }
    }
}

extension Console.ProxyServer: Resource {
    package static var kind: ResourceKind { .proxyServer }
    package static var collection: WritableKeyPath<StoredConfiguration, ResourceTable<Self>> { \.proxyServers }
    package var secret: (field: String, value: Secret)? { nil }
    package var references: [ResourceReference] { [] }
}

extension Console.Consumer: Resource {
    package static var kind: ResourceKind { .consumer }
    package static var collection: WritableKeyPath<StoredConfiguration, ResourceTable<Self>> { \.consumers }
    package var references: [ResourceReference] { [] }

    package var secret: (field: String, value: Secret)? {
        guard let bytes = try? ConsoleJSON.encode(credentials) else { return nil }
        return ("credentials", Secret(bytes))
    }

    package func body() throws -> [UInt8] {
        var clear = shown
        clear.version = nil
        return try ConsoleJSON.encode(clear)
    }

    package init(name: String, body: [UInt8], secret: Secret?) throws {
        self = try JSONDecoder().decode(Self.self, from: Data(body))
        guard let secret else { throw StoreError(.damaged, "Consumer \(name) has no credentials in the database.") }
        credentials = try JSONDecoder().decode([Console.Credential].self, from: Data(secret.bytes))
    }
}

extension Console.Listener: Resource {
    package static var kind: ResourceKind { .listener }
    package static var collection: WritableKeyPath<StoredConfiguration, ResourceTable<Self>> { \.listeners }
    package var secret: (field: String, value: Secret)? { nil }
    package var references: [ResourceReference] { [] }
}

extension StoredCertificate: Resource {
    package static var kind: ResourceKind { .certificate }
    package static var collection: WritableKeyPath<StoredConfiguration, ResourceTable<Self>> {
        \.certificates
    }

    package var references: [ResourceReference] { [] }

    private struct Body: Codable {
        var chain: String
        var facts: Facts
    }

    package var secret: (field: String, value: Secret)? { ("key", privateKey) }

    package func body() throws -> [UInt8] {
        try ConsoleJSON.encode(Body(chain: chain, facts: facts))
    }

    package init(name: String, body: [UInt8], secret: Secret?) throws {
        let body = try JSONDecoder().decode(Body.self, from: Data(body))
        guard let secret else { throw StoreError(.damaged, "Certificate \(name) has no private key in the database.") }
        self.init(name: name, chain: body.chain, privateKey: secret, facts: body.facts)
    }
}

/// Models whose JSON is all there is to keep.
extension Resource where Self: Codable {
    package func body() throws -> [UInt8] {
        var clear = self
        clear.version = nil
        return try ConsoleJSON.encode(clear)
    }

    package init(name: String, body: [UInt8], secret: Secret?) throws {
        self = try JSONDecoder().decode(Self.self, from: Data(body))
    }
}
