// The Host header must name this machine's loopback or a configured name. A page of another site whose name was made to
// point here (DNS rebinding) carries its own name, and gets 421.

import Hummingbird

/// The names under which the admin API may be called.
package struct HostRule: Sendable {
    private let names: Set<String>

    /// A port after a name is dropped: people paste what stands in the address bar.
    package init(names: [String]) {
        self.names = Set(
            names.map { name in
                // More than one colon: an IPv6 address.
                name.count { $0 == ":" } > 1 ? name.lowercased() : Self.host(of: name) ?? name.lowercased()
            })
    }

    package func allows(_ authority: String?) -> Bool {
        guard let authority, let host = Self.host(of: authority) else { return false }
        return host == "localhost" || host == "[::1]" || Self.isLoopbackIPv4(host) || names.contains(host)
            || names.contains(String(host.dropFirst().dropLast()))
    }

    /// The host part in lower case, with the brackets of an IPv6 address, without port and final dot.
    static func host(of authority: String) -> String? {
        var host = authority.lowercased()[...]
        if let colon = host.lastIndex(of: ":"), !host.hasSuffix("]") {
            let port = host[host.index(after: colon)...]
            guard port.utf8.allSatisfy({ (UInt8(ascii: "0")...UInt8(ascii: "9")).contains($0) }) else { return nil }
            host = host[..<colon]
        }
        if host.hasSuffix(".") { host = host.dropLast() }
        return host.isEmpty ? nil : String(host)
    }

    private static func isLoopbackIPv4(_ host: String) -> Bool {
        let parts = host.split(separator: ".", omittingEmptySubsequences: false)
        return parts.count == 4 && parts[0] == "127" && parts.allSatisfy { UInt8($0) != nil }
    }
}

/// Refuses requests that were meant for another host.
struct HostMiddleware: RouterMiddleware {
    typealias Context = AdminContext

    let rule: HostRule

    func handle(
        _ request: Request, context: AdminContext, next: (Request, AdminContext) async throws -> Response
    ) async throws -> Response {
        guard rule.allows(request.head.authority) else {
            throw Problem(
                .misdirectedRequest, .misdirected,
                "The host \(request.head.authority ?? "of this request") is not a name of this control plane."
                    + " Start it with --host NAME to allow a name other than localhost.")
        }
        return try await next(request, context)
    }
}
