// A backup in the place of the configuration: the one change that goes back in versions, and begins a history.

import ConfigModel
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
        _ checked: RestoreController.Checked, by author: Author, wait: WaitRequest
    ) async throws -> (Restored, Live?) {
        let restored = try await store.replace(
            by: checked.candidate, checked.contents, history: checked.history, author: author)
        recent.withLock { $0 = [checked.compiled] }
        await publisher.restored(checked.compiled.snapshot, ending: Self.history(restored.endedHistory))
        await events?.restored(version: restored.configuration.version, audit: restored.lastAudit)
        guard let timeout = wait.timeout else { return (restored, nil) }
        let live = await cancelWhenGracefulShutdown { [publisher] in
            await publisher.waitLive(version: restored.configuration.version, timeout: timeout)
        }
        return (restored, live)
    }

    static func history(_ bytes: [UInt8]) -> HistoryID {
        guard let history = HistoryID(bytes) else { preconditionFailure("a history has 16 bytes") }
        return history
    }
}
