// The worker's own copy of the last good snapshot, from which it starts with the control plane away. Two generations,
// sealed by a key of the worker's own (private keys are in it), each written whole: temporary file, fsync, rename, fsync of
// the folder. A damaged file is set aside, and the generation before it is used.

package import ConfigChannel
package import ConfigModel
internal import Glibc
package import Logging
package import Seal

/// Why the store could not do what it was asked.
package struct StoreFailure: Error, CustomStringConvertible {
    package let description: String
}

package struct SnapshotStore {
    let folder: String
    private let key: SealingKey
    private let logger: Logger

    private static let magic = Array("causeway-snapshot-1\n".utf8)
    private static let context = "worker snapshot"

    private var current: String { folder + "/snapshot.current" }
    private var previous: String { folder + "/snapshot.previous" }

    package init(folder: String, key: SealingKey, logger: Logger) {
        self.folder = folder
        self.key = key
        self.logger = logger
    }

    // MARK: - Writing

    /// Makes the snapshot the current generation; durable when it returns.
    package func save(_ snapshot: Snapshot, served: ServedVersion) throws(StoreFailure) {
        let sealed: [UInt8]
        do {
            sealed = try key.seal(Self.encode(snapshot, served), context: Self.context)
        } catch {
            throw StoreFailure(description: "sealing the snapshot: \(error)")
        }
        let temporary = current + ".new"
        try write(Self.magic + sealed, to: temporary)
        // The generation before stays until the new one is in place.
        if rename(current, previous) != 0, errno != ENOENT { throw failure("rename to \(previous)") }
        guard rename(temporary, current) == 0 else { throw failure("rename to \(current)") }
        try syncFolder()
    }

    private func write(_ bytes: [UInt8], to path: String) throws(StoreFailure) {
        let file = open(path, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0o600)
        guard file >= 0 else { throw failure("open \(path)") }
        defer { close(file) }
        var offset = 0
        while offset < bytes.count {
            let count = bytes.withUnsafeBytes { buffer in
                Glibc.write(file, buffer.baseAddress.unsafelyUnwrapped + offset, buffer.count - offset)
            }
            if count < 0, errno == EINTR { continue }
            guard count > 0 else { throw failure("write \(path)") }
            offset += count
        }
        guard fsync(file) == 0 else { throw failure("fsync \(path)") }
    }

    private func syncFolder() throws(StoreFailure) {
        let descriptor = open(folder, O_RDONLY | O_DIRECTORY | O_CLOEXEC)
        guard descriptor >= 0 else { throw failure("open \(folder)") }
        defer { close(descriptor) }
        guard fsync(descriptor) == 0 else { throw failure("fsync \(folder)") }
    }

    private func failure(_ what: String) -> StoreFailure {
        StoreFailure(description: "\(what): \(String(cString: strerror(errno)))")
    }

    // MARK: - Reading

    /// The newest generation that can be read, or nil when there is none.
    package func load() -> (snapshot: Snapshot, served: ServedVersion)? {
        for path in [current, previous] {
            guard let bytes = read(path) else { continue }
            do {
                return try decode(bytes)
            } catch {
                let aside = path + ".damaged"
                rename(path, aside)
                logger.error(
                    "the stored snapshot is damaged; it was set aside",
                    metadata: ["file": "\(aside)", "reason": "\(error)"])
            }
        }
        return nil
    }

    private func read(_ path: String) -> [UInt8]? {
        let file = open(path, O_RDONLY | O_CLOEXEC)
        guard file >= 0 else {
            if errno != ENOENT {
                logger.error(
                    "the stored snapshot cannot be opened",
                    metadata: ["file": "\(path)", "reason": "\(String(cString: strerror(errno)))"])
            }
            return nil
        }
        defer { close(file) }
        var bytes: [UInt8] = []
        var chunk = [UInt8](repeating: 0, count: 1 << 16)
        while true {
            let count = Glibc.read(file, &chunk, chunk.count)
            if count < 0, errno == EINTR { continue }
            guard count > 0 else { return count == 0 ? bytes : nil }
            bytes += chunk[..<count]
        }
    }

    private func decode(_ bytes: [UInt8]) throws -> (snapshot: Snapshot, served: ServedVersion) {
        guard bytes.starts(with: Self.magic) else { throw StoreFailure(description: "it is no snapshot file") }
        let plain = try key.open(Array(bytes[Self.magic.count...]), context: Self.context)
        return try Self.decodePlain(plain)
    }

    // MARK: - Form

    /// History, version, both roots, number of objects; then kind, length and canonical bytes of each.
    static func encode(_ snapshot: Snapshot, _ served: ServedVersion) -> [UInt8] {
        var bytes = snapshot.historyID.bytes
        append(snapshot.version, to: &bytes)
        served.versionRoot.withUnsafeBytes { bytes += $0 }
        snapshot.root.withUnsafeBytes { bytes += $0 }
        append(UInt64(snapshot.objects.count), to: &bytes)
        for object in snapshot.objects {
            let canonical = object.object.canonicalBytes()
            bytes.append(object.key.kind.rawValue)
            append(UInt64(canonical.count), to: &bytes)
            bytes += canonical
        }
        return bytes
    }

    static func decodePlain(_ bytes: [UInt8]) throws -> (snapshot: Snapshot, served: ServedVersion) {
        var rest = bytes[...]
        func take(_ count: Int) throws -> ArraySlice<UInt8> {
            guard count >= 0, rest.count >= count else { throw StoreFailure(description: "it ends too early") }
            defer { rest = rest.dropFirst(count) }
            return rest.prefix(count)
        }
        func number() throws -> UInt64 { try take(8).reduce(0) { $0 << 8 | UInt64($1) } }
        guard let history = HistoryID(try take(HistoryID.byteCount)) else {
            throw StoreFailure(description: "its history id is malformed")
        }
        let version = try number()
        guard let versionRoot = Hash256(try take(32)), let root = Hash256(try take(32)) else {
            throw StoreFailure(description: "its hashes are malformed")
        }
        let count = try number()
        var objects: [ConfigObject] = []
        for _ in 0..<count {
            guard let kind = ObjectKind(rawValue: try take(1).first ?? 0) else {
                throw StoreFailure(description: "it holds an object of a kind that this worker does not know")
            }
            let size = try number()
            objects.append(
                try ConfigObject(kind: kind, canonicalBytes: try take(size > UInt64(Int.max) ? -1 : Int(size))))
        }
        let snapshot = try Snapshot(historyID: history, version: version, objects: objects)
        guard snapshot.root == root, rest.isEmpty else {
            throw StoreFailure(description: "its hash does not match its contents")
        }
        let served = ServedVersion(history: history, version: version, versionRoot: versionRoot, root: root)
        return (snapshot, served)
    }

    private static func append(_ value: UInt64, to bytes: inout [UInt8]) {
        for shift in stride(from: UInt64(56), through: 0, by: -8) {
            bytes.append(UInt8(truncatingIfNeeded: value >> shift))
        }
    }
}
