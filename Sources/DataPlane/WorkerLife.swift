// A thread of its own that waits for signals, replaces ticket keys, tells the service manager that the loops turn and the log what limits
// have stopped, and hands over to a new binary. Everything else has a thread of its own and is told by mailboxes.

internal import COpenSSL
internal import Glibc
internal import Telemetry
internal import Logging

struct WorkerLife {
    let options: WorkerOptions
    let running: Running
    let mailboxes: [Mailbox]
    let client: ConfigClient
    let status: WorkerStatus
    let registry: MetricsRegistry
    let state: StateFolder
    let manager: ServiceManager
    let logger: Logger
    /// Readable while a signal waits.
    let signals: Int32
    var metrics: InspectServer?
    var inspect: InspectServer?
    var ticketKeys: TicketKeys
    /// Nanoseconds of the monotonic clock.
    var rotatesAt: UInt64
    private(set) var handedOver = false

    private var isDraining = false
    private var isReady = false
    private var handover = HandoverState()
    private var successor: Successor?
    private var held: Latch?
    private var deadline = UInt64.max
    private var beat: Latch?
    private var beatsAt = UInt64.max
    private var limits = LimitReport(kinds: AbuseKind.allCases.count)
    private var looksAt: UInt64 = 0

    init(
        options: WorkerOptions, running: Running, mailboxes: [Mailbox], client: ConfigClient, status: WorkerStatus,
        registry: MetricsRegistry, state: StateFolder, manager: ServiceManager, logger: Logger, signals: Int32,
        ticketKeys: TicketKeys, rotatesIn: UInt64
    ) {
        self.options = options
        self.running = running
        self.mailboxes = mailboxes
        self.client = client
        self.status = status
        self.registry = registry
        self.state = state
        self.manager = manager
        self.logger = logger
        self.signals = signals
        self.ticketKeys = ticketKeys
        rotatesAt = Clock.monotonicNanoseconds() + rotatesIn * 1_000_000_000
        if manager.watchdog != nil { beatsAt = 0 }
    }

    /// Until every loop has ended.
    mutating func run() {
        while running.count > 0 {
            let now = Clock.monotonicNanoseconds()
            if now >= rotatesAt, !handover.isUnderWay { rotate(now) }
            if now >= beatsAt { showLife(now) }
            if now >= looksAt { lookAtLimits(now) }
            if now >= deadline { perform(handover.failed("it was not ready in \(options.handoverTimeout) s")) }
            wait(now)
        }
        if let successor { successor.letGo() }
    }

    private mutating func wait(_ now: UInt64) {
        var entries = [pollfd(fd: signals, events: Int16(POLLIN), revents: 0)]
        entries.append(pollfd(fd: isReady ? -1 : client.started.descriptor, events: Int16(POLLIN), revents: 0))
        entries.append(pollfd(fd: held?.descriptor ?? -1, events: Int16(POLLIN), revents: 0))
        let talks = handover.isUnderWay ? successor : nil
        entries.append(
            pollfd(
                fd: talks?.socket.descriptor ?? -1,
                events: Int16(POLLIN) | (talks?.isBlocked == true ? Int16(POLLOUT) : 0), revents: 0))
        var until = min(deadline, beatsAt, looksAt, handover.isUnderWay ? .max : rotatesAt)
        if isDraining { until = min(until, now + 100_000_000) }
        let delay = until <= now ? 0 : Int32(clamping: (until - now) / 1_000_000 + 1)
        guard poll(&entries, nfds_t(entries.count), delay) > 0 else {
            if handedOver { lookAfterSuccessor() }
            return
        }
        if entries[1].revents != 0 { becomeReady() }
        if entries[2].revents != 0 { heldStill() }
        if entries[3].revents != 0 { listen(entries[3].revents) }
        while case let signal = causeway_signals_next(signals), signal != 0 { take(signal) }
    }

    private mutating func take(_ signal: Int32) {
        switch signal {
        case SIGUSR1: options.accessLog.reopen()
        case SIGUSR2: beginHandover()
        case SIGTERM, SIGINT:
            if isDraining {
                for mailbox in mailboxes { mailbox.post(.stop) }
                return
            }
            if handover.isUnderWay {
                handover.abandoned()
                logger.notice("the handover is off: this worker was told to end")
                dropSuccessor()
            }
            manager.tell("STOPPING=1", "STATUS=draining")
            client.drain()
            drain(handedOver: false)
        default: break
        }
    }

    private mutating func drain(handedOver: Bool) {
        isDraining = true
        logger.notice("draining", metadata: ["seconds": "\(options.drainTimeout)"])
        status.update { values in
            values.isDraining = true
            values.isServing = false
        }
        for mailbox in mailboxes {
            mailbox.post(.drain(UInt64(options.drainTimeout) * 1_000, handedOver: handedOver))
        }
    }

    private mutating func rotate(_ now: UInt64) {
        ticketKeys.rotate()
        for mailbox in mailboxes { mailbox.post(.ticketKeys(ticketKeys)) }
        rotatesAt = now + options.ticketRotation * 1_000_000_000
    }

    private mutating func lookAtLimits(_ now: UInt64) {
        looksAt = now + LimitReport.interval
        let counts = AbuseKind.allCases.map { kind in
            registry.loops.reduce(0) { $0 &+ $1.value(LoopStatistics.firstAbuse + kind.rawValue) }
        }
        guard let news = limits.look(counts, now: now) else { return }
        let kinds = zip(AbuseKind.allCases, news).filter { $1 > 0 }
        logger.log(
            level: kinds.contains { $0.0.isShortage } ? .warning : .notice,
            "clients have run into limits, see causeway_downstream_abuse_total",
            metadata: ["kinds": "\(kinds.map { "\($0.label) \($1)" }.joined(separator: ", "))"])
    }

    // MARK: - Service manager

    /// What is on disk is served. With nothing there the worker waits for the control plane, and that is no reason to be ended.
    private mutating func becomeReady() {
        isReady = true
        tellReady()
    }

    private func tellReady() {
        let version = status.read().version
        manager.tell(
            "READY=1", "MAINPID=\(getpid())",
            version > 0 ? "STATUS=serving version \(version)" : "STATUS=waiting for the control plane")
    }

    /// Half-way to the watchdog's patience: only if every loop has answered since the last time.
    private mutating func showLife(_ now: UInt64) {
        guard let patience = manager.watchdog else { return }
        beatsAt = now + patience / 2
        if isDraining {
            manager.tell("WATCHDOG=1")
            return
        }
        if let beat, !beat.wait(milliseconds: 0) {
            logger.error("a loop does not answer")
            return
        }
        manager.tell("WATCHDOG=1")
        beat = Latch(mailboxes.count)
        if let beat { for mailbox in mailboxes { mailbox.post(.beat(beat)) } }
    }

    // MARK: - Handover

    private mutating func beginHandover() {
        if !isReady {
            logger.error("no handover", metadata: ["reason": "this worker is not ready yet"])
            return
        }
        switch handover.requested(isDraining: isDraining) {
        case .refuse(let reason):
            logger.error("no handover", metadata: ["reason": "\(reason)"])
        case .start:
            manager.tell("RELOADING=1", "MONOTONIC_USEC=\(Clock.monotonicNanoseconds() / 1_000)", "STATUS=handing over")
            deadline = Clock.monotonicNanoseconds() + UInt64(options.handoverTimeout) * 1_000_000_000
            do throws(HandoverFailure) {
                let started = try Successor()
                successor = started
                logger.notice("handing over", metadata: ["pid": "\(started.pid)"])
                hold()
            } catch {
                perform(handover.failed(error.description))
            }
        }
    }

    private mutating func hold() {
        guard let latch = Latch(1) else { return perform(handover.failed("out of descriptors")) }
        held = latch
        client.hold(latch)
    }

    private mutating func heldStill() {
        held = nil
        let next = handover.held()
        do throws(HandoverFailure) {
            switch next {
            case .nothing: break
            case .offer:
                let now = Clock.monotonicNanoseconds()
                let rotatesIn = rotatesAt > now ? (rotatesAt - now) / 1_000_000_000 : 0
                try successor?.offer(
                    ticketKeys, rotatesIn: UInt32(clamping: rotatesIn), lock: state.lock,
                    metrics: metrics?.descriptor, inspect: inspect?.descriptor, sockets: status.read().sockets)
                client.release()
            case .go:
                try successor?.go(served: try client.heldAt.get(), sockets: status.read().sockets)
            }
        } catch {
            perform(handover.failed(error.description))
        }
    }

    private mutating func listen(_ events: Int16) {
        do throws(HandoverFailure) {
            if events & Int16(POLLOUT) != 0 { try successor?.flush() }
            guard events & ~Int16(POLLOUT) != 0, let socket = successor?.socket else { return }
            switch try socket.receive(milliseconds: 0) {
            case .ended: perform(handover.failed("it has ended"))
            case .message(let message, let descriptors):
                for each in descriptors { close(each) }
                perform(handover.received(message))
            }
        } catch {
            perform(handover.failed(error.description))
        }
    }

    private mutating func perform(_ action: HandoverState.OnMessage) {
        switch action {
        case .hold: hold()
        case .drain:
            handedOver = true
            deadline = .max
            // The service manager hears from the new one now.
            beatsAt = .max
            rotatesAt = .max
            logger.notice("handed over", metadata: ["pid": "\(successor?.pid ?? 0)"])
            client.leave()
            metrics?.stop()
            inspect?.stop()
            drain(handedOver: true)
        case .giveUp(let reason):
            logger.error("the handover has failed; serving on", metadata: ["reason": "\(reason)"])
            dropSuccessor()
            let failures = handover.failures
            status.update { $0.handoverFailures = failures }
            tellReady()
        }
    }

    private mutating func dropSuccessor() {
        deadline = .max
        held = nil
        successor?.end()
        successor = nil
        client.release()
    }

    /// Looked at for as long as this process drains.
    private mutating func lookAfterSuccessor() {
        guard let other = successor, other.hasEnded else { return }
        other.letGo()
        successor = nil
        logger.critical("the new worker has ended", metadata: ["pid": "\(other.pid)"])
    }
}
