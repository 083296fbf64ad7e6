// One socket of a loop, on either side: its transport (TLS or clear), its buffers and the protocol spoken on it. A
// trivial struct behind a pointer; the loop allocates it, and frees it at the end of the tick in which it was closed.

internal import CNghttp2
internal import COpenSSL
internal import Glibc

typealias ConnectionPointer = UnsafeMutablePointer<Connection>

/// Which side of the proxy a connection belongs to.
enum ConnectionRole: UInt8 {
    /// Carries wake-ups from other threads (an eventfd).
    case mailbox
    case listener
    case downstream
    case upstream
}

/// The protocol on a connection, once it is known.
enum Wire: UInt8 {
    /// Clear downstream connections start here: the first bytes tell HTTP/2 (prior knowledge) from HTTP/1.1.
    case unknown
    case http1
    case http2
}

/// Where a downstream connection stands with respect to its deadlines.
enum ConnectionStage: UInt8 {
    case handshake
    case waitingForHead
    case active
    case idle
    /// What is still in `output` is sent, nothing more is read.
    case ending
    /// Everything is sent; input is thrown away until the peer closes (so that it reads our answer before a reset).
    case lingering
    case connecting
}

struct Connection {
    var fd: Int32 = -1
    var role: ConnectionRole
    var wire: Wire = .unknown
    var stage: ConnectionStage = .handshake

    var isHandshaking = false
    var isDirty = false
    /// `output` is as long as one flush should be: it does not wait for the end of the tick.
    var isBulky = false
    var isReady = false
    var isClosed = false
    /// The kernel's buffer is full: nothing is written before the next EPOLLOUT.
    var isBlocked = false
    /// Upstream: the kernel takes no more, but there may be an answer to read. What is written goes nowhere.
    var isBroken = false
    /// A connect(2) is under way.
    var isConnecting = false
    /// A proxy server has been asked for a tunnel and has not opened it yet.
    var isTunneling = false
    /// Input stays in the kernel until the other side has taken what came before.
    var isReadPaused = false
    /// Input stays in the kernel until `output` is with the kernel.
    var awaitsDrain = false
    var closesAfterFlush = false
    /// FIN (after close_notify) goes out when the output is drained.
    var finishesAfterFlush = false
    var finishSent = false
    var inputEnded = false
    /// The kernel has told of the peer's FIN or of an error: its edge may have come with the last bytes, so a short read
    /// is not the end.
    var sawHangup = false
    var isDraining = false
    /// Upstream: for HTTP/1.1 exchanges, whatever the cluster speaks otherwise.
    var wantsHTTP1 = false
    var hadServerName = false
    /// Its peer is a proxy that says first for whom it is.
    var awaitsProxyHeader = false
    /// It has had its share of the tick: what it sent lies in `inbound`.
    var isTurnOver = false
    /// In its endpoint's pool (HTTP/2: takes streams; HTTP/1.1: idle).
    var isPooled = false
    /// Nothing was sent yet, or since its timer was last looked at.
    var isQuiet = true

    var ssl: OpaquePointer?
    /// Plain bytes to write.
    var output = ByteQueue()
    /// Ciphertext that the kernel did not take.
    var unsent = ByteQueue()
    /// Plain bytes that the protocol could not use yet: an incomplete frame or head, or pipelined requests.
    var inbound = ByteQueue()

    var http1: UnsafeMutablePointer<HTTP1State>?
    var http2: UnsafeMutablePointer<HTTP2State>?

    /// Streams whose senders get credit when `output` is with the kernel.
    var awaiting: HalfPointer?

    var listener: ListenerPointer?
    /// Of its listener, as it was accepted.
    var generation: UInt32 = 0
    var endpoint: EndpointPointer?
    /// The certificate shown on this connection (downstream, TLS). Retained for the connection's life.
    var identity: Unmanaged<LoadedIdentity>?
    /// What was asked of the client (downstream, TLS). Retained likewise.
    var handshakePolicy: Unmanaged<HandshakePolicy>?
    var peer = PeerAddress()

    var timer: TimerPointer?
    /// Milliseconds on the loop's clock at which the stage's time is over; 0: never.
    var deadline: UInt64 = 0
    /// Milliseconds since which a frame or a header block is incomplete, and since which the kernel has taken nothing; 0: it
    /// is not so.
    var incompleteSince: UInt64 = 0
    var stuckSince: UInt64 = 0

    /// Bytes held for this client: its own (`kept`, as of the last look) and its exchanges'; what its windows grew by.
    var held = 0
    var kept = 0
    var grown = 0

    /// Downstream: the connections of its listener in their handshake, newest first.
    var nextPooled: ConnectionPointer?
    var previousPooled: ConnectionPointer?

    /// What upstreams are told of the client, made at first use.
    var texts: UnsafeMutablePointer<ClientTexts>?

    var nextDirty: ConnectionPointer?
    var nextBulky: ConnectionPointer?
    var nextReady: ConnectionPointer?
    var nextDead: ConnectionPointer?
    var next: ConnectionPointer?
    var previous: ConnectionPointer?

    init(fd: Int32, role: ConnectionRole) {
        self.fd = fd
        self.role = role
    }

    /// Whether body bytes may be handed over now: the rest waits in its stream (bounds memory per connection).
    var takesBody: Bool { !isBlocked && !isHandshaking && output.count < Self.outputHighWater }

    mutating func releaseTexts() {
        texts?.pointee.certificate.release()
        texts?.deallocate()
        texts = nil
    }

    /// Milliseconds of idleness after which a connection gives back what it does not need.
    static let slimAfter: UInt64 = 1_000
    /// Milliseconds without progress after which a peer that does not take the last bytes is left.
    static let endTimeout: UInt64 = 30_000
    static let outputHighWater = 256 * 1024
    /// Body bytes that are written at once: more would only leave the processor's cache before they are.
    static let outputBulk = 96 * 1024
    /// Heads and control frames are not bounded by `takesBody`: from here on nothing more is read that could cause them.
    static let outputLimit = 1 << 20
}

/// A client in the words of header fields.
struct ClientTexts {
    /// Its address: 46 bytes at most.
    var address: (UInt64, UInt64, UInt64, UInt64, UInt64, UInt64) = (0, 0, 0, 0, 0, 0)
    var addressLength = 0
    /// Its certificate, once it was asked for.
    var certificate = ByteQueue()
}

/// The address of a peer, small enough to keep for each connection.
package struct PeerAddress: Sendable {
    /// IPv6, or IPv4 in the mapped form (RFC 4291 §2.5.5.2).
    var address: (UInt64, UInt64) = (0, 0)
    package var port: UInt16 = 0

    package init() {}

    init(_ storage: sockaddr_storage) {
        withUnsafePointer(to: storage) { pointer in
            let raw = UnsafeRawPointer(pointer)
            switch Int32(storage.ss_family) {
            case AF_INET:
                self = PeerAddress(raw.loadUnaligned(as: sockaddr_in.self))
            case AF_INET6:
                let inet = raw.loadUnaligned(as: sockaddr_in6.self)
                port = UInt16(bigEndian: inet.sin6_port)
                address = withUnsafeBytes(of: inet.sin6_addr) { $0.loadUnaligned(as: (UInt64, UInt64).self) }
            default:
                break
            }
        }
    }

    /// Writes the address as text (no brackets) to `buffer` (46 bytes at least) and returns its length.
    package func write(to buffer: UnsafeMutablePointer<UInt8>) -> Int {
        var copy = address
        return withUnsafeBytes(of: &copy) { bytes in
            let mapped = address.0 == 0 && bytes[8] == 0 && bytes[9] == 0 && bytes[10] == 0xff && bytes[11] == 0xff
            let result = buffer.withMemoryRebound(to: CChar.self, capacity: 46) { text in
                mapped
                    ? inet_ntop(AF_INET, bytes.baseAddress.unsafelyUnwrapped + 12, text, 46)
                    : inet_ntop(AF_INET6, bytes.baseAddress.unsafelyUnwrapped, text, 46)
            }
            return result == nil ? 0 : strlen(result.unsafelyUnwrapped)
        }
    }
}
