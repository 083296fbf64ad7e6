// The rules of certificates before any PEM is parsed, and the way times are written.

import ConsoleModel
import Testing

struct CertificateTests {
    @Test(arguments: [
        (#"{"name":"a","cert":"x","key":"y"}"#, true, []),
        (#"{"name":"a"}"#, false, []),
        (#"{"name":"a","cert":"","key":""}"#, false, []),
        (#"{"name":"a"}"#, true, ["cert", "key"]),
        (#"{"name":"a","cert":"x"}"#, false, ["key"]),
        (#"{"name":"a","key":"x"}"#, true, ["cert"]),
        (#"{"name":"","cert":"x","key":"y"}"#, true, ["name"]),
        (#"{"name":"a\u0000b","cert":"x","key":"y"}"#, true, ["name"]),
        (#"{"name":"a/b","cert":"x","key":"y"}"#, true, ["name"]),
        (#"{"name":".hidden","cert":"x","key":"y"}"#, true, ["name"]),
    ])
    func certAndKeyComeTogether(json: String, creating: Bool, fields: [String]) throws {
        var certificate: Console.Certificate = try decode(json)
        certificate.normalize()
        #expect(certificate.check(creating: creating).fields == fields)
    }

    @Test(arguments: [
        (0, "1970/01/01 00:00:00Z"),
        (-1, "1969/12/31 23:59:59Z"),
        (951_782_400, "2000/02/29 00:00:00Z"),
        (1_709_251_199, "2024/02/29 23:59:59Z"),
        (1_767_225_600, "2026/01/01 00:00:00Z"),
        (4_107_542_399, "2100/02/28 23:59:59Z"),
        (4_107_542_400, "2100/03/01 00:00:00Z"),
        (253_402_300_799, "9999/12/31 23:59:59Z"),
        (-2_208_988_800, "1900/01/01 00:00:00Z"),
    ])
    func timesAreWrittenInUTC(seconds: Int64, text: String) {
        #expect(Console.Certificate.text(ofTime: seconds) == text)
    }
}
