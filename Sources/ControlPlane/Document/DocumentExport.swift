// The stored configuration as a document. Secrets are in it only under a passphrase.

import ConsoleModel
import Foundation
import Persistence
import Seal

extension Console.ConfigurationDocument {
    /// By name, without versions: two exports of equal configurations are equal.
    init(of configuration: StoredConfiguration) {
        self.init()
        format = Self.currentFormat
        version = String(configuration.version)
        tlsCertificates = Self.sorted(configuration.certificates).map { certificate in
            var shown = Console.Certificate()
            shown.name = certificate.name
            shown.cert = certificate.chain
            return shown
        }
        proxyServers = Self.sorted(configuration.proxyServers).map { server in
            var shown = server
            shown.version = nil
            return shown
        }
        serviceSources = Self.sorted(configuration.serviceSources).map { source in
            var shown = source
            shown.version = nil
            shown.authN?.properties = nil
            return shown
        }
        consumers = Self.sorted(configuration.consumers).map { consumer in
            var shown = consumer.shown
            shown.version = nil
            return shown
        }
        listeners = Self.sorted(configuration.listeners).map { listener in
            var shown = listener
            shown.version = nil
            return shown
        }
        domains = Self.sorted(configuration.domains).map { domain in
            var shown = domain
            shown.version = nil
            return shown
        }
        // The older of two routes that rank equal goes first: a document keeps that order.
        routes = configuration.routes.values.sorted { $0.id < $1.id }.map { stored in
            var shown = stored.value
            shown.version = nil
            return shown
        }
    }

    /// The same with all secrets, sealed.
    mutating func seal(secretsOf configuration: StoredConfiguration, _ passphrase: Secret) throws {
        var secrets = Secrets()
        for certificate in configuration.certificates.values.map(\.value) {
            secrets.keys[certificate.name] = String(decoding: certificate.privateKey.bytes, as: UTF8.self)
        }
        for consumer in configuration.consumers.values.map(\.value) {
            secrets.credentials[consumer.name] = consumer.credentials
        }
        for source in configuration.serviceSources.values.map(\.value) {
            if let properties = source.authN?.properties?.value { secrets.properties[source.name] = properties }
        }
        sealed = try PassphraseSeal.seal(
            try ConsoleJSON.encode(secrets), passphrase: passphrase, purpose: Self.purpose)
    }

    private static func sorted<R: Resource>(_ table: ResourceTable<R>) -> [R] {
        table.sortedNames.compactMap { table[$0]?.value }
    }
}
