// Mirrors AddressRange.swift.

import ConfigModel
import Testing

struct AddressRangeTests {
    /// The two numbers of an address, as connections keep their peer's.
    private func numbers(_ text: String) throws -> (UInt64, UInt64) {
        let address = try #require(AddressRange(text))
        return (address.high, address.low)
    }

    @Test(arguments: [
        ("10.0.0.0/8", "10.255.1.2", true), ("10.0.0.0/8", "11.0.0.0", false), ("192.0.2.1", "192.0.2.1", true),
        ("192.0.2.1", "192.0.2.2", false), ("0.0.0.0/0", "203.0.113.9", true), ("0.0.0.0/0", "2001:db8::1", false),
        ("2001:db8::/32", "2001:db8:ffff::1", true), ("2001:db8::/32", "2001:db9::1", false),
        ("2001:db8::/127", "2001:db8::1", true), ("2001:db8::/127", "2001:db8::2", false), ("::/0", "10.0.0.1", true),
        ("*", "10.0.0.1", true), ("*", "2001:db8::1", true), ("10.1.2.3/8", "10.9.9.9", true),
        ("192.0.2.128/25", "192.0.2.127", false), ("192.0.2.128/25", "192.0.2.255", true),
    ])
    func containsWhatItsLeadingBitsSay(range: String, address: String, expected: Bool) throws {
        let (high, low) = try numbers(address)
        #expect(try #require(AddressRange(range)).contains(high, low) == expected)
    }

    @Test(arguments: [
        "", "10.0.0", "10.0.0.0/33", "10.0.0.0/-1", "10.0.0.0/", "10.0.0.0/8/8", "here", "::1/129", "[::1]",
        "1.2.3.4:80",
        "10.0.0.0/+8", "10.0.0.0/ 8",
    ])
    func refusesWhatIsNoRange(text: String) {
        #expect(AddressRange(text) == nil)
    }
}
