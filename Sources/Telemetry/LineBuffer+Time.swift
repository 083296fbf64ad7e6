// Points in time and spans as logs show them, by integer arithmetic: no locale, no time zone, no allocation.

extension LineBuffer {
    /// RFC 3339 in UTC with milliseconds, such as `2026-02-03T04:05:06.789Z`. Years 0000 to 9999; beyond, the nearest.
    package mutating func append(rfc3339 milliseconds: Int64) {
        let first: Int64 = -62_167_219_200_000
        let last: Int64 = 253_402_300_799_999
        let sinceYearZero = UInt64(min(max(milliseconds, first), last) - first)
        let (days, ofDay) = sinceYearZero.quotientAndRemainder(dividingBy: 86_400_000)
        let (year, month, day) = Self.civil(daysSinceYearZero: days)
        append(decimal: year, width: 4)
        append(byte: UInt8(ascii: "-"))
        append(decimal: month, width: 2)
        append(byte: UInt8(ascii: "-"))
        append(decimal: day, width: 2)
        append(byte: UInt8(ascii: "T"))
        append(decimal: ofDay / 3_600_000, width: 2)
        append(byte: UInt8(ascii: ":"))
        append(decimal: ofDay / 60_000 % 60, width: 2)
        append(byte: UInt8(ascii: ":"))
        append(decimal: ofDay / 1_000 % 60, width: 2)
        append(byte: UInt8(ascii: "."))
        append(decimal: ofDay % 1_000, width: 3)
        append(byte: UInt8(ascii: "Z"))
    }

    /// Nanoseconds as milliseconds with three decimals, rounded down.
    package mutating func append(milliseconds nanoseconds: UInt64) {
        let microseconds = nanoseconds / 1_000
        append(decimal: microseconds / 1_000)
        append(byte: UInt8(ascii: "."))
        append(decimal: microseconds % 1_000, width: 3)
    }

    /// Gregorian date of a day counted from 0000-01-01. Years are counted from March, so that the leap day comes last.
    private static func civil(daysSinceYearZero: UInt64) -> (year: UInt64, month: UInt64, day: UInt64) {
        // January and February of year 0 belong to the year before: 60 days, moved into an era of 400 years earlier.
        let days = daysSinceYearZero + 146_097 - 60
        let era = days / 146_097
        let ofEra = days % 146_097
        let yearOfEra = (ofEra - ofEra / 1_460 + ofEra / 36_524 - ofEra / 146_096) / 365
        let ofYear = ofEra - (365 * yearOfEra + yearOfEra / 4 - yearOfEra / 100)
        let fromMarch = (5 * ofYear + 2) / 153
        let day = ofYear - (153 * fromMarch + 2) / 5 + 1
        let month = fromMarch < 10 ? fromMarch + 3 : fromMarch - 9
        let year = yearOfEra + era * 400 + (month <= 2 ? 1 : 0) - 400
        return (year, month, day)
    }
}
