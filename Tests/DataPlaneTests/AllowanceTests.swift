// Mirrors Guard/Allowance.swift.

import DataPlane
import Testing

@Suite struct AllowanceTests {
    /// How many in a row are allowed at one moment.
    private func burst(_ allowance: inout Allowance, rate: Int, burst: Int? = nil, now: UInt64) -> Int {
        var count = 0
        while count < 10_000, allowance.spend(1, rate: rate, burst: burst, now: now) { count += 1 }
        return count
    }

    @Test func allowsTwiceTheRateAtOnce() {
        var allowance = Allowance()
        let allowed1 = burst(&allowance, rate: 100, now: 5_000)
        #expect(allowed1 == 200)
    }

    @Test func allowsAsMuchAtOnceAsIsSaid() {
        var allowance = Allowance()
        let allowed2 = burst(&allowance, rate: 33, burst: 500, now: 5_000)
        #expect(allowed2 == 500)
    }

    @Test func timeGivesBackTheRate() {
        var allowance = Allowance()
        let allowed3 = burst(&allowance, rate: 100, now: 5_000)
        #expect(allowed3 == 200)
        // The one that was refused counts as well.
        let allowed4 = burst(&allowance, rate: 100, now: 5_500)
        #expect(allowed4 == 49)
        let allowed5 = burst(&allowance, rate: 100, now: 100_000)
        #expect(allowed5 == 200)
    }

    @Test func aLowRateLosesNothingBetweenLooks() {
        var allowance = Allowance()
        var refused = 0
        for now in stride(from: UInt64(0), to: 100_000, by: 10) where !allowance.spend(1, rate: 100, now: now) {
            refused += 1
        }
        #expect(refused == 0)
    }

    @Test func workGivesBack() {
        var allowance = Allowance()
        let allowed6 = burst(&allowance, rate: 10, now: 0)
        #expect(allowed6 == 20)
        allowance.earn(6)
        let allowed7 = burst(&allowance, rate: 10, now: 0)
        #expect(allowed7 == 5)
    }

    @Test func workIsNotSavedUp() {
        var allowance = Allowance()
        allowance.earn(1_000_000)
        let allowed8 = burst(&allowance, rate: 10, now: 0)
        #expect(allowed8 == 20)
        allowance.earn(.min)
        let allowed9 = allowance.spend(1, rate: 10, now: 0)
        #expect(!allowed9)
    }

    @Test func noRateIsNoBound() {
        var allowance = Allowance()
        let allowed10 = burst(&allowance, rate: 0, now: 0)
        #expect(allowed10 == 10_000)
    }

    @Test func theClockMayRunOver() {
        var allowance = Allowance()
        let end = UInt64(UInt32.max)
        let allowed11 = burst(&allowance, rate: 100, now: end)
        #expect(allowed11 == 200)
        let allowed12 = burst(&allowance, rate: 100, now: end + 1_000)
        #expect(allowed12 == 99)
    }
}
