// Word of what others do in the database, as it is committed.

import Foundation
import GRDB

/// Goes on until it is cancelled or released.
package struct AuditObservation: Sendable {
    private let cancellable: AnyDatabaseCancellable

    fileprivate init(_ cancellable: AnyDatabaseCancellable) {
        self.cancellable = cancellable
    }

    package func cancel() { cancellable.cancel() }
}

extension Store {
    /// Calls `changed` after each commit that wrote to the audit, on the writer's queue: it must not wait.
    package func observeAudit(_ changed: @escaping @Sendable () -> Void) -> AuditObservation {
        AuditObservation(
            DatabaseRegionObservation(tracking: Table("audit")).start(
                in: queue, onError: { _ in }, onChange: { _ in changed() }))
    }
}

extension Store {
    /// Bytes of the database and of its write-ahead log.
    package var fileSizes: [(file: String, size: UInt64)] {
        [("database", queue.path), ("log", queue.path + "-wal")].map { file, path in
            var facts = stat()
            return (file, stat(path, &facts) == 0 ? UInt64(max(0, facts.st_size)) : 0)
        }
    }
}
