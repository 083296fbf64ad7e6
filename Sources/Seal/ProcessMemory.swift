// The process holds keys in clear: its memory must not end up in a core file or in another process of the same user.

import COpenSSL

/// The memory of this process.
package enum ProcessMemory {
    /// No core files, no attaching by others (RLIMIT_CORE 0, PR_SET_DUMPABLE 0). `false`: the kernel refused.
    package static func protect() -> Bool {
        causeway_harden() == 0
    }
}
