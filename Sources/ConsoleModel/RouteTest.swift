// A request for the route tester.

import Foundation

extension Console {
    /// A request as a client would send it.
    package struct RouteTestRequest: Codable, Hashable, Sendable {
        /// GET when it is left out.
        @JSONField package var method: String? = nil
        /// `http`, `https`, `ws` or `wss`.
        @JSONField package var url = ""
        @JSONField package var headers: [String: String]? = nil
        /// The name that the client asks for in its TLS handshake; that of the URL when it is left out.
        @JSONField package var sni: String? = nil

        package init() {}

        package static let longestURL = 16_384

        package func check() -> Findings {
            var findings = Findings()
            if let method, !Syntax.isToken(method) {
                findings.refuse("method", "Must be a method, as in GET.")
            }
            if url.isEmpty {
                findings.refuse("url", "Is required, as in https://shop.test/cart?id=1.")
            } else if url.utf8.count > Self.longestURL {
                findings.refuse("url", "Must have at most \(Self.longestURL) bytes.")
            }
            let headers = headers ?? [:]
            if headers.count > 100 { findings.refuse("headers", "Must be at most 100.") }
            for (name, value) in headers {
                if !Syntax.isToken(name) {
                    findings.refuse("headers[\(name)]", "Is not the name of a header.")
                } else if let problem = Syntax.problem(withValue: value) {
                    findings.refuse("headers[\(name)]", problem)
                }
            }
            if let sni, !sni.isEmpty, let problem = Syntax.problem(withHost: sni.lowercased(), wildcard: false) {
                findings.refuse("sni", problem)
            }
            return findings
        }

        /// The parts of the URL as they would travel; `nil`: it is none.
        package var parts: (isSecure: Bool, authority: String, path: String, query: String)? {
            guard let separator = url.range(of: "://") else { return nil }
            let isSecure: Bool
            switch url[..<separator.lowerBound].lowercased() {
            case "http", "ws": isSecure = false
            case "https", "wss": isSecure = true
            default: return nil
            }
            var rest = url[separator.upperBound...]
            if let mark = rest.firstIndex(of: "#") { rest = rest[..<mark] }
            let end = rest.firstIndex { $0 == "/" || $0 == "?" } ?? rest.endIndex
            let authority = String(rest[..<end])
            guard !authority.isEmpty, !authority.contains("@") else { return nil }
            let target = rest[end...]
            let mark = target.firstIndex(of: "?")
            let path = target[..<(mark ?? target.endIndex)]
            let query = mark.map { target[target.index(after: $0)...] } ?? ""
            return (isSecure, authority, path.isEmpty ? "/" : String(path), String(query))
        }
    }
}
