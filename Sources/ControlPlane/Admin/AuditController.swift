// /v1/audit: who did what, when, from where; before and after, with secrets as fingerprints. As pages, or as JSON lines
// for keeping elsewhere.

import ConsoleModel
import HTTPTypes
import Hummingbird
import NIOCore
import Persistence

/// The audit.
struct AuditController: Sendable {
    let store: Store

    func addRoutes(to group: RouterGroup<AdminContext>) {
        group
            .get(use: list)
            .get("export", use: export)
    }

    private struct Entry: Encodable {
        var id: String
        var at: String
        var actor: String
        var address: String
        var via: String?
        var action: String
        var kind: String?
        var name: String?
        var version: String?
        var detail: String?
        var before: JSONValue?
        var after: JSONValue?

        init(_ record: AuditRecord) {
            id = String(record.id)
            at = Timestamp.text(record.at)
            actor = record.actor
            address = record.address
            via = record.via
            action = record.action
            kind = record.kind
            name = record.name
            version = record.version.map { String($0) }
            detail = record.detail
            before = record.before
            after = record.after
        }

        private enum Key: CodingKey {
            case id, at, actor, address, via, action, kind, name, version, detail, before, after
        }

        /// Every member is written, `null` when there is nothing to tell.
        func encode(to encoder: any Encoder) throws {
            var container = encoder.container(keyedBy: Key.self)
            try container.encode(id, forKey: .id)
            try container.encode(at, forKey: .at)
            try container.encode(actor, forKey: .actor)
            try container.encode(address, forKey: .address)
            try container.encode(via, forKey: .via)
            try container.encode(action, forKey: .action)
            try container.encode(kind, forKey: .kind)
            try container.encode(name, forKey: .name)
            try container.encode(version, forKey: .version)
            try container.encode(detail, forKey: .detail)
            try container.encode(before, forKey: .before)
            try container.encode(after, forKey: .after)
        }
    }

    /// The audit grows without end, so a list without `pageSize` is one page, not everything.
    private func list(_ request: Request, context: AdminContext) async throws -> Response {
        let filter = try AuditFilter(request)
        let asked = try PageRequest(request)
        let page = PageRequest(number: asked.number ?? 1, size: min(asked.size ?? 100, 1_000))
        let total = try await store.auditCount(filter)
        let range = page.range(of: total)
        let records = try await store.auditRecords(filter, offset: range.lowerBound, limit: range.count)
        return try .json(Page(items: records.map(Entry.init), total: total, page))
    }

    /// Newest first, a line an entry, read in parts while it is sent: however long the audit is, little of it is in
    /// memory.
    private func export(_ request: Request, context: AdminContext) async throws -> Response {
        let filter = try AuditFilter(request)
        return Response(
            status: .ok,
            headers: [
                .contentType: "application/x-ndjson", .cacheControl: "no-store",
                .contentDisposition: "attachment; filename=\"audit.jsonl\"",
            ],
            body: ResponseBody { [store] writer in
                var filter = filter
                while true {
                    let records = try await store.auditRecords(filter, limit: 500)
                    var lines = ByteBuffer()
                    for record in records {
                        lines.writeBytes(try ConsoleJSON.encode(Entry(record)))
                        lines.writeInteger(UInt8(ascii: "\n"))
                    }
                    if lines.readableBytes > 0 { try await writer.write(lines) }
                    guard records.count == 500, let last = records.last else { break }
                    filter.below = last.id
                }
                try await writer.finish(nil)
            })
    }
}

extension AuditFilter {
    fileprivate init(_ request: Request) throws(Problem) {
        self.init()
        actor = request.text("actor")
        action = request.text("action")
        kind = request.text("kind")
        name = request.text("name")
        since = try request.time("since")
        until = try request.time("until")
    }
}
