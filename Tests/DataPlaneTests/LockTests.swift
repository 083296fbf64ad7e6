// The lock that the worker's threads share values by.

import DataPlane
import Testing

struct LockTests {
    private struct Refused: Error {}

    @Test func oneThreadAtATimeUsesTheValue() async {
        let counted = Lock<[Int]>([0, 0])
        await withTaskGroup(of: Void.self) { group in
            for _ in 0..<4 {
                group.addTask {
                    for _ in 0..<10_000 {
                        counted.withLock { counts in
                            counts[0] += 1
                            counts[1] = counts[0]
                        }
                    }
                }
            }
        }
        #expect(counted.withLock { $0 } == [40_000, 40_000])
    }

    @Test func anErrorOpensIt() {
        let lock = Lock(1)
        #expect(throws: Refused.self) {
            try lock.withLock { value throws(Refused) in
                value = 2
                throw Refused()
            }
        }
        #expect(lock.withLock { $0 } == 2)
    }
}
