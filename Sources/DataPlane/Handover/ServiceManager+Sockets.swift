// What systemd hands to the worker: listening sockets from descriptor 3 on (sd_listen_fds(3)), and variables that are for one process.

internal import Glibc
internal import Telemetry

extension ServiceManager {
    private static let firstDescriptor: Int32 = 3

    /// Variables that mean one process and no child of it.
    static let ownVariables = ["LISTEN_PID", "LISTEN_FDS", "LISTEN_FDNAMES", "WATCHDOG_PID"]

    /// Sockets that systemd has opened for this process.
    static func listeningSockets() -> InheritedSockets {
        var sockets = InheritedSockets()
        guard let owner = getenv("LISTEN_PID"), Int32(String(cString: owner)) == getpid(),
            let count = getenv("LISTEN_FDS").flatMap({ Int32(String(cString: $0)) }), (1...4_096).contains(count)
        else { return sockets }
        for name in ownVariables.prefix(3) { unsetenv(name) }
        for descriptor in firstDescriptor..<firstDescriptor + count {
            guard fcntl(descriptor, F_SETFD, FD_CLOEXEC) == 0 else { continue }
            // What does not listen is nothing that a listener could take.
            _ = sockets.add(descriptor, name: "")
        }
        return sockets
    }
}
