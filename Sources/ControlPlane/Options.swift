// What a control plane is started with. Defaults are those of the command line.

/// Settings of the process.
package struct ControlPlaneOptions: Sendable {
    /// The data folder; made when missing.
    package var data: String
    /// Folder of migrations/*.sql.
    package var migrations: String
    package var adminAddress = "127.0.0.1"
    /// 0: chosen by the kernel; the port is logged and written to DATA/admin.port.
    package var adminPort = 8080
    /// Unix socket for workers; `nil`: DATA/channel.sock.
    package var channel: String?
    /// Group of that socket, whose members may connect; `nil`: only root and this process's user may.
    package var channelGroup: String?
    /// Inspection sockets of this machine's workers.
    package var inspectSockets: [String] = []
    /// What is said of the listeners `http` and `https`, where it is said (`FirstListeners`).
    package var gatewayAddress: String?
    package var httpPort: UInt16?
    package var httpsPort: UInt16?
    /// Timeouts and limits, as `NAME=VALUE` (`GatewaySettings`).
    package var settings: [String] = []
    /// The admin page; `nil`: none is served.
    package var staticFolder: String?
    /// The description of the API; `nil`: none is served.
    package var apiDocument: String?
    /// Names besides loopback under which the admin API may be called.
    package var hosts: [String] = []
    /// Largest body of a request, in bytes.
    package var bodyLimit = 1 << 20
    /// Requests a second that one address may make; 0: as many as it likes.
    package var adminRate = 5_000
    /// Largest backup that is put back while the process runs, in bytes.
    package var restoreLimit = 1 << 30
    /// The certificate with which the admin API speaks TLS; `nil`: clear text.
    package var adminCertificate: AdminCertificateSource?
    /// File with the address that alerts are sent to; `nil`: they are logged and shown only.
    package var alertWebhookFile: String?
    /// Seconds for which something about a worker must be wrong to be an alert.
    package var alertAfter = 30
    /// Whether the admin API may listen elsewhere than on loopback without TLS.
    package var allowsInsecureAdmin = false
    /// Whether core files and debuggers are left possible.
    package var allowsDumps = false

    package init(data: String, migrations: String) {
        self.data = data
        self.migrations = migrations
    }

    package var channelPath: String { channel ?? "\(data)/channel.sock" }
    package var managementPath: String { "\(data)/management.sock" }
}

/// The version of this software.
package enum ControlPlaneVersion {
    package static let current = "0.1.0"
}

/// Why a process with these settings cannot start; names the setting.
package struct StartError: Error, CustomStringConvertible {
    package let description: String

    package init(_ description: String) {
        self.description = description
    }
}
