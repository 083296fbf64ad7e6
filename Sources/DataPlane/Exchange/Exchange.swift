// One request and its response. Its phases stand in one enumeration, in the order in which they run, and one function
// (`advance`) takes an exchange from one to the next; nothing about that order lives anywhere else. A trivial struct behind
// a pointer, reused; it ends within a tick and is recycled at the tick's end, so that no callback holds a dead pointer.

internal import CNghttp2
internal import ConfigModel
internal import Glibc
internal import RouteMatching
internal import Telemetry

typealias ExchangePointer = UnsafeMutablePointer<Exchange>

/// Phases in running order.
enum Phase: UInt8 {
    /// The request head is complete and checked for form.
    case receive
    /// Virtual host and route; connection reuse (421).
    case route
    /// What answers without an upstream: a handshake that the route refuses, and the route's filters.
    case filterRequest
    /// Deadlines start.
    case admit
    /// A destination by weight, an endpoint by balance.
    case pickEndpoint
    /// A connection to it, new or pooled. Waits.
    case connect
    /// The request head goes upstream, and what has come of the body.
    case send
    /// Bytes go both ways. Waits; the only phase without a bound in time unless a setting gives one.
    case relay
    /// The response is complete or has failed: both sides are let go.
    case finish
    /// One line of the access log, and the counters.
    case log
}

struct Exchange {
    let loop: LoopPointer
    let downstream: HalfPointer
    let upstream: HalfPointer

    /// The client's connection. Valid for the exchange's life: both are freed at the end of a tick.
    var origin: ConnectionPointer?
    /// For whom the request is.
    var client = PeerAddress()
    var phase: Phase = .receive
    /// The client had no trace, or none that counts.
    var madeTrace = false
    var deadlineIsCallers = false
    var isReplayable = true
    /// Why another try that was due was not made.
    var retryRefusal: AccessLogRecord.RetryRefusal?
    var snapshot: LoopSnapshotPointer?
    var route: LoopRoutePointer?
    var cluster: ClusterPointer?
    var endpoint: EndpointPointer?
    /// The endpoint of the last try, for the log.
    var lastEndpoint: EndpointPointer?
    /// The endpoint that failed last: left out of the next pick where there is another.
    var failedEndpoint: EndpointPointer?
    /// The cluster whose budget counts this exchange as tried again.
    var retryBudget: ClusterPointer?

    /// The request head, serialised: method, scheme, authority, path, then the other fields.
    var head = ByteQueue()
    /// Request body bytes already sent upstream, kept until the first response byte so that they can be sent again.
    var replay = ByteQueue()
    /// Bytes held for it: its head, its replay, and what waits on either side.
    var held = 0

    /// The copy of this request, and the request that this is a copy of.
    var mirror: ExchangePointer?
    var mirrorOf: ExchangePointer?
    var isMirror = false

    var isFinished = false
    /// gRPC of either form.
    var isGRPC = false
    var isHEAD = false
    var isWebSocket = false
    var isTunnel = false
    /// Only the answer's way out is left, with a deadline of its own.
    var isLeaving = false
    var isIdempotent = false
    /// The client's connection has TLS.
    var isSecure = false
    /// So it is, or a proxy whose word counts says that its own was.
    var clientIsSecure = false
    /// The peer is such a proxy: its `x-forwarded-*` go on.
    var trustsForwarded = false
    var isHTTP10 = false
    var expectsContinue = false
    /// Where the HTTP/1.1 client asked for the connection to end, or must see it end.
    var closesDownstream = false
    var hasSessionCookie = false
    /// Of a session that begins with this request, where the route keeps sessions by cookies of ours; 0: none does.
    var newSession: UInt64 = 0
    var responseStarted = false
    /// In one of `endpoint`'s queues, waiting for a connection.
    var isWaiting = false
    var queue: WaitingKind = .http2
    /// A WebSocket that goes by HTTP/1.1 to a service of HTTP/2, which has not offered to take it (RFC 8441).
    var fellBack = false
    /// The upstream connection is HTTP/1.1, had served an exchange before this one, and has brought no byte since: the
    /// upstream may have closed it before the request came.
    var mayHaveMissedConnection = false
    /// Where it is counted among those that run at once; belongs to the route.
    var concurrencyCell: ConcurrencyLimiter.Cell?
    /// Tries after the first.
    var tries: UInt8 = 0
    /// How often the request's head went out; what an error page takes does not count.
    var sends: UInt8 = 0
    /// The status that an error page is asked for in place of; 0: none is.
    var errorStatus: UInt16 = 0
    /// Bytes both ways at the last look at the long streams of its upstream connection, the lower bits.
    var bytesSeen: UInt32 = 0

    var requestLength = -1
    var requestReceived = 0
    var responseLength = -1
    var responseReceived = 0
    var requestBytes = 0
    var responseBytes = 0
    /// Of gRPC.
    var requestFrames = GRPCFrames()
    var responseFrames = GRPCFrames()
    var status: Int32 = 0
    /// -1: none seen.
    var grpcStatus: Int32 = -1
    var error: ProxyError?
    /// gRPC status in place of the one in the error's row; -1: the row's.
    var grpcOverride: Int32 = -1
    /// Number of the consumer in the snapshot whose credential was shown; -1: none.
    var consumer: Int32 = -1

    /// Its number on the loop; 0: a copy for a mirror.
    var serial: UInt64 = 0
    var trace = TraceContext()

    /// Nanoseconds of the loop's clock.
    var startedAt: UInt64 = 0
    var sentAt: UInt64 = 0
    var answeredAt: UInt64 = 0

    // Milliseconds of the loop's clock; 0: off.
    var timer: TimerPointer?
    var timerDeadline: UInt64 = 0
    var deadline: UInt64 = 0
    var responseDeadline: UInt64 = 0
    var connectDeadline: UInt64 = 0
    var idleTimeout: UInt64 = 0
    var lastProgress: UInt64 = 0
    /// When it is looked at whether the request's body comes, and what had come at the look before.
    var progressTimeout: UInt64 = 0
    var progressCheck: UInt64 = 0
    var progressMark = 0
    /// When it is looked at whether the client takes what waits for it, and what it had taken at the look before.
    var stallCheck: UInt64 = 0
    var stallMark = 0
    /// When it is looked at whether the upstream takes what waits for it, and what it had taken at the look before.
    var sendTimeout: UInt64 = 0
    var sendCheck: UInt64 = 0
    var sendMark = 0

    /// What only WebSockets need; freed with the exchange.
    var tunnel: UnsafeMutablePointer<WebSocketTunnel>?
    /// What only gRPC-Web needs.
    var web: UnsafeMutablePointer<GRPCWebState>?

    var next: ExchangePointer?
    var nextWaiting: ExchangePointer?
    var previousWaiting: ExchangePointer?
}

extension ExchangePointer {
    var loop: LoopPointer { pointee.loop }

    /// Runs phases until one has to wait or the exchange is over.
    func advance() {
        while let next = step() { pointee.phase = next }
    }

    private func step() -> Phase? {
        switch pointee.phase {
        case .receive: .route
        case .route: route()
        case .filterRequest: filterRequest()
        case .admit: admit()
        case .pickEndpoint: pickEndpoint()
        case .connect: connect()
        case .send: send()
        case .relay: nil
        case .finish: finish()
        case .log: log()
        }
    }

    // MARK: - Phases

    private func route() -> Phase? {
        guard let snapshot = pointee.snapshot else { return failed(.noHealthyUpstream) }
        guard let head = requestHead() else { return failed(.pathRejected) }
        let shared = snapshot.pointee.shared.takeUnretainedValue()
        if pointee.isSecure, isMisdirected(shared, head.authority) { return failed(.misdirected) }
        if !pointee.isSecure, shared.table.forcesHTTPS(head.authority) {
            if !pointee.clientIsSecure { return redirectToHTTPS(head) }
            // What the host asks of its clients' certificates nobody else can vouch for.
            let policy = shared.handshakePolicy(of: shared.host(forServerName: head.authority))
            if policy?.asksClients == true { return failed(.misdirected) }
        }
        if answersPreflight(head, snapshot) { return nil }
        guard let match = shared.table.match(head), let route = loop.route(match.route) else { return failed(.noRoute) }
        pointee.route = route.retain()
        return .filterRequest
    }

    private func filterRequest() -> Phase? {
        guard let route = pointee.route else { return failed(.noRoute) }
        if pointee.isWebSocket, route.pointee.isGRPC { return failed(.webSocketOnGRPCRoute) }
        if route.pointee.rewritesPath, !rewriteFits(route) { return failed(.headersTooLarge) }
        dropClaimHeaders()
        guard let filters = route.pointee.filters else { return .admit }
        return runFilters(filters)
    }

    private func admit() -> Phase? {
        guard let route = pointee.route else { return failed(.noRoute) }
        let now = loop.pointee.milliseconds
        pointee.lastProgress = now
        let quiet = route.pointee.isGRPC || pointee.isGRPC || pointee.isWebSocket
        pointee.idleTimeout = UInt64(route.pointee.streamIdle ?? (quiet ? 0 : 300_000))
        pointee.sendTimeout = UInt64(route.pointee.send ?? 0)
        if let total = route.pointee.total, total > 0 {
            pointee.deadline = now + UInt64(total)
            armTimer()
        }
        admitCallersDeadline(now)
        guard !pointee.isFinished else { return nil }
        if let copies = route.pointee.filters?.pointee.mirror { startMirror(copies) }
        return .pickEndpoint
    }

    private func pickEndpoint() -> Phase? {
        if pointee.errorStatus != 0 { return pickErrorPage() }
        var picked = pointee.route?.pointee.filters?.pointee.affinity.flatMap(sessionEndpoint)
        guard var cluster = picked?.pointee.cluster ?? pickCluster() else { return failed(.noHealthyUpstream) }
        pointee.cluster = cluster
        picked = picked ?? cluster.pick(self)
        if picked == nil, let fallback = pointee.route?.pointee.fallback {
            cluster = fallback
            pointee.cluster = fallback
            picked = fallback.pick(self)
        }
        if pointee.isGRPC, cluster.pointee.speaksHTTP1 { return failed(.grpcOverHTTP1) }
        guard let endpoint = picked else {
            return failed(cluster.pointee.hasUnresolvedNames ? .nameUnresolved : .noHealthyUpstream)
        }
        pointee.endpoint = endpoint
        endpoint.countActive(1)
        beginTry()
        return .connect
    }

    private func pickErrorPage() -> Phase? {
        guard let cluster = pointee.route?.pointee.fallback else { return failed(.noHealthyUpstream) }
        pointee.cluster = cluster
        guard let endpoint = cluster.pick(self) else {
            return failed(cluster.pointee.hasUnresolvedNames ? .nameUnresolved : .noHealthyUpstream)
        }
        pointee.endpoint = endpoint
        endpoint.countActive(1)
        return .connect
    }

    private func connect() -> Phase? {
        guard let endpoint = pointee.endpoint else { return failed(.noHealthyUpstream) }
        let speaksHTTP1 = endpoint.pointee.cluster.pointee.speaksHTTP1
        if pointee.isWebSocket, !speaksHTTP1 { return loop.acquireWebSocket(for: self, on: endpoint) ? .send : nil }
        return loop.acquireConnection(for: self, on: endpoint, http1: speaksHTTP1) ? .send : nil
    }

    private func send() -> Phase? {
        sendRequestHead()
        guard !pointee.isFinished else { return nil }
        pointee.sentAt = loop.pointee.now
        if pointee.errorStatus == 0 { pointee.sends &+= 1 }
        requestProgressed()
        if pointee.sendTimeout > 0 { watchSending() }
        loop.pump(pointee.upstream)
        return pointee.isFinished || pointee.phase != .send ? nil : .relay
    }

    private func finish() -> Phase? {
        release()
        return .log
    }

    private func log() -> Phase? {
        record()
        pointee.next = loop.pointee.deadExchanges
        loop.pointee.deadExchanges = self
        return nil
    }

    // MARK: - Ends

    /// Fails within a phase: the reply is sent, nothing runs on.
    private func failed(_ error: ProxyError) -> Phase? {
        fail(error)
        return nil
    }

    /// The exchange is over: lets go of both sides, logs. Idempotent.
    func complete() {
        guard !pointee.isFinished else { return }
        pointee.isFinished = true
        pointee.phase = .finish
        advance()
    }
}
