// Why the store cannot open or work, in words that name the file and what to do.

import Foundation

/// An error of the store. Start-up stops on any of these.
package struct StoreError: Error, CustomStringConvertible {
    package enum Kind: Sendable {
        case folder, locked, migration, sealingKey, settings, damaged, writing
    }

    package let kind: Kind
    package let description: String

    init(_ kind: Kind, _ description: String) {
        self.kind = kind
        self.description = description
    }

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
