// A request that is tried out through one of the gateway's own listeners, and what is sent once it is open.

import Foundation

extension Console {
    /// What `POST /v1/try` is asked.
    package struct TryRequest: Codable, Hashable, Sendable {
        /// `http`, `websocket` or `grpc`.
        @JSONField package var kind = ""
        /// Name of a listener of the gateway.
        @JSONField package var listener = ""
        /// As in `Host`; its name is that of the TLS handshake.
        @JSONField package var authority = ""
        /// With a query where there is one; `/` when it is left out. Of gRPC the method, or nothing: which services there are.
        @JSONField package var path: String? = nil
        /// GET when it is left out; of gRPC always POST.
        @JSONField package var method: String? = nil
        @JSONField package var headers: [String: String]? = nil
        @JSONField package var body: String? = nil

        package init() {}

        package var isWebSocket: Bool { kind == "websocket" }
        package var isGRPC: Bool { kind == "grpc" }

        /// The full name of the service and the name of the method in a path of gRPC; `nil`: it is no such path.
        package var grpcMethod: (service: String, method: String)? {
            let parts = (path ?? "").split(separator: "/", omittingEmptySubsequences: false)
            guard parts.count == 3, parts[0].isEmpty, !parts[1].isEmpty, !parts[2].isEmpty, !parts[2].contains("?")
            else { return nil }
            return (String(parts[1]), String(parts[2]))
        }

        /// Fields that say how the request travels: they follow from the rest, and a second opinion would confuse the answer.
        private static let own: Set<String> = [
            "connection", "content-length", "expect", "host", "keep-alive", "proxy-connection", "sec-websocket-accept",
            "sec-websocket-extensions", "sec-websocket-key", "sec-websocket-version", "te", "trailer",
            "transfer-encoding", "upgrade",
        ]
        private static let ownOfGRPC: Set<String> = ["content-type", "grpc-accept-encoding", "grpc-encoding"]

        package func check() -> Findings {
            var findings = Findings()
            if !["http", "websocket", "grpc"].contains(kind) {
                findings.refuse("kind", "Must be http, websocket or grpc.")
            }
            if let problem = Syntax.problem(withName: listener) { findings.refuse("listener", problem) }
            if let problem = Self.problem(withAuthority: authority) { findings.refuse("authority", problem) }
            let path = path ?? "/"
            if path.utf8.first != UInt8(ascii: "/") || path.utf8.contains(where: { $0 <= 0x20 || $0 >= 0x7f }) {
                findings.refuse("path", "Must begin with / and be percent-encoded: no blanks, only ASCII.")
            } else if path.utf8.count > RouteTestRequest.longestURL {
                findings.refuse("path", "Must have at most \(RouteTestRequest.longestURL) bytes.")
            }
            if let method, !Syntax.isToken(method) || method.uppercased() == "CONNECT" {
                findings.refuse("method", "Must be a method, as in GET; CONNECT is none that can be tried.")
            }
            let headers = headers ?? [:]
            if headers.count > 100 { findings.refuse("headers", "Must be at most 100.") }
            for (name, value) in headers {
                if !Syntax.isToken(name) {
                    findings.refuse("headers[\(name)]", "Is not the name of a header.")
                } else if Self.own.contains(name.lowercased()) || isGRPC && Self.ownOfGRPC.contains(name.lowercased()) {
                    findings.refuse("headers[\(name)]", "Follows from the other fields and cannot be set.")
                } else if let problem = Syntax.problem(withValue: value) {
                    findings.refuse("headers[\(name)]", problem)
                }
            }
            if isWebSocket {
                if let method, method != "GET" { findings.refuse("method", "A WebSocket begins with GET.") }
                if let body, !body.isEmpty { findings.refuse("body", "A WebSocket's handshake has none.") }
            }
            if isGRPC {
                if self.path != nil, grpcMethod == nil {
                    findings.refuse(
                        "path", "Must be /package.Service/Method. Leave it out to see which services there are.")
                }
                if let method, method != "POST" { findings.refuse("method", "A gRPC call is a POST.") }
                if let body, !body.isEmpty { findings.refuse("body", "Messages are sent once the call has begun.") }
            }
            return findings
        }

        /// The authority without its port and brackets.
        package var host: String {
            if authority.hasPrefix("["), let end = authority.firstIndex(of: "]") {
                return String(authority[authority.index(after: authority.startIndex)..<end])
            }
            return String(authority.prefix { $0 != ":" })
        }

        private static func problem(withAuthority authority: String) -> String? {
            let form = "Must be a host with or without a port, as in shop.test or shop.test:8443."
            // Names without a domain here are tried too: what the gateway says to them is worth seeing.
            guard !authority.isEmpty, authority.utf8.count <= 262,
                authority.utf8.allSatisfy({ byte in
                    (UInt8(ascii: "0")...UInt8(ascii: "9")).contains(byte)
                        || (UInt8(ascii: "a")...UInt8(ascii: "z")).contains(byte | 0x20) || "-._:[]".utf8.contains(byte)
                })
            else { return form }
            return nil
        }
    }

    /// What goes to the other side of a WebSocket or a gRPC call.
    package struct TryMessage: Codable, Hashable, Sendable {
        /// Of a WebSocket.
        @JSONField package var text: String? = nil
        /// Of a gRPC call: a message as the JSON mapping of protocol buffers has it.
        @JSONField package var json: JSONValue? = nil
        @JSONField package var base64: String? = nil
        /// Closes the WebSocket; of a gRPC call: no more messages follow this one, or those before.
        @JSONField package var end: Bool? = nil
        /// Of the close frame; 1000 when it is left out.
        @JSONField package var code: Int? = nil
        @JSONField package var reason: String? = nil

        package init() {}

        package func check(of request: TryRequest) -> Findings {
            var findings = Findings()
            if let base64, Data(base64Encoded: base64) == nil { findings.refuse("base64", "Is not base64.") }
            if request.isGRPC { checkCall(&findings) } else { checkWebSocket(&findings) }
            return findings
        }

        private func checkCall(_ findings: inout Findings) {
            if text != nil { findings.refuse("text", "A gRPC call takes json or base64.") }
            let hasMessage = json != nil || base64 != nil
            if json != nil && base64 != nil || !hasMessage && text == nil && end != true {
                findings.refuse("json", "Either json or base64 must be given, or end: true, alone or with one of them.")
            }
            if code != nil || reason != nil { findings.refuse("code", "A code and a reason are a WebSocket's.") }
        }

        private func checkWebSocket(_ findings: inout Findings) {
            let isEnd = end ?? false
            if json != nil { findings.refuse("json", "Is for a gRPC call.") }
            if [text != nil, base64 != nil, isEnd].count(where: { $0 }) != 1 {
                findings.refuse("text", "Exactly one of text, base64 and end must be given.")
            }
            if !isEnd, code != nil || reason != nil { findings.refuse("end", "A code or reason goes with end: true.") }
            if let code,
                !(code == 1000 || (1001...1003).contains(code) || (1007...1014).contains(code)
                    || (3000...4999).contains(code))
            {
                findings.refuse("code", "Must be 1000 to 1003, 1007 to 1014 or 3000 to 4999.")
            }
            if let reason, reason.utf8.count > 123 { findings.refuse("reason", "Must have at most 123 bytes.") }
        }
    }
}
