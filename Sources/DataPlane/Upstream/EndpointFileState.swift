// What is known of one file of endpoints, and what a look at it changes. Without I/O: `EndpointFiles` looks.

internal import Glibc

/// What tells one content of a file from another without reading it. A rename, or another target of a symbolic link, is another
/// inode; a change in place is another time.
package struct FileStamp: Equatable, Sendable {
    let device: UInt64
    let inode: UInt64
    let size: Int64
    /// Nanoseconds, of the contents and of the inode.
    let changes: [Int]

    init(_ status: stat) {
        device = UInt64(status.st_dev)
        inode = UInt64(status.st_ino)
        size = Int64(status.st_size)
        changes = [
            status.st_mtim.tv_sec, status.st_mtim.tv_nsec, status.st_ctim.tv_sec, status.st_ctim.tv_nsec,
        ].map { Int($0) }
    }

    package init(inode: UInt64, size: Int64 = 0) {
        (device, self.inode, self.size, changes) = (0, inode, size, [])
    }
}

/// One file of endpoints, from look to look.
package struct EndpointFileState {
    /// As last read; nil: never.
    package private(set) var entries: [EndpointFile.Entry]?
    /// Why it is not taken as it is; nil: it is.
    package private(set) var problem: String?
    private var seen: FileStamp?
    /// What is written in the same instant leaves the same stamp, so everything is read once more.
    private var isFresh = false
    private var failures = 0
    private var hasAnswered = false

    package init() {}

    package enum OnLook: Equatable {
        case unchanged
        /// In place of those before.
        case endpoints([EndpointFile.Entry])
    }

    /// Whether a file with that stamp has to be read.
    package func wantsReading(_ stamp: FileStamp) -> Bool { stamp != seen || isFresh }

    /// It was read. `stamp`: as it was before.
    package mutating func read(_ found: [EndpointFile.Entry], _ stamp: FileStamp) -> OnLook {
        note(stamp)
        (failures, problem, hasAnswered) = (0, nil, true)
        defer { entries = found }
        return found == entries ? .unchanged : .endpoints(found)
    }

    /// It is not there (`stamp` is nil), or not what it should be. The endpoints before stay.
    package mutating func failed(_ reason: String, _ stamp: FileStamp?) -> OnLook {
        note(stamp)
        failures += 1
        defer { hasAnswered = true }
        // Found once: somebody may be writing it. What has never been read is waited for.
        if failures > 1 || !hasAnswered { problem = reason }
        // Loops may know what it had when it was watched before.
        return hasAnswered ? .unchanged : .endpoints([])
    }

    private mutating func note(_ stamp: FileStamp?) {
        isFresh = stamp != seen
        seen = stamp
    }
}
