// The worker's life: starting (state folder, threads), warming (the snapshot on disk), serving, draining (SIGTERM, or SIGUSR2 and
// another worker in its place), stopped.

internal import COpenSSL
internal import ConfigChannel
internal import Glibc
package import Logging
internal import Seal
internal import Synchronization
package import Telemetry

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
    package var accessLog: AccessLog
    /// The level from which the process logs.
    package var logThreshold: LogThreshold
    /// Seconds between SIGTERM and the end of what still runs.
    package var drainTimeout: UInt32
    /// Seconds after which session tickets are sealed with a new key.
    package var ticketRotation: UInt64
    /// Seconds that a new worker gets to take over.
    package var handoverTimeout: UInt32
    /// Whether core dumps and ptrace are left possible.
    package var allowsDumps: Bool

    package init(
        state: String, channel: String, loops: Int, resolver: String? = nil, metricsPort: UInt16?,
        inspectSocket: String? = nil, accessLog: AccessLog, logThreshold: LogThreshold, drainTimeout: UInt32,
        ticketRotation: UInt64, handoverTimeout: UInt32, allowsDumps: Bool
    ) {
        self.state = state
        self.channel = channel
        self.loops = loops
        self.resolver = resolver
        self.metricsPort = metricsPort
        self.inspectSocket = inspectSocket
        self.accessLog = accessLog
        self.logThreshold = logThreshold
        self.drainTimeout = drainTimeout
        self.ticketRotation = ticketRotation
        self.handoverTimeout = handoverTimeout
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
    for number in [SIGTERM, SIGINT, SIGUSR1, SIGUSR2] { sigaddset(&signals, number) }
    // Before any thread is made: all inherit it, so that only who reads the descriptor sees these signals.
    pthread_sigmask(SIG_BLOCK, &signals, nil)
    let pendingSignals = causeway_signals_open(&signals)
    guard pendingSignals >= 0 else { throw WorkerStartFailure(description: "out of descriptors") }
    let predecessor = try Predecessor()
    do {
        try run(options, pendingSignals, predecessor, logger)
    } catch {
        predecessor?.refuse("\(error)")
        throw error
    }
}

private func run(
    _ options: WorkerOptions, _ signals: Int32, _ predecessor: Predecessor?, _ logger: Logger
) throws {
    if !options.allowsDumps, causeway_harden() != 0 {
        logger.warning("core dumps could not be switched off")
    }
    causeway_keep_memory()
    if let servers = options.resolver, !Resolver.accepts(servers) {
        throw WorkerStartFailure(
            description: "--resolver \(servers): write ADDRESS or ADDRESS:PORT, several separated by commas")
    }
    let descriptors = raiseDescriptorLimit()
    let state = try StateFolder(options.state, handedLock: predecessor?.lock)
    let manager = ServiceManager()

    _ = ProcessFigures.started
    let registry = MetricsRegistry(loopCount: options.loops)
    let status = WorkerStatus()
    var mailboxes: [Mailbox] = []
    var loops: [LoopHandle] = []
    let ticketKeys = predecessor?.ticketKeys ?? TicketKeys()
    let held = HeldByWorker()
    for index in 0..<options.loops {
        guard let mailbox = Mailbox(),
            let loop = LoopPointer.make(
                index: index, registry: registry,
                accessLog: AccessLogBuffer(options.accessLog), mailbox: mailbox, ticketKeys: ticketKeys)
        else {
            throw WorkerStartFailure(
                description: "loop \(index) could not be made: \(String(cString: strerror(errno)))")
        }
        loop.pointee.descriptorLimit = descriptors
        loop.pointee.worker = .passRetained(held)
        loop.pointee.waitsToAccept = predecessor != nil
        loop.armHousekeeping()
        mailboxes.append(mailbox)
        loops.append(LoopHandle(loop: loop))
    }
    guard let health = HealthChecker(loops: mailboxes, logger: logger),
        let resolver = Resolver(loops: mailboxes, health: health, servers: options.resolver, logger: logger),
        let files = EndpointFiles(loops: mailboxes, health: health, logger: logger),
        let client = ConfigClient(
            path: options.channel, state: state,
            store: SnapshotStore(folder: state.path, key: state.key, logger: logger),
            mailboxes: mailboxes, registry: registry, status: status, resolver: resolver, files: files,
            health: health,
            inherited: predecessor?.sockets ?? ServiceManager.listeningSockets(), logger: logger)
    else { throw WorkerStartFailure(description: "out of descriptors") }

    for each in loops { each.loop.pointee.resolver = .passRetained(resolver) }
    let parts = InspectParts(
        metrics: MetricsPage(registry: registry, status: status, health: health, resolver: resolver, files: files),
        status: status, health: health, loops: mailboxes, accessLog: options.accessLog,
        logThreshold: options.logThreshold,
        logger: logger)
    var metrics: InspectServer?
    var inspect: InspectServer?
    if let port = options.metricsPort {
        do {
            let handed = predecessor?.metrics
            let server =
                if let handed {
                    try InspectServer(handed: handed, parts)
                } else {
                    try InspectServer(port: port, parts)
                }
            if handed == nil { state.write("metrics.port", "\(server.port)\n") }
            metrics = server
            try thread("inspect") { server.run() }.detach()
        } catch let failure as ListenFailure {
            throw WorkerStartFailure(description: "--metrics-port: \(failure.reason)")
        }
    }
    if let path = options.inspectSocket {
        do {
            let server =
                if let handed = predecessor?.inspect {
                    try InspectServer(handed: handed, parts)
                } else {
                    try InspectServer(path: path, parts)
                }
            inspect = server
            try thread("inspect-unix") { server.run() }.detach()
        } catch let failure as ListenFailure {
            throw WorkerStartFailure(description: "--inspect-socket: \(failure.reason)")
        }
    }
    let logThread = try thread("access-log") { options.accessLog.run() }
    let resolverThread = try thread("resolver") { resolver.run() }
    // A file system that hangs must not hold up the end of the process.
    try thread("endpoint-files") { files.run() }.detach()
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
    let rotatesIn = predecessor.map { UInt64($0.rotatesIn) } ?? options.ticketRotation
    let lifeThread = try thread("life") { [mailboxes, metrics, inspect] in
        var life = WorkerLife(
            options: options, running: running, mailboxes: mailboxes, client: client, status: status,
            registry: registry, state: state, manager: manager, logger: logger, signals: signals,
            ticketKeys: ticketKeys, rotatesIn: rotatesIn)
        life.metrics = metrics
        life.inspect = inspect
        life.run()
        for thread in loopThreads { thread.join() }
        if !life.handedOver, let path = options.inspectSocket { unlink(path) }
        client.stop()
    }
    logger.notice("started", metadata: ["loops": "\(options.loops)", "state": "\(state.path)"])

    // On this thread, because snapshots are most of what the process holds: the heap of the main thread grows by many pages at a
    // time, that of any other asks the kernel for each.
    client.run(identity: identity, predecessor: predecessor)
    lifeThread.join()
    resolver.stop()
    files.stop()
    health.stop()
    // OpenSSL tidies up when the process ends: nobody may be in it then. The log is last, with the lines of all others.
    resolverThread.join()
    healthThread.join()
    options.accessLog.stop()
    logThread.join()
    logger.notice("stopped")
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
final class Running: Sendable {
    private let loops: Atomic<Int>

    init(_ count: Int) { loops = Atomic(count) }

    var count: Int { loops.load(ordering: .acquiring) }

    func ended() {
        loops.subtract(1, ordering: .acquiringAndReleasing)
    }
}
