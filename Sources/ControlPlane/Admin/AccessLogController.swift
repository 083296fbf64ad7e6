// /v1/access-log: the newest lines of the workers' access logs, at once or as they come.

import ConsoleModel
import HTTPTypes
import Hummingbird
import Persistence
import Synchronization

/// Access logs, as far as workers keep them in memory.
struct AccessLogController: Sendable {
    let inspection: WorkerInspection
    let authenticator: Authenticator
    private let readers = Readers()

    init(inspection: WorkerInspection, authenticator: Authenticator) {
        self.inspection = inspection
        self.authenticator = authenticator
    }

    func addRoutes(to group: RouterGroup<AdminContext>) {
        group
            .get(use: list)
            .get("events", use: follow)
    }

    private static let most = 1_000
    private static let mostReaders = 10
    /// Between two looks.
    private static let pause = Duration.seconds(1)

    private final class Readers: Sendable {
        let count = Atomic(0)
    }

    private func filter(_ request: Request) throws(Problem) -> AccessLogFilter {
        let status = request.text("status")
        if let status, !AccessLogFilter.isStatus(status) {
            throw Problem.invalidQuery("status", "Must be a status or a class of them, as in 503 or 5xx.")
        }
        return AccessLogFilter(
            route: request.text("route"), authority: request.text("authority"), status: status,
            flag: request.text("flag"), text: request.text("text"))
    }

    private func list(_ request: Request, context: AdminContext) async throws -> Response {
        let limit = try request.limit(most: Self.most)
        var tail = AccessLogTail(inspection, try filter(request))
        let read = await tail.read()
        return try .json(
            Sample(Array(read.lines.suffix(limit)), more: read.lines.count > limit, warnings: read.warnings))
    }

    private struct Nothing: Encodable {}

    private struct Warning: Encodable {
        var message: String
    }

    private func follow(_ request: Request, context: AdminContext) async throws -> Response {
        let identity = try context.signedIn()
        let limit = try request.limit(most: Self.most)
        let tail = AccessLogTail(inspection, try filter(request))
        guard readers.count.add(1, ordering: .relaxed).newValue <= Self.mostReaders else {
            readers.count.subtract(1, ordering: .relaxed)
            throw Problem(
                .tooManyRequests, .busy, "\(Self.mostReaders) follow the access log already. Try again later.",
                retryAfter: 5)
        }
        let queue = EventQueue(mostEvents: 4_096, mostBytes: 4 << 20) { [readers] in
            readers.count.subtract(1, ordering: .relaxed)
        }
        Task { [weak queue] in await Self.feed({ queue }, tail, limit) }
        return queue.response(to: request, context: context) { [authenticator] in
            await authenticator.holds(identity, of: request, from: context.peer)
        }
    }

    /// Until nobody reads any more.
    private static func feed(_ reader: () -> EventQueue?, _ tail: AccessLogTail, _ limit: Int) async {
        var tail = tail
        var told: [String] = []
        while let queue = reader(), !queue.isOver {
            let read = await tail.read()
            do {
                if read.hasGap || read.lines.count > limit { queue.send(try ServerSentEvent("gap", Nothing())) }
                for line in read.lines.suffix(limit) { queue.send(try ServerSentEvent("line", line)) }
                for message in read.warnings where !told.contains(message) {
                    queue.send(try ServerSentEvent("warning", Warning(message: message)))
                }
            } catch {
                return queue.end()
            }
            told = read.warnings
            try? await Task.sleep(for: pause)
        }
    }
}
