// When the log hears of limits that clients ran into.

import DataPlane
import Testing

struct LimitReportTests {
    private let second: UInt64 = 1_000_000_000

    @Test func tellsAtOnceThenOnceAMinuteWithAllThatCame() {
        var report = LimitReport(kinds: 2)
        #expect(report.look([0, 0], now: 5 * second) == nil)
        #expect(report.look([3, 0], now: 10 * second) == [3, 0])
        #expect(report.look([4, 1], now: 15 * second) == nil)
        #expect(report.look([9, 1], now: 69 * second) == nil)
        #expect(report.look([9, 1], now: 70 * second) == [6, 1])
    }

    @Test func saysNothingTwice() {
        var report = LimitReport(kinds: 1)
        #expect(report.look([7], now: second) == [7])
        #expect(report.look([7], now: 1_000 * second) == nil)
        #expect(report.look([8], now: 1_001 * second) == [1])
    }
}
