// The JSON forms that some types of google.protobuf have of their own, from and to the form that their fields would have. The
// codec reads and writes fields; what stands here makes `"1.5s"` of `{"seconds": "1", "nanos": 500000000}` and back.

import ConsoleModel

/// Of types whose JSON is not an object of their fields. `Any` is not among them: it needs the types that it may hold.
enum SpecialForm {
    case duration, timestamp, fieldMask, structure, list, value
    case wrapper(FieldKind)

    private static let byName: [String: SpecialForm] = {
        var all: [String: SpecialForm] = [
            "Duration": .duration, "Timestamp": .timestamp, "FieldMask": .fieldMask, "Struct": .structure,
            "ListValue": .list, "Value": .value,
        ]
        for (name, kind) in WellKnownTypes.wrappers { all[name] = .wrapper(kind) }
        return Dictionary(all.map { ("google.protobuf.\($0)", $1) }) { first, _ in first }
    }()

    static let any = "google.protobuf.Any"

    init?(_ type: String) {
        guard let found = Self.byName[type] else { return nil }
        self = found
    }

    // MARK: From fields

    /// `nil`: the fields hold what the form cannot tell.
    func special(of plain: [String: JSONValue]) -> JSONValue? {
        switch self {
        case .duration: Self.durationText(plain).map { .string($0) }
        case .timestamp: Self.timestampText(plain).map { .string($0) }
        case .fieldMask: Self.maskText(plain["paths"]).map { .string($0) }
        case .structure: plain["fields"] ?? .object([:])
        case .list: plain["values"] ?? .array([])
        case .value: Self.member(plain)
        case .wrapper(let kind): plain["value"] ?? Self.zero(kind)
        }
    }

    private static func number(_ plain: [String: JSONValue], _ name: String) -> Int64 {
        switch plain[name] {
        case .string(let text): Int64(text) ?? 0
        case .integer(let value): value
        default: 0
        }
    }

    /// 0, 3, 6 or 9 digits.
    private static func fraction(_ nanos: Int64) -> String {
        if nanos == 0 { return "" }
        var digits = String(1_000_000_000 + nanos).dropFirst()
        while digits.hasSuffix("000") { digits = digits.dropLast(3) }
        return ".\(digits)"
    }

    private static let mostSeconds: Int64 = 315_576_000_000
    private static let timestamps: ClosedRange<Int64> = -62_135_596_800...253_402_300_799

    private static func durationText(_ plain: [String: JSONValue]) -> String? {
        let (seconds, nanos) = (number(plain, "seconds"), number(plain, "nanos"))
        guard (-mostSeconds...mostSeconds).contains(seconds), (-999_999_999...999_999_999).contains(nanos),
            seconds == 0 || nanos == 0 || (seconds < 0) == (nanos < 0)
        else { return nil }
        return "\(seconds < 0 || nanos < 0 ? "-" : "")\(abs(seconds))\(fraction(abs(nanos)))s"
    }

    private static func timestampText(_ plain: [String: JSONValue]) -> String? {
        let (seconds, nanos) = (number(plain, "seconds"), number(plain, "nanos"))
        guard timestamps.contains(seconds), (0...999_999_999).contains(nanos) else { return nil }
        let days = (seconds - (seconds % 86_400 + 86_400) % 86_400) / 86_400
        let rest = seconds - days * 86_400
        let date = CivilDate(daysSinceEpoch: days)
        func two(_ value: Int64) -> String { value < 10 ? "0\(value)" : "\(value)" }
        let year = String(10_000 + date.year).dropFirst()
        let day = "\(year)-\(two(date.month))-\(two(date.day))"
        return "\(day)T\(two(rest / 3_600)):\(two(rest / 60 % 60)):\(two(rest % 60))\(fraction(nanos))Z"
    }

    private static func maskText(_ paths: JSONValue?) -> String? {
        guard case .array(let paths)? = paths else { return "" }
        var made: [String] = []
        for case .string(let path) in paths {
            let camel = FileDescriptor.camelCase(path)
            // What does not come back the same has no form in JSON.
            guard snakeCase(camel) == path else { return nil }
            made.append(camel)
        }
        return made.joined(separator: ",")
    }

    private static func member(_ plain: [String: JSONValue]) -> JSONValue? {
        // NaN and the infinities are text by now, and a Value's text is another thing.
        if case .string? = plain["numberValue"] { return nil }
        return plain.first?.value ?? .null
    }

    private static func zero(_ kind: FieldKind) -> JSONValue {
        switch kind {
        case .bool: .bool(false)
        case .bytes, .string: .string("")
        case .int64, .uint64: .string("0")
        case .double, .float: .number(0)
        default: .integer(0)
        }
    }

    // MARK: To fields

    /// Throws what the form must be.
    func plain(of special: JSONValue) throws(MessageFault) -> [String: JSONValue] {
        switch (self, special) {
        case (.duration, .string(let text)):
            guard let (seconds, nanos) = Self.duration(text) else { throw words }
            return ["seconds": .integer(seconds), "nanos": .integer(nanos)]
        case (.timestamp, .string(let text)):
            guard let (seconds, nanos) = Self.timestamp(text) else { throw words }
            return ["seconds": .integer(seconds), "nanos": .integer(nanos)]
        case (.fieldMask, .string(let text)):
            let paths = text.isEmpty ? [] : text.split(separator: ",", omittingEmptySubsequences: false)
            guard !paths.contains(where: { $0.isEmpty || $0.contains("_") }) else { throw words }
            return ["paths": .array(paths.map { .string(Self.snakeCase(String($0))) })]
        case (.structure, .object): return ["fields": special]
        case (.list, .array): return ["values": special]
        case (.value, .null): return ["nullValue": .null]
        case (.value, .bool): return ["boolValue": special]
        case (.value, .integer), (.value, .number): return ["numberValue": special]
        case (.value, .string): return ["stringValue": special]
        case (.value, .array): return ["listValue": special]
        case (.value, .object): return ["structValue": special]
        case (.wrapper, _): return ["value": special]
        default: throw words
        }
    }

    private var words: MessageFault {
        switch self {
        case .duration:
            MessageFault(
                "Must be a duration in seconds as text, as in \"1.5s\": at most nine digits behind the point, \(Self.mostSeconds) s."
            )
        case .timestamp: MessageFault("Must be a time as text, as in \"2026-01-31T12:00:00.5Z\" (RFC 3339).")
        case .fieldMask:
            MessageFault("Must be text: names in camelCase with commas between, as in \"user.displayName,photo\".")
        case .structure: MessageFault("Must be an object.")
        case .list: MessageFault("Must be a list.")
        case .value, .wrapper: MessageFault("Has another form.")
        }
    }

    private static func nanos(_ digits: Substring) -> Int64? {
        guard (1...9).contains(digits.utf8.count), let value = digits.decimal else { return nil }
        return (digits.utf8.count..<9).reduce(value) { value, _ in value * 10 }
    }

    private static func duration(_ text: String) -> (Int64, Int64)? {
        guard text.hasSuffix("s") else { return nil }
        let isNegative = text.hasPrefix("-")
        let parts = text.dropLast().dropFirst(isNegative ? 1 : 0)
            .split(separator: ".", maxSplits: 1, omittingEmptySubsequences: false)
        guard let whole = parts.first?.decimal, whole <= mostSeconds, let nanos = parts.count < 2 ? 0 : nanos(parts[1])
        else { return nil }
        return isNegative ? (-whole, -nanos) : (whole, nanos)
    }

    private static func timestamp(_ text: String) -> (Int64, Int64)? {
        let form = /(\d{4})-(\d\d)-(\d\d)T(\d\d):(\d\d):(\d\d)(?:\.(\d{1,9}))?(?:Z|([+-])(\d\d):(\d\d))/
            .asciiOnlyDigits()
        guard let found = text.wholeMatch(of: form)?.output, let year = found.1.decimal, let month = found.2.decimal,
            let day = found.3.decimal, let hour = found.4.decimal, let minute = found.5.decimal,
            let second = found.6.decimal, (1...12).contains(month), hour < 24, minute < 60, second < 60,
            let nanos = found.7.map(nanos) ?? 0, let days = CivilDate(year: year, month: month, day: day).daysSinceEpoch
        else { return nil }
        var seconds = days * 86_400 + hour * 3_600 + minute * 60 + second
        if let sign = found.8 {
            guard let hours = found.9?.decimal, let minutes = found.10?.decimal, hours < 24, minutes < 60 else {
                return nil
            }
            seconds -= (sign == "-" ? -1 : 1) * (hours * 3_600 + minutes * 60)
        }
        return timestamps.contains(seconds) ? (seconds, nanos) : nil
    }

    private static func snakeCase(_ name: String) -> String {
        var made = ""
        for character in name.unicodeScalars {
            if ("A"..."Z").contains(character) {
                made += "_"
                made.unicodeScalars.append(Unicode.Scalar(UInt8(ascii: character) + 0x20))
            } else {
                made.unicodeScalars.append(character)
            }
        }
        return made
    }
}

/// A day of the Gregorian calendar, which is taken to have always been there.
private struct CivilDate {
    var year: Int64
    var month: Int64
    var day: Int64

    init(year: Int64, month: Int64, day: Int64) {
        self.year = year
        self.month = month
        self.day = day
    }

    /// Years begin in March here, so that the day that leap years add is their last; 400 of them have 146,097 days.
    init(daysSinceEpoch: Int64) {
        let shifted = daysSinceEpoch + 719_468
        let era = (shifted >= 0 ? shifted : shifted - 146_096) / 146_097
        let inEra = shifted - era * 146_097
        let yearOfEra = (inEra - inEra / 1_460 + inEra / 36_524 - inEra / 146_096) / 365
        let inYear = inEra - (365 * yearOfEra + yearOfEra / 4 - yearOfEra / 100)
        let shiftedMonth = (5 * inYear + 2) / 153
        day = inYear - (153 * shiftedMonth + 2) / 5 + 1
        month = shiftedMonth < 10 ? shiftedMonth + 3 : shiftedMonth - 9
        year = yearOfEra + era * 400 + (month <= 2 ? 1 : 0)
    }

    /// `nil`: the month has no such day.
    var daysSinceEpoch: Int64? {
        let shiftedYear = month <= 2 ? year - 1 : year
        let era = (shiftedYear >= 0 ? shiftedYear : shiftedYear - 399) / 400
        let yearOfEra = shiftedYear - era * 400
        let inYear = (153 * (month > 2 ? month - 3 : month + 9) + 2) / 5 + day - 1
        let days = era * 146_097 + yearOfEra * 365 + yearOfEra / 4 - yearOfEra / 100 + inYear - 719_468
        let back = CivilDate(daysSinceEpoch: days)
        return back.month == month && back.day == day ? days : nil
    }
}

extension Substring {
    /// Decimal digits and nothing else.
    fileprivate var decimal: Int64? {
        utf8.allSatisfy { (UInt8(ascii: "0")...UInt8(ascii: "9")).contains($0) } ? Int64(self) : nil
    }
}
