// The rules of logins and of the first-run set-up.

import ConsoleModel
import Testing

struct AccountTests {
    @Test(arguments: [
        (#"{"adminUser":{"name":"admin","displayName":"Admin","password":"correct horse"}}"#, []),
        (#"{"adminUser":{"name":"admin","displayName":"Admin","password":"a:b:c:d:e"}}"#, []),
        (#"{}"#, ["adminUser"]),
        (#"{"adminUser":{"displayName":"A","password":"x"}}"#, ["adminUser.name"]),
        (#"{"adminUser":{"name":"a:b","displayName":"A","password":"x"}}"#, ["adminUser.name"]),
        (#"{"adminUser":{"name":"a\u0000","displayName":"A","password":"x"}}"#, ["adminUser.name"]),
        (#"{"adminUser":{"name":" a","displayName":"A","password":"x"}}"#, ["adminUser.name"]),
        (#"{"adminUser":{"name":"a","password":"x"}}"#, ["adminUser.displayName"]),
        (#"{"adminUser":{"name":"a","displayName":"A"}}"#, ["adminUser.password"]),
    ])
    func firstAccountNeedsNameAndPassword(json: String, fields: [String]) throws {
        let request: Console.InitRequest = try decode(json)
        #expect(request.check().fields == fields)
    }

    @Test func shortPasswordsAreWarnedAbout() throws {
        let request: Console.ChangePasswordRequest = try decode(#"{"oldPassword":"x","newPassword":"short"}"#)
        #expect(request.check().warnings == ["newPassword: a password of fewer than 8 characters is easily guessed."])
    }

    @Test func passwordsAreNotUnbounded() throws {
        let long = String(repeating: "x", count: 1_025)
        let request: Console.ChangePasswordRequest = try decode(#"{"oldPassword":"x","newPassword":"\#(long)"}"#)
        #expect(request.check().fields == ["newPassword"])
    }
}
