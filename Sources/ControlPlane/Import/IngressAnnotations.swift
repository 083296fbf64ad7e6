// The annotations of one Ingress: what the console's own fields say of them, what the domain and the service need, and the rest,
// which stays as it is.

import ConsoleModel

/// Whether an Ingress wants plain requests redirected to HTTPS.
enum RedirectWish {
    case no
    /// ingress-nginx: only where the host has a certificate.
    case withTLS
    case always
}

/// What the annotations of an Ingress say.
struct IngressAnnotations {
    static let nginx = "nginx.ingress.kubernetes.io/"
    static let higress = "higress.io/"

    /// Fields that all routes of the Ingress have.
    private(set) var fields = Console.Route()
    private(set) var isRegular = false
    private(set) var ignoresCase = false
    private(set) var redirect = RedirectWish.no
    /// From a field of the route to the annotation that set it.
    private(set) var places: [String: ManifestNode] = [:]

    private let node: ManifestNode
    private let isNginx: Bool
    /// Read by name; what is left at the end is for `customConfigs`.
    private var read: Set<String> = []

    init(of ingress: Manifest, isNginx: Bool) {
        node = ingress.root["metadata"]["annotations"]
        self.isNginx = isNginx
        readMatching()
        readRewrite()
        readHeaderControl()
        readCORS()
        readRetries()
        readRedirect()
    }

    /// The annotation of that name; the form of nginx counts, as in Higress.
    mutating func take(_ name: String, nginx: Bool = true, higress: Bool = true) -> (node: ManifestNode, text: String)?
    {
        var found: (ManifestNode, String)?
        for (prefix, isAsked) in [(Self.nginx, nginx), (Self.higress, higress)] where isAsked {
            let each = node[prefix + name]
            guard each.value != nil else { continue }
            read.insert(prefix + name)
            guard let text = each.text else { continue }
            if found == nil {
                found = (each, text)
            } else {
                each.ignore("The form with \(Self.nginx) counts.")
            }
        }
        return found
    }

    /// A feature's annotation, and whether it is switched on: off ones have another prefix besides.
    private mutating func feature(
        _ name: String, nginx: Bool = true, higress: Bool = true
    ) -> (node: ManifestNode, text: String, isOn: Bool)? {
        let off = take("disabled.\(name)", nginx: false)
        if let on = take(name, nginx: nginx, higress: higress) { return (on.node, on.text, true) }
        return off.map { ($0.node, $0.text, false) }
    }

    private mutating func flag(_ name: String, nginx: Bool = true, higress: Bool = true) -> Bool? {
        guard let (node, text) = take(name, nginx: nginx, higress: higress) else { return nil }
        switch text {
        case "true": return true
        case "false": return false
        default:
            node.refuse("Must be true or false.")
            return nil
        }
    }

    mutating func set(_ mirror: Console.Mirror, at node: ManifestNode) {
        fields.mirror = mirror
        places["mirror"] = node
    }

    private mutating func readMatching() {
        ignoresCase = flag("ignore-path-case") ?? false
        if let (node, text) = take("match-method", nginx: false) {
            fields.methods = text.split(whereSeparator: \.isWhitespace).map(String.init)
            places["methods"] = node
        }
        for (kind, word) in [(Console.MatchType.equal, "exact"), (.prefix, "prefix"), (.regular, "regex")] {
            for subject in ["header", "pseudo-header", "query"] {
                let start = "\(Self.higress)\(word)-match-\(subject)-"
                for (name, node) in node.members where name.hasPrefix(start) {
                    read.insert(name)
                    guard let text = node.text else { continue }
                    let key = String(name.dropFirst(start.count))
                    if subject == "query" {
                        places["urlParams[\((fields.urlParams ?? []).count)]"] = node
                        fields.urlParams = (fields.urlParams ?? []) + [.init(key: key, kind, text)]
                    } else {
                        places["headers[\((fields.headers ?? []).count)]"] = node
                        let key = subject == "header" ? key : ":\(key)"
                        fields.headers = (fields.headers ?? []) + [.init(key: key, kind, text)]
                    }
                }
            }
        }
    }

    private mutating func readRewrite() {
        isRegular = flag("use-regex") ?? false
        var rewrite = Console.Rewrite()
        let target = feature("rewrite-target")
        let path = feature("rewrite-path", nginx: false)
        let host = feature("upstream-vhost")
        let isOn = flag("enable-rewrite", nginx: false)
        if path != nil { target?.node.ignore("rewrite-path says it.") }
        if let (node, text, _) = path ?? target {
            rewrite.path = text
            places["rewrite.path"] = node
            // As in nginx and in Higress: what is to be substituted is a pattern.
            if path == nil { isRegular = true }
        }
        if let (node, text, _) = host {
            rewrite.host = text
            places["rewrite.host"] = node
        }
        guard let any = path ?? target ?? host else { return }
        rewrite.enabled = isOn ?? any.isOn
        fields.rewrite = rewrite
    }

    private mutating func readHeaderControl() {
        var control = Console.HeaderControl()
        var isOn = true
        func lines(_ text: String) -> [Console.HeaderControl.Header] {
            text.split(separator: "\n").map { line in
                let parts = Self.words(String(line))
                var header = Console.HeaderControl.Header()
                header.key = parts.first
                header.value = parts.rest
                return header
            }.filter { !$0.key.isEmpty }
        }
        for name in ["request", "response"] {
            var stage = Console.HeaderControl.Stage()
            for action in ["add", "update", "remove"] {
                guard let (node, text, on) = feature("\(name)-header-control-\(action)", nginx: false) else { continue }
                isOn = isOn && on
                places["headerControl.\(name).\(action == "update" ? "set" : action)"] = node
                switch action {
                case "add": stage.add = lines(text)
                case "update": stage.set = lines(text)
                default: stage.remove = Self.list(text)
                }
            }
            if stage == Console.HeaderControl.Stage() { continue }
            if name == "request" { control.request = stage } else { control.response = stage }
        }
        let flag = flag("enable-header-control", nginx: false)
        guard control != Console.HeaderControl() else { return }
        control.enabled = flag ?? isOn
        fields.headerControl = control
    }

    /// A key and the rest of the line, each perhaps in quotes.
    private static func words(_ line: String) -> (first: String, rest: String) {
        var line = Substring(line.trimmingBlanks)
        let key: Substring
        if let quote = line.first, quote == "\"" || quote == "'", let end = line.dropFirst().firstIndex(of: quote) {
            key = line[line.index(after: line.startIndex)..<end]
            line = line[line.index(after: end)...]
        } else {
            key = line.prefix { !$0.isWhitespace }
            line = line.dropFirst(key.count)
        }
        var value = String(line).trimmingBlanks
        if value.count >= 2, let quote = value.first, quote == "\"" || quote == "'", value.last == quote {
            value = String(value.dropFirst().dropLast())
        }
        return (String(key), value)
    }

    static func list(_ text: String) -> [String] {
        text.split(separator: ",").map { String($0).trimmingBlanks }.filter { !$0.isEmpty }
    }

    private mutating func readCORS() {
        let isOn = flag("enable-cors")
        var cors = Console.CORS()
        func texts(_ name: String, _ field: String, _ annotations: inout IngressAnnotations) -> [String]? {
            guard let (node, text, _) = annotations.feature(name) else { return nil }
            annotations.places["cors.\(field)"] = node
            return Self.list(text)
        }
        cors.allowOrigins = texts("cors-allow-origin", "allowOrigins", &self)
        cors.allowMethods = texts("cors-allow-methods", "allowMethods", &self)
        cors.allowHeaders = texts("cors-allow-headers", "allowHeaders", &self)
        cors.exposeHeaders = texts("cors-expose-headers", "exposeHeaders", &self)
        cors.allowCredentials = flag("cors-allow-credentials")
        if let (node, text, _) = feature("cors-max-age") {
            places["cors.maxAge"] = node
            if let seconds = Int(text) { cors.maxAge = seconds } else { node.refuse("Must be a number of seconds.") }
        }
        guard let isOn else {
            if cors != Console.CORS() {
                for (name, place) in places where name.hasPrefix("cors.") {
                    place.ignore("Has no effect without enable-cors.")
                }
            }
            return
        }
        cors.enabled = isOn
        if isOn {
            // What both gateways do where nothing is said.
            cors.allowCredentials = cors.allowCredentials ?? true
            cors.maxAge = cors.maxAge ?? 1_728_000
        }
        fields.cors = cors
    }

    private mutating func readRetries() {
        var retries = Console.ProxyNextUpstream()
        var isOn = flag("enable-proxy-next-upstream", nginx: false)
        var isGiven = false
        if let (node, text, on) = feature("proxy-next-upstream") {
            isGiven = true
            let conditions = text.split { $0 == "," || $0.isWhitespace }.map(String.init)
            if conditions.contains("off") || !on { isOn = isOn ?? false }
            retries.conditions = conditions.filter { $0 != "off" }
            places["proxyNextUpstream.conditions"] = node
        }
        for (name, field) in [("tries", \Console.ProxyNextUpstream.attempts), ("timeout", \.timeout)] {
            guard let (node, text, _) = feature("proxy-next-upstream-\(name)") else { continue }
            isGiven = true
            places["proxyNextUpstream.\(name == "tries" ? "attempts" : name)"] = node
            guard let number = Int(text) else {
                node.refuse("Must be a whole number.")
                continue
            }
            retries[keyPath: field] = number
            if name == "timeout", isNginx, number > 0 {
                node.change("Is the time of each try here; in ingress-nginx it is that of all tries.")
            }
        }
        guard isGiven else { return }
        retries.enabled = isOn ?? true
        fields.proxyNextUpstream = retries
    }

    private mutating func readRedirect() {
        let asked = flag("ssl-redirect")
        let forced = flag("force-ssl-redirect")
        if isNginx {
            redirect = forced == true ? .always : asked ?? true ? .withTLS : .no
        } else {
            redirect = asked == true || forced == true ? .always : .no
        }
    }

    /// What is left under a prefix that means anything, for `customConfigs`.
    mutating func rest() -> [(name: String, node: ManifestNode, text: String)] {
        node.members.compactMap { name, node in
            guard name.hasPrefix(Self.nginx) || name.hasPrefix(Self.higress), read.insert(name).inserted,
                let text = node.text
            else { return nil }
            return (name, node, text)
        }
    }
}

extension String {
    var trimmingBlanks: String {
        String(drop { $0.isWhitespace }.reversed().drop { $0.isWhitespace }.reversed())
    }
}
