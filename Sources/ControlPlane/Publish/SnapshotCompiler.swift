// Console objects to a snapshot. It stands between the store and the publisher: an edit is compiled before it is written,
// so that what no worker could serve is refused while somebody can still mend it.
//
// domain -> VirtualHost (`higress-default-domain` -> host `*`)     certificate -> TLSIdentity
// route  -> Route, and one Cluster for each pair of service and protocol that routes use; its endpoints are the source's
// listeners come from the settings of the process.

import ConfigChannel
package import ConfigModel
import ConsoleModel
package import Persistence
import RouteMatching
import TLSMaterial

/// A configuration as workers get it, with what is wrong with it.
package struct CompiledConfiguration: Sendable {
    package let snapshot: Snapshot
    /// Empty: fit to be published. A save that has any is refused.
    package let problems: [ResourceProblem]
}

/// Turns stored configurations into snapshots.
package struct SnapshotCompiler: Sendable {
    private let listeners: [Listener]
    let settings: GatewaySettings

    package init(listeners: [Listener], settings: GatewaySettings = GatewaySettings()) {
        self.listeners = listeners
        self.settings = settings
    }

    /// `previous` saves work: what has not changed since keeps its hash and is not judged by the engines again.
    package func compile(
        _ configuration: StoredConfiguration, history: HistoryID, after previous: Snapshot? = nil
    ) throws(DuplicateObject) -> CompiledConfiguration {
        var clusters: [String: Cluster] = [:]
        var objects = listeners.map(ConfigObject.listener)
        objects += configuration.certificates.values.map { .tlsIdentity(Self.identity($0.value)) }
        objects += configuration.domains.values.map { .virtualHost(Self.virtualHost($0.value)) }
        for route in configuration.routes.values {
            objects.append(.route(self.route(route, configuration, &clusters)))
        }
        objects += clusters.values.map(ConfigObject.cluster)
        objects += configuration.consumers.values.map { .consumer(Self.consumer($0.value)) }
        objects.sort { $0.key < $1.key }

        var changed: [SnapshotObject] = []
        var all: [SnapshotObject] = []
        all.reserveCapacity(objects.count)
        for object in objects {
            if let before = previous?[object.key], before.object == object {
                all.append(before)
            } else {
                all.append(SnapshotObject(object))
                changed.append(all[all.count - 1])
            }
        }
        let snapshot = try Snapshot(historyID: history, version: configuration.version, objects: all)
        let problems = snapshot.validate() + Self.problems(ofChanged: changed)
        return CompiledConfiguration(
            snapshot: snapshot, problems: problems.map { ResourceProblem($0, in: configuration) }.uniqued())
    }

    /// What is not judged from values alone: patterns, certificate authorities, and sizes on the wire.
    private static func problems(ofChanged changed: [SnapshotObject]) -> [ObjectProblem] {
        var routes: [ConfigModel.Route] = []
        var problems: [ObjectProblem] = []
        for object in changed {
            switch object.object {
            case .route(let route): routes.append(route)
            case .virtualHost(let host):
                problems += judge(
                    host.clientAuthentication?.certificateAuthorities, object.key,
                    "clientAuthentication.certificateAuthorities")
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
        return problems + RouteTable(virtualHosts: [], routes: routes).problems
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

    private static func virtualHost(_ domain: Console.Domain) -> VirtualHost {
        VirtualHost(
            name: domain.name, hosts: [domain.name == Console.Domain.anyHost ? "*" : domain.name],
            https: httpsMode(domain.https), tlsIdentity: domain.certIdentifier,
            clientAuthentication: domain.clientAuth.map(clientAuthentication))
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

    private static func identity(_ certificate: StoredCertificate) -> TLSIdentity {
        TLSIdentity(
            name: certificate.name, certificateChain: certificate.chain, privateKey: certificate.privateKey)
    }
}

extension Array where Element: Hashable {
    fileprivate func uniqued() -> [Element] {
        var seen: Set<Element> = []
        return filter { seen.insert($0).inserted }
    }
}
