// What the handlers of one request know besides the request: who asks, from where.

import HTTPTypes
package import Hummingbird
import Foundation
import NIOCore
import Persistence

/// The context of a request to the admin API.
package struct AdminContext: RequestContext {
    package var coreContext: CoreRequestContextStorage
    /// The connection itself, for answers that must be able to end it.
    let channel: any Channel
    /// Where the connection comes from.
    package var peer: Peer
    /// Who asks; set by `AccessMiddleware` where the operation's rule asks for an account.
    package var identity: Identity?

    package init(source: ApplicationRequestContextSource) {
        coreContext = CoreRequestContextStorage(source: source)
        channel = source.channel
        peer = Peer(source.channel.remoteAddress)
    }

    func signedIn() throws(Problem) -> Identity {
        guard let identity else { throw .loginRequired }
        return identity
    }

    /// The author of what this request changes.
    func author() throws(Problem) -> Author {
        let identity = try signedIn()
        return Author(name: identity.account.name, address: peer.address, via: identity.via)
    }

    /// A path parameter, percent-decoded. Control characters in it cannot name anything.
    func name(_ parameter: String = "name") throws(Problem) -> String {
        guard let raw = parameters.get(parameter), let text = raw.removingPercentEncoding,
            !text.unicodeScalars.contains(where: { $0.value < 0x20 || $0.value == 0x7f })
        else {
            throw Problem(.badRequest, .invalidFields, "The name in the path is not valid percent-encoded text.")
        }
        return text
    }
}

/// The other end of a connection.
package struct Peer: Hashable, Sendable {
    /// The address without port; `unknown` where the transport tells none.
    package var address: String
    package var isLoopback: Bool

    init(_ socket: SocketAddress?) {
        address = socket?.ipAddress ?? "unknown"
        isLoopback = Self.isLoopback(address)
    }

    static func isLoopback(_ address: String) -> Bool {
        address == "::1" || address.hasPrefix("127.") || address.hasPrefix("::ffff:127.")
    }
}

extension Problem {
    static var loginRequired: Problem { Problem(.unauthorized, .loginRequired, "Login required.") }
}
