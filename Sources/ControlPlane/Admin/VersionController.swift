// /v1/versions: what was saved, when and by whom, and whether it is live.

import ConsoleModel
import Hummingbird
import Persistence
import Seal

/// The history of the configuration.
struct VersionController: Sendable {
    let store: Store
    let publisher: Publisher

    func addRoutes(to group: RouterGroup<AdminContext>) {
        group
            .get(use: list)
            .get("{number}", use: show)
    }

    /// A version as answers show it.
    struct Version: Encodable {
        var version: String
        var history: String
        /// RFC 3339, UTC.
        var createdAt: String
        var author: String
        var summary: String
        var changes: [Change]
        /// Whether every serving worker serves it, or a later one; told of single versions only.
        var live: Live?

        struct Change: Encodable {
            var kind: String
            var name: String
            var action: String
        }

        init(_ record: VersionRecord) {
            version = String(record.number)
            history = Hex.encode(record.history)
            createdAt = Timestamp.text(record.createdAt)
            author = record.author
            summary = record.summary
            changes = record.changes.map { Change(kind: $0.kind.rawValue, name: $0.name, action: $0.action.rawValue) }
        }
    }

    /// Versions grow without end, so a list without `pageSize` is one page, not everything.
    private func list(_ request: Request, context: AdminContext) async throws -> Response {
        let asked = try PageRequest(request)
        let page = PageRequest(number: asked.number ?? 1, size: min(asked.size ?? 100, 1_000))
        let total = try await store.versionCount()
        let range = page.range(of: total)
        let records = try await store.versions(offset: range.lowerBound, limit: range.count)
        return try .json(Page(items: records.map(Version.init), total: total, page))
    }

    private func show(_ request: Request, context: AdminContext) async throws -> Response {
        guard let number = UInt64(try context.name("number")), let record = try await store.version(number) else {
            return .missing
        }
        var version = Version(record)
        version.live = await publisher.live(number)
        return try .json(Envelope(version))
    }
}
