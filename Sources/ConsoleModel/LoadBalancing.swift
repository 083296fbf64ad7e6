// How requests are spread over a service's endpoints, as sources and routes say it. A route's own wins.

extension Console {
    package struct LoadBalancing: Codable, Hashable, Sendable {
        /// One of `Policy`'s raw values.
        @JSONField package var policy = ""
        /// With `consistentHash`: one of `HashKey`'s raw values.
        @JSONField package var hashOn: String? = nil
        /// Of the header, cookie or query parameter.
        @JSONField package var hashName: String? = nil

        package init(_ policy: Policy, hashOn: HashKey? = nil, name: String? = nil) {
            self.policy = policy.rawValue
            self.hashOn = hashOn?.rawValue
            hashName = name
        }

        package enum Policy: String, Sendable, CaseIterable {
            case roundRobin, leastRequest, random, consistentHash
        }

        package enum HashKey: String, Sendable, CaseIterable {
            case header, cookie, query, clientAddress, host, path

            /// Whether `hashName` says which one.
            var isNamed: Bool { self == .header || self == .cookie || self == .query }
        }
    }
}

extension Console.LoadBalancing {
    package var parsedPolicy: Policy? { Policy(rawValue: policy) }
    package var hashKey: HashKey? { hashOn.flatMap(HashKey.init(rawValue:)) }

    mutating func normalize() {
        if hashOn?.isEmpty == true { hashOn = nil }
        if hashName?.isEmpty == true { hashName = nil }
        if hashKey == .header { hashName = hashName?.lowercased() }
    }

    func check(_ field: String, _ findings: inout Findings) {
        guard let parsedPolicy else {
            let known = Policy.allCases.map(\.rawValue).joined(separator: ", ")
            return findings.refuse("\(field).policy", "Must be one of \(known).")
        }
        guard parsedPolicy == .consistentHash else {
            if hashOn != nil { findings.refuse("\(field).hashOn", "Has a meaning only with consistentHash.") }
            if hashName != nil { findings.refuse("\(field).hashName", "Has a meaning only with consistentHash.") }
            return
        }
        guard let hashKey else {
            let known = HashKey.allCases.map(\.rawValue).joined(separator: ", ")
            return findings.refuse(
                "\(field).hashOn", hashOn == nil ? "Is required: one of \(known)." : "Must be one of \(known).")
        }
        guard hashKey.isNamed else {
            if hashName != nil {
                findings.refuse("\(field).hashName", "Has a meaning only with header, cookie and query.")
            }
            return
        }
        guard let name = hashName else {
            return findings.refuse("\(field).hashName", "Is required: which \(hashKey.rawValue).")
        }
        if name.utf8.count > Syntax.longestName {
            findings.refuse("\(field).hashName", "Must have at most \(Syntax.longestName) bytes.")
        } else if hashKey == .query ? !Syntax.isPrintableASCII(name) : !Syntax.isToken(name) {
            findings.refuse(
                "\(field).hashName",
                hashKey == .query ? "Must be printable ASCII." : "Must be a \(hashKey.rawValue) name.")
        }
    }

    // MARK: Annotations

    /// The annotation `load-balance`; `nil`: a policy that is not known here.
    static func annotation(loadBalance value: String) -> Self? {
        switch value {
        case "round_robin": Self(.roundRobin)
        case "least_conn": Self(.leastRequest)
        case "random": Self(.random)
        case "ip_hash": Self(.consistentHash, hashOn: .clientAddress)
        default: nil
        }
    }

    /// The annotation `upstream-hash-by`, in nginx's words for variables; `nil`: not one that is known here.
    static func annotation(hashBy value: String) -> Self? {
        switch value {
        case "$request_uri": return Self(.consistentHash, hashOn: .path)
        case "$host": return Self(.consistentHash, hashOn: .host)
        case "$remote_addr", "$binary_remote_addr": return Self(.consistentHash, hashOn: .clientAddress)
        default: break
        }
        let kinds: [(prefix: String, key: HashKey)] = [("$http_", .header), ("$arg_", .query), ("$cookie_", .cookie)]
        guard let kind = kinds.first(where: { value.hasPrefix($0.prefix) }) else { return nil }
        let name = String(value.dropFirst(kind.prefix.count))
        // nginx writes the dashes of header names as underscores.
        let written = kind.key == .header ? String(name.lowercased().map { $0 == "_" ? "-" : $0 }) : name
        guard !written.isEmpty, Syntax.isToken(written), written.utf8.count <= Syntax.longestName else { return nil }
        return Self(.consistentHash, hashOn: kind.key, name: written)
    }
}
