// Server-sent events as text: what `text/event-stream` looks like on the wire.

import ConsoleModel
package import NIOCore

/// One event, or a comment between events.
package struct ServerSentEvent: Sendable {
    package var bytes: ByteBuffer

    /// `data` is JSON, which has no line breaks here.
    package init(_ name: String, id: String? = nil, json data: String) {
        bytes = ByteBuffer()
        if let id { bytes.writeString("id: \(id)\n") }
        bytes.writeString("event: \(name)\ndata: \(data)\n\n")
    }

    init(_ name: String, id: String? = nil, _ value: some Encodable) throws {
        self.init(name, id: id, json: String(decoding: try ConsoleJSON.encode(value), as: UTF8.self))
    }

    private init(text: String) {
        bytes = ByteBuffer(string: text)
    }

    /// Keeps proxies and the connection awake.
    static let heartbeat = ServerSentEvent(text: ": still here\n\n")

    /// What a stream begins with: where a client that comes back goes on from, and after how long it may.
    static func beginning(at id: String) -> ServerSentEvent {
        ServerSentEvent(text: "retry: 2000\nid: \(id)\n\n")
    }
}
