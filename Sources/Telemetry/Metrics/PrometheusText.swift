// The text that Prometheus scrapes (exposition format 0.0.4): families of samples with HELP and TYPE. A sample belongs to
// the family begun last, so that all lines of a family stand together, as the format demands.

/// Writes metric families one after the other.
package struct PrometheusText: ~Copyable {
    package enum Kind: String, Sendable {
        case counter, gauge, histogram
    }

    package static let contentType = "text/plain; version=0.0.4; charset=utf-8"

    /// Names and values; names are ours, values come from configuration.
    package typealias Labels = [(name: StaticString, value: String)]

    private var text = LineBuffer()
    private var family = ""
    private var families: Set<String> = []

    package init() {}

    /// Begins a family. Its name must be new: Prometheus drops a whole scrape over a name that occurs twice.
    package mutating func begin(_ name: String, _ kind: Kind, help: String) {
        precondition(Self.isName(name), "\(name) is not a metric name")
        precondition(families.insert(name).inserted, "metric \(name) is written twice")
        family = name
        text.append("# HELP ")
        text.append(utf8: name)
        text.append(" ")
        escape(help, quotes: false)
        text.append("\n# TYPE ")
        text.append(utf8: name)
        text.append(" ")
        text.append(utf8: kind.rawValue)
        text.append("\n")
    }

    package mutating func sample(_ labels: Labels = [], _ value: UInt64) {
        series("", labels, le: nil)
        text.append(decimal: value)
        text.append("\n")
    }

    package mutating func sample(_ labels: Labels = [], _ value: Int64) {
        series("", labels, le: nil)
        if value < 0 { text.append("-") }
        text.append(decimal: value.magnitude)
        text.append("\n")
    }

    package mutating func sample(_ labels: Labels = [], _ value: Double) {
        series("", labels, le: nil)
        number(value)
        text.append("\n")
    }

    /// Buckets, sum and count. Recorded values are divided by `divisor`: 1,000,000 makes seconds of microseconds.
    package mutating func histogram(_ labels: Labels = [], _ values: HistogramValues, divisor: Double) {
        for exponent in values.shape.exported {
            series("_bucket", labels, le: Double(UInt64(1) << UInt64(exponent)) / divisor)
            text.append(decimal: values.count(below: exponent))
            text.append("\n")
        }
        let count = values.count
        series("_bucket", labels, le: .infinity)
        text.append(decimal: count)
        text.append("\n")
        series("_sum", labels, le: nil)
        number(Double(values.sum) / divisor)
        text.append("\n")
        series("_count", labels, le: nil)
        text.append(decimal: count)
        text.append("\n")
    }

    package consuming func finish() -> [UInt8] {
        text.withUnsafeBytes { Array($0) }
    }

    private mutating func series(_ suffix: StaticString, _ labels: Labels, le: Double?) {
        text.append(utf8: family)
        text.append(suffix)
        var separator: StaticString = "{"
        for label in labels {
            text.append(separator)
            text.append(label.name)
            text.append("=\"")
            escape(label.value, quotes: true)
            text.append("\"")
            separator = ","
        }
        if let le {
            text.append(separator)
            text.append("le=\"")
            number(le)
            text.append("\"")
        }
        text.append(labels.isEmpty && le == nil ? " " : "} ")
    }

    private mutating func number(_ value: Double) {
        if value == .infinity {
            text.append("+Inf")
        } else if value == -.infinity {
            text.append("-Inf")
        } else if value.isNaN {
            text.append("NaN")
        } else {
            text.append(utf8: value.description)
        }
    }

    /// HELP escapes backslash and line feed, label values the quote as well.
    private mutating func escape(_ value: String, quotes: Bool) {
        for byte in value.utf8 {
            switch byte {
            case UInt8(ascii: "\\"): text.append("\\\\")
            case UInt8(ascii: "\n"): text.append("\\n")
            case UInt8(ascii: "\"") where quotes: text.append("\\\"")
            default: text.append(byte: byte)
            }
        }
    }

    private static func isName(_ name: String) -> Bool {
        guard let first = name.utf8.first, !(UInt8(ascii: "0")...UInt8(ascii: "9") ~= first) else { return false }
        return name.utf8.allSatisfy {
            switch $0 {
            case UInt8(ascii: "a")...UInt8(ascii: "z"), UInt8(ascii: "A")...UInt8(ascii: "Z"),
                UInt8(ascii: "0")...UInt8(ascii: "9"), UInt8(ascii: "_"), UInt8(ascii: ":"):
                true
            default: false
            }
        }
    }
}
