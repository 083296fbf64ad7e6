// /v1/try: requests sent through the gateway's own listeners, as a client would, for somebody who looks on.

import ConfigModel
import ConsoleModel
import HTTPTypes
import Hummingbird
import NIOCore
import Persistence

/// Try-outs.
struct TryController: Sendable {
    let store: Store
    let editor: Editor
    let authenticator: Authenticator
    let tryOuts: TryOuts
    let bodyLimit: Int

    func addRoutes(to group: RouterGroup<AdminContext>) {
        group
            .post(use: begin)
            .get("{id}/events", use: listen)
            .post("{id}/messages", use: send)
            .delete("{id}", use: end)
    }

    private struct Begun: Encodable {
        var id: String
        var kind: String
    }

    private func begin(_ request: Request, context: AdminContext) async throws -> Response {
        let identity = try context.signedIn()
        let author = try context.author()
        let (asked, warnings) = try await request.model(Console.TryRequest.self, limit: bodyLimit)
        try asked.check().throwIfRefused()
        let door = try door(of: asked.listener)
        let path = (asked.path ?? "/").prefix { $0 != "?" }
        let begun = try tryOuts.begin(asked, at: door, of: identity.account.id)
        // A query may hold a secret.
        try await store.note(
            "try", kind: "listener", name: asked.listener, detail: "\(asked.kind) \(asked.authority)\(path)", by: author
        )
        return try .json(Remarked(value: Begun(id: begun.id, kind: asked.kind), warnings: warnings), status: .created)
    }

    /// Where a listener of ours is reached on this machine, and nothing else ever: what it is published with decides.
    private func door(of name: String) throws -> TryDoor {
        guard case .listener(let listener)? = try editor.current().snapshot[ObjectKey(.listener, name)]?.object
        else {
            throw Problem.invalid("listener", "The gateway has no listener \(name).")
        }
        var address = listener.address
        if address == "0.0.0.0" { address = "127.0.0.1" }
        if address == "::" { address = "::1" }
        guard Peer.isLoopback(address) else {
            throw Problem.invalid(
                "listener",
                "Listens at \(address) alone, which is not tried from here: only listeners at a loopback address, or at"
                    + " every address (0.0.0.0 or ::), are.")
        }
        let own = AddressRange(address)
        return TryDoor(
            address: try SocketAddress(ipAddress: address, port: Int(listener.port)), isSecure: listener.tls,
            wantsProxyHeader: listener.proxyProtocol.contains { range in
                guard let own, let range = AddressRange(range) else { return false }
                return range.contains(own.high, own.low)
            })
    }

    private func listen(_ request: Request, context: AdminContext) async throws -> Response {
        let identity = try context.signedIn()
        let found = try tryOuts.find(try context.name("id"), for: identity)
        let queue = try found.takeEvents()
        return queue.response(to: request, context: context) { [authenticator] in
            await authenticator.holds(identity, of: request, from: context.peer)
        }
    }

    private func send(_ request: Request, context: AdminContext) async throws -> Response {
        let found = try tryOuts.find(try context.name("id"), for: try context.signedIn())
        // Base64 of what may be sent, and the names around it.
        let (message, _) = try await request.model(Console.TryMessage.self, limit: tryOuts.limits.bytes * 4 / 3 + 1_024)
        try message.check(of: found.request).throwIfRefused()
        try await found.send(message)
        return Response(status: .noContent)
    }

    private func end(_ request: Request, context: AdminContext) async throws -> Response {
        let found = try tryOuts.find(try context.name("id"), for: try context.signedIn())
        tryOuts.end(found.id)
        return Response(status: .noContent)
    }
}
