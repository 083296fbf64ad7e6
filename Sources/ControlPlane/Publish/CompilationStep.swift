// From one compiled configuration to the next: which objects a change of resources touches, and these compiled anew.
//
// domain, certificate, consumer, listener -> its own object
// route                         -> its object, and the clusters that it begins or ceases to use; where there are canaries, those of
//                                  the same conditions; its domains, where its annotations say how TLS is spoken there
// source                        -> the clusters of its service that routes use; the routes only where it changes how they speak to it,
//                                  or comes or goes
// proxy server                  -> as the sources that name it
//
// The whole is the same, from nothing and with every resource as a change.

import ConfigModel
import ConsoleModel
import HashTreeCollections
import Persistence

struct CompilationStep {
    private let compiler: SnapshotCompiler
    private let previous: CompiledConfiguration
    private let configuration: StoredConfiguration

    private var puts: [SnapshotObject] = []
    private var removals: [ObjectKey] = []
    private var clusterUses: TreeDictionary<String, Int>
    private var domains: Set<String> = []
    private var routes: Set<String> = []
    private var clusters: Set<String> = []

    init(_ compiler: SnapshotCompiler, from previous: CompiledConfiguration, to configuration: StoredConfiguration) {
        self.compiler = compiler
        self.previous = previous
        self.configuration = configuration
        clusterUses = previous.clusterUses
    }

    // MARK: What is touched

    mutating func take(_ kind: ResourceKind, _ name: String) {
        switch kind {
        case .domain: domains.insert(name)
        case .certificate:
            set(ObjectKey(.tlsIdentity, name), configuration.certificates[name].map { compiler.identity($0.value) })
        case .consumer:
            set(ObjectKey(.consumer, name), configuration.consumers[name].map { compiler.consumer($0.value) })
        case .listener:
            set(ObjectKey(.listener, name), configuration.listeners[name].map { compiler.listener($0.value) })
        case .route:
            takeRoute(name)
            let forms = [previous.configuration, configuration].compactMap { $0.routes[name]?.value }
            let annotated = forms.filter { $0.annotatedTLS != nil }
            domains.formUnion(annotated.flatMap(\.servedDomains))
        case .serviceSource: takeSource(name)
        case .proxyServer:
            for source in configuration.serviceSources.users(of: .proxyServer(name)) { takeSource(source) }
        }
    }

    private mutating func takeRoute(_ name: String) {
        routes.insert(name)
        for value in [previous.configuration, configuration].compactMap({ $0.routes[name]?.value }) {
            routes.formUnion(configuration.companions(of: value))
        }
    }

    private mutating func takeSource(_ name: String) {
        let sources = [previous.configuration, configuration].compactMap { $0.serviceSources[name]?.value }
        for service in Set(sources.filter(\.offersService).map(\.serviceName)) {
            let before = previous.configuration.serviceSource(offering: service)
            let after = configuration.serviceSource(offering: service)
            if (before == nil) != (after == nil) || before?.backendProtocol != after?.backendProtocol {
                for name in configuration.routes.users(of: .service(service)) { takeRoute(name) }
            }
            clusters.formUnion(BackendProtocol.allCases.map { SnapshotCompiler.clusterName(service, $0) })
        }
    }

    /// Objects that stay as they are keep their hash.
    private mutating func set(_ key: ObjectKey, _ object: ConfigObject?) {
        let old = previous.snapshot[key]
        if let object {
            if old?.object != object { puts.append(SnapshotObject(object)) }
        } else if old != nil {
            removals.append(key)
        }
    }

    // MARK: Domains, routes and clusters

    private mutating func compileDomains() {
        for name in domains {
            let domain = configuration.domains[name]?.value
            set(ObjectKey(.virtualHost, name), domain.map { compiler.virtualHost($0, configuration.tls(of: $0)) })
        }
    }

    private mutating func compileRoutes() {
        for name in routes {
            let key = ObjectKey(.route, name)
            if case .route(let old) = previous.snapshot[key]?.object { use(old, -1) }
            let served = configuration.routes[name].flatMap { configuration.isServed($0.value) ? $0 : nil }
            let new = served.map { compiler.route($0, configuration) }
            if let new { use(new, 1) }
            set(key, new.map(ConfigObject.route))
        }
    }

    private mutating func use(_ route: Route, _ difference: Int) {
        for cluster in Set(route.clusters) {
            let uses = (clusterUses[cluster] ?? 0) + difference
            clusterUses[cluster] = uses == 0 ? nil : uses
            clusters.insert(cluster)
        }
    }

    /// One cluster for each pair of service and protocol that routes use, where there is a source that offers the service.
    private mutating func compileClusters() {
        for name in clusters {
            let isUsed = clusterUses[name] != nil
            set(
                ObjectKey(.cluster, name),
                isUsed ? compiler.cluster(name, configuration).map(ConfigObject.cluster) : nil)
        }
    }

    // MARK: The result

    consuming func finish(history: HistoryID) throws(DuplicateObject) -> CompiledConfiguration {
        compileDomains()
        compileRoutes()
        compileClusters()
        let before = previous.snapshot.objects
        // Built from nothing in one go, as it is at the start.
        let objects = before.isEmpty ? try ObjectTree(puts) : before.applying(puts: puts, removals: removals)
        let snapshot = Snapshot(historyID: history, version: configuration.version, objects: objects)
        let diff = SnapshotDiff(from: before, to: objects)
        var refused = previous.refused
        for key in diff.removed.map(\.key) + diff.changed.map(\.old.key) where refused[key] != nil {
            refused[key] = nil
        }
        let judged = SnapshotCompiler.judge(diff.added + diff.changed.map(\.new))
        for (key, problems) in Dictionary(grouping: judged, by: \.key) { refused[key] = problems }
        return CompiledConfiguration(
            configuration: configuration, snapshot: snapshot, clusterUses: clusterUses,
            index: before.isEmpty ? SnapshotIndex(snapshot) : previous.index.following(diff, to: snapshot),
            refused: refused)
    }
}
