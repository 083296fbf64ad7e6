// /v1/export and /v1/apply: the whole configuration as one document, out and in.

import ConsoleModel
import HTTPTypes
import Hummingbird
import NIOCore
import NIOPosix
import Persistence
import Seal

/// The configuration as a document.
struct DocumentController: Sendable {
    let store: Store
    let editor: Editor
    let bodyLimit: Int

    /// A document may be this many times as long as another body.
    static let factor = 64

    func addRoutes(to group: RouterGroup<AdminContext>) {
        group
            .get("export", use: export)
            .post("export", use: exportWithSecrets)
            .post("apply", use: apply)
    }

    private func export(_ request: Request, context: AdminContext) async throws -> Response {
        let configuration = store.configuration
        return try await Self.answer(request) { Console.ConfigurationDocument(of: configuration) }
    }

    private func exportWithSecrets(_ request: Request, context: AdminContext) async throws -> Response {
        let (asked, _) = try await request.model(Console.ExportRequest.self, limit: bodyLimit)
        try asked.check().throwIfRefused()
        let configuration = store.configuration
        let passphrase = Secret(asked.passphrase?.value ?? "")
        let response = try await Self.answer(request) {
            var document = Console.ConfigurationDocument(of: configuration)
            try document.seal(secretsOf: configuration, passphrase)
            return document
        }
        try await store.note(
            "export", kind: "configuration", name: "with secrets", detail: "version \(configuration.version)",
            by: try context.author())
        return response
    }

    /// Off the event loops: there may be 100,000 routes, and a passphrase costs a while.
    private static func answer(
        _ request: Request, _ make: @escaping @Sendable () throws -> Console.ConfigurationDocument
    ) async throws -> Response {
        let format = request.text("format") ?? "json"
        guard ["json", "yaml"].contains(format) else { throw Problem.invalidQuery("format", "Must be json or yaml.") }
        let bytes = try await NIOThreadPool.singleton.runIfActive {
            let json = try ConsoleJSON.encode(make())
            guard format == "yaml" else { return json }
            return Array(try YAMLText.text(try ConsoleJSON.decode(Wrapped.self, from: json).value.value).utf8)
        }
        return Response(
            status: .ok,
            headers: [
                .contentType: "application/\(format); charset=utf-8", .cacheControl: "no-store",
                .contentDisposition: "attachment; filename=\"causeway.\(format)\"",
            ],
            body: ResponseBody(byteBuffer: ByteBuffer(bytes: bytes)))
    }

    /// JSON of any shape through the decoder of models.
    private struct Wrapped: Codable, Sendable {
        var value: JSONValue

        init(from decoder: any Decoder) throws { value = try JSONValue(from: decoder) }
        func encode(to encoder: any Encoder) throws { try value.encode(to: encoder) }
    }

    private struct Applied: Encodable {
        /// The version that it made; the present one when nothing differed.
        var version: String
        var changes: [VersionController.Version.Change]
    }

    private func apply(_ request: Request, context: AdminContext) async throws -> Response {
        let prunes = try request.flag("prune")
        let (document, unknown) = try await request.document(limit: bodyLimit * Self.factor)
        let plan = try await NIOThreadPool.singleton.runIfActive { try DocumentApply(document, prunes: prunes) }
        return try await editor.edit(request, context) { draft in
            try plan.run(on: &draft)
            return draft.changedResources
        } respond: { edited, held in
            let changes = edited.answer.map {
                VersionController.Version.Change(kind: $0.kind.rawValue, name: $0.name, action: $0.action.rawValue)
            }
            let answer = Applied(version: String(edited.configuration.version), changes: changes)
            return try .json(Remarked(value: answer, warnings: unknown + plan.warnings + held))
        }
    }
}

extension Request {
    /// A document in JSON or YAML.
    fileprivate func document(
        limit: Int
    ) async throws -> (value: Console.ConfigurationDocument, warnings: [String]) {
        let isYAML = headers[.contentType]?.lowercased().hasPrefix("application/yaml") ?? false
        let (document, warnings) = try await model(
            Console.ConfigurationDocument.self, limit: limit,
            converting: isYAML
                ? { bytes throws(BodyError) in
                    let documents = try YAMLText.documents(String(decoding: bytes, as: UTF8.self))
                    guard documents.count == 1 else {
                        throw .malformed("The body must be one YAML document, not \(documents.count).")
                    }
                    guard let json = try? ConsoleJSON.encode(documents[0]) else {
                        throw .malformed("The YAML holds what JSON cannot.")
                    }
                    return json
                } : nil)
        return (document, Array(warnings.prefix(100)))
    }
}
