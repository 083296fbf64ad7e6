// The settings that the control plane keeps in its database: what there is, of which type and within which bounds.
// `/system/config` shows some of them to everybody, as Higress does; `/v1/settings` shows and changes all that can be set.

import ConsoleModel

/// One setting.
struct Setting: Sendable {
    var name: String
    var fallback: JSONValue
    var meaning: String
    /// Whether `/system/config` tells it to everybody.
    var isPublic = false
    var range: ClosedRange<Int64>?

    /// What is wrong with a value, in words.
    func problem(with value: JSONValue) -> String? {
        switch (value, fallback) {
        case (.bool, .bool): return nil
        case (.integer(let number), .integer):
            guard let range, !range.contains(number) else { return nil }
            return "Must be between \(range.lowerBound) and \(range.upperBound)."
        case (.string(let text), .string):
            if text.utf8.count > 4_096 { return "Must have at most 4096 bytes." }
            if name == "index.redirect-target", !text.isEmpty, !text.hasPrefix("/") || text.hasPrefix("//") {
                return "Must be a path on this server."
            }
            return nil
        default: return "Must be \(fallback.kind), not \(value.kind)."
        }
    }
}

/// All of them.
enum Settings {
    enum Number: String {
        /// Seconds.
        case session = "session.lifetime"
        case keptSession = "session.kept-lifetime"
        case keptVersions = "versions.keep"
    }

    static let passwordChangeDisabled = "admin.password-change.disabled"

    /// What can be set.
    static let all: [Setting] = [
        Setting(
            name: passwordChangeDisabled, fallback: .bool(false),
            meaning: "Whether people may not change their own passwords.", isPublic: true),
        Setting(
            name: "login.prompt", fallback: .string(""), meaning: "Text on the page of the login.", isPublic: true),
        Setting(
            name: "index.redirect-target", fallback: .string(""),
            meaning: "Path of the page that comes after the login.", isPublic: true),
        Setting(
            name: "dashboard.url", fallback: .string(""), meaning: "Address of a dashboard of your own.", isPublic: true
        ),
        Setting(
            name: "dashboard.url.ai", fallback: .string(""), meaning: "The same, as Higress's clients ask for it.",
            isPublic: true),
        Setting(
            name: "dashboard.url.log", fallback: .string(""), meaning: "Address of a page with logs.", isPublic: true),
        Setting(
            name: Number.session.rawValue, fallback: .integer(86_400),
            meaning: "Seconds after which a session ends whose cookie goes with the browser.", range: 300...31_536_000),
        Setting(
            name: Number.keptSession.rawValue, fallback: .integer(2_592_000),
            meaning: "Seconds of a session that is to be kept (autoLogin).", range: 300...31_536_000),
        Setting(
            name: Number.keptVersions.rawValue, fallback: .integer(0),
            meaning: "Versions that can be shown and brought back; what only older ones held is deleted. 0: all.",
            range: 0...1_000_000),
    ]

    /// What `/system/config` tells besides, because clients of Higress look for it.
    private static let constants: [String: JSONValue] = [
        "route.default.initialized": .bool(false), "dashboard.builtin": .bool(false), "chat.enabled": .bool(false),
        "chat.endpoint": .string(""), "mode": .string("standalone"),
    ]

    static func named(_ name: String) -> Setting? { all.first { $0.name == name } }

    static func number(_ name: Number, in stored: [String: JSONValue]) -> Int {
        guard let value = stored[name.rawValue] ?? named(name.rawValue)?.fallback, case .integer(let number) = value
        else { return 0 }
        return Int(number)
    }

    /// The flat map of `/system/config`.
    static func config(_ stored: [String: JSONValue], isInitialized: Bool) -> [String: JSONValue] {
        var values = constants
        for setting in all where setting.isPublic { values[setting.name] = stored[setting.name] ?? setting.fallback }
        values["system.initialized"] = .bool(isInitialized)
        return values
    }

    /// The settings to keep of those that the set-up was given. Wrong types are refused, unknown names are named.
    static func check(_ given: [String: JSONValue], _ findings: inout Findings) -> [String: JSONValue] {
        given.filter { name, value in
            let field = "configs[\(name)]"
            guard let setting = named(name) else {
                findings.warn("\(field): is not a setting that can be given here; it is ignored.")
                return false
            }
            if let problem = setting.problem(with: value) {
                findings.refuse(field, problem)
                return false
            }
            return true
        }
    }
}
