// Mirrors JSONReader.swift.

import DataPlane
import Testing

struct JSONReaderTests {
    /// Members in their order, as text; nil: refused.
    private func read(_ text: String) -> [String]? { read(Array(text.utf8)) }

    private func read(_ input: [UInt8]) -> [String]? {
        var bytes = input
        var members: [String] = []
        let isRead = bytes.withUnsafeMutableBytes { bytes in
            withUnsafeTemporaryAllocation(of: JSONReader.Name.self, capacity: JSONReader.mostNames) { names in
                guard let names = names.baseAddress else { return false }
                return JSONReader.members(of: bytes, names: names) { name, value in
                    members.append("\(String(decoding: name, as: UTF8.self))=\(self.text(value))")
                    return true
                }
            }
        }
        return isRead ? members : nil
    }

    private func text(_ value: JSONValue) -> String {
        switch value {
        case .null: return "null"
        case .bool(let value): return "\(value)"
        case .number(let text): return String(decoding: text, as: UTF8.self)
        case .string(let text): return "'\(String(decoding: text, as: UTF8.self))'"
        case .object: return "{}"
        case .list(let list):
            var strings: [String] = []
            let areStrings = JSONReader.strings(of: list) {
                strings.append(String(decoding: $0, as: UTF8.self))
                return true
            }
            return areStrings ? "\(strings)" : "[]"
        }
    }

    @Test func readsWhatTokensHold() {
        #expect(
            read(
                #" { "iss" : "a\u0042\/\"\\" , "exp":1e3, "ok":true,"no":false,"nothing":null,"aud":["x","\u00e9\ud83d\ude00"] , "o":{"a":[1,{}]}} "#
            ) == [
                #"iss='aB/"\'"#, "exp=1e3", "ok=true", "no=false", "nothing=null", #"aud=["x", "é😀"]"#, "o={}",
            ])
        #expect(read("{}") == [])
        #expect(read(#"{"":""}"#) == ["=''"])
        #expect(read(#"{"a":[],"b":["x",1],"c":[{"x":"y"}]}"#) == ["a=[]", "b=[]", "c=[]"])
    }

    @Test(arguments: [
        "", " ", "[]", "1", "\"a\"", "{", "}", "{}x", "{}{}", #"{"a"}"#, #"{"a":}"#, #"{"a":1,}"#, #"{,"a":1}"#,
        #"{"a":1 "b":2}"#,
        #"{a:1}"#, #"{'a':1}"#, #"{"a":01}"#, #"{"a":+1}"#, #"{"a":.5}"#, #"{"a":1.}"#, #"{"a":1e}"#, #"{"a":-}"#,
        #"{"a":NaN}"#, #"{"a":tru}"#, #"{"a":"\x"}"#, #"{"a":"\u12g4"}"#, #"{"a":"\ud800"}"#, #"{"a":"\udc00"}"#,
        #"{"a":"\ud800\u0041"}"#, "{\"a\":\"\n\"}", #"{"a":"x"#, #"{"a":[1"#, #"{"a":[1,]}"#, #"{"a":{"b":1}"#,
        "\u{feff}{}",
    ])
    func refusesWhatIsNoObject(_ text: String) {
        #expect(read(text) == nil)
    }

    /// Two readers could take two of them.
    @Test func refusesNamesThatStandTwice() {
        #expect(read(#"{"iss":"a","iss":"b"}"#) == nil)
        #expect(read(#"{"iss":"a","\u0069ss":"b"}"#) == nil, "also where one is written in another way")
        #expect(read(#"{"a":{"b":1,"b":2}}"#) == nil)
        #expect(read(#"{"a":[{"b":1,"b":2}]}"#) == nil)
        #expect(read(#"{"a":{"b":1},"b":2,"c":{"b":3}}"#) == ["a={}", "b=2", "c={}"])
        #expect(read(#"{"é":1,"\u00e9":2}"#) == nil)
    }

    @Test func boundsDepthAndNames() {
        func nested(_ depth: Int) -> String {
            #"{"a":"# + String(repeating: "[", count: depth) + String(repeating: "]", count: depth) + "}"
        }
        #expect(read(nested(JSONReader.deepest - 1)) != nil)
        #expect(read(nested(JSONReader.deepest)) == nil)
        #expect(read(nested(100_000)) == nil)
        func wide(_ names: Int) -> String { "{" + (0..<names).map { "\"\($0)\":0" }.joined(separator: ",") + "}" }
        #expect(read(wide(JSONReader.mostNames))?.count == JSONReader.mostNames)
        #expect(read(wide(JSONReader.mostNames + 1)) == nil)
    }

    @Test(
        arguments: [
            [0x80], [0xc0, 0x80], [0xc3], [0xe0, 0x80, 0x80], [0xed, 0xa0, 0x80], [0xf0, 0x80, 0x80, 0x80],
            [0xf4, 0x90, 0x80, 0x80],
            [0xf5, 0x80, 0x80, 0x80], [0xff], [0xe2, 0x82],
        ] as [[UInt8]])
    func refusesWhatIsNoUnicode(_ bytes: [UInt8]) {
        #expect(read(Array(#"{"a":""#.utf8) + bytes + Array(#""}"#.utf8)) == nil)
    }

    @Test(
        arguments: [
            ("0", 0), ("1700000000", 1_700_000_000), ("1700000000.5", 1_700_000_000.5), ("1.7e9", 1_700_000_000),
            ("17E+8", 1_700_000_000),
            ("-1", -1), ("17000000000e-1", 1_700_000_000), ("0e99999", 0),
        ] as [(String, Double)])
    func readsPointsInTime(_ text: String, _ seconds: Double) {
        #expect(time(text).map { abs($0 - seconds) < 1e-6 } == true)
    }

    @Test(arguments: ["1e15", "1e400", "1e99999999", "99999999999999999999999999999999", "\"1\"", "true", "null"])
    func refusesPointsThatNoClockShows(_ text: String) {
        #expect(time(text) == nil)
    }

    private func time(_ text: String) -> Double? {
        var bytes = Array("{\"exp\":\(text)}".utf8)
        var result: Double?
        _ = bytes.withUnsafeMutableBytes { bytes in
            withUnsafeTemporaryAllocation(of: JSONReader.Name.self, capacity: JSONReader.mostNames) { names in
                guard let names = names.baseAddress else { return false }
                return JSONReader.members(of: bytes, names: names) { _, value in
                    result = value.seconds
                    return true
                }
            }
        }
        return result
    }

    @Test func takesNothingAmissOfAnyBytes() {
        let seed = UInt64.random(in: 0...UInt64.max)
        var random = SeededGenerator(seed: seed)
        let sample = Array(#"{"iss":"é\u00e9","aud":["a",{"b":[1.5e3,true]}],"exp":1}"#.utf8)
        for _ in 0..<20_000 {
            var bytes = sample
            for _ in 0..<Int.random(in: 1...4, using: &random) {
                let index = Int.random(in: 0..<bytes.count, using: &random)
                switch UInt8.random(in: 0...2, using: &random) {
                case 0: bytes[index] = UInt8.random(in: 0...255, using: &random)
                case 1: bytes.remove(at: index)
                default: bytes.insert(sample[Int.random(in: 0..<sample.count, using: &random)], at: index)
                }
            }
            _ = read(bytes)
        }
    }
}
