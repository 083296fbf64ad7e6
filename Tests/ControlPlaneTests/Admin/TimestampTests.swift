// Times of answers lead back to the same millisecond.

import ControlPlane
import Testing

struct TimestampTests {
    @Test func everyMillisecondOfASecondComesBack() {
        for offset in 0..<1_000 as Range<Int64> {
            let time = 1_795_000_000_000 + offset
            #expect(Timestamp.milliseconds(Timestamp.text(time)) == time)
        }
        #expect(Timestamp.text(1_795_000_000_123).hasSuffix(".123Z"))
        #expect(Timestamp.milliseconds("2026-11-18T09:46:40Z") == 1_794_995_200_000)
        #expect(Timestamp.milliseconds("yesterday") == nil)
    }
}
