// The worker's own small HTTP endpoint, on loopback and on a Unix socket: `/metrics`, `/ready`, `/listeners`, and for
// those who may `/streams`, `/config`, `/endpoints`, `/access-log` and `/log-level`. Each has a thread of its own, so that it answers while loops
// are busy and while the control plane is away. One request a connection, bounded in size and time.

internal import COpenSSL
internal import ConfigModel
internal import Glibc
internal import Logging
internal import Telemetry

/// What the worker can be asked about.
struct InspectParts: Sendable {
    let metrics: MetricsPage
    let status: WorkerStatus
    let health: HealthChecker
    let loops: [Mailbox]
    let accessLog: AccessLog
    let logThreshold: LogThreshold
    let logger: Logger
}

final class InspectServer: Sendable {
    /// In non-blocking mode: another worker may accept on the same socket.
    let descriptor: Int32
    private let wake: WakeUp
    private let parts: InspectParts
    /// 0: a Unix socket.
    let port: UInt16
    private let isUnixSocket: Bool

    private static let maxRequest = 8_192

    /// Goes on with the socket of the worker before.
    init(handed descriptor: Int32, _ parts: InspectParts) throws(ListenFailure) {
        self.descriptor = descriptor
        self.parts = parts
        let address = SocketAddress(of: descriptor)
        port = address?.port ?? 0
        isUnixSocket = address == nil
        wake = try Self.makeWake(descriptor)
    }

    private static func makeWake(_ descriptor: Int32) throws(ListenFailure) -> WakeUp {
        guard let wake = WakeUp(), fcntl(descriptor, F_SETFL, fcntl(descriptor, F_GETFL) | O_NONBLOCK) == 0 else {
            throw ListenFailure(reason: String(cString: strerror(errno)))
        }
        return wake
    }

    /// Listens on 127.0.0.1.
    init(port: UInt16, _ parts: InspectParts) throws(ListenFailure) {
        guard let address = SocketAddress(literal: "127.0.0.1", port: port) else {
            throw ListenFailure(reason: "no loopback address")
        }
        let descriptor = socket(AF_INET, Int32(SOCK_STREAM.rawValue) | Int32(SOCK_CLOEXEC.rawValue), 0)
        var one: Int32 = 1
        setsockopt(descriptor, SOL_SOCKET, SO_REUSEADDR, &one, 4)
        guard descriptor >= 0, address.withSockaddr({ bind(descriptor, $0, $1) }) == 0, listen(descriptor, 16) == 0
        else {
            throw ListenFailure(reason: "127.0.0.1 port \(port): \(String(cString: strerror(errno)))")
        }
        var storage = sockaddr_storage()
        var length = socklen_t(MemoryLayout<sockaddr_storage>.size)
        withUnsafeMutablePointer(to: &storage) { pointer in
            pointer.withMemoryRebound(to: sockaddr.self, capacity: 1) { _ = getsockname(descriptor, $0, &length) }
        }
        self.descriptor = descriptor
        self.port = PeerAddress(storage).port
        self.parts = parts
        isUnixSocket = false
        wake = try Self.makeWake(descriptor)
    }

    /// Listens on a Unix socket for the worker's user and group. One that a worker before has left is replaced.
    init(path: String, _ parts: InspectParts) throws(ListenFailure) {
        guard let address = SocketAddress(literal: "unix:\(path)", port: 0) else {
            throw ListenFailure(reason: "\(path) is too long for a Unix socket")
        }
        let kind = Int32(SOCK_STREAM.rawValue) | Int32(SOCK_CLOEXEC.rawValue)
        let probe = socket(AF_UNIX, kind, 0)
        defer { close(probe) }
        if address.withSockaddr({ connect(probe, $0, $1) }) == 0 {
            throw ListenFailure(reason: "\(path) is in use")
        }
        // A socket that nobody listens on: anything else stays, and the bind fails.
        if errno == ECONNREFUSED { unlink(path) }
        let descriptor = socket(AF_UNIX, kind, 0)
        guard descriptor >= 0, address.withSockaddr({ bind(descriptor, $0, $1) }) == 0, chmod(path, 0o660) == 0,
            listen(descriptor, 16) == 0
        else {
            throw ListenFailure(reason: "\(path): \(String(cString: strerror(errno)))")
        }
        self.descriptor = descriptor
        port = 0
        self.parts = parts
        isUnixSocket = true
        wake = try Self.makeWake(descriptor)
    }

    /// Another worker answers from now on.
    func stop() { wake.signal() }

    /// Answers until the process ends, or it is stopped.
    func run() {
        while true {
            var entries = [
                pollfd(fd: descriptor, events: Int16(POLLIN), revents: 0),
                wake.entry,
            ]
            poll(&entries, 2, -1)
            if entries[1].revents != 0 {
                close(descriptor)
                return
            }
            var peer = sockaddr_storage()
            var length = socklen_t(MemoryLayout<sockaddr_storage>.size)
            let client = causeway_accept(descriptor, &peer, &length)
            guard client >= 0 else {
                if errno == EINTR || errno == ECONNABORTED || errno == EAGAIN { continue }
                // Out of descriptors: there is nothing to be told from here until some are free.
                poll(nil, 0, 100)
                continue
            }
            _ = fcntl(client, F_SETFL, fcntl(client, F_GETFL) & ~O_NONBLOCK)
            var timeout = timeval(tv_sec: 2, tv_usec: 0)
            setsockopt(client, SOL_SOCKET, SO_RCVTIMEO, &timeout, socklen_t(MemoryLayout<timeval>.size))
            setsockopt(client, SOL_SOCKET, SO_SNDTIMEO, &timeout, socklen_t(MemoryLayout<timeval>.size))
            serve(client)
            close(client)
        }
    }

    private func serve(_ client: Int32) {
        var request: [UInt8] = []
        var chunk = [UInt8](repeating: 0, count: 2_048)
        while request.count < Self.maxRequest {
            let count = recv(client, &chunk, chunk.count, 0)
            guard count > 0 else { return }
            request += chunk[..<count]
            if endsHead(request) { break }
        }
        guard let request = InspectRequest(request) else {
            return answer(client, "400 Bad Request", "text/plain", Array("this is no request of HTTP/1.1\n".utf8))
        }
        switch request.path.split(separator: "/", omittingEmptySubsequences: false).dropFirst().first {
        case "streams", "config", "endpoints", "access-log", "log-level":
            guard request.isTrusted(onUnixSocket: isUnixSocket) else {
                let reason = "not for pages in browsers, and only under the names 127.0.0.1 and localhost\n"
                return answer(client, "403 Forbidden", "text/plain", Array(reason.utf8))
            }
            return servePrivate(client, request)
        default: break
        }
        guard request.method == "GET" else { return refuseMethod(client) }
        let status = parts.status.read()
        switch request.path {
        case "/metrics":
            answer(client, "200 OK", PrometheusText.contentType, parts.metrics.text())
        case "/ready":
            if status.isServing {
                answer(client, "200 OK", "text/plain", Array("serving version \(status.version)\n".utf8))
            } else {
                let reason = status.isDraining ? "draining\n" : "no configuration yet\n"
                answer(client, "503 Service Unavailable", "text/plain", Array(reason.utf8))
            }
        case "/listeners":
            var lines = LineBuffer()
            for listener in status.bound {
                lines.append("{\"name\":")
                lines.append(json: listener.name)
                lines.append(",\"address\":")
                lines.append(json: listener.address)
                lines.append(",\"port\":")
                lines.append(decimal: UInt64(listener.port))
                lines.append(listener.listener.tls ? ",\"protocol\":\"https\"}\n" : ",\"protocol\":\"http\"}\n")
            }
            answer(client, "200 OK", "application/x-ndjson", lines.withUnsafeBytes { Array($0) })
        default: refusePath(client)
        }
    }

    private func servePrivate(_ client: Int32, _ request: InspectRequest) {
        switch (request.method, request.path) {
        case ("GET", "/streams"): listStreams(client, request)
        case ("GET", "/config"): showConfig(client, request)
        case ("GET", "/endpoints"): showEndpoints(client, request)
        case ("GET", "/access-log"): showAccessLog(client, request)
        case ("GET", "/log-level"): showLogLevel(client)
        case ("POST", "/log-level"): setLogLevel(client, request)
        case ("POST", let path) where path.hasPrefix("/streams/") && path.hasSuffix("/close"):
            let parts = path.split(separator: "/")
            if parts.count == 3 { endStream(client, parts[1]) } else { refusePath(client) }
        case (_, "/streams"), (_, "/config"), (_, "/endpoints"), (_, "/access-log"), (_, "/log-level"):
            refuseMethod(client)
        case (_, let path) where path.hasSuffix("/close"): refuseMethod(client, "streams are ended by POST\n")
        default: refusePath(client)
        }
    }

    private func refuseMethod(_ client: Int32, _ reason: String = "only GET is served here\n") {
        answer(client, "405 Method Not Allowed", "text/plain", Array(reason.utf8))
    }

    private func refusePath(_ client: Int32) {
        let paths =
            "/metrics, /ready, /listeners, /streams, /streams/ID/close, /config, /endpoints, /access-log or /log-level"
        answer(client, "404 Not Found", "text/plain", Array("try \(paths)\n".utf8))
    }

    private func refuse(_ client: Int32, _ reason: String) {
        answer(client, "400 Bad Request", "text/plain", Array("\(reason)\n".utf8))
    }

    /// A head, whatever stands behind it: none of the requests here means anything by a body.
    private func endsHead(_ bytes: [UInt8]) -> Bool {
        bytes.count >= 4 && (0...bytes.count - 4).contains { bytes[$0...].starts(with: [13, 10, 13, 10]) }
    }

    // MARK: - Streams

    private func listStreams(_ client: Int32, _ request: InspectRequest) {
        let limit = min(Self.maxStreams, request.query["limit"].map { Int($0) ?? 0 } ?? Self.usualStreams)
        guard limit > 0 else { return refuse(client, "limit must be a number above 0") }
        let walks = parts.loops.compactMap { loop in
            let walk = StreamWalk(.list(route: request.query["route"], limit: limit))
            if let walk { loop.post(.walk(walk)) }
            return walk
        }
        var body: [UInt8] = []
        var count = 0
        var more = walks.count < self.parts.loops.count
        for walk in walks {
            guard let found = walk.wait(milliseconds: Self.patience) else {
                more = true
                continue
            }
            more = more || found.more
            for line in found.lines.split(separator: 10) {
                guard count < limit else {
                    more = true
                    break
                }
                body += line
                body.append(10)
                count += 1
            }
        }
        answer(client, "200 OK", "application/x-ndjson", body, extra: "causeway-more: \(more)\r\n")
    }

    /// `LOOP-NUMBER`, as `/streams` has it.
    private func endStream(_ client: Int32, _ id: Substring) {
        let parts = id.split(separator: "-", omittingEmptySubsequences: false)
        guard parts.count == 2, let loop = Int(parts[0]), self.parts.loops.indices.contains(loop),
            let serial = UInt64(parts[1])
        else { return answer(client, "404 Not Found", "text/plain", Array("no such stream\n".utf8)) }
        guard let walk = StreamWalk(.end(serial)) else {
            return answer(client, "503 Service Unavailable", "text/plain", Array("out of descriptors\n".utf8))
        }
        self.parts.loops[loop].post(.walk(walk))
        guard let found = walk.wait(milliseconds: Self.patience) else {
            return answer(client, "503 Service Unavailable", "text/plain", Array("the loop does not answer\n".utf8))
        }
        if found.count == 1 {
            answer(client, "200 OK", "text/plain", Array("ended\n".utf8))
        } else {
            answer(client, "404 Not Found", "text/plain", Array("no such stream\n".utf8))
        }
    }

    // MARK: - Configuration

    private func showConfig(_ client: Int32, _ request: InspectRequest) {
        guard let snapshot = parts.status.read().snapshot else {
            return answer(client, "503 Service Unavailable", "text/plain", Array("no configuration yet\n".utf8))
        }
        let page = ConfigPage(snapshot: snapshot)
        guard let kindName = request.query["kind"] else {
            return answer(client, "200 OK", "application/json", page.summary())
        }
        guard let kind = ObjectKind.allCases.first(where: { "\($0)" == kindName }) else {
            return refuse(
                client, "kind must be one of \(ObjectKind.allCases.map { "\($0)" }.joined(separator: ", "))")
        }
        guard let limit = Int(request.query["limit"] ?? "100"), (1...ConfigPage.most).contains(limit) else {
            return refuse(client, "limit must be 1 to \(ConfigPage.most)")
        }
        let lines = page.objects(
            of: kind, named: request.query["name"], after: request.query["after"], limit: limit)
        answer(client, "200 OK", "application/x-ndjson", lines)
    }

    // MARK: - Endpoints

    /// Those of the clusters that are named, between commas; clusters that are not there have none.
    private func showEndpoints(_ client: Int32, _ request: InspectRequest) {
        guard let clusters = request.query["cluster"]?.split(separator: ",").map({ String($0) }), !clusters.isEmpty
        else { return refuse(client, "cluster must be names of clusters, separated by commas") }
        let walks = parts.loops.compactMap { loop in
            let walk = EndpointWalk(clusters)
            if let walk { loop.post(.lookAtEndpoints(walk)) }
            return walk
        }
        var page = EndpointPage(loops: parts.loops.count)
        var isWhole = walks.count == parts.loops.count
        for walk in walks {
            guard let views = walk.wait(milliseconds: Self.loopPatience) else {
                isWhole = false
                continue
            }
            page.add(views)
        }
        answer(
            client, "200 OK", "application/x-ndjson", page.lines(parts.health), extra: "causeway-whole: \(isWhole)\r\n")
    }

    // MARK: - Logs

    /// `after` is `PROCESS-PLACE`, as `causeway-next` was: a worker that was started since begins anew.
    private func showAccessLog(_ client: Int32, _ request: InspectRequest) {
        var place: UInt64?
        if let text = request.query["after"] {
            let sides = text.split(separator: "-", omittingEmptySubsequences: false)
            guard sides.count == 2, let process = Int32(sides[0]), let value = UInt64(sides[1]) else {
                return refuse(client, "after must be what causeway-next was")
            }
            place = process == getpid() ? value : nil
        }
        let (lines, next, isWhole) = parts.accessLog.recent(after: place)
        answer(
            client, "200 OK", "application/x-ndjson", lines,
            extra: "causeway-next: \(getpid())-\(next)\r\ncauseway-whole: \(isWhole)\r\n"
                + "causeway-written: \(!parts.accessLog.isOff)\r\n")
    }

    private func showLogLevel(_ client: Int32) {
        let text = "{\"level\":\"\(parts.logThreshold.level.rawValue)\"}\n"
        answer(client, "200 OK", "application/json", Array(text.utf8))
    }

    private func setLogLevel(_ client: Int32, _ request: InspectRequest) {
        // Whoever has an account on this machine reaches the port.
        guard isUnixSocket else {
            return answer(
                client, "403 Forbidden", "text/plain", Array("only over the Unix socket of --inspect-socket\n".utf8))
        }
        guard let level = request.query["level"].flatMap({ Logger.Level(rawValue: $0) }) else {
            let levels = Logger.Level.allCases.map(\.rawValue).joined(separator: ", ")
            return refuse(client, "level must be one of \(levels)")
        }
        parts.logThreshold.level = min(level, .notice)
        parts.logger.notice("log level set", metadata: ["threshold": "\(level)"])
        parts.logThreshold.level = level
        showLogLevel(client)
    }

    private static let usualStreams = 100
    private static let maxStreams = 1_000
    /// Milliseconds that a loop gets.
    private static let patience: Int32 = 2_000
    /// The same for endpoints, which people wait for.
    private static let loopPatience: Int32 = 500

    private func answer(_ client: Int32, _ status: String, _ type: String, _ body: [UInt8], extra: String = "") {
        let head =
            "HTTP/1.1 \(status)\r\ncontent-type: \(type)\r\ncontent-length: \(body.count)\r\n\(extra)"
            + "x-content-type-options: nosniff\r\nconnection: close\r\n\r\n"
        let bytes = Array(head.utf8) + body
        var offset = 0
        while offset < bytes.count {
            let count = bytes.withUnsafeBytes { buffer in
                send(client, buffer.baseAddress.unsafelyUnwrapped + offset, buffer.count - offset, Int32(MSG_NOSIGNAL))
            }
            guard count > 0 else { return }
            offset += count
        }
    }
}
