// Bodies into models: what is malformed, what has the wrong type and where, and what the model does not know.

import ConsoleModel
import Testing

struct BodyDecodingTests {
    @Test(arguments: [
        ("", "The body is empty"),
        (#"{"name":"#, "line 1, column 9: the text ends too early"),
        (#"{"name":'x'}"#, "line 1, column 9: a value is expected"),
        ("{\n  \"a\": 1,\n  b: 2}", "line 3, column 3: a field's name in double quotes is expected"),
        ("{\"a\":1,}", "line 1, column 8: a field's name"),
        ("{\"a\" 1}", "line 1, column 6: a ':' is expected"),
        ("{\"a\":[1 2]}", "line 1, column 9: a ',' or ']' is expected"),
        ("{\"name\":\"\u{1}\"}", "line 1, column 10: a control character"),
        (#"{"a":"\x"}"#, "line 1, column 8: this escape does not exist"),
        (#"{"a":"\u12g4"}"#, "line 1, column 8: four hexadecimal digits"),
        (#"{"a":01}"#, "a number must not begin with 0"),
        (#"{"a":1.}"#, "a digit is expected"),
        (#"{"a":1} x"#, "line 1, column 9: something follows"),
        (#"{"a":nul}"#, "line 1, column 6: a value is expected"),
        (String(repeating: "[", count: 100_000), "nested too deeply"),
    ])
    func malformedBodiesSayWhere(body: String, message: String) {
        #expect {
            try ConsoleJSON.decode(Console.Domain.self, from: Array(body.utf8))
        } throws: { error in
            guard case BodyError.malformed(let text) = error else { return false }
            return text.contains(message)
        }
    }

    @Test(arguments: [
        (#"{"name":5}"#, FieldError("name", "Must be text, not a number.")),
        (#"{"domains":"a"}"#, FieldError("domains", "Must be a list, not text.")),
        (#"{"domains":["a",7]}"#, FieldError("domains[1]", "Must be text, not a number.")),
        (#"{"path":[]}"#, FieldError("path", "Must be an object, not a list.")),
        (
            #"{"services":[{"name":"a","port":"80"}]}"#,
            FieldError("services[0].port", "Must be a whole number, not text.")
        ),
        (
            #"{"services":[{"name":"a","port":80.5}]}"#,
            FieldError("services[0].port", "Must be a whole number in range.")
        ),
        (#"{"services":[{"weight":1e30}]}"#, FieldError("services[0].weight", "Must be a whole number in range.")),
        (#"{"path":{"caseSensitive":"yes"}}"#, FieldError("path.caseSensitive", "Must be true or false, not text.")),
        (#"{"customConfigs":{"a":1}}"#, FieldError("customConfigs.a", "Must be text, not a number.")),
        (#"{"rateLimit":{"qps":1e400}}"#, FieldError("rateLimit.qps", "Must be a number in range.")),
        (#"[1]"#, FieldError("", "The body must be a JSON object, not a list.")),
        (#""x""#, FieldError("", "The body must be a JSON object, not text.")),
    ])
    func wrongTypesNameTheField(body: String, expected: FieldError) {
        #expect(throws: BodyError.wrongType(expected)) {
            try ConsoleJSON.decode(Console.Route.self, from: Array(body.utf8))
        }
    }

    @Test func unknownFieldsAreNamedWithTheirPath() throws {
        let body = """
            {"name":"r","colour":"red","path":{"matchType":"PRE","matchvalue":"/"},"services":[{"name":"a"},{"nme":"b"}],
             "customConfigs":{"anything":"goes"},"warnings":["ours"],"nothing":null}
            """
        let decoded = try ConsoleJSON.decode(Console.Route.self, from: Array(body.utf8))
        #expect(decoded.unknownFields == ["colour", "path.matchvalue", "services[1].nme"])
        #expect(decoded.value.path?.matchType == "PRE")
    }

    @Test func bytesThatAreNoTextAreMalformed() {
        #expect(throws: BodyError.malformed("The body is not valid JSON: line 1, column 7: the text is not UTF-8.")) {
            try ConsoleJSON.decode(
                Console.Domain.self, from: Array(#"{"a":""#.utf8) + [0xc3, 0x28] + Array("\"}".utf8))
        }
    }

    @Test func everyJSONIsTaken() throws {
        let text = #" { "a" : [ 1 , -0.5e+10 , "\u00e9\n\"" , true , false , null , { } , [ ] ] } "#
        let decoded = try ConsoleJSON.decode(Console.Domain.self, from: Array(text.utf8))
        #expect(decoded.unknownFields == ["a"])
    }

    @Test func missingMembersAndNullMeanTheSame() throws {
        let absent: Console.Route = try decode(#"{"name":"r"}"#)
        let null: Console.Route = try decode(#"{"name":"r","version":null,"domains":null,"customConfigs":null}"#)
        #expect(absent == null)
        #expect(absent.domains == [])
    }

    @Test func everyMemberIsWritten() throws {
        let text = String(decoding: try ConsoleJSON.encode(Console.Domain(name: "a.test")), as: UTF8.self)
        #expect(
            text
                == #"{"certIdentifier":null,"clientAuth":null,"enableHttps":null,"name":"a.test","tls":null,"version":null}"#
        )
    }

    @Test func valuesOfAnyShapeComeBackAsTheyWere() throws {
        let text = #"{"a":[1,2.5,"x",true,null,{"b":{}}],"c":-9223372036854775808}"#
        let value: JSONValue = try decode(text)
        #expect(String(decoding: try ConsoleJSON.encode(value), as: UTF8.self) == text)
    }
}
