// Close codes as they are counted: peers may send any of them, so that only those with a meaning have a series of their own.

package enum WebSocketClose {
    /// A close frame without a code (RFC 6455 §7.4.1).
    package static let noCode: UInt16 = 1005
    /// The end came without a close frame.
    package static let abnormal: UInt16 = 1006

    /// Registered codes that may be seen, those of libraries and of applications (§7.4.2), and whatever else peers write.
    package static let labels = [
        "1000", "1001", "1002", "1003", "1005", "1006", "1007", "1008", "1009", "1010", "1011", "1012", "1013", "1014",
        "3xxx", "4xxx", "other",
    ]

    /// Position in `labels`.
    package static func index(of code: UInt16) -> Int {
        switch code {
        case 1000...1003: Int(code) - 1000
        case 1005...1014: Int(code) - 1001
        case 3000...3999: 14
        case 4000...4999: 15
        default: 16
        }
    }
}
