// Every change of the configuration goes this way: apply to a draft, compile and judge what it touches as the worker will,
// store, publish, and, if asked, wait until it is live.

import ConfigModel
import ConsoleModel
import HTTPTypes
package import Hummingbird
package import Logging
package import Persistence
import ServiceLifecycle
import Synchronization

/// Changes the configuration. The one place that compiles and hands snapshots to the publisher.
package final class Editor: Sendable {
    let store: Store
    let compiler: SnapshotCompiler
    let publisher: Publisher
    private let inspection: WorkerInspection
    let events: EventSource?
    /// Where the admin API listens, which no listener of the gateway may want.
    private let adminPlace: AdminPlace
    /// What a database without listeners gets.
    let firstListeners: FirstListeners?
    /// What was compiled last: the stored configuration, and what an edit made of it, which is the stored one if the edit was
    /// committed. The next edit starts from the one that it finds stored.
    let recent = Mutex<[CompiledConfiguration]>([])

    package init(
        store: Store, compiler: SnapshotCompiler, publisher: Publisher,
        inspection: WorkerInspection = WorkerInspection(paths: []), events: EventSource? = nil,
        adminPlace: AdminPlace = AdminPlace(), firstListeners: FirstListeners? = nil
    ) {
        self.events = events
        self.adminPlace = adminPlace
        self.firstListeners = firstListeners
        self.inspection = inspection
        self.store = store
        self.compiler = compiler
        self.publisher = publisher
    }

    /// Compiles what is stored and publishes it: the first thing at the start.
    package func publishStored(logger: Logger) async throws {
        let compiled = try compiler.compile(store.configuration, history: history)
        recent.withLock { $0 = [compiled] }
        for problem in compiled.problems {
            // It was fit when it was stored, so this is for whoever made the rules stricter since.
            logger.warning("stored configuration has a problem", metadata: ["problem": "\(problem.sentence)"])
        }
        await publisher.publish(compiled.snapshot)
    }

    /// Runs the edit; the answer of `respond` gets the headers that tell its version and whether it is live. With
    /// `?dryRun=true` nothing is stored, and the answer is what would come of it, as `previewed` writes it.
    func edit<Answer: Sendable>(
        _ request: Request, _ context: AdminContext, _ body: @escaping @Sendable (inout Draft) throws -> Answer,
        previewed: (Preview, Answer) throws -> Response = { preview, _ in try .json(Envelope(preview)) },
        respond: (Edited<Answer>, _ warnings: [String]) throws -> Response
    ) async throws -> Response {
        let wait = try WaitRequest(request)
        let author = try context.author()
        let identity = try context.signedIn()
        let body: @Sendable (inout Draft) throws -> Answer = { draft in
            let answer = try body(&draft)
            try Self.checkRights(of: identity, draft)
            return answer
        }
        if try request.flag("dryRun") {
            let (preview, answer) = try await preview(by: author, body)
            return try previewed(preview, answer)
        }
        // A client that goes away must not come between storing and publishing: this task is nobody's child.
        let edited = try await Task { try await storeAndPublish(by: author, body) }.value
        if edited.changed {
            context.logger.info("configuration saved", metadata: ["version": "\(edited.configuration.version)"])
        }
        let version = edited.configuration.version
        var live: Live?
        if let timeout = wait.timeout {
            // The end of the process does not wait for workers.
            live = await cancelWhenGracefulShutdown { [publisher] in
                await publisher.waitLive(version: version, timeout: timeout)
            }
        }
        // What was stored went with the database that a backup has replaced.
        try store.checkEra()
        var response = try respond(edited, await heldBack())
        response.headers[.causewayVersion] = String(version)
        if let live { response.headers[.causewayLive] = live.rawValue }
        return response
    }

    /// Documents and rollbacks may change listeners, too, which are the machine's.
    private static func checkRights(of identity: Identity, _ draft: Draft) throws(Problem) {
        guard identity.role < .admin,
            let change = draft.changedResources.first(where: { $0.kind == .listener })
        else { return }
        throw .forbidden(
            "This would change the listener \(change.name), which needs the role admin; here it is \(identity.role.rawValue)."
        )
    }

    /// What is stored, as workers get it.
    func current() throws -> CompiledConfiguration { try compiled(store.configuration, history) }

    /// One sentence for each object that a worker does not take in its newest form. Every write says so.
    private func heldBack() async -> [String] {
        await publisher.report().flatMap { worker in
            worker.heldBack.map { object in
                let reasons = object.reasons.map(\.reason).joined(separator: "; ")
                let served = object.keepsLastForm ? "the form before it is served" : "it is left out"
                return "Worker \(worker.id) refuses \(object.kind) \(object.name) (\(reasons)): \(served)."
            }
        }
    }

    /// Judges the edit as it would be judged, and leaves everything as it is.
    private func preview<Answer: Sendable>(
        by author: Author, _ body: @escaping @Sendable (inout Draft) throws -> Answer
    ) async throws -> (Preview, Answer) {
        do {
            // The way out of an edit that stores nothing is an error.
            _ = try await store.edit(by: author) { [self] draft in
                let answer = try body(&draft)
                if draft.changesNothing { throw Judged(draft: draft, answer: answer, compiled: nil) }
                let before = try compiled(draft.original, history)
                throw Judged(draft: draft, answer: answer, compiled: (before, try judged(draft)))
            }
        } catch let judged as Judged<Answer> {
            let live = await inspection.streams(route: nil, limit: WorkerInspection.mostStreams)
            return (try Preview(of: judged.draft, judged.compiled, live: live, store: store), judged.answer)
        }
        preconditionFailure("a preview ends by its error")
    }

    private func storeAndPublish<Answer: Sendable>(
        by author: Author, _ body: @escaping @Sendable (inout Draft) throws -> Answer
    ) async throws -> Edited<Answer> {
        let (edited, snapshot) = try await judgedEdit(by: author, body)
        if let snapshot {
            await publisher.publish(snapshot)
            await events?.versionSaved()
            forgetOldVersions()
        }
        return edited
    }

    /// Nobody waits for it: it can be done again with the next version.
    private func forgetOldVersions() {
        Task { [store] in
            do {
                let kept = Settings.number(.keptVersions, in: try await store.settings())
                if kept > 0 { _ = try await store.prune(keeping: kept) }
            } catch {
                Logger(label: "versions").warning("old versions could not be forgotten", error: error)
            }
        }
    }

    private func judgedEdit<Answer: Sendable>(
        by author: Author, _ body: @escaping @Sendable (inout Draft) throws -> Answer
    ) async throws -> (Edited<Answer>, Snapshot?) {
        let edited = try await store.edit(by: author) { [self] draft -> (Answer, Snapshot?) in
            let answer = try body(&draft)
            if draft.changesNothing { return (answer, nil) }
            return (answer, try judged(draft).snapshot)
        }
        let (answer, snapshot) = edited.answer
        return (edited.answering(answer), snapshot)
    }

    private var history: HistoryID { Self.history(store.history) }

    /// Compiles the draft and lets the worker's own validation judge it. What was wrong before the edit is not the edit's fault and
    /// does not refuse it.
    private func judged(_ draft: Draft) throws -> CompiledConfiguration {
        try checkListeners(of: draft)
        let history = history
        let before = try compiled(draft.original, history)
        let after = try compiler.compile(draft.configuration, draft.changedResources, history: history, after: before)
        try refuse(after.problems, unless: before.problems, draft)
        recent.withLock { $0 = [before, after] }
        return after
    }

    private func checkListeners(of draft: Draft) throws(Problem) {
        let changes = draft.changedResources.filter { $0.kind == .listener }
        if changes.isEmpty { return }
        let listeners = draft.configuration.listeners
        if listeners.isEmpty {
            throw .invalid("listeners", "At least one listener must stay: without one the gateway accepts nothing.")
        }
        let taken = changes.compactMap { listeners[$0.name]?.value }.filter { adminPlace.meets($0) }
        if taken.isEmpty { return }
        throw .invalid(
            taken.map { listener in
                let words = "\(listener.place) is where the admin API listens (--admin-address, --admin-port)."
                return changes.count == 1
                    ? FieldError("port", words) : FieldError("", "listener \(listener.name), port: \(words)")
            })
    }

    /// The stored configuration as it was compiled when it came; anew after a start of another history.
    private func compiled(_ stored: StoredConfiguration, _ history: HistoryID) throws -> CompiledConfiguration {
        let known = recent.withLock { recent in
            recent.first { $0.configuration.identity == stored.identity && $0.snapshot.historyID == history }
        }
        return try known ?? compiler.compile(stored, history: history)
    }

    private func refuse(_ problems: [ResourceProblem], unless known: [ResourceProblem], _ draft: Draft) throws {
        if problems.isEmpty { return }
        let old = Set(known)
        let edited = Set(draft.changedResources.map { "\($0.kind.rawValue) \($0.name)" })
        let errors = problems.filter { !old.contains($0) }.map { problem in
            let isOwn = edited.contains("\(problem.kind.rawValue) \(problem.name)")
            return isOwn ? problem.error : FieldError("", problem.sentence)
        }
        if !errors.isEmpty { throw Problem.invalid(errors) }
    }
}

/// The end of an edit that stores nothing.
private struct Judged<Answer: Sendable>: Error {
    let draft: Draft
    let answer: Answer
    /// `nil`: nothing changes.
    let compiled: (before: CompiledConfiguration, after: CompiledConfiguration)?
}

extension ResourceProblem {
    /// The problem with the resource named, for those who are not looking at it.
    var sentence: String {
        let field = error.field.isEmpty ? "" : ", \(error.field)"
        return "\(kind.rawValue) \(name)\(field): \(error.message)"
    }
}

/// `?wait=live[&timeout=10s]` of a write.
package struct WaitRequest: Sendable {
    package static let longest = Duration.seconds(60)

    /// `nil`: the answer does not wait.
    package private(set) var timeout: Duration?

    package init(_ request: Request) throws(Problem) {
        let query = request.uri.queryParameters
        var duration = Duration.seconds(10)
        // Without `wait` it does nothing; a mistake in it is told all the same.
        if let text = query["timeout"], !text.isEmpty {
            guard let given = Self.duration(text), given <= Self.longest else {
                throw .invalidQuery("timeout", "Must be a time of at most 60s, as in 10s or 500ms.")
            }
            duration = given
        }
        switch query["wait"] {
        case nil, "": return
        case "live": timeout = duration
        default: throw .invalidQuery("wait", "Must be live.")
        }
    }

    private static func duration(_ text: Substring) -> Duration? {
        let digits = text.prefix { $0.isASCII && $0.isNumber }
        guard let value = Int(digits), value <= 60_000 else { return nil }
        switch text.dropFirst(digits.count) {
        case "s", "": return .seconds(value)
        case "ms": return .milliseconds(value)
        default: return nil
        }
    }
}

extension HTTPField.Name {
    static let causewayVersion = HTTPField.Name("Causeway-Version")!
    static let causewayLive = HTTPField.Name("Causeway-Live")!
}
