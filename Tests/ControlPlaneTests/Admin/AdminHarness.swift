// The admin API over a temporary folder, without a socket, and a client that speaks JSON.

import ConfigModel
import ConsoleModel
import ControlPlane
import Foundation
import HTTPTypes
import Hummingbird
import HummingbirdTesting
import Logging
import NIOCore
import Persistence
import Seal

/// One control plane for one test. No worker is connected.
final class AdminHarness: Sendable {
    static let password = "pass:word"
    static let setupCode = "the code of this start"

    let folder: String
    let store: Store
    let publisher: Publisher
    let authenticator: Authenticator
    /// What the router serves, as in `GET /v1/routes`.
    let operations: Set<String>
    let application: Application<RouterResponder<AdminContext>>

    /// `account`: whether the first account, admin, exists already.
    init(
        account: Bool = true, staticFolder: String? = nil, listeners: [Console.Listener] = [],
        configure: (inout AdminParts) -> Void = { _ in }
    )
        async throws
    {
        var logger = Logger(label: "test")
        logger.logLevel = .critical
        folder = NSTemporaryDirectory() + "causeway-\(Hex.encode(Random.bytes(8)))"
        let migrations = URL(fileURLWithPath: #filePath).deletingLastPathComponent().deletingLastPathComponent()
            .deletingLastPathComponent().deletingLastPathComponent().appendingPathComponent("migrations").path
        store = try Store(Store.Options(folder: folder, migrations: migrations), logger: logger)
        publisher = Publisher(mintHistory: { _, _ in throw StartError("no worker, no fork") }, logger: logger)
        let editor = Editor(store: store, compiler: SnapshotCompiler(), publisher: publisher)
        let hasher = try PasswordHasher(parameters: .init(logN: 4, r: 8, p: 1))
        authenticator = Authenticator(
            store: store, hasher: hasher, clock: { 1_700_000_000_000 }, steadyClock: { 1_000_000 })
        var parts = AdminParts(
            store: store, editor: editor, publisher: publisher, authenticator: authenticator,
            hosts: HostRule(names: []), setupCode: SetupCode(text: Self.setupCode))
        parts.staticFolder = staticFolder
        configure(&parts)
        let router = parts.makeRouter(logger: logger)
        operations = Set(router.routes.map { "\($0.method.rawValue) \($0.path)" })
        application = Application(
            router: router,
            configuration: ApplicationConfiguration(address: .hostname("127.0.0.1", port: 0)), logger: logger)
        _ = try await store.edit(by: .system) { draft in for listener in listeners { draft.put(listener) } }
        try await editor.publishStored(logger: logger)
        if account {
            _ = try await store.initialize(
                name: "admin", displayName: "Admin", passwordHash: hasher.hash(Secret(Self.password)), settings: [:],
                by: .system)
        }
    }

    deinit {
        try? store.close()
        try? FileManager.default.removeItem(atPath: folder)
    }

    /// Runs a story of requests straight into the router.
    func story(_ body: @Sendable (any TestClientProtocol) async throws -> Void) async throws {
        try await application.test(.router, body)
    }
}

/// An answer with its body as JSON.
struct Answer: Sendable {
    var status: Int
    var headers: HTTPFields
    var text: String
    /// `null` when the body is no JSON.
    var json: JSONValue

    subscript(_ path: String...) -> JSONValue? {
        path.reduce(Optional(json)) { value, key in
            if case .array(let values)? = value, let index = Int(key) {
                return values.indices.contains(index) ? values[index] : nil
            }
            return value?[key]
        }
    }

    /// The fields that the problem names.
    var fields: [String] {
        guard case .array(let errors)? = json["errors"] else { return [] }
        return errors.compactMap { if case .string(let field)? = $0["field"] { field } else { nil } }
    }

    var warnings: [String] {
        guard case .array(let warnings)? = json["warnings"] else { return [] }
        return warnings.compactMap { if case .string(let text) = $0 { text } else { nil } }
    }

    /// The value of the session cookie that the answer sets.
    var cookie: String? {
        headers[.setCookie].map { String($0.prefix { $0 != ";" }) }
    }
}

extension JSONValue: ExpressibleByStringLiteral {
    package init(stringLiteral value: String) { self = .string(value) }
}

extension TestClientProtocol {
    /// Calls as admin by Basic unless `credentials` says otherwise; a body is JSON unless `type` says otherwise.
    func call(
        _ method: HTTPRequest.Method, _ path: String, _ body: String? = nil,
        credentials: String? = "admin:\(AdminHarness.password)", type: String? = "application/json",
        headers more: HTTPFields = [:]
    ) async throws -> Answer {
        var headers = more
        if let credentials { headers[.authorization] = "Basic \(Data(credentials.utf8).base64EncodedString())" }
        if body != nil, let type { headers[.contentType] = type }
        return try await execute(uri: path, method: method, headers: headers, body: body.map { ByteBuffer(string: $0) })
        {
            let text = String(buffer: $0.body)
            return Answer(
                status: $0.status.code, headers: $0.headers, text: text,
                json: (try? JSONDecoder().decode(JSONValue.self, from: Data(text.utf8))) ?? .null)
        }
    }
}

/// The text as a JSON string.
func quoted(_ text: String) -> String {
    String(decoding: (try? ConsoleJSON.encode(text)) ?? [], as: UTF8.self)
}
