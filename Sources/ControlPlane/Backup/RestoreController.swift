// /v1/restore: a backup in the place of everything that the control plane keeps, while it is in use.
//
// The body goes into a file, which is checked in every way that a start would, compiled, and put in the place of the database in
// one transaction. What fails before its end leaves everything as it was.

import ConsoleModel
import Foundation
import HTTPTypes
import Hummingbird
import Logging
import NIOPosix
import Persistence
import Seal
import Synchronization

/// Restores.
struct RestoreController: Sendable {
    let store: Store
    let editor: Editor
    /// Largest backup, in bytes.
    let limit: Int
    let migrations: String
    let servesTLS: Bool
    /// The stored certificate that the admin listener shows: without it the next start would fail.
    let adminCertificate: String?
    private let running = Running()

    init(
        store: Store, editor: Editor, limit: Int, migrations: String, servesTLS: Bool, adminCertificate: String?
    ) {
        self.store = store
        self.editor = editor
        self.limit = limit
        self.migrations = migrations
        self.servesTLS = servesTLS
        self.adminCertificate = adminCertificate
    }

    /// One at a time, from its first byte on.
    private final class Running: Sendable {
        private let isBusy = Mutex(false)

        func take() -> Bool {
            isBusy.withLock { busy in
                defer { busy = true }
                return !busy
            }
        }

        func leave() { isBusy.withLock { $0 = false } }
    }

    func addRoutes(to group: RouterGroup<AdminContext>) {
        group.post(use: restore)
    }

    /// What a backup brings, or has brought.
    struct Report: Encodable, Sendable {
        var dryRun: Bool
        var version: String
        var history: String
        /// RFC 3339; `nil`: the file does not say when it was made.
        @JSONField var createdAt: String?
        var sealingKey: String
        /// Migrations that it had not seen.
        var migrations: [String]
        var counts: [String: Int]
        var replaces: Replaced
        var sessionsEnded = false

        struct Replaced: Encodable, Sendable {
            var version: String
            var history: String
        }
    }

    private func restore(_ request: Request, context: AdminContext) async throws -> Response {
        let dryRun = try request.flag("dryRun")
        let wait = try WaitRequest(request)
        let author = try context.author()
        let passphrase = try request.restorePassphrase()
        guard request.isSQLite else { throw Problem.notABackup }
        guard running.take() else {
            throw Problem(.conflict, .busy, "Another backup is being restored. Wait until that has ended.")
        }
        defer { running.leave() }
        let upload = try RestoreUpload(for: store)
        defer { upload.discard() }
        try await upload.receive(request, from: context.channel, limit: limit)
        let checked: Checked
        do {
            checked = try await NIOThreadPool.singleton.runIfActive { [self] in try check(upload, passphrase) }
        } catch let error as BackupKeyError {
            throw error.problem
        } catch let error as StoreError where error.kind == .damaged || error.kind == .migration {
            let sentence = error.description
            throw Problem.invalidBackup([FieldError("", sentence.hasSuffix(".") ? sentence : "\(sentence).")])
        }
        if dryRun { return try .json(Envelope(checked.report)) }
        try store.checkEra()
        // A client that goes away must not come between replacing and publishing: this task is nobody's child.
        let (restored, live) = try await Task { [editor, logger = context.logger] in
            try await editor.restore(checked, by: author, wait: wait, logger: logger)
        }.value
        context.logger.notice(
            "a backup was restored",
            metadata: [
                "version": "\(restored.configuration.version)", "replaced": "\(restored.replacedVersion)",
                "actor": "\(author.name)", "peer": "\(author.address)",
            ])
        var report = checked.report
        report.dryRun = false
        report.version = String(restored.configuration.version)
        report.history = Hex.encode(checked.history)
        report.replaces = .init(
            version: String(restored.replacedVersion), history: Hex.encode(restored.endedHistory))
        report.sessionsEnded = true
        var response = try Response.json(Envelope(report))
        response.headers[.causewayVersion] = report.version
        if let live { response.headers[.causewayLive] = live.rawValue }
        if request.cookies[Authenticator.cookieName] != nil {
            response.setCookie(.session("", maxAge: 0, secure: servesTLS))
        }
        return response
    }

    /// Off the event loops.
    private func check(_ upload: RestoreUpload, _ passphrase: Secret?) throws -> Checked {
        let candidate = try RestoreCandidate(upload, migrations: migrations)
        let contents = try store.open(candidate, passphrase: passphrase)
        if !contents.hasAdministrator {
            throw Problem.invalidBackup([
                FieldError("", "The backup has no administrator: nobody could log in who manages accounts.")
            ])
        }
        if let adminCertificate, contents.configuration.certificates[adminCertificate] == nil {
            throw Problem.invalidBackup([
                FieldError(
                    "",
                    "The backup has no certificate \(adminCertificate), which the admin listener shows (--admin-certificate-name)."
                )
            ])
        }
        let history = Random.bytes(16)
        let compiled = try editor.compile(contents.configuration, history: history)
        if !compiled.problems.isEmpty {
            throw Problem.invalidBackup(compiled.problems.map { FieldError("", $0.sentence) })
        }
        let facts = candidate.facts
        let report = Report(
            dryRun: true, version: String(facts.version), history: Hex.encode(facts.history),
            createdAt: facts.createdAt.map { Timestamp.text($0) },
            sealingKey: facts.keyID == store.sealingKeyID ? "same" : "other", migrations: candidate.migrated,
            counts: contents.counts,
            replaces: .init(
                version: String(store.configuration.version), history: Hex.encode(store.history)))
        return Checked(
            candidate: candidate, contents: contents, history: history, compiled: compiled, report: report)
    }

    /// A backup that can take the database's place.
    struct Checked: Sendable {
        var candidate: RestoreCandidate
        var contents: RestoreCandidate.Contents
        /// The one that begins with it.
        var history: [UInt8]
        var compiled: CompiledConfiguration
        var report: Report
    }
}

extension Request {
    /// The media type of backups. No form can send it, so that a page of another site would have to ask first.
    var isSQLite: Bool {
        let type = headers[.contentType]?.split(separator: ";").first.map { $0.lowercased() }
        return type?.filter { !$0.isWhitespace } == "application/vnd.sqlite3"
    }

    /// Header fields are no place for other letters than ASCII's, so it is percent-encoded.
    fileprivate func restorePassphrase() throws(Problem) -> Secret? {
        guard let text = headers[.causewayPassphrase], !text.isEmpty else { return nil }
        guard let decoded = text.removingPercentEncoding else {
            throw .invalid("passphrase", "The header Causeway-Passphrase must be percent-encoded UTF-8: % is %25.")
        }
        return Secret(decoded)
    }
}

extension Problem {
    static var notABackup: Problem {
        Problem(
            .unsupportedMediaType, .unsupportedMediaType,
            "The body must be a backup: send the header Content-Type: application/vnd.sqlite3.")
    }

    static func invalidBackup(_ errors: [FieldError]) -> Problem {
        var problem = Problem.invalid(errors)
        problem.code = .invalidBackup
        return problem
    }
}

extension BackupKeyError {
    fileprivate var problem: Problem {
        switch self {
        case .passphraseNeeded:
            .invalidBackup([
                FieldError(
                    "passphrase",
                    "Is needed: the secrets of the backup are sealed with another key than this control plane's. Send it in the header Causeway-Passphrase, percent-encoded."
                )
            ])
        case .notOpened(let error):
            .invalidBackup([FieldError("passphrase", "Does not open the backup: \(error).")])
        case .absent, .other: .invalidBackup([FieldError("", "\(self)")])
        }
    }
}

extension HTTPField.Name {
    static let causewayPassphrase = HTTPField.Name("Causeway-Passphrase")!
}
