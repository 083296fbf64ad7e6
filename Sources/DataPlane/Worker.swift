// The worker's life: starting (state folder, threads), warming (the snapshot on disk), serving, draining (SIGTERM), stopped.
// The main thread only waits for signals; everything else has a thread of its own and is told by mailboxes.

internal import COpenSSL
internal import ConfigChannel
internal import Glibc
package import Logging
internal import Seal
internal import Synchronization

/// What the command line says.
package struct WorkerOptions: Sendable {
    /// Folder of the worker's own: lock, id, key, snapshots.
    package var state: String
    /// The control plane's Unix socket.
    package var channel: String
    package var loops: Int
    /// DNS servers as ADDRESS[:PORT], separated by commas; nil: as the system says.
    package var resolver: String?
    /// Port of the metrics endpoint on 127.0.0.1; nil: none, 0: any (written to `metrics.port`).
    package var metricsPort: UInt16?
    /// Unix socket of the same endpoint; nil: none.
    package var inspectSocket: String?
    package var accessLog: AccessLog?
    /// Seconds between SIGTERM and the end of what still runs.
    package var drainTimeout: UInt32
    /// Seconds after which session tickets are sealed with a new key.
    package var ticketRotation: UInt64
    /// Whether core dumps and ptrace are left possible.
    package var allowsDumps: Bool

    package init(
        state: String, channel: String, loops: Int, resolver: String? = nil, metricsPort: UInt16?,
        inspectSocket: String? = nil, accessLog: AccessLog?, drainTimeout: UInt32, ticketRotation: UInt64,
        allowsDumps: Bool
    ) {
        self.state = state
        self.channel = channel
        self.loops = loops
        self.resolver = resolver
        self.metricsPort = metricsPort
        self.inspectSocket = inspectSocket
        self.accessLog = accessLog
        self.drainTimeout = drainTimeout
        self.ticketRotation = ticketRotation
        self.allowsDumps = allowsDumps
    }
}

/// Why the worker did not start.
package struct WorkerStartFailure: Error, CustomStringConvertible {
    package let description: String
}

package enum WorkerVersion {
    package static let current = "0.1.0"
}

/// Runs a worker until it has drained. Throws when it cannot start; the message names the setting.
package func runWorker(_ options: WorkerOptions, logger: Logger) throws {
    signal(SIGPIPE, SIG_IGN)
    var signals = sigset_t()
    sigemptyset(&signals)
    for number in [SIGTERM, SIGINT, SIGUSR1] { sigaddset(&signals, number) }
    // Before any thread is made: all inherit it, so that only `sigwait` below sees these signals.
    pthread_sigmask(SIG_BLOCK, &signals, nil)
    if !options.allowsDumps, causeway_harden() != 0 {
        logger.warning("core dumps could not be switched off")
    }
    if let servers = options.resolver, !Resolver.accepts(servers) {
        throw WorkerStartFailure(
            description: "--resolver \(servers): write ADDRESS or ADDRESS:PORT, several separated by commas")
    }
    let descriptors = raiseDescriptorLimit()
    let state = try StateFolder(options.state)

    _ = ProcessFigures.started
    let registry = MetricsRegistry(loopCount: options.loops)
    let status = WorkerStatus()
    var mailboxes: [Mailbox] = []
    var loops: [LoopHandle] = []
    let ticketKeys = TicketKeys()
    let held = HeldByWorker()
    for index in 0..<options.loops {
        guard let mailbox = Mailbox(),
            let loop = LoopPointer.make(
                index: index, registry: registry,
                accessLog: options.accessLog.map { AccessLogBuffer($0) }, mailbox: mailbox, ticketKeys: ticketKeys)
        else {
            throw WorkerStartFailure(
                description: "loop \(index) could not be made: \(String(cString: strerror(errno)))")
        }
        loop.pointee.descriptorLimit = descriptors
        loop.pointee.worker = .passRetained(held)
        loop.armHousekeeping()
        mailboxes.append(mailbox)
        loops.append(LoopHandle(loop: loop))
    }
    guard let health = HealthChecker(loops: mailboxes, logger: logger),
        let resolver = Resolver(loops: mailboxes, health: health, servers: options.resolver, logger: logger),
        let client = ConfigClient(
            path: options.channel, store: SnapshotStore(folder: state.path, key: state.key, logger: logger),
            mailboxes: mailboxes, registry: registry, status: status, resolver: resolver, health: health,
            logger: logger)
    else { throw WorkerStartFailure(description: "out of descriptors") }

    for each in loops { each.loop.pointee.resolver = .passRetained(resolver) }
    let page = MetricsPage(registry: registry, status: status, health: health, resolver: resolver)
    if let port = options.metricsPort {
        do {
            let server = try InspectServer(port: port, page: page, loops: mailboxes)
            try state.write("metrics.port", "\(server.port)\n")
            _ = try thread("inspect") { server.run() }
        } catch let failure as ListenFailure {
            throw WorkerStartFailure(description: "--metrics-port: \(failure.reason)")
        }
    }
    if let path = options.inspectSocket {
        do {
            let server = try InspectServer(path: path, page: page, loops: mailboxes)
            _ = try thread("inspect-unix") { server.run() }
        } catch let failure as ListenFailure {
            throw WorkerStartFailure(description: "--inspect-socket: \(failure.reason)")
        }
    }
    let logThread = try options.accessLog.map { log throws(WorkerStartFailure) in try thread("access-log") { log.run() }
    }
    let resolverThread = try thread("resolver") { resolver.run() }
    let healthThread = try thread("health") { health.run() }
    let running = Running(loops.count)
    let loopThreads = try loops.enumerated().map { index, handle in
        try thread("loop-\(index)") {
            handle.loop.run()
            running.ended()
        }
    }
    let identity = SubscriberState.Identity(
        workerID: state.workerID, incarnation: UInt64.random(in: 1...UInt64.max),
        softwareVersion: WorkerVersion.current,
        pid: UInt32(getpid()))
    let clientThread = try thread("config") { client.run(identity: identity) }
    logger.notice("started", metadata: ["loops": "\(options.loops)", "state": "\(state.path)"])

    waitForSignals(signals, options, running, mailboxes, client, status, ticketKeys, logger)
    for thread in loopThreads { thread.join() }
    client.stop()
    resolver.stop()
    health.stop()
    clientThread.join()
    // OpenSSL tidies up when the process ends: nobody may be in it then. The log is last, with the lines of all others.
    resolverThread.join()
    healthThread.join()
    options.accessLog?.stop()
    logThread?.join()
    if let path = options.inspectSocket { unlink(path) }
    logger.notice("stopped")
}

/// Waits until every loop has ended; SIGTERM drains, a second one stops at once, SIGUSR1 opens the access log again.
private func waitForSignals(
    _ signals: sigset_t, _ options: WorkerOptions, _ running: Running, _ mailboxes: [Mailbox], _ client: ConfigClient,
    _ status: WorkerStatus, _ ticketKeys: TicketKeys, _ logger: Logger
) {
    var signals = signals
    var draining = false
    var ticketKeys = ticketKeys
    var rotatesAt = Clock.monotonicNanoseconds() + options.ticketRotation * 1_000_000_000
    while running.count > 0 {
        let now = Clock.monotonicNanoseconds()
        if now >= rotatesAt {
            ticketKeys.rotate()
            for mailbox in mailboxes { mailbox.post(.ticketKeys(ticketKeys)) }
            rotatesAt = now + options.ticketRotation * 1_000_000_000
        }
        let wait = draining ? 100_000_000 : rotatesAt - now
        var pause = timespec(tv_sec: Int(wait / 1_000_000_000), tv_nsec: Int(wait % 1_000_000_000))
        switch sigtimedwait(&signals, nil, &pause) {
        case SIGUSR1:
            options.accessLog?.reopen()
        case SIGTERM, SIGINT:
            if draining {
                for mailbox in mailboxes { mailbox.post(.stop) }
                continue
            }
            draining = true
            logger.notice("draining", metadata: ["seconds": "\(options.drainTimeout)"])
            status.update { values in
                values.isDraining = true
                values.isServing = false
            }
            client.drain()
            for mailbox in mailboxes { mailbox.post(.drain(UInt64(options.drainTimeout) * 1_000)) }
        default:
            break
        }
    }
}

private func thread(_ name: String, _ body: @escaping @Sendable () -> Void) throws(WorkerStartFailure) -> WorkerThread {
    guard let thread = WorkerThread(name, body) else {
        throw WorkerStartFailure(description: "no thread for \(name): \(String(cString: strerror(errno)))")
    }
    return thread
}

/// Raises the soft limit of open files to the hard one. Returns the descriptor from which on clients are refused, so that a
/// reserve is left for upstreams, logs and the disk copy.
private func raiseDescriptorLimit() -> Int32 {
    var limit = rlimit()
    getrlimit(__rlimit_resource_t(RLIMIT_NOFILE.rawValue), &limit)
    limit.rlim_cur = limit.rlim_max
    setrlimit(__rlimit_resource_t(RLIMIT_NOFILE.rawValue), &limit)
    getrlimit(__rlimit_resource_t(RLIMIT_NOFILE.rawValue), &limit)
    let count = Int(clamping: limit.rlim_cur)
    return Int32(clamping: count - max(64, count / 8))
}

/// A loop on its way to its thread. `@unchecked Sendable`: only that thread uses it from then on.
private struct LoopHandle: @unchecked Sendable {
    let loop: LoopPointer
}

/// How many loops still run.
private final class Running: Sendable {
    private let loops: Atomic<Int>

    init(_ count: Int) { loops = Atomic(count) }

    var count: Int { loops.load(ordering: .acquiring) }

    func ended() {
        loops.subtract(1, ordering: .acquiringAndReleasing)
    }
}
