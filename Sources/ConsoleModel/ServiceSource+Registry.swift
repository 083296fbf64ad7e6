// The rules of registries, type by type. What is stored today must be right on the day it acts.

extension Console.ServiceSource {
    func checkRegistry(_ kind: Kind, _ findings: inout Findings) {
        if domain.isEmpty {
            findings.refuse("domain", "Is required: the registry's address.")
        } else if !Syntax.isIPv4(domain), !Syntax.isIPv6(domain),
            let problem = Syntax.problem(withHost: domain, wildcard: false)
        {
            findings.refuse("domain", problem)
        }
        switch kind {
        case .nacos, .nacos2:
            requireTexts("nacosGroups", &findings)
            checkText("nacosNamespaceId", &findings)
        case .nacos3: checkNacos3(&findings)
        case .consul:
            if checkText("consulDatacenter", &findings) == nil {
                findings.refuse("properties.consulDatacenter", "Is required.")
            }
            checkText("consulServiceTag", &findings)
            if let interval = property("consulRefreshInterval") {
                if case .integer(let seconds) = interval, (10...600).contains(seconds) { break }
                findings.refuse(
                    "properties.consulRefreshInterval", "Must be a whole number of seconds between 10 and 600.")
            }
        case .zookeeper:
            if property("zkServicesPath") != nil { requireTexts("zkServicesPath", &findings) }
        case .eureka, .static, .dns, .file: break
        }
    }

    private func checkNacos3(_ findings: inout Findings) {
        checkText("nacosNamespaceId", &findings)
        var servesMCP = false
        switch property("enableMCPServer") {
        case nil: break
        case .bool(let value): servesMCP = value
        default: findings.refuse("properties.enableMCPServer", "Must be true or false.")
        }
        guard servesMCP else { return requireTexts("nacosGroups", &findings) }
        let base = checkText("mcpServerBaseUrl", &findings) ?? ""
        if !base.hasPrefix("/") || base.contains("?") {
            findings.refuse("properties.mcpServerBaseUrl", "Must begin with '/' and have no query.")
        }
        for (index, host) in (texts("mcpServerExportDomains") ?? []).enumerated() {
            if let problem = Syntax.problem(withHost: host, wildcard: true) {
                findings.refuse("properties.mcpServerExportDomains[\(index)]", problem)
            }
        }
    }

    private func property(_ name: String) -> JSONValue? {
        properties?[name].flatMap { $0 == .null ? nil : $0 }
    }

    private func texts(_ name: String) -> [String]? {
        guard case .array(let values)? = property(name) else { return nil }
        let texts = values.compactMap { value -> String? in
            if case .string(let text) = value, !text.isEmpty { text } else { nil }
        }
        return texts.count == values.count ? texts : nil
    }

    private func requireTexts(_ name: String, _ findings: inout Findings) {
        if (texts(name) ?? []).isEmpty { findings.refuse("properties.\(name)", "Must be a list of at least one text.") }
    }

    @discardableResult
    private func checkText(_ name: String, _ findings: inout Findings) -> String? {
        switch property(name) {
        case nil: return nil
        case .string(let text):
            if let problem = Syntax.problem(withText: text) { findings.refuse("properties.\(name)", problem) }
            return text.isEmpty ? nil : text
        default:
            findings.refuse("properties.\(name)", "Must be text.")
            return nil
        }
    }
}
