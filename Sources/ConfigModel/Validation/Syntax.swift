// The syntax of names, hosts, addresses and tokens. Each check returns what is wrong, or nil; none of them resolves a name.

import Glibc

/// Syntax checks on single texts.
package enum Syntax {
    /// Names of objects: any text without control characters, as they are shown, logged and used as labels.
    package static func objectName(_ name: String) -> String? {
        if name.isEmpty { return "must not be empty" }
        if name.utf8.count > Bounds.nameBytes { return "must not be longer than \(Bounds.nameBytes) bytes" }
        return hasControl(name) ? "must not contain control characters" : nil
    }

    /// Host of a virtual host: exact, `*.suffix`, or `*`; lower case, no port, no dot at the end.
    package static func virtualHostName(_ host: String) -> String? {
        if host == "*" { return nil }
        if host.utf8.first == UInt8(ascii: "[") {
            let inside = host.dropFirst().dropLast()
            guard host.hasSuffix("]"), isIPv6(String(inside)) else { return "is not an IPv6 address in brackets" }
            return host.lowercased() == host ? nil : "must be in lower case"
        }
        let wildcard = host.hasPrefix("*.")
        let name = wildcard ? String(host.dropFirst(2)) : host
        if name.utf8.contains(UInt8(ascii: "*")) {
            return "may have a star only as its whole first label (`*.example.com`)"
        }
        if name.hasSuffix(".") { return "must not end in a dot" }
        if name.utf8.contains(where: isUpper) { return "must be in lower case" }
        if wildcard && isIPv4(name) { return "cannot put a star before an address" }
        return hostName(name)
    }

    /// A DNS name (letters, digits, hyphens, underscores; at most 253 bytes, labels at most 63) or an IPv4 address.
    package static func hostName(_ name: String) -> String? {
        let name = name.hasSuffix(".") ? String(name.dropLast()) : name
        if name.isEmpty { return "must not be empty" }
        if name.utf8.count > 253 { return "must not be longer than 253 bytes" }
        let labels = name.utf8.split(separator: UInt8(ascii: "."), omittingEmptySubsequences: false)
        for label in labels {
            if label.isEmpty { return "must not have an empty label" }
            if label.count > 63 { return "must not have a label longer than 63 bytes" }
            if !label.allSatisfy(isHostByte) {
                return name.utf8.contains(UInt8(ascii: ":"))
                    ? "must be a host name without a port"
                    : "must be made of letters, digits, hyphens, underscores and dots"
            }
            if label.first == UInt8(ascii: "-") || label.last == UInt8(ascii: "-") {
                return "must not have a label that begins or ends with a hyphen"
            }
        }
        // `1.2.3` and `0x7f.1` are addresses to some resolvers and names to others.
        if let last = labels.last, last.allSatisfy(isDigit), !isIPv4(name) {
            return "looks like an IPv4 address but is not one"
        }
        return nil
    }

    /// Host and optional port, as in the `Host` header.
    package static func authority(_ text: String) -> String? {
        var host = text[...]
        if let colon = text.lastIndex(of: ":"), !text[colon...].contains("]") {
            let digits = text[text.index(after: colon)...]
            guard digits.utf8.allSatisfy(isDigit), let port = UInt16(digits), port > 0 else {
                return "must have a port from 1 to 65535 after its colon"
            }
            host = text[..<colon]
        }
        if host.hasPrefix("[") {
            return host.hasSuffix("]") && isIPv6(String(host.dropFirst().dropLast()))
                ? nil : "is not an IPv6 address in brackets"
        }
        return hostName(String(host))
    }

    package static func isIPv4(_ text: String) -> Bool {
        var address = in_addr()
        return !text.utf8.contains(0) && inet_pton(AF_INET, text, &address) == 1
    }

    package static func isIPv6(_ text: String) -> Bool {
        var address = in6_addr()
        return !text.utf8.contains(0) && inet_pton(AF_INET6, text, &address) == 1
    }

    /// A token of RFC 9110 §5.6.2: methods and header names.
    package static func isToken(_ text: String) -> Bool {
        !text.isEmpty && text.utf8.allSatisfy(isTokenByte)
    }

    /// Control characters of ASCII and of the C1 block.
    package static func hasControl(_ text: String) -> Bool {
        // C1 controls are 0xC2 0x80 to 0xC2 0x9F in UTF-8: no other scalar has those two bytes in a row.
        var last: UInt8 = 0
        for byte in text.utf8 {
            if byte < 0x20 || byte == 0x7f || (last == 0xc2 && byte < 0xa0) { return true }
            last = byte
        }
        return false
    }

    static func isUpper(_ byte: UInt8) -> Bool { UInt8(ascii: "A")...UInt8(ascii: "Z") ~= byte }

    private static func isDigit(_ byte: UInt8) -> Bool { UInt8(ascii: "0")...UInt8(ascii: "9") ~= byte }

    private static func isAlphanumeric(_ byte: UInt8) -> Bool {
        switch byte {
        case UInt8(ascii: "a")...UInt8(ascii: "z"), UInt8(ascii: "A")...UInt8(ascii: "Z"),
            UInt8(ascii: "0")...UInt8(ascii: "9"):
            true
        default: false
        }
    }

    private static func isHostByte(_ byte: UInt8) -> Bool {
        isAlphanumeric(byte) || byte == UInt8(ascii: "-") || byte == UInt8(ascii: "_")
    }

    private static func isTokenByte(_ byte: UInt8) -> Bool {
        isAlphanumeric(byte) || "!#$%&'*+-.^_`|~".utf8.contains(byte)
    }
}
