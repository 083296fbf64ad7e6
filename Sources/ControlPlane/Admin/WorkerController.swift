// /v1/workers: which processes serve, which version each of them serves, and what is wrong with it; the configuration as one of them
// runs it, and the level from which it logs.

import ConsoleModel
import Foundation
import Hummingbird
import Logging
import Persistence

/// The connected workers.
struct WorkerController: Sendable {
    let store: Store
    let publisher: Publisher
    let inspection: WorkerInspection
    let bodyLimit: Int

    func addRoutes(to group: RouterGroup<AdminContext>) {
        group
            .get(use: list)
            .get("{id}", use: show)
            .get("{id}/config", use: showConfig)
            .get("{id}/log-level", use: showLogLevel)
            .put("{id}/log-level", use: setLogLevel)
    }

    private func list(_ request: Request, context: AdminContext) async throws -> Response {
        let query = try ListQuery(request, Self.shape)
        return try .json(await query.page(of: await publisher.report()) { WorkerItem(report: $0) })
    }

    private static let shape = ListShape<WorkerReport>([
        "id": .text(\.id), "state": .text(\.state), "version": .number { Int64(clamping: $0.servedVersion ?? 0) },
        "connectedSince": .number(\.connectedSince),
        "activeConnections": .number { Int64(clamping: $0.activeConnections) },
        "activeStreams": .number { Int64(clamping: $0.activeStreams) },
    ]) { [$0.id, $0.state, $0.softwareVersion] }

    private func show(_ request: Request, context: AdminContext) async throws -> Response {
        let id = try context.name("id")
        // Two of one id are there while the newer one takes over.
        guard let report = await publisher.report().last(where: { $0.id == id }) else { return .missing }
        return try .json(Envelope(WorkerItem(report: report)))
    }

    // MARK: Configuration

    private func showConfig(_ request: Request, context: AdminContext) async throws -> Response {
        let id = try context.name("id")
        let limit = try request.limit(most: 1_000)
        guard case .object(var data) = try await ask(id, "GET", "/config").first else {
            throw Self.silence("It says nothing of its configuration.")
        }
        guard let kind = request.text("kind") else { return try .json(Envelope(JSONValue.object(data))) }
        var kinds: [String] = []
        if case .object(let counts)? = data["objects"] { kinds = counts.keys.sorted() }
        guard kinds.contains(kind) else {
            throw Problem.invalidQuery("kind", "Must be one of \(kinds.joined(separator: ", ")).")
        }
        var target = "/config?kind=\(kind)&limit=\(limit + 1)"
        for name in ["name", "after"] {
            if let value = request.text(name) { target += "&\(name)=\(WorkerInspection.encoded(value))" }
        }
        let items = try await ask(id, "GET", target)
        data["items"] = .array(Array(items.prefix(limit)))
        data["more"] = .bool(items.count > limit)
        return try .json(Envelope(JSONValue.object(data)))
    }

    // MARK: Log level

    private struct LogLevel: Codable, Sendable {
        @JSONField var level = ""
    }

    private static let levels = Logger.Level.allCases.map(\.rawValue)

    private func showLogLevel(_ request: Request, context: AdminContext) async throws -> Response {
        let id = try context.name("id")
        guard let data = try await ask(id, "GET", "/log-level").first else { throw Self.silence("It says no level.") }
        return try .json(Envelope(data))
    }

    private func setLogLevel(_ request: Request, context: AdminContext) async throws -> Response {
        let id = try context.name("id")
        let author = try context.author()
        let (asked, warnings) = try await request.model(LogLevel.self, limit: bodyLimit)
        guard Self.levels.contains(asked.level) else {
            throw Problem.invalid("level", "Must be one of \(Self.levels.joined(separator: ", ")).")
        }
        guard let data = try await ask(id, "POST", "/log-level?level=\(asked.level)").first else {
            throw Self.silence("It says no level.")
        }
        try await store.note("log-level", kind: "worker", name: id, detail: asked.level, by: author)
        return try .json(Envelope(data, warnings: warnings))
    }

    // MARK: Asking

    /// The objects that the worker of that id answers, one a line.
    private func ask(_ id: String, _ method: String, _ target: String) async throws -> [JSONValue] {
        let reports = await publisher.report().filter { $0.id == id }
        guard !reports.isEmpty else { throw Problem.unknown("worker", id) }
        guard !inspection.paths.isEmpty else { throw Self.silence(WorkerInspection.unknownSockets) }
        for report in reports.reversed() {
            let answer: WorkerInspection.Answer?
            do {
                answer = try await inspection.ask(method, target, process: Int32(bitPattern: report.pid))
            } catch {
                throw Self.silence("It does not answer: \(error)")
            }
            // One that hands over to another listens no more.
            guard let answer else { continue }
            guard answer.status == 200 else {
                throw Self.silence("It answers \(answer.status): \(String(decoding: answer.body, as: UTF8.self))")
            }
            return answer.body.split(separator: UInt8(ascii: "\n")).compactMap {
                try? JSONDecoder().decode(JSONValue.self, from: Data($0))
            }
        }
        throw Self.silence("None of the sockets of --inspect-socket is that worker's.")
    }

    private static func silence(_ reason: String) -> Problem {
        Problem(.serviceUnavailable, .workerSilent, "The worker cannot be asked. \(reason)")
    }
}

/// A report with the served version under the name that every other resource has for it.
struct WorkerItem: Encodable {
    var report: WorkerReport

    private enum Key: CodingKey {
        case version
    }

    func encode(to encoder: any Encoder) throws {
        try report.encode(to: encoder)
        var container = encoder.container(keyedBy: Key.self)
        try container.encode(report.servedVersion, forKey: .version)
    }
}
