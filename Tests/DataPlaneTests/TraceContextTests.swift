// W3C Trace Context: what counts as a traceparent, and the one that is made here.

import DataPlane
import Testing

@Suite struct TraceContextTests {
    private func parse(_ text: String) -> TraceContext? {
        Array(text.utf8).withUnsafeBytes { TraceContext($0) }
    }

    @Test(arguments: [
        "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01",
        "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-ff",
        "cc-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01",
        "01-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01-what-the-future-brings",
    ])
    func whatTheClientSendsIsRead(_ text: String) {
        let wanted = TraceContext(
            high: 0x4bf9_2f35_77b3_4da6, low: 0xa3ce_929d_0e0e_4736, parent: 0x00f0_67aa_0ba9_02b7)
        #expect(parse(text) == wanted)
    }

    @Test(arguments: [
        "",
        "00",
        "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-0",
        "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01-more",
        "01-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01.more",
        "ff-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01",
        "00-4BF92F3577B34DA6A3CE929D0E0E4736-00f067aa0ba902b7-01",
        "00-00000000000000000000000000000000-00f067aa0ba902b7-01",
        "00-4bf92f3577b34da6a3ce929d0e0e4736-0000000000000000-01",
        "00-4bf92f3577b34da6a3ce929d0e0e473g-00f067aa0ba902b7-01",
        "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-0x",
        "00_4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01",
        "00-4bf92f3577b34da6a3ce929d0e0e4736_00f067aa0ba902b7-01",
        "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7_01",
        " 0-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01",
    ])
    func whatBreaksTheRulesIsNone(_ text: String) {
        #expect(parse(text) == nil)
    }

    @Test func whatIsWrittenCanBeRead() {
        var generator = SystemRandomNumberGenerator()
        for _ in 0..<1_000 {
            let trace = TraceContext(
                high: generator.next(), low: generator.next(), parent: UInt64.random(in: 1...UInt64.max))
            var text = [UInt8](repeating: 0, count: TraceContext.textLength)
            text.withUnsafeMutableBufferPointer { trace.write(to: $0.baseAddress.unsafelyUnwrapped) }
            #expect(text.withUnsafeBytes { TraceContext($0) } == trace)
            #expect(text.suffix(3).elementsEqual("-00".utf8))
        }
        var digits = [UInt8](repeating: 0, count: 32)
        digits.withUnsafeMutableBufferPointer {
            TraceContext(high: 0x0123_4567_89ab_cdef, low: 0xfedc_ba98_7654_3210, parent: 1)
                .writeTraceID(to: $0.baseAddress.unsafelyUnwrapped)
        }
        #expect(String(decoding: digits, as: UTF8.self) == "0123456789abcdeffedcba9876543210")
    }
}
