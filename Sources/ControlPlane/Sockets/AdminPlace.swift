// Where the admin API listens: known from the options, and with the port 0 once it does.

import ConsoleModel
import Synchronization

/// The address and port of the admin API.
package final class AdminPlace: Sendable {
    private let addresses: [String]
    private let port: Mutex<Int>

    /// Port 0: not known yet, or nowhere.
    package init(address: String = "127.0.0.1", port: Int = 0) {
        addresses = address == "localhost" ? ["127.0.0.1", "::1"] : [Console.Listener.canonical(address)]
        self.port = Mutex(port)
    }

    func listens(on port: Int) {
        self.port.withLock { $0 = port }
    }

    /// Whether a listener of the gateway would want the same.
    func meets(_ listener: Console.Listener) -> Bool {
        port.withLock { $0 } == listener.port
            && addresses.contains { Console.Listener.overlap($0, listener.address) }
    }
}
