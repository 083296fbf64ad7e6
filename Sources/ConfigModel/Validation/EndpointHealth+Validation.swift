// Rules of health checks and ejection.

extension HealthCheck {
    func check(_ field: String, _ findings: inout Findings) {
        findings.check("\(field).interval", interval, in: 100...600_000)
        findings.check("\(field).timeout", timeout, in: 10...60_000)
        findings.check("\(field).unhealthyThreshold", unhealthyThreshold, in: 1...100)
        findings.check("\(field).healthyThreshold", healthyThreshold, in: 1...100)
        if kind == .http, !path.hasPrefix("/") || path.utf8.count > Bounds.textBytes || !Self.isVisible(path) {
            findings.report("\(field).path", "must begin with `/` and be visible ASCII")
        }
        if let host { findings.check("\(field).host", Syntax.authority(host)) }
        for (index, range) in statuses.enumerated()
        where range.low < 100 || range.high > 599 || range.low > range.high {
            findings.report("\(field).statuses[\(index)]", "must be from 100 to 599")
        }
        if statuses.count > Bounds.listEntries { findings.report("\(field).statuses", "has too many entries") }
        if service.utf8.count > Bounds.nameBytes || !Self.isVisible(service) {
            findings.report("\(field).service", "must be visible ASCII of at most \(Bounds.nameBytes) bytes")
        }
    }

    private static func isVisible(_ text: String) -> Bool { text.utf8.allSatisfy { $0 > 0x20 && $0 < 0x7f } }
}

extension Ejection {
    func check(_ field: String, _ findings: inout Findings) {
        findings.check("\(field).failures", failures, in: 0...1_000)
        findings.check("\(field).baseTime", baseTime, in: 1...86_400_000)
        findings.check("\(field).maxTime", maxTime, in: 1...86_400_000)
        findings.check("\(field).maxPercent", maxPercent, in: 0...100)
    }
}
