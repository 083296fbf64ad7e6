// Why the store cannot open or work, in words that name the file and what to do.

import Foundation

/// An error of the store. Start-up stops on any of these.
package struct StoreError: Error, CustomStringConvertible {
    package enum Kind: Sendable {
        case folder, locked, migration, sealingKey, settings, damaged, writing
        /// Another database has taken the place of the one that a task began with.
        case restored
    }

    package let kind: Kind
    package let description: String

    init(_ kind: Kind, _ description: String) {
        self.kind = kind
        self.description = description
    }

    static let full = StoreError(
        .writing, "the disk of the data folder (--data) is full. Make room, then try again.")

    /// What the system says, without Foundation's wrapping.
    static func reason(_ error: any Error) -> String {
        if let cause = (error as? CocoaError)?.underlying as? POSIXError { return reason(cause.code.rawValue) }
        return "\(error)"
    }

    /// The text of `errno`.
    static func reason(_ code: Int32) -> String {
        String(cString: strerror(code))
    }
}
