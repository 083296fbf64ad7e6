// `causeway-worker`: the data plane. Parses arguments, builds, runs.

import ArgumentParser
import DataPlane
import Glibc
import Logging
import Telemetry

@main
struct CausewayWorker: ParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "causeway-worker",
        abstract: "Proxies gRPC, WebSocket and HTTP traffic as the control plane says.",
        version: WorkerVersion.current)

    @Option(help: "Folder of the worker's own: its lock, key and last good snapshots. Made if absent.")
    var state: String

    @Option(help: "Unix socket of the control plane.")
    var channel: String

    @Option(help: "Event loops, one thread each. Default: one for each core.")
    var loops: Int?

    @Option(
        help: "DNS servers as ADDRESS[:PORT], separated by commas. Default: what resolv.conf says, after /etc/hosts.")
    var resolver: String?

    @Option(
        help: "Port of the metrics endpoint on 127.0.0.1; 0 for none, `any` for a free one (see STATE/metrics.port).")
    var metricsPort: String = "9901"

    @Option(help: "Unix socket for the same endpoint, for the worker's user and group.")
    var inspectSocket: String?

    @Option(help: "File for the access log (JSON lines), `-` for standard output, `off` for none.")
    var accessLog: String = "off"

    @Option(help: "trace, debug, info, notice, warning, error or critical.")
    var logLevel: String = "info"

    @Option(help: "Seconds that streams get to finish after SIGTERM.")
    var drainTimeout: UInt32 = 30

    @Option(help: "Seconds after which TLS session tickets are sealed with a new key; 1 to 3600.")
    var ticketRotation: UInt32 = 3_600

    @Option(help: "Seconds that a new worker gets to take over after SIGUSR2; 1 to 600.")
    var handoverTimeout: UInt32 = 30

    @Flag(help: "Leaves core dumps and debuggers possible. Keys are in memory: not for production.")
    var allowDumps = false

    func validate() throws {
        if let loops, !(1...256).contains(loops) { throw ValidationError("--loops must be 1 to 256, not \(loops)") }
        if metricsPort != "any", UInt16(metricsPort) == nil {
            throw ValidationError("--metrics-port must be a port, 0 or `any`, not \(metricsPort)")
        }
        // Three keys are kept, and a ticket lives two hours.
        guard (1...3_600).contains(ticketRotation) else {
            throw ValidationError("--ticket-rotation must be 1 to 3600 seconds, not \(ticketRotation)")
        }
        guard (1...600).contains(handoverTimeout) else {
            throw ValidationError("--handover-timeout must be 1 to 600 seconds, not \(handoverTimeout)")
        }
        guard Logger.Level(rawValue: logLevel) != nil else {
            throw ValidationError("--log-level must be a level of the list in --help, not \(logLevel)")
        }
    }

    func run() throws {
        let threshold = LogThreshold(Logger.Level(rawValue: logLevel) ?? .info)
        JSONLinesLogHandler.bootstrap(threshold)
        let logger = Logger(label: "causeway-worker")
        let target: AccessLog.Target =
            switch accessLog {
            case "off": .off
            case "-": .standardOutput
            default: .file(accessLog)
            }
        guard let log = AccessLog(target, logger: logger) else {
            throw ValidationError("--access-log \(accessLog): \(String(cString: strerror(errno)))")
        }
        let options = WorkerOptions(
            state: state, channel: channel, loops: loops ?? max(1, sysconf(Int32(_SC_NPROCESSORS_ONLN))),
            resolver: resolver,
            metricsPort: metricsPort == "any" ? 0 : UInt16(metricsPort).flatMap { $0 == 0 ? nil : $0 },
            inspectSocket: inspectSocket, accessLog: log, logThreshold: threshold, drainTimeout: drainTimeout,
            ticketRotation: UInt64(ticketRotation), handoverTimeout: handoverTimeout, allowsDumps: allowDumps)
        do {
            try runWorker(options, logger: logger)
        } catch {
            logger.critical("the worker cannot start", metadata: ["reason": "\(error)"])
            throw ExitCode.failure
        }
    }
}
