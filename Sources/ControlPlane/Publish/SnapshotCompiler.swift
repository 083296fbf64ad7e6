// Console objects to a snapshot. It stands between the store and the publisher: an edit is compiled before it is written,
// so that what no worker could serve is refused while somebody can still mend it.
//
// domain -> VirtualHost (`higress-default-domain` -> host `*`)     certificate -> TLSIdentity
// route  -> Route, and one Cluster for each pair of service and protocol that routes use; its endpoints are the source's
// listener -> Listener, with the limits of the process's settings where it has none

import ConfigChannel
package import ConfigModel
import ConsoleModel
import HashTreeCollections
package import Persistence
import RouteMatching
import TLSMaterial

/// Turns stored configurations into snapshots.
package struct SnapshotCompiler: Sendable {
    let settings: GatewaySettings

    package init(settings: GatewaySettings = GatewaySettings()) {
        self.settings = settings
    }

    /// The whole.
    package func compile(
        _ configuration: StoredConfiguration, history: HistoryID
    ) throws(DuplicateObject) -> CompiledConfiguration {
        var step = CompilationStep(self, from: nothing(history), to: configuration)
        for name in configuration.listeners.names { step.take(.listener, name) }
        for name in configuration.certificates.names { step.take(.certificate, name) }
        for name in configuration.domains.names { step.take(.domain, name) }
        for name in configuration.consumers.names { step.take(.consumer, name) }
        for name in configuration.routes.names { step.take(.route, name) }
        return try step.finish(history: history)
    }

    /// What these changes make of a compiled configuration. Costs what they touch.
    package func compile(
        _ configuration: StoredConfiguration, _ changes: [ResourceChange], history: HistoryID,
        after previous: CompiledConfiguration
    ) throws(DuplicateObject) -> CompiledConfiguration {
        var step = CompilationStep(self, from: previous, to: configuration)
        for change in changes { step.take(change.kind, change.name) }
        return try step.finish(history: history)
    }

    private func nothing(_ history: HistoryID) -> CompiledConfiguration {
        CompiledConfiguration(
            configuration: StoredConfiguration(),
            snapshot: Snapshot(historyID: history, version: 0, objects: ObjectTree()), clusterUses: [:],
            index: SnapshotIndex(), refused: [:])
    }

    /// What is not judged from values alone: patterns, certificate authorities, and sizes on the wire.
    static func judge(_ changed: [SnapshotObject]) -> [ObjectProblem] {
        var routes: [ConfigModel.Route] = []
        var problems: [ObjectProblem] = []
        for object in changed {
            switch object.object {
            case .route(let route): routes.append(route)
            case .virtualHost(let host):
                problems += judge(
                    host.clientAuthentication?.certificateAuthorities, object.key,
                    "clientAuthentication.certificateAuthorities")
                if let reason = CipherSuites.problem(host.tls?.cipherSuites ?? []) {
                    problems.append(ObjectProblem(key: object.key, field: "tls.cipherSuites", reason: reason))
                }
            case .cluster(let cluster):
                problems += judge(cluster.tls?.certificateAuthorities, object.key, "tls.certificateAuthorities")
            case .listener, .tlsIdentity, .consumer: break
            }
            let size = object.object.canonicalBytes().count
            if size > ChannelLimits.objectBytes {
                problems.append(
                    ObjectProblem(
                        key: object.key, field: "", reason: "has \(size) bytes, at most \(ChannelLimits.objectBytes)"))
            }
        }
        // A part at a time: tables of a hundred thousand routes would be made to be thrown away.
        for start in stride(from: 0, to: routes.count, by: 1_000) {
            let part = Array(routes[start..<min(start + 1_000, routes.count)])
            problems += RouteTable(virtualHosts: [], routes: part).problems
        }
        return problems
    }

    /// Certificate authorities are parsed as the worker will parse them.
    private static func judge(_ authorities: String?, _ key: ObjectKey, _ field: String) -> [ObjectProblem] {
        guard let authorities, !authorities.isEmpty else { return [] }
        do {
            _ = try CertificateAuthorities(pem: authorities)
            return []
        } catch {
            return [ObjectProblem(key: key, field: field, reason: error.reason)]
        }
    }

    // MARK: Domains and certificates

    func virtualHost(_ domain: Console.Domain, _ tls: Console.Domain.TLS?) -> ConfigObject {
        .virtualHost(
            VirtualHost(
                name: domain.name, hosts: [domain.name == Console.Domain.anyHost ? "*" : domain.name],
                https: Self.httpsMode(domain.https), tlsIdentity: domain.certIdentifier,
                clientAuthentication: domain.clientAuth.map(Self.clientAuthentication),
                tls: tls.map(Self.tlsParameters)))
    }

    private static func tlsParameters(_ tls: Console.Domain.TLS) -> TLSParameters {
        TLSParameters(
            minVersion: tls.minVersion == "1.3" ? .tls13 : .tls12,
            maxVersion: tls.maxVersion == "1.2" ? .tls12 : .tls13,
            cipherSuites: tls.cipherSuites ?? [])
    }

    private static func clientAuthentication(_ auth: Console.Domain.ClientAuth) -> ClientAuthentication {
        ClientAuthentication(
            mode: auth.mode == Console.Domain.ClientAuth.Mode.optional.rawValue ? .optional : .required,
            certificateAuthorities: auth.ca,
            depth: auth.depth.map { UInt8(clamping: $0) } ?? ClientAuthentication.defaultDepth)
    }

    private static func httpsMode(_ mode: Console.Domain.HTTPS) -> HTTPSMode {
        switch mode {
        case .off: .off
        case .on: .on
        case .force: .force
        }
    }

    func identity(_ certificate: StoredCertificate) -> ConfigObject {
        .tlsIdentity(
            TLSIdentity(
                name: certificate.name, certificateChain: certificate.chain, privateKey: certificate.privateKey))
    }
}
