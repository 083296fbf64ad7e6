// The whole control plane wired in one place: store, publisher, channel, admin API. Order matters: what is stored is
// published before the first worker or the first request is let in.

import ConfigModel
import Foundation
import Hummingbird
package import Logging
import HummingbirdCore
import HummingbirdTLS
import NIOCore
import Persistence
import Seal
import ServiceLifecycle
import Telemetry
import UnixSignals

/// The control plane of one data folder.
package struct ControlPlane: Sendable {
    private let store: Store
    private let group: ServiceGroup

    /// Opens the folder, publishes what it holds and makes the services. Nothing listens yet.
    package init(_ options: ControlPlaneOptions, logger: Logger) async throws {
        // The first look tells the time of the start.
        _ = ProcessFigures.started
        try Self.check(options)
        if !options.allowsDumps, !ProcessMemory.protect() {
            throw StartError("Core dumps cannot be switched off here; --allow-dumps starts all the same.")
        }
        let store = try Store(Store.Options(folder: options.data, migrations: options.migrations), logger: logger)
        let publisher = Publisher(
            mintHistory: { old, reason in
                try await store.mintHistory(replacing: old.bytes, reason: reason).flatMap { HistoryID($0) }
            }, logger: Logger(label: "publisher"))
        var settings = GatewaySettings()
        for assignment in options.settings { try settings.set(assignment) }
        let adminPlace = AdminPlace(address: options.adminAddress, port: options.adminPort)
        let flags = ListenerFlags(
            address: options.gatewayAddress, httpPort: options.httpPort, httpsPort: options.httpsPort)
        let firstListeners = FirstListeners(flags, adminPlace: adminPlace)
        try await firstListeners.settle(in: store, logger: logger)
        let compiler = SnapshotCompiler(settings: settings)
        let inspection = WorkerInspection(paths: options.inspectSockets)
        let feed = EventFeed()
        let events = EventSource(feed: feed, store: store, publisher: publisher)
        let editor = Editor(
            store: store, compiler: compiler, publisher: publisher, inspection: inspection, events: events,
            adminPlace: adminPlace, firstListeners: firstListeners)
        try await editor.publishStored(logger: logger)

        let setupCode = SetupCode()
        if try await !store.hasAccounts() {
            logger.notice(
                "there is no account yet: POST /system/init makes the first; elsewhere than on this machine it needs the code",
                metadata: ["setupCode": "\(setupCode.text)"])
        }
        let authenticator = Authenticator(store: store, hasher: try PasswordHasher())
        var parts = AdminParts(
            store: store, editor: editor, publisher: publisher, authenticator: authenticator,
            hosts: HostRule(names: options.hosts), setupCode: setupCode)
        parts.inspection = inspection
        parts.feed = feed
        let sampler = TrafficSampler(inspection: inspection)
        parts.sampler = sampler
        parts.backupFolder = options.data
        parts.migrations = options.migrations
        parts.restoreLimit = options.restoreLimit
        parts.requestRate = options.adminRate
        parts.bodyLimit = options.bodyLimit
        parts.staticFolder = options.staticFolder
        parts.apiDocument = try options.apiDocument.map { APIDocument(yaml: try Self.text(of: $0)) }
        let channel = try ChannelServer(
            try ChannelServer.Options(path: options.channelPath, group: options.channelGroup), publisher: publisher,
            logger: Logger(label: "channel"))
        let certificate = try options.adminCertificate.map {
            try AdminCertificate($0, store: store, logger: Logger(label: "admin"))
        }
        parts.servesTLS = certificate != nil
        parts.adminCertificate = certificate?.name
        parts.alerts = AlertWatch(
            AlertWatch.Options(
                webhookFile: options.alertWebhookFile, patience: options.alertAfter, adminCertificate: certificate),
            store: store, publisher: publisher, logger: Logger(label: "alerts"))
        let management = try ManagementServer(path: options.managementPath, logger: Logger(label: "management")) {
            await PasswordReset.perform($0, by: $1, authenticator)
        }
        let signs = LifeSigns(store: store, publisher: publisher, logger: logger)
        self.store = store
        group = Self.group(
            [
                Quiet(service: channel), Quiet(service: management), Quiet(service: sampler),
                Quiet(service: events), Quiet(service: parts.alerts),
                try Self.application(parts, options, certificate, signs, adminPlace, logger: logger),
                // The last is the first to hear of the end.
                Quiet(service: signs),
            ],
            logger: logger)
    }

    /// Serves until SIGTERM or SIGINT.
    package func run() async throws {
        try await group.run()
        try store.close()
    }

    private static func check(_ options: ControlPlaneOptions) throws {
        if let file = options.alertWebhookFile {
            do {
                _ = try AlertWebhook(path: file).host()
            } catch {
                throw StartError(error.description)
            }
        }
        guard
            Peer.isLoopback(options.adminAddress) || options.adminAddress == "localhost" || options.allowsInsecureAdmin
                || options.adminCertificate != nil
        else {
            throw StartError(
                "--admin-address \(options.adminAddress) would send passwords in clear over the network. Give it a"
                    + " certificate (--admin-certificate and --admin-key, or --admin-certificate-name), use a loopback address,"
                    + " or --allow-insecure-admin behind a proxy that speaks TLS.")
        }
        if let folder = options.staticFolder, !FileManager.default.fileExists(atPath: "\(folder)/index.html") {
            throw StartError("--static \(folder) has no index.html.")
        }
    }

    private static func text(of path: String) throws -> String {
        guard let data = FileManager.default.contents(atPath: path), let text = String(data: data, encoding: .utf8)
        else {
            throw StartError("--openapi \(path) cannot be read.")
        }
        return text
    }

    private static func application(
        _ parts: AdminParts, _ options: ControlPlaneOptions, _ certificate: AdminCertificate?, _ signs: LifeSigns,
        _ adminPlace: AdminPlace, logger: Logger
    ) throws -> some ApplicationProtocol {
        let clear = HTTPServerBuilder.http1(configuration: .init(idleTimeout: .seconds(75)))
        return Application(
            router: parts.makeRouter(logger: logger),
            server: try certificate.map { try .tls(clear, tlsConfiguration: $0.configuration()) } ?? clear,
            configuration: ApplicationConfiguration(
                address: .hostname(options.adminAddress, port: options.adminPort),
                availableConnectionsDelegate: MaximumAvailableConnections(1_024)),
            onServerRunning: { channel in
                let port = channel.localAddress?.port ?? options.adminPort
                adminPlace.listens(on: port)
                announce(port, options, logger: logger)
                signs.listens(at: "\(options.adminAddress):\(port)")
            },
            logger: logger)
    }

    private static func announce(_ port: Int, _ options: ControlPlaneOptions, logger: Logger) {
        let path = "\(options.data)/admin.port"
        do {
            try Data("\(port)\n".utf8).write(to: URL(fileURLWithPath: path), options: .atomic)
        } catch {
            logger.warning("cannot write the port", error: error, metadata: ["path": "\(path)"])
        }
        logger.info(
            "admin listening",
            metadata: [
                "address": "\(options.adminAddress)", "port": .stringConvertible(port),
                "tls": .stringConvertible(options.adminCertificate != nil),
            ])
    }

    private static func group(_ services: [any Service], logger: Logger) -> ServiceGroup {
        // What it says at debug is about itself.
        var quiet = logger
        quiet.logLevel = max(logger.logLevel, .info)
        var configuration = ServiceGroupConfiguration(
            services: services, gracefulShutdownSignals: [.sigterm, .sigint], logger: quiet)
        // Requests that wait for a version to be live may wait for a minute; the end of the process does not.
        configuration.maximumGracefulShutdownDuration = .seconds(5)
        return ServiceGroup(configuration: configuration)
    }
}

/// A service that ends by being cancelled. To the group that would be a failure, and cut short what else is ending.
private struct Quiet<Base: Service>: Service {
    let service: Base

    func run() async throws {
        do {
            try await service.run()
        } catch is CancellationError {
            // Its orderly end.
        }
    }
}
