// `causeway-control reset-password USER`: asks for the new password at the terminal, or takes a line of standard input.

import ArgumentParser
import ControlPlane
import Logging
import Telemetry

struct ResetPassword: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        abstract: "Gives a user a new password, with or without a running control plane, and ends the user's sessions.",
        discussion: "The password is asked for; without a terminal it is the first line of standard input.")

    @Argument(help: "Name of the user.")
    var user: String

    @Option(help: "Folder of the control plane.")
    var data: String

    @Option(help: "Folder of the database's migrations.")
    var migrations = "migrations"

    func run() async throws {
        JSONLinesLogHandler.bootstrap(LogThreshold(.warning))
        do {
            let options = ControlPlaneOptions(data: data, migrations: migrations)
            print(
                try await PasswordReset.run(
                    options, user: user, password: try Terminal.newPassword(), logger: Logger(label: "causeway-control")
                ))
        } catch {
            Terminal.say("\(error)\n")
            throw ExitCode.failure
        }
    }
}
