// How many may be tried again at once.

import DataPlane
import Testing

struct RetryBudgetTests {
    private func granted(of active: Int) -> Int {
        var budget = RetryBudget()
        return (0..<active).count { _ in budget.take(ofActive: active) }
    }

    @Test func threeAtLeastAndAFifthOfMany() {
        #expect([1, 3, 10, 15, 20, 100, 1_000].map(granted) == [1, 3, 3, 3, 4, 20, 200])
    }

    @Test func whatIsOverMakesRoom() {
        var budget = RetryBudget()
        let first = (0..<4).map { _ in budget.take(ofActive: 1) }
        budget.giveBack()
        let second = (0..<2).map { _ in budget.take(ofActive: 1) }
        #expect(first == [true, true, true, false])
        #expect(second == [true, false])
    }
}
