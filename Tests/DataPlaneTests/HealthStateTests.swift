// What checks and failures make of an endpoint, by event.

import ConfigModel
import DataPlane
import Testing

struct HealthStateTests {
    private let check = HealthCheck(.tcp, unhealthyThreshold: 3, healthyThreshold: 2)

    private func changes(_ results: [Bool]) -> [HealthState.OnChecked] {
        var state = HealthState()
        return results.map { state.checked(passed: $0, check) }
    }

    @Test func theFirstFailureCountsAtOnce() {
        #expect(changes([false]) == [.becameUnhealthy])
    }

    @Test func afterThatItTakesAsManyInARow() {
        #expect(
            changes([true, false, false, true, false, false, false, false])
                == [
                    .unchanged, .unchanged, .unchanged, .unchanged, .unchanged, .unchanged, .becameUnhealthy,
                    .unchanged,
                ])
    }

    @Test func soDoesTheWayBack() {
        #expect(
            changes([false, true, false, true, true, true])
                == [.becameUnhealthy, .unchanged, .unchanged, .unchanged, .becameHealthy, .unchanged])
    }

    private let ejection = Ejection(failures: 2, baseTime: 100, maxTime: 250)

    @Test func failuresInARowAskForAnEjection() {
        var state = EjectionState()
        let first = state.failed(ejection)
        state.succeeded()
        let asked = (0..<4).map { _ in state.failed(ejection) }
        #expect(!first)
        #expect(asked == [false, true, false, true], "the count begins anew")
    }

    @Test func nothingAsksWhereItIsOff() {
        var state = EjectionState()
        for _ in 0..<100 where state.failed(Ejection(failures: 0)) { Issue.record("asked") }
    }

    @Test func eachTimeIsLongerUpToALimit() {
        var state = EjectionState()
        var now: UInt64 = 1_000
        var times: [UInt64] = []
        for _ in 0..<4 {
            state.eject(now: now, ejection)
            times.append(state.until - now)
            now = state.until + 1
        }
        #expect(times == [100, 200, 250, 250])
        // Gone for twice as long as it was away: forgotten.
        now = state.until + 500
        state.eject(now: now, ejection)
        #expect(state.until - now == 100)
    }

    @Test func whoIsAsideIsNotEjectedAgain() {
        var state = EjectionState()
        state.eject(now: 1_000, ejection)
        state.eject(now: 1_050, ejection)
        #expect(state.until == 1_100)
    }

    @Test(arguments: [(0, 100), (50, 100), (100, 100), (500, 500), (999, 999), (1_000, 1_000), (9_999, 1_000)])
    func sharesGrowEvenly(elapsed: UInt64, share: Int) {
        #expect(slowStartShare(since: 5_000, now: 5_000 + elapsed, window: 1_000) == share)
        #expect(slowStartShare(since: 5_000, now: 1, window: 1_000) == 100, "not begun: ejected until then")
    }
}
