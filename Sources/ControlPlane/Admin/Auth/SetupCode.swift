// The one-time code that the first-run set-up asks for when it is called from elsewhere than this machine: whoever reads
// the process's log is its operator.

import Seal

/// A code printed at the start and good until the first account exists.
package struct SetupCode: Sendable {
    /// Printed at the start: it is meant to be read.
    package let text: String

    package init() {
        self.init(text: Hex.encode(Random.bytes(8)))
    }

    package init(text: String) {
        self.text = text
    }

    func matches(_ given: String?) -> Bool {
        guard let given else { return false }
        return constantTimeEqual(SHA256.hash(given), SHA256.hash(text))
    }
}
