// A request to the inspection endpoint, as far as it is looked at, and whether it may do what it asks for.

/// The head of a request.
package struct InspectRequest: Sendable {
    package private(set) var method = ""
    package private(set) var path = ""
    package private(set) var query: [String: String] = [:]
    private var hosts: [String] = []
    private var isFromPage = false

    /// nil: no head of HTTP/1.1.
    package init?(_ head: [UInt8]) {
        let lines = String(decoding: head, as: UTF8.self).split(separator: "\r\n", omittingEmptySubsequences: false)
        let parts = (lines.first ?? "").split(separator: " ")
        guard parts.count == 3, parts[2].hasPrefix("HTTP/1.") else { return nil }
        method = String(parts[0])
        let target = parts[1].split(separator: "?", maxSplits: 1)
        path = String(target.first ?? "")
        for pair in (target.count > 1 ? target[1] : "").split(separator: "&") {
            let sides = pair.split(separator: "=", maxSplits: 1)
            query[String(sides[0])] = sides.count > 1 ? Self.decoded(sides[1]) : ""
        }
        for line in lines.dropFirst() {
            guard let colon = line.firstIndex(of: ":") else { continue }
            let value = line[line.index(after: colon)...].drop { $0 == " " || $0 == "\t" }
            switch line[..<colon].lowercased() {
            case "host": hosts.append(value.lowercased())
            // Browsers send one of them with whatever a page of another site asks for.
            case "origin", "sec-fetch-site": isFromPage = true
            default: break
            }
        }
    }

    /// Whether it may see streams or end them. Every page that a browser of this machine shows can send requests to loopback
    /// addresses, and one whose name resolves to them can read the answers: neither has these names.
    package func isTrusted(onUnixSocket: Bool) -> Bool {
        guard !isFromPage else { return false }
        if onUnixSocket { return true }
        guard hosts.count == 1 else { return false }
        var name = hosts[0]
        if let colon = name.lastIndex(of: ":"), name[name.index(after: colon)...].allSatisfy({ $0.isNumber }) {
            name = String(name[..<colon])
        }
        return name == "127.0.0.1" || name == "localhost"
    }

    private static func decoded(_ text: Substring) -> String {
        var bytes: [UInt8] = []
        var rest = Array(text.utf8)[...]
        while let byte = rest.popFirst() {
            if byte == UInt8(ascii: "%"), rest.count >= 2,
                let value = UInt8(String(decoding: rest.prefix(2), as: UTF8.self), radix: 16)
            {
                bytes.append(value)
                rest.removeFirst(2)
            } else {
                bytes.append(byte == UInt8(ascii: "+") ? 32 : byte)
            }
        }
        return String(decoding: bytes, as: UTF8.self)
    }
}
