// /v1/versions: what was saved, when and by whom, and whether it is live.

import ConsoleModel
import Hummingbird
import Persistence
import Seal

/// The history of the configuration.
struct VersionController: Sendable {
    let store: Store
    let editor: Editor
    let publisher: Publisher
    let bodyLimit: Int

    func addRoutes(to group: RouterGroup<AdminContext>) {
        group
            .get(use: list)
            .get("{number}", use: show)
            .get("{number}/diff", use: diff)
            .post("{number}/rollback", use: rollBack)
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

    private struct Difference: Encodable {
        var from: String
        var to: String
        var changes: [ResourcePreview]
    }

    /// From another version, by default the one before, to this one.
    private func diff(_ request: Request, context: AdminContext) async throws -> Response {
        let to = try await kept(try context.name("number"))
        let from: UInt64
        if let text = request.text("from") { from = try await kept(text) } else { from = to > 0 ? to - 1 : 0 }
        // What was before the first version that is kept is not known, unless nothing was.
        let oldest = try await store.oldestVersion()
        guard from >= oldest || (from == 0 && oldest == 1) else {
            throw Problem.unknown("version", "\(from) any more: \(oldest) is the oldest that is kept")
        }
        let changes = try await store.differences(from: from, to: to).map {
            ResourcePreview(kind: $0.kind, name: $0.name, before: $0.before, after: $0.after)
        }
        return try .json(Envelope(Difference(from: String(from), to: String(to), changes: changes)))
    }

    /// A version that is there, or the one before all (0).
    private func kept(_ text: String) async throws -> UInt64 {
        guard let number = UInt64(text), number <= store.configuration.version else {
            throw Problem.unknown("version", text)
        }
        if number > 0, number < (try await store.oldestVersion()) { throw Problem.unknown("version", text) }
        return number
    }

    private struct RollbackRequest: Codable, Sendable {
        var expectedVersion: String?
    }

    private struct RolledBack: Encodable {
        /// The version that it made; the present one when nothing differed.
        var version: String
        var restored: String
        var changes: [Version.Change]
    }

    /// A new version with what a former one held. The numbers go on, so that workers take it as any other.
    private func rollBack(_ request: Request, context: AdminContext) async throws -> Response {
        let number = try await kept(try context.name("number"))
        let (asked, warnings) = try await request.model(RollbackRequest.self, limit: bodyLimit)
        while true {
            let read = store.configuration.version
            // A version from before listeners were resources says nothing of them.
            let knowsListeners = try await store.firstVersion(of: .listener).map { $0 <= number } ?? true
            let former = try await store.resources(asOf: number).filter { knowsListeners || $0.kind != .listener }
            do {
                return try await editor.edit(request, context) { draft in
                    let current = draft.original.version
                    if let expected = asked.expectedVersion, expected != String(current) {
                        throw Problem.stale(
                            "configuration", "as a whole", given: expected, current: String(current))
                    }
                    // Somebody saved between the reading and this.
                    guard current == read else { throw Overtaken() }
                    for resource in former {
                        if let value = resource.resource {
                            draft.put(value, as: resource.id)
                        } else {
                            draft.remove(resource.kind, named: resource.name)
                        }
                    }
                    return draft.changedResources
                } respond: { edited, held in
                    let answer = RolledBack(
                        version: String(edited.configuration.version), restored: String(number),
                        changes: edited.answer.map {
                            .init(kind: $0.kind.rawValue, name: $0.name, action: $0.action.rawValue)
                        })
                    let expired = Self.expired(edited.answer, in: edited.configuration)
                    return try .json(Remarked(value: answer, warnings: warnings + expired + held))
                }
            } catch is Overtaken {
                continue
            }
        }
    }

    private struct Overtaken: Error {}

    /// One sentence for each certificate that came back too old.
    private static func expired(_ changes: [ResourceChange], in configuration: StoredConfiguration) -> [String] {
        let now = WallClock.milliseconds() / 1_000
        return changes.compactMap { change in
            guard change.kind == .certificate, let certificate = configuration.certificates[change.name]?.value,
                certificate.facts.notAfter < now
            else { return nil }
            let end = Console.Certificate.text(ofTime: certificate.facts.notAfter)
            return "The certificate \(change.name) that was brought back has expired at \(end)."
        }
    }
}
