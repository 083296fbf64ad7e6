// Why the store cannot open or work, in words that name the file and what to do.

import Glibc

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

    /// The text of `errno`.
    static func reason(_ code: Int32) -> String {
        String(cString: strerror(code))
    }
}
