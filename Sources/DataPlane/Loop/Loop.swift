// One thread's world: an epoll instance, its connections, exchanges, timers and scratch memory. Loops share nothing but
// immutable snapshots; others reach a loop only through its mailbox.

internal import CNghttp2
internal import COpenSSL
internal import Glibc
internal import RouteMatching

typealias LoopPointer = UnsafeMutablePointer<Loop>

struct Loop {
    let index: Int
    let epoll: Int32
    /// Nanoseconds of the monotonic clock at the start of the tick.
    var now: UInt64
    var timers: TimerWheel
    let mailbox: Unmanaged<Mailbox>
    let mailboxConnection: ConnectionPointer

    // Work of the tick, as intrusive lists.
    var dirty: ConnectionPointer?
    var bulky: ConnectionPointer?
    var ready: ConnectionPointer?
    var deadConnections: ConnectionPointer?
    var deadExchanges: ExchangePointer?
    var freeExchanges: ExchangePointer?

    /// All open downstream and upstream connections.
    var connections: ConnectionPointer?
    var downstreamCount = 0
    var exchangeCount = 0
    /// Bytes held for clients, those by which windows have grown beyond their first size, and what others know of the first.
    var held = 0
    var grown = 0
    var heldPublished = 0
    /// The most bytes, connections included, since memory was last given back.
    var peakBurden = 0
    /// Events since that was last looked at.
    var events = 0
    var handshaking = 0
    /// Whose handshake OpenSSL goes on with, for its callbacks: what it could keep of ours costs each connection 96 bytes.
    var inHandshake: ConnectionPointer?
    /// Keeps no table, and so nothing of a connection.
    var plainDeflater: OpaquePointer?
    /// Bytes held by all loops, as of the last tick.
    var heldByWorker = 0
    var worker: Unmanaged<HeldByWorker>?
    /// Requests that the connection at hand may begin before others have their turn.
    var turn = 0
    /// See `hadTooManyFields`.
    var hasTooManyFields = false
    /// Nanoseconds that handshakes may still take of this tick: one costs as much as hundreds of requests.
    var handshakeTime = 0
    var freeExchangeCount = 0

    // Scratch memory, valid within one call.
    let tls: UnsafeMutablePointer<causeway_bytes>
    let cipherBuffer: UnsafeMutablePointer<UInt8>
    let plainBuffer: UnsafeMutablePointer<UInt8>
    let arena: UnsafeMutablePointer<UInt8>
    /// Decoded fields of the block at hand. Capacity `maxFields` + `extraFields`.
    let fields: UnsafeMutablePointer<nghttp2_nv>
    var fieldCount = 0
    var facts = FieldFacts()
    /// The exchange whose request head is in `fields`: within `beginExchange`, and until something else is written there.
    var fieldsOwner: ExchangePointer?
    /// What the HTTP/1.1 parser said of the request head at hand.
    var pendingHead = HTTP1Head()
    /// A reply that is put together here.
    let reply: UnsafeMutablePointer<nghttp2_nv>
    var replyCount = 0
    var replyBytes = ByteQueue()
    let rewriteBuffer: UnsafeMutablePointer<UInt8>
    /// What is left of cookies that were taken apart.
    var cookies = ByteQueue()
    /// X-Forwarded-For as it goes on.
    var forwarded = ByteQueue()
    /// A request's target without what consumers are known by.
    var shownTarget = ByteQueue()
    var tokenVerifier: TokenVerifier?
    let addressBuffer: UnsafeMutablePointer<UInt8>
    let pathBuffer: UnsafeMutablePointer<UInt8>
    let contentTypeBuffer: UnsafeMutablePointer<UInt8>
    /// A part of a body of gRPC-Web in its other form.
    var text = ByteQueue()
    /// A WebSocket key or its answer, as text.
    let keyBuffer: UnsafeMutablePointer<UInt8>
    let traceBuffer: UnsafeMutablePointer<UInt8>
    /// Descriptors from this on are refused to clients, so that upstreams can still be reached.
    var descriptorLimit: Int32 = .max
    /// Clusters out of the configuration that something still uses.
    var retiredClusters: [ClusterPointer] = []
    var addresses: [String: [ResolvedAddress]] = [:]
    /// Told of connections that fail. Lives as long as the loops.
    var resolver: Unmanaged<Resolver>?
    /// Milliseconds from which it is told again.
    var suspectsAt: UInt64 = 0
    /// Endpoints that their checks found unfit, by cluster: for clusters that are made anew.
    var unhealthy: [String: Set<String>] = [:]

    let serverContext: OpaquePointer
    let clientContext: OpaquePointer

    var snapshot: LoopSnapshotPointer?
    var listeners: ListenerPointer?
    /// Another worker accepts still: listeners wait for `accept`.
    var waitsToAccept = false
    /// What an upstream may send: the largest of the listeners' limits, as their clients share its connections.
    var maxResponseHeaderList = 65_536
    var clusters: [String: ClusterPointer] = [:]
    /// By slot of the route table; nil: no request has taken the route since it changed.
    var routes: UnsafeMutablePointer<LoopRoutePointer?> = .allocate(capacity: 0)
    var routeCapacity = 0
    /// Grows when clusters or consumers change: routes that were made before look whether theirs did.
    var routeEpoch: UInt64 = 0
    var consumerEpoch: UInt64 = 0
    /// Up to which epoch all routes were looked at, and how far the one that runs has come.
    var sweptEpoch: UInt64 = 0
    var sweepEpoch: UInt64 = 0
    var sweepCursor = 0
    let statistics: LoopStatistics
    /// Where counters of objects come from. Lives as long as the loops.
    let registry: Unmanaged<MetricsRegistry>
    let accessLog: AccessLogBuffer?
    var random: UInt64
    var walks = StreamWalks()
    var endpointWalks = EndpointWalks()
    var pendingEnds: [PendingEnd] = []
    /// Of the exchange that began last.
    var lastSerial: UInt64 = 0
    var isDraining = false
    var drainDeadline: UInt64 = 0
    var drainSecondStep: UInt64 = 0
    var isStopped = false

    /// Milliseconds of the monotonic clock.
    var milliseconds: UInt64 { now / 1_000_000 }

    static let readSize = 128 * 1024
    /// Nanoseconds; the handshake that goes beyond it is the last of its tick.
    static let handshakeTimePerTick = 4_000_000
    /// What a connection takes, and what more in its handshake, roughly; by how much the burden falls before memory is given back.
    static let connectionBurden = 16 * 1024
    static let slimmedBurden = 4 * 1024
    static let handshakeBurden = 64 * 1024
    static let trimmedBurden = 2 << 20
    /// With hardly an event a second nobody waits while it is given back, and little is asked for again.
    static let trimmedWhenCalm = 64 * 1024
    static let calmEvents = 16
    /// A whole read after decryption, behind an incomplete frame or head of the read before.
    static let plainSize = readSize + arenaSize + 64 * 1024
    /// The largest header list that a listener may allow. Memory that nobody uses stays with the kernel.
    static let arenaSize = 1 << 20
    static let maxFields = 256
    static let rewriteSize = 64 * 1024
    static let contentTypeSize = 128
    /// Room for the pseudo-header fields and those that the proxy and a route's filters add.
    static let extraFields = 32 + HeaderFilter.maxAdded
    static let replyFields = 32

    init?(
        index: Int, registry: MetricsRegistry, accessLog: AccessLogBuffer?, mailbox: Mailbox, ticketKeys: TicketKeys
    ) {
        let epoll = epoll_create1(0x80000)
        guard epoll >= 0, let server = causeway_context_new(1), let client = causeway_context_new(0) else { return nil }
        self.index = index
        self.epoll = epoll
        now = Clock.monotonicNanoseconds()
        timers = TimerWheel(now: now / 1_000_000)
        self.mailbox = Unmanaged.passRetained(mailbox)
        mailboxConnection = .allocate(capacity: 1)
        mailboxConnection.initialize(to: Connection(fd: mailbox.descriptor, role: .mailbox))
        tls = .allocate(capacity: 1)
        tls.initialize(to: causeway_bytes())
        cipherBuffer = .allocate(capacity: Self.readSize)
        plainBuffer = .allocate(capacity: Self.plainSize)
        arena = .allocate(capacity: Self.arenaSize)
        fields = .allocate(capacity: Self.maxFields + Self.extraFields)
        reply = .allocate(capacity: Self.replyFields)
        rewriteBuffer = .allocate(capacity: Self.rewriteSize)
        addressBuffer = .allocate(capacity: 64)
        pathBuffer = .allocate(capacity: Self.rewriteSize)
        keyBuffer = .allocate(capacity: 64)
        traceBuffer = .allocate(capacity: 64)
        contentTypeBuffer = .allocate(capacity: Self.contentTypeSize)
        serverContext = server
        clientContext = client
        guard causeway_context_tickets(server, ticketKeys.bytes, Int32(ticketKeys.count)) == 1 else { return nil }
        self.registry = .passRetained(registry)
        statistics = LoopStatistics(registry.loops[index])
        self.accessLog = accessLog
        // Never 0, where the generator would stay. Other loops and workers begin elsewhere: ids of traces meet.
        random = UInt64.random(in: 1...UInt64.max)
    }
}

extension LoopPointer {
    /// Allocates a loop; nil when the kernel gives no epoll instance or OpenSSL no context.
    static func make(
        index: Int, registry: MetricsRegistry, accessLog: AccessLogBuffer?, mailbox: Mailbox, ticketKeys: TicketKeys
    ) -> LoopPointer? {
        guard
            let loop = Loop(
                index: index, registry: registry, accessLog: accessLog, mailbox: mailbox, ticketKeys: ticketKeys)
        else { return nil }
        let pointer = LoopPointer.allocate(capacity: 1)
        pointer.initialize(to: loop)
        pointer.configureServerContext()
        pointer.configureClientContext()
        guard causeway_epoll_add(loop.epoll, mailbox.descriptor, Event.input, loop.mailboxConnection) == 0 else {
            return nil
        }
        return pointer
    }

    /// A pseudo-random number (xorshift64): for balancing, never for secrets.
    @inline(__always)
    func nextRandom() -> UInt64 {
        var x = pointee.random
        x ^= x << 13
        x ^= x >> 7
        x ^= x << 17
        pointee.random = x
        return x
    }

    @inline(__always)
    func markDirty(_ connection: ConnectionPointer) {
        guard !connection.pointee.isDirty else { return }
        connection.pointee.isDirty = true
        connection.pointee.nextDirty = pointee.dirty
        pointee.dirty = connection
    }

    /// Has it flushed before anything more is read, when it holds much: it must be dirty.
    @inline(__always)
    func noteOutput(_ connection: ConnectionPointer) {
        guard connection.pointee.output.count >= Connection.outputBulk, !connection.pointee.isBulky else { return }
        connection.pointee.isBulky = true
        connection.pointee.nextBulky = pointee.bulky
        pointee.bulky = connection
    }

    /// Takes fields out of the list; facts that name places in it are void then.
    @inline(__always)
    func dropFields(where isDropped: (nghttp2_nv) -> Bool) {
        var kept = FieldSlot.regular
        for index in FieldSlot.regular..<max(FieldSlot.regular, pointee.fieldCount)
        where !isDropped(pointee.fields[index]) {
            pointee.fields[kept] = pointee.fields[index]
            kept &+= 1
        }
        pointee.fieldCount = kept
    }

    /// Reads on in the next tick without waiting for an event (the edge has passed).
    func markReady(_ connection: ConnectionPointer) {
        guard !connection.pointee.isReady else { return }
        connection.pointee.isReady = true
        connection.pointee.nextReady = pointee.ready
        pointee.ready = connection
    }
}

/// Bits of epoll, which Swift imports as an enumeration.
enum Event {
    static let input: UInt32 = 0x001
    static let output: UInt32 = 0x004
    static let error: UInt32 = 0x008
    static let hangup: UInt32 = 0x010
    static let readHangup: UInt32 = 0x2000
    static let edge: UInt32 = 1 << 31
}
