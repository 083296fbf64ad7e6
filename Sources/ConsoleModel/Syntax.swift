// The shapes of names, hosts and addresses that several models share. Each check returns what is wrong, in words, or
// nil.

package enum Syntax {
    /// Longest name of a resource: a DNS name's length, because names become parts of host and file names elsewhere.
    static let longestName = 253
    /// Longest path, header value or other text of a route, in bytes.
    static let longestText = 4_096
    /// Seven days in milliseconds. A timeout that is longer is a mistake in the unit.
    static let longestTime = 604_800_000
    /// Most entries of a list of conditions.
    static let longestList = 1_000

    /// Names of certificates and routes: they stand in URLs, logs and metrics.
    static func problem(withName name: String) -> String? {
        if name.isEmpty { return "A name is required." }
        if let problem = problem(withText: name) { return problem }
        if name.utf8.count > longestName { return "Must have at most \(longestName) characters." }
        guard let first = name.utf8.first, isAlphanumeric(first) else { return "Must begin with a letter or a digit." }
        if !name.utf8.allSatisfy({
            isAlphanumeric($0) || $0 == UInt8(ascii: ".") || $0 == UInt8(ascii: "-") || $0 == UInt8(ascii: "_")
        }) {
            return "May contain only letters, digits, '.', '-' and '_'."
        }
        return nil
    }

    /// Control characters have no place in any text that is kept, shown or logged.
    static func problem(withText text: String) -> String? {
        if text.unicodeScalars.contains(where: { $0.value < 0x20 || (0x7f...0x9f).contains($0.value) }) {
            return "Must not contain control characters."
        }
        return nil
    }

    /// Text that is kept: without control characters and of bounded length.
    static func problem(withValue text: String) -> String? {
        text.utf8.count > longestText ? "Must have at most \(longestText) bytes." : problem(withText: text)
    }

    /// Printable ASCII, as header and query values of a route must be.
    static func isPrintableASCII(_ text: String) -> Bool {
        text.utf8.allSatisfy { (0x20...0x7e).contains($0) }
    }

    /// A header field name (RFC 9110 §5.1).
    static func isToken(_ text: String) -> Bool {
        !text.isEmpty && text.utf8.allSatisfy { isAlphanumeric($0) || "!#$%&'*+-.^_`|~".utf8.contains($0) }
    }

    /// A host name in lower case, without port; `wildcard` allows one leading `*.`.
    static func problem(withHost host: String, wildcard: Bool) -> String? {
        if host.isEmpty { return "A host name is required." }
        if let problem = problem(withText: host) { return problem }
        if host.utf8.contains(where: { $0 > 0x7f }) {
            return "Must be in ASCII: write an international name in its xn-- form."
        }
        if host.utf8.contains(where: isUppercase) { return "Must be in lower case." }
        if host.hasPrefix("http://") || host.hasPrefix("https://") || host.utf8.contains(UInt8(ascii: "/")) {
            return "Must be a host name only, without scheme and path."
        }
        if host.utf8.contains(UInt8(ascii: ":")) { return "Must be a host name without port." }
        var labels = host.split(separator: ".", omittingEmptySubsequences: false)
        if wildcard, labels.first == "*" {
            labels.removeFirst()
            if labels.isEmpty { return "A '*' must be followed by '.' and a name, as in *.example.com." }
        }
        if host.utf8.contains(UInt8(ascii: "*")), labels.contains(where: { $0.contains("*") }) {
            return wildcard ? "A '*' may only stand first, as in *.example.com." : "Must not contain '*'."
        }
        if host.utf8.count > longestName { return "Must have at most \(longestName) characters." }
        for label in labels {
            if label.isEmpty { return "Must not contain empty parts between dots." }
            if label.utf8.count > 63 { return "Each part between dots must have at most 63 characters." }
            let fits = label.utf8.allSatisfy {
                isAlphanumeric($0) || $0 == UInt8(ascii: "-") || $0 == UInt8(ascii: "_")
            }
            if !fits { return "May contain only letters, digits, '-' and dots." }
            if label.hasPrefix("-") || label.hasSuffix("-") { return "No part between dots may begin or end with '-'." }
        }
        // `1.2.3` is an address to some resolvers and a name to others.
        if let last = labels.last, last.utf8.allSatisfy(isDigit), !isIPv4(host) {
            return "Looks like an IPv4 address but is not one."
        }
        return nil
    }

    package static func isIPv4(_ text: some StringProtocol) -> Bool {
        let parts = text.split(separator: ".", omittingEmptySubsequences: false)
        return parts.count == 4
            && parts.allSatisfy { part in
                (1...3).contains(part.utf8.count) && part.utf8.allSatisfy(isDigit)
                    && (part.count == 1 || part.first != "0")
                    && (UInt16(part) ?? 256) < 256
            }
    }

    /// An IPv6 address in text form (RFC 4291 §2.2), without brackets and without a zone.
    package static func isIPv6(_ text: some StringProtocol) -> Bool {
        var text = String(text)
        var groupsNeeded = 8
        if let colon = text.lastIndex(of: ":"), text.contains(".") {
            guard isIPv4(text[text.index(after: colon)...]) else { return false }
            text = String(text[...colon]) + "0"
            groupsNeeded = 7
        }
        func groups(_ part: some StringProtocol) -> Int? {
            if part.isEmpty { return 0 }
            let groups = part.split(separator: ":", omittingEmptySubsequences: false)
            return groups.allSatisfy { (1...4).contains($0.utf8.count) && $0.utf8.allSatisfy(isHexDigit) }
                ? groups.count : nil
        }
        let halves = text.ranges(of: "::")
        switch halves.count {
        case 0: return groups(text) == groupsNeeded
        case 1:
            guard let left = groups(text[..<halves[0].lowerBound]), let right = groups(text[halves[0].upperBound...])
            else { return false }
            return left + right < groupsNeeded
        default: return false
        }
    }

    /// An address, or one with the number of its leading bits that count, as in `10.0.0.0/8`; `*` for every address.
    static func isAddressRange(_ text: String) -> Bool {
        if text == "*" { return true }
        let parts = text.split(separator: "/", maxSplits: 1, omittingEmptySubsequences: false)
        let longest = isIPv4(parts[0]) ? 32 : isIPv6(parts[0]) ? 128 : -1
        guard longest > 0 else { return false }
        guard parts.count == 2 else { return true }
        return parts[1].utf8.allSatisfy(isDigit) && (Int(parts[1]).map { (0...longest).contains($0) } ?? false)
    }

    private static func isDigit(_ byte: UInt8) -> Bool { (UInt8(ascii: "0")...UInt8(ascii: "9")).contains(byte) }
    private static func isUppercase(_ byte: UInt8) -> Bool { (UInt8(ascii: "A")...UInt8(ascii: "Z")).contains(byte) }
    private static func isAlphanumeric(_ byte: UInt8) -> Bool {
        isDigit(byte) || isUppercase(byte) || (UInt8(ascii: "a")...UInt8(ascii: "z")).contains(byte)
    }
    private static func isHexDigit(_ byte: UInt8) -> Bool {
        isDigit(byte) || (UInt8(ascii: "a")...UInt8(ascii: "f")).contains(byte | 0x20)
    }
}
