// Times of answers can be given back in queries, to the millisecond.

import ControlPlane
import Testing

struct TimestampTests {
    @Test func everyMillisecondComesBack() {
        for milliseconds in (0..<2_000).map({ Int64($0) * 86_399_977 + 1_764_000_000_557 }) {
            #expect(Timestamp.milliseconds(Timestamp.text(milliseconds)) == milliseconds)
        }
    }

    @Test(
        arguments: [
            ("2026-01-31T12:00:00Z", 1_769_860_800_000), ("2026-01-31T12:00:00.5Z", 1_769_860_800_500),
            ("2026-01-31T13:00:00.123456+01:00", 1_769_860_800_123), ("2026-01-31", nil),
            ("2026-01-31T12:00:00.Z", nil),
            ("yesterday", nil), ("", nil),
        ] as [(String, Int64?)])
    func timesAreRead(text: String, milliseconds: Int64?) {
        #expect(Timestamp.milliseconds(text) == milliseconds)
    }

    @Test func timesBeforeTheEpochAreWritten() {
        #expect(Timestamp.text(-1) == "1969-12-31T23:59:59.999Z")
        #expect(Timestamp.text(0) == "1970-01-01T00:00:00.000Z")
    }
}
