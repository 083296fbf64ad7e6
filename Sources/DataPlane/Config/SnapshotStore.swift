// The worker's own copy of the last good snapshot, from which it starts with the control plane away. A generation is a whole
// snapshot (temporary file, fsync, rename, fsync of the folder) and the changes since, appended one by one and synced: keeping a
// change costs its size. When the changes have grown to the size of the whole a new generation is written; the one before stays.
// A small snapshot is a new generation each time: that costs no more, and damage to a file then costs one version.
// Everything is sealed by a key of the worker's own (private keys are in it). A damaged file is set aside, and what is before the
// damage is used.

package import ConfigChannel
package import ConfigModel
internal import Glibc
package import Logging
package import Seal

package final class SnapshotStore: Sendable {
    let folder: String
    private let key: SealingKey
    private let logger: Logger
    /// Bytes up to which a snapshot is small.
    private let smallSize: Int
    /// Bytes of changes below which no new generation is written.
    private let changesLimit: Int
    private let state = Lock(State())

    private struct State {
        /// What a start would find, where the next change may follow it; nil: a new generation is due.
        var kept: KeptSnapshot?
        var wholeBytes = 0
        var changesBytes = 0
    }

    private static let magic = Array("causeway-snapshot-2\n".utf8)
    private static let context = "worker snapshot"
    private static let changeContext = "worker snapshot change"

    private var current: String { folder + "/snapshot.current" }
    private var previous: String { folder + "/snapshot.previous" }
    private var changes: String { folder + "/snapshot.changes" }
    private var previousChanges: String { folder + "/snapshot.previous.changes" }

    package init(
        folder: String, key: SealingKey, logger: Logger, smallSize: Int = 64 << 10, changesLimit: Int = 1 << 20
    ) {
        self.folder = folder
        self.key = key
        self.logger = logger
        self.smallSize = smallSize
        self.changesLimit = changesLimit
    }

    // MARK: - Writing

    /// Makes the snapshot what the next start finds; durable when it returns.
    package func save(_ snapshot: Snapshot, served: ServedVersion) throws(StoreFailure) {
        let next = KeptSnapshot(snapshot: snapshot, served: served)
        var now = state.withLock { $0 }
        // If anything goes wrong nobody knows what is in the files: the next time all is written.
        state.withLock { $0.kept = nil }
        if let kept = now.kept, now.wholeBytes > smallSize {
            let record = StoreFile.framed(try seal(next.encodedChange(from: kept), Self.changeContext))
            if now.changesBytes + record.count <= max(changesLimit, now.wholeBytes) {
                try append(record, isFirst: now.changesBytes == 0)
                now.changesBytes += record.count
                now.kept = next
                state.withLock { [now] in $0 = now }
                return
            }
        }
        now.wholeBytes = try saveWhole(next, afterChanges: now.kept == nil || now.changesBytes > 0)
        now.changesBytes = 0
        now.kept = next
        state.withLock { [now] in $0 = now }
    }

    private func append(_ record: [UInt8], isFirst: Bool) throws(StoreFailure) {
        try StoreFile.append(record, to: changes)
        if isFirst { try StoreFile.syncFolder(folder) }
    }

    /// Gives back its size.
    private func saveWhole(_ next: KeptSnapshot, afterChanges: Bool) throws(StoreFailure) -> Int {
        let bytes = Self.magic + (try seal(next.encoded(), Self.context))
        let temporary = current + ".new"
        try StoreFile.write(bytes, to: temporary)
        // Changes say what they follow: wherever this stops, the files tell one snapshot, the old one or the new one.
        try StoreFile.move(current, to: previous)
        try StoreFile.move(temporary, to: current)
        if afterChanges, StoreFile.exists(changes) { try StoreFile.move(changes, to: previousChanges) }
        try StoreFile.syncFolder(folder)
        return bytes.count
    }

    private func seal(_ bytes: [UInt8], _ context: String) throws(StoreFailure) -> [UInt8] {
        do {
            return try key.seal(bytes, context: context)
        } catch {
            throw StoreFailure(description: "sealing the snapshot: \(error)")
        }
    }

    // MARK: - Reading

    /// The newest snapshot that can be read, or nil when there is none. `readOnly`: another worker writes here, so nothing is
    /// mended, and what was read may be older than what it has written since.
    package func load(readOnly: Bool = false) -> (snapshot: Snapshot, served: ServedVersion)? {
        state.withLock { $0 = State() }
        for path in [current, previous] {
            guard let bytes = read(path) else { continue }
            do {
                let kept = try decode(bytes)
                let found = replay(on: kept, isNewest: path == current, wholeBytes: bytes.count, readOnly)
                return (found.snapshot, found.served)
            } catch {
                if !readOnly { setAside(path, "\(error)") }
            }
        }
        return nil
    }

    /// Applies the changes that follow the snapshot, and notes whether more may be appended to them.
    private func replay(
        on whole: KeptSnapshot, isNewest: Bool, wholeBytes: Int, _ readOnly: Bool
    ) -> KeptSnapshot {
        for path in [changes, previousChanges] {
            guard let bytes = read(path) else { continue }
            var kept = whole
            do {
                guard try replay(bytes, on: &kept) else { continue }
                if isNewest, path == changes {
                    state.withLock { $0 = State(kept: kept, wholeBytes: wholeBytes, changesBytes: bytes.count) }
                }
            } catch {
                if readOnly { return kept }
                logger.error(
                    "the stored changes are damaged or cut off; what is before that is used",
                    metadata: ["file": "\(path)", "version": "\(kept.served.version)", "reason": "\(error)"])
                // Nothing may follow the damage. If this fails, the files are read the same way again.
                _ = try? saveWhole(kept, afterChanges: true)
            }
            return kept
        }
        if isNewest, !readOnly {
            // Changes that are there all the same are those of the generation before: what follows this one must not be behind them.
            if (try? StoreFile.move(changes, to: previousChanges)) != nil {
                state.withLock { $0 = State(kept: whole, wholeBytes: wholeBytes, changesBytes: 0) }
            }
        }
        return whole
    }

    /// False: the changes follow another snapshot.
    private func replay(_ bytes: [UInt8], on kept: inout KeptSnapshot) throws -> Bool {
        var rest = bytes[...]
        var isFirst = true
        while let record = try StoreFile.nextRecord(&rest) {
            let plain = try key.open(Array(record), context: Self.changeContext)
            guard let next = try kept.applying(plain) else {
                if isFirst { return false }
                throw StoreFailure(description: "a change follows another snapshot")
            }
            kept = next
            isFirst = false
        }
        return !isFirst
    }

    private func setAside(_ path: String, _ reason: String) {
        let aside = path + ".damaged"
        if rename(path, aside) == 0 {
            logger.error(
                "the stored snapshot is damaged; it was set aside",
                metadata: ["file": "\(aside)", "reason": "\(reason)"])
        } else {
            logger.error("the stored snapshot is damaged", metadata: ["file": "\(path)", "reason": "\(reason)"])
        }
    }

    private func read(_ path: String) -> [UInt8]? {
        do throws(StoreFailure) {
            return try StoreFile.read(path)
        } catch {
            logger.error("the stored snapshot cannot be read", metadata: ["file": "\(path)", "reason": "\(error)"])
            return nil
        }
    }

    private func decode(_ bytes: [UInt8]) throws -> KeptSnapshot {
        guard bytes.starts(with: Self.magic) else { throw StoreFailure(description: "it is no snapshot file") }
        return try KeptSnapshot(try key.open(Array(bytes[Self.magic.count...]), context: Self.context))
    }
}
