// The admin API put together: middleware in the order in which it acts, then the controllers.

import Foundation
package import Hummingbird
package import Logging
package import Persistence

/// What the admin API is made of. `App+build.swift` makes it for real, tests make it with small parts.
package struct AdminParts: Sendable {
    package var store: Store
    package var editor: Editor
    package var publisher: Publisher
    package var authenticator: Authenticator
    package var hosts: HostRule
    package var setupCode: SetupCode
    /// Where a backup stands while it is sent.
    package var backupFolder = NSTemporaryDirectory()
    /// Folder of the database's migrations, for backups that have not seen all of them.
    package var migrations = "migrations"
    /// Largest backup that is put back, in bytes.
    package var restoreLimit = 1 << 30
    /// Requests a second of one address; 0: no limit.
    package var requestRate = 0
    package var inspection = WorkerInspection(paths: [])
    package var sampler = TrafficSampler(inspection: WorkerInspection(paths: []))
    package var feed = EventFeed()
    package var alerts: AlertWatch
    package var tryOuts = TryOuts()
    /// Whether the admin listener speaks TLS: decides `Secure` of the cookie.
    package var servesTLS = false
    /// The stored certificate that the admin listener shows, where it is one.
    package var adminCertificate: String?
    /// Largest body of a request, in bytes.
    package var bodyLimit = 1 << 20
    package var staticFolder: String?
    package var apiDocument: APIDocument?

    package init(
        store: Store, editor: Editor, publisher: Publisher, authenticator: Authenticator, hosts: HostRule,
        setupCode: SetupCode
    ) {
        self.store = store
        self.editor = editor
        self.publisher = publisher
        self.authenticator = authenticator
        self.hosts = hosts
        self.setupCode = setupCode
        alerts = AlertWatch(AlertWatch.Options(), store: store, publisher: publisher, logger: Logger(label: "alerts"))
    }

    /// The whole API under its paths.
    package func makeRouter(logger: Logger) -> Router<AdminContext> {
        let router = Router(context: AdminContext.self, options: [.autoGenerateHeadEndpoints])
        // The outermost come first: refusals are logged and carry the headers like any other answer.
        let counts = RequestCounts()
        router.add(middleware: RequestLog(counts: counts))
        router.add(middleware: SecurityHeaders())
        let methods = PathMethods()
        router.add(middleware: ProblemMiddleware(methods: methods))
        if requestRate > 0 { router.add(middleware: RateMiddleware(perSecond: requestRate)) }
        router.add(middleware: HostMiddleware(rule: hosts))
        router.add(middleware: CrossSiteMiddleware())
        let compressed = CompressedFiles()
        if let staticFolder {
            router.add(middleware: StaticFiles(folder: staticFolder, compressed: compressed, logger: logger))
        }
        router.add(middleware: AccessMiddleware(authenticator: authenticator))

        PublicController(apiDocument: apiDocument, compressed: compressed).addRoutes(to: router.group())
        MetricsController(page: ControlMetrics(store: store, publisher: publisher, alerts: alerts, counts: counts))
            .addRoutes(to: router.group("metrics"))
        SystemController(store: store, authenticator: authenticator, setupCode: setupCode, bodyLimit: bodyLimit)
            .addRoutes(to: router.group("system"))
        SessionController(authenticator: authenticator, servesTLS: servesTLS, bodyLimit: bodyLimit)
            .addRoutes(to: router.group("session"))
        UserController(store: store, authenticator: authenticator, servesTLS: servesTLS, bodyLimit: bodyLimit)
            .addRoutes(to: router.group("user"))

        let api = router.group("v1")
        AccountController(store: store, authenticator: authenticator, bodyLimit: bodyLimit)
            .addRoutes(to: api.group("users"))
        OpenSessionController(store: store, authenticator: authenticator).addRoutes(to: api.group("sessions"))
        TokenController(store: store, authenticator: authenticator, bodyLimit: bodyLimit)
            .addRoutes(to: api.group("tokens"))
        SettingController(store: store, bodyLimit: bodyLimit).addRoutes(to: api.group("settings"))
        AuditController(store: store).addRoutes(to: api.group("audit"))
        let routes = RouteController(store: store, editor: editor, bodyLimit: bodyLimit, sampler: sampler)
        DomainController(store: store, editor: editor, bodyLimit: bodyLimit, routes: routes)
            .addRoutes(to: api.group("domains"))
        CertificateController(store: store, editor: editor, bodyLimit: bodyLimit, adminCertificate: adminCertificate)
            .addRoutes(to: api.group("tls-certificates"))
        routes.addRoutes(to: api.group("routes"))
        ConsumerController(store: store, editor: editor, bodyLimit: bodyLimit).addRoutes(to: api.group("consumers"))
        ListenerController(store: store, editor: editor, bodyLimit: bodyLimit).addRoutes(to: api.group("listeners"))
        ServiceSourceController(store: store, editor: editor, bodyLimit: bodyLimit)
            .addRoutes(to: api.group("service-sources"))
        ServiceController(store: store, publisher: publisher, health: EndpointHealth(inspection: inspection))
            .addRoutes(to: api.group("services"))
        ProxyServerController(store: store, editor: editor, bodyLimit: bodyLimit)
            .addRoutes(to: api.group("proxy-servers"))
        DocumentController(store: store, editor: editor, bodyLimit: bodyLimit).addRoutes(to: api)
        ImportController(store: store, editor: editor, bodyLimit: bodyLimit).addRoutes(to: api)
        BackupController(store: store, folder: backupFolder, bodyLimit: bodyLimit).addRoutes(to: api.group("backup"))
        RestoreController(
            store: store, editor: editor, limit: restoreLimit, migrations: migrations, servesTLS: servesTLS,
            adminCertificate: adminCertificate
        ).addRoutes(to: api.group("restore"))
        RouteTestController(editor: editor, bodyLimit: bodyLimit).addRoutes(to: api.group("route-tester"))
        StreamController(store: store, inspection: inspection).addRoutes(to: api.group("streams"))
        StatsController(sampler: sampler).addRoutes(to: api.group("stats"))
        AlertController(store: store, watch: alerts).addRoutes(to: api.group("alerts"))
        EventController(feed: feed, authenticator: authenticator).addRoutes(to: api.group("events"))
        TryController(
            store: store, editor: editor, authenticator: authenticator, tryOuts: tryOuts, bodyLimit: bodyLimit
        ).addRoutes(to: api.group("try"))
        AccessLogController(inspection: inspection, authenticator: authenticator)
            .addRoutes(to: api.group("access-log"))
        WorkerController(store: store, publisher: publisher, inspection: inspection, bodyLimit: bodyLimit)
            .addRoutes(to: api.group("workers"))
        VersionController(store: store, editor: editor, publisher: publisher, bodyLimit: bodyLimit)
            .addRoutes(to: api.group("versions"))
        methods.learn(router.routes.map { ($0.path.description, $0.method) })
        return router
    }
}
