// `causeway-control [serve]`: the control plane itself. Parses arguments, builds, runs.

import ArgumentParser
import ControlPlane
import Logging
import Telemetry

struct Serve: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        abstract: "Keeps the configuration, serves the admin API and page, and publishes to workers.")

    @Option(help: "Folder of the database, its sealing key and lock. Made if absent.")
    var data: String

    @Option(help: "Address of the admin API and page.")
    var adminAddress = "127.0.0.1"

    @Option(help: "Its port; 0 for a free one (see DATA/admin.port).")
    var adminPort: UInt16 = 8080

    @Option(help: "Unix socket for workers. Default: DATA/channel.sock.")
    var channel: String?

    @Option(help: "Group, by name or number, whose members may connect to it. Default: this user and root alone may.")
    var channelGroup: String?

    @Option(help: "A worker's --inspect-socket, for live streams and statistics; may be repeated.")
    var inspectSocket: [String] = []

    @Option(
        help: """
            Address of the listeners http and https, which the first start makes (127.0.0.1). Later it is taken over when it says \
            other than at the start before; else what is stored counts, as /v1/listeners changes it.
            """)
    var gatewayAddress: String?

    @Option(help: "Port of the listener http, for clear text (8000); likewise.")
    var httpPort: UInt16?

    @Option(help: "Port of the listener https, for TLS (8443); likewise.")
    var httpsPort: UInt16?

    @Option(help: "\(GatewaySettings.help)")
    var setting: [String] = []

    @Option(name: .customLong("static"), help: "Folder of the admin page. Default: no page.")
    var staticFolder: String?

    @Option(help: "Folder of the database's migrations.")
    var migrations = "migrations"

    @Option(
        help: """
            Description of the API, served as /openapi.yaml and /openapi.json and shown by the page at /docs. Default: \
            docs/openapi.yaml beside the migrations.
            """)
    var openapi: String?

    @Option(help: "Name besides localhost under which the admin API may be called; may be repeated.")
    var host: [String] = []

    @Option(help: "trace, debug, info, notice, warning, error or critical.")
    var logLevel = "info"

    @Option(help: "Largest body of a request to the admin API, in bytes.")
    var bodyLimit = 1 << 20

    @Option(help: "Requests a second that one address may make of the admin API, twice as many at once; 0: no limit.")
    var adminRate = 5_000

    @Option(help: "Largest backup that POST /v1/restore takes, in bytes.")
    var restoreLimit = 1 << 30

    @Option(
        help:
            "PEM file with the certificate chain of the admin listener, which then speaks TLS. Read again when it changes."
    )
    var adminCertificate: String?

    @Option(help: "PEM file with its key, not encrypted.")
    var adminKey: String?

    @Option(help: "In their place, the name of a stored certificate.")
    var adminCertificateName: String?

    @Option(
        help: """
            File with the address that alerts are sent to, in the JSON of a Prometheus Alertmanager webhook; a second line may be \
            Authorization: and its value. Read at each sending. Default: alerts are logged, and shown by /v1/alerts.
            """)
    var alertWebhookFile: String?

    @Option(help: "Seconds for which something about a worker must be wrong before it is an alert.")
    var alertAfter = 30

    @Flag(help: "Lets the admin API listen elsewhere than on loopback without TLS: only behind a proxy that speaks it.")
    var allowInsecureAdmin = false

    @Flag(help: "Leaves core dumps and debuggers possible. Keys are in memory: not for production.")
    var allowDumps = false

    func validate() throws {
        guard Logger.Level(rawValue: logLevel) != nil else {
            throw ValidationError("--log-level must be a level of the list in --help, not \(logLevel)")
        }
        guard (adminCertificate == nil) == (adminKey == nil) else {
            throw ValidationError("--admin-certificate and --admin-key go together")
        }
        guard adminCertificate == nil || adminCertificateName == nil else {
            throw ValidationError("--admin-certificate-name stands in place of --admin-certificate and --admin-key")
        }
        guard (1_024...(1 << 30)).contains(bodyLimit) else {
            throw ValidationError("--body-limit must be between 1024 and \(1 << 30), not \(bodyLimit)")
        }
        guard (0...1_000_000).contains(adminRate) else {
            throw ValidationError("--admin-rate must be between 0 and 1000000, not \(adminRate)")
        }
        guard (0...86_400).contains(alertAfter) else {
            throw ValidationError("--alert-after must be between 0 and 86400, not \(alertAfter)")
        }
        guard (1 << 20...1 << 40).contains(restoreLimit) else {
            throw ValidationError("--restore-limit must be between \(1 << 20) and \(1 << 40), not \(restoreLimit)")
        }
    }

    func run() async throws {
        JSONLinesLogHandler.bootstrap(LogThreshold(Logger.Level(rawValue: logLevel) ?? .info))
        let logger = Logger(label: "causeway-control")
        do {
            try await ControlPlane(options, logger: logger).run()
        } catch {
            logger.critical("cannot go on", error: error)
            throw ExitCode.failure
        }
        logger.info("stopped")
    }
}
