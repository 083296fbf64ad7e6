// A backup in the place of the configuration: the one change that goes back in versions, and begins a history.

import ConfigModel
import Logging
import Persistence
import ServiceLifecycle
import Synchronization

extension Editor {
    /// The whole, as it would be published.
    func compile(_ configuration: StoredConfiguration, history: [UInt8]) throws -> CompiledConfiguration {
        try compiler.compile(configuration, history: Self.history(history))
    }

    /// Replaces and publishes; everybody who follows events reads anew. Edits go on with what is there then; one that is stored
    /// already, and not published yet, never is.
    func restore(
        _ checked: RestoreController.Checked, by author: Author, wait: WaitRequest, logger: Logger
    ) async throws -> (Restored, Live?) {
        var restored = try await store.replace(
            by: checked.candidate, checked.contents, history: checked.history, author: author)
        var compiled = checked.compiled
        if restored.configuration.listeners.isEmpty, let firstListeners {
            // From before listeners were resources. An edit of the new database, not of the one that the request began with.
            do {
                try await Task.detached { [store] in try await firstListeners.settle(in: store, logger: logger) }.value
                restored.configuration = store.configuration
                compiled = try compile(restored.configuration, history: checked.history)
            } catch {
                logger.error(
                    "the restored database has no listeners: POST /v1/listeners makes them",
                    metadata: ["reason": "\(error)"])
            }
        }
        recent.withLock { [compiled] in $0 = [compiled] }
        await publisher.restored(compiled.snapshot, ending: Self.history(restored.endedHistory))
        await events?.restored(version: restored.configuration.version, audit: restored.lastAudit)
        guard let timeout = wait.timeout else { return (restored, nil) }
        let version = restored.configuration.version
        let live = await cancelWhenGracefulShutdown { [publisher] in
            await publisher.waitLive(version: version, timeout: timeout)
        }
        return (restored, live)
    }

    static func history(_ bytes: [UInt8]) -> HistoryID {
        guard let history = HistoryID(bytes) else { preconditionFailure("a history has 16 bytes") }
        return history
    }
}
