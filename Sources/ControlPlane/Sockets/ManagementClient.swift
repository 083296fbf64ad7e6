// The other end of the management socket: the commands of `causeway-control` that work on a data folder, through the
// process that runs on it where there is one.

import ConsoleModel

/// Asks the control plane that runs on a data folder.
enum ManagementClient {
    /// `nil`: none runs there.
    static func ask(_ request: ManagementRequest, at path: String) throws(StartError) -> ManagementReply? {
        guard let client = try UnixSocketClient.connect(to: path, timeout: 60) else { return nil }
        guard let encoded = try? ConsoleJSON.encode(request) else { throw StartError("The request cannot be written.") }
        try client.send(encoded + [UInt8(ascii: "\n")])
        let answer = try client.receive(limit: ManagementServer.maximumLine) { $0.last == UInt8(ascii: "\n") }
        guard let reply = try? ConsoleJSON.decode(ManagementReply.self, from: answer).value else {
            throw StartError("The control plane behind \(path) closed the connection without an answer.")
        }
        return reply
    }
}
