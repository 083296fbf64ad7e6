// A snapshot with the name it is served under, and its two forms on disk: whole, and as what differs from the one before.

internal import ConfigChannel
internal import ConfigModel
internal import Seal

struct KeptSnapshot: Sendable {
    let snapshot: Snapshot
    let served: ServedVersion

    /// History, version, both roots, number of objects; then each.
    func encoded() -> [UInt8] {
        var writer = Writer()
        writer.name(self)
        writer.number(UInt64(snapshot.objects.count))
        for object in snapshot.objects { writer.object(object) }
        return writer.bytes
    }

    init(snapshot: Snapshot, served: ServedVersion) {
        self.snapshot = snapshot
        self.served = served
    }

    init(_ bytes: [UInt8]) throws {
        var reader = Reader(rest: bytes[...])
        let served = try reader.name()
        var objects: [SnapshotObject] = []
        for _ in 0..<(try reader.number()) { objects.append(try reader.object()) }
        let snapshot = try Snapshot(historyID: served.history, version: served.version, objects: objects)
        guard reader.rest.isEmpty, snapshot.root == served.root else {
            throw StoreFailure(description: "its hash does not match its contents")
        }
        self.init(snapshot: snapshot, served: served)
    }

    /// What it follows, its own name, and the objects that came, changed or went.
    func encodedChange(from old: KeptSnapshot) -> [UInt8] {
        let diff = SnapshotDiff(from: old.snapshot, to: snapshot)
        var writer = Writer()
        writer.name(old)
        writer.name(self)
        writer.number(UInt64(diff.added.count + diff.changed.count))
        for object in diff.added { writer.object(object) }
        for change in diff.changed { writer.object(change.new) }
        writer.number(UInt64(diff.removed.count))
        for object in diff.removed {
            writer.kind(object.key.kind)
            writer.counted(Array(object.key.name.utf8))
        }
        return writer.bytes
    }

    /// Nil: the change follows another snapshot.
    func applying(_ change: [UInt8]) throws -> KeptSnapshot? {
        var reader = Reader(rest: change[...])
        guard try reader.name() == served else { return nil }
        let served = try reader.name()
        var puts: [SnapshotObject] = []
        for _ in 0..<(try reader.number()) { puts.append(try reader.object()) }
        var removals: [ObjectKey] = []
        for _ in 0..<(try reader.number()) {
            removals.append(ObjectKey(try reader.kind(), String(decoding: try reader.counted(), as: UTF8.self)))
        }
        let next = Snapshot(
            historyID: served.history, version: served.version,
            objects: snapshot.objects.applying(puts: puts, removals: removals))
        guard reader.rest.isEmpty, next.root == served.root else {
            throw StoreFailure(description: "the hash of a change does not match its contents")
        }
        return KeptSnapshot(snapshot: next, served: served)
    }

    private struct Writer {
        var bytes: [UInt8] = []

        mutating func number(_ value: UInt64) {
            withUnsafeBytes(of: value.bigEndian) { bytes += $0 }
        }

        mutating func counted(_ value: [UInt8]) {
            number(UInt64(value.count))
            bytes += value
        }

        mutating func kind(_ kind: ObjectKind) { bytes.append(kind.rawValue) }

        mutating func object(_ object: SnapshotObject) {
            kind(object.key.kind)
            counted(object.object.canonicalBytes())
        }

        mutating func name(_ kept: KeptSnapshot) {
            bytes += kept.served.history.bytes
            number(kept.served.version)
            kept.served.versionRoot.withUnsafeBytes { bytes += $0 }
            kept.snapshot.root.withUnsafeBytes { bytes += $0 }
        }
    }

    private struct Reader {
        var rest: ArraySlice<UInt8>

        mutating func take(_ count: UInt64) throws -> ArraySlice<UInt8> {
            guard let count = Int(exactly: count), rest.count >= count else {
                throw StoreFailure(description: "it ends too early")
            }
            defer { rest = rest.dropFirst(count) }
            return rest.prefix(count)
        }

        mutating func number() throws -> UInt64 { try take(8).reduce(0) { $0 << 8 | UInt64($1) } }
        mutating func counted() throws -> ArraySlice<UInt8> { try take(try number()) }

        mutating func kind() throws -> ObjectKind {
            guard let kind = ObjectKind(rawValue: try take(1).first ?? 0) else {
                throw StoreFailure(description: "it holds an object of a kind that this worker does not know")
            }
            return kind
        }

        mutating func object() throws -> SnapshotObject {
            let kind = try kind()
            return try SnapshotObject(kind: kind, canonicalBytes: try counted())
        }

        mutating func name() throws -> ServedVersion {
            guard let history = HistoryID(try take(UInt64(HistoryID.byteCount))) else {
                throw StoreFailure(description: "its history id is malformed")
            }
            let version = try number()
            guard let versionRoot = Hash256(try take(32)), let root = Hash256(try take(32)) else {
                throw StoreFailure(description: "its hashes are malformed")
            }
            return ServedVersion(history: history, version: version, versionRoot: versionRoot, root: root)
        }
    }
}
